//! `files_restore`: the other half of writing and deleting. A place and a trash entry change what they hold, so undoing it
//! is the same call again.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

use crate::contract::{
    About, Applied, BlastRadius, Change, Digest, Findings, Fingerprint, Preflight, Scope, Spec, TakesBack as _,
    ToolError,
};
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Place, Root, beyond_mount};
use crate::toolsets::files::model::kind::{Folders, Open};
use crate::toolsets::files::model::removal::radius;
use crate::toolsets::files::model::reserved;
use crate::toolsets::files::model::tally::Found;
use crate::toolsets::files::model::trash::{Entry, Held, Swap, fingerprint, parse_id, swap, undo};
use crate::toolsets::files::model::walk::survey;

/// Brings back from the trash, and takes away what is in its place.
pub(crate) struct Restore;

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The place, relative to the root.
    path: String,
    /// Something came back to it.
    restored: bool,
    /// What was there before is in the trash now.
    taken_away: bool,
}

pub(crate) struct Sides {
    place: Place,
    id: String,
    here: Option<Found>,
    kept: Option<Found>,
}

impl Sides {
    fn held(&self) -> Held {
        let print = |found: &Option<Found>| found.as_ref().map(|found| found.print);
        Held { here: print(&self.here), kept: print(&self.kept) }
    }

    fn summary(&self) -> String {
        let shown = self.place.rel.shown();
        match (&self.here, &self.kept) {
            (None, Some(kept)) => format!("bring {} back from the trash", kept.text(&shown)),
            (Some(here), None) => format!("move {} to the trash", here.text(&shown)),
            (Some(here), Some(kept)) => {
                format!("put {} in the place of {}", kept.text("the kept version"), here.text(&shown))
            }
            (None, None) => format!("leave {shown} as it is"),
        }
    }
}

fn sides(root: &Root, args: &Swap) -> Result<Sides, ToolError> {
    let (rel, id) = (Rel::parse_inside(&args.path)?, parse_id(&args.trash_entry)?);
    let place = root.place(&rel)?;
    reserved::leave(root, &place)?;
    let here = survey(root, &place)?;
    let kept = Entry::open(root, &id)?.map(|entry| entry.survey(root, &rel)).transpose()?.flatten();
    if here.is_none() && kept.is_none() {
        return Err(ToolError::not_found(format!("the trash entry `{id}` is gone: nothing can be brought back")));
    }
    let mounts = [&here, &kept].into_iter().flatten().find_map(|found| found.tally.mounts());
    match mounts {
        Some(mounts) => Err(beyond_mount(&mounts)),
        None => Ok(Sides { place, id, here, kept }),
    }
}

impl Fingerprint for Sides {
    fn fingerprint(&self) -> Digest {
        fingerprint(&self.place, self.held())
    }

    fn moved(&self) -> String {
        format!("{} or what the trash keeps of it has changed", self.place.rel.shown())
    }
}

#[async_trait]
impl Change for Restore {
    type Kind = Folders;
    type Args = Swap;
    type Output = Output;
    type Seen = Sides;
    const SPEC: Spec = Spec::undo(
        Swap::TOOL,
        "Bring back from the trash",
        "Puts what a trash entry keeps back in its place, and keeps what is there now in that entry.",
    )
    .scope(Scope::Group);

    async fn observe(args: &Swap, root: &mut Open<'_>) -> Result<Sides, ToolError> {
        sides(root, args)
    }

    async fn describe(_args: &Swap, sides: &Sides, root: &mut Open<'_>) -> Result<Findings, ToolError> {
        let main = sides.here.as_ref().or(sides.kept.as_ref());
        let kind = main.map_or("file", |found| found.stat.kind.as_str());
        let target = root.target(kind, &sides.place.rel, sides.here.as_ref().map(|found| found.stat.uid()));
        let findings = Findings::on([target], sides.summary())
            .radius(main.map_or_else(|| BlastRadius::one(Scope::Resource), radius));
        Ok(match &sides.here {
            Some(here) => {
                findings.facts(here.evidence()).fact(About::Undo, "the trash keeps what is there now", "device ids")
            }
            None => findings,
        })
    }

    async fn apply(
        _args: &Swap,
        sides: Sides,
        _agreed: &Preflight,
        root: &mut Open<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let held = sides.held();
        swap(root, &sides.place, &sides.id, held)?;
        let (restored, taken_away) = (sides.kept.is_some(), sides.here.is_some());
        let output = Output { path: sides.place.rel.to_string(), restored, taken_away };
        Ok(Applied::new(output, undo(&sides.place, &sides.id, held.swapped())?))
    }

    async fn took_effect(args: &Swap, agreed: &Preflight, root: &mut Open<'_>) -> Result<bool, ToolError> {
        let now = sides(root, args)?;
        Ok(fingerprint(&now.place, now.held().swapped()) == agreed.fingerprint)
    }
}
