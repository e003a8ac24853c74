//! All laws for all tools of a toolset: which are tried cannot be forgotten.

use serde_json::Value;

use super::{Broken, Ended, World, find, hold, needs_a_write_lease, obeys, refuses_when_moved};
use crate::Toolset;

/// One call under every law: in one world it is made, and in another of the same state that world moves first. Returns how it
/// ended, and whether it was tried on a moved state.
///
/// # Errors
/// The first law that does not hold.
pub async fn all<W: World>(
    mut world: impl FnMut() -> W,
    toolset: &dyn Toolset,
    tool: &str,
    args: &Value,
) -> Result<(Ended, bool), Broken> {
    let mutates = find(toolset, tool)?.declaration().mutates();
    let here = world();
    if mutates {
        needs_a_write_lease(&here, toolset, tool, args).await?;
    }
    let ended = obeys(&here, toolset, tool, args).await?;
    drop(here);
    let moved = mutates && refuses_when_moved(&world(), toolset, tool, args).await?;
    Ok((ended, moved))
}

/// Whether every tool of a toolset is among these, and nothing else.
///
/// # Errors
/// The first one that is missing, or that is none of them.
pub fn tries_every_tool(toolset: &dyn Toolset, tried: &[&str]) -> Result<(), Broken> {
    let tools = toolset.tools();
    let names: Vec<&str> = tools.iter().map(|tool| tool.declaration().name.as_ref()).collect();
    for name in &names {
        hold(tried.contains(name), || format!("`{name}` is not tried over generated states"))?;
    }
    let stranger = tried.iter().find(|tried| !names.contains(tried));
    hold(stranger.is_none(), || format!("{stranger:?} is no tool of `{}`", toolset.name()))
}

/// The tests of a toolset's tools over generated states, each with the tools it tries; and one that finds that none is missing
/// and that all declare well.
#[macro_export]
macro_rules! suite {
    ($toolset:expr; $($test:ident: [$($tool:literal),+] => $check:path;)+) => {
        $(
            #[test]
            fn $test() {
                $check();
            }
        )+

        #[test]
        fn every_tool_declares_well_and_is_tried() {
            let toolset = $toolset;
            $crate::laws::declares_well(&toolset).unwrap();
            $crate::laws::tries_every_tool(&toolset, &[$($($tool),+),+]).unwrap();
        }
    };
}
