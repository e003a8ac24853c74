//! `files_restore`: the other half of writing and deleting. A place and a trash entry change what they hold, so undoing it
//! is the same call again.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    About, Audience, Digest, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError,
    TypedTool,
};
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Place, Root, beyond_mount, work};
use crate::toolsets::files::model::KIND;
use crate::toolsets::files::model::removal::radius;
use crate::toolsets::files::model::reserved;
use crate::toolsets::files::model::tally::Found;
use crate::toolsets::files::model::trash::{Entry, Held, RESTORE, fingerprint, lock, parse_id, swap, undo_plan};
use crate::toolsets::files::model::walk::survey;

/// Brings back from the trash, and takes away what is in its place.
pub(crate) struct Restore;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured target.
    target: String,
    /// The place, relative to the target's root.
    path: String,
    /// The trash entry that holds what was there before, or will hold what is there now.
    trash_entry: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The place, relative to the root.
    path: String,
    /// Something came back to it.
    restored: bool,
    /// What was there before is in the trash now.
    taken_away: bool,
}

struct Sides {
    place: Place,
    here: Option<Found>,
    kept: Option<Found>,
}

impl Sides {
    fn held(&self) -> Held {
        let print = |found: &Option<Found>| found.as_ref().map(|found| found.print);
        Held { here: print(&self.here), kept: print(&self.kept) }
    }

    fn fingerprint(&self) -> Digest {
        fingerprint(&self.place, self.held())
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

fn sides(root: &Root, rel: &Rel, id: &str) -> Result<Sides, ToolError> {
    let place = root.place(rel)?;
    reserved::leave(root, &place)?;
    let here = survey(root, &place)?;
    let kept = Entry::open(root, id)?.map(|entry| entry.survey(root, rel)).transpose()?.flatten();
    if here.is_none() && kept.is_none() {
        return Err(ToolError::not_found(format!("the trash entry `{id}` is gone: nothing can be brought back")));
    }
    let mounts = [&here, &kept].into_iter().flatten().find_map(|found| found.tally.mounts());
    match mounts {
        Some(mounts) => Err(beyond_mount(&mounts)),
        None => Ok(Sides { place, here, kept }),
    }
}

fn parsed(args: &Args) -> Result<(Rel, String), ToolError> {
    Ok((Rel::parse_inside(&args.path)?, parse_id(&args.trash_entry)?))
}

#[async_trait]
impl TypedTool for Restore {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: RESTORE,
            kind: KIND,
            title: "Bring back from the trash",
            description: "Puts what a trash entry keeps back in its place, and keeps what is there now in that entry.",
            reversibility: Reversibility::Reversible,
            softened_by: Vec::new(),
            scope: Scope::Group,
            idempotent: false,
            open_world: false,
            credential: None,
            audience: Audience::Undo,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let (rel, id) = parsed(args)?;
        work(lease, move |root| {
            let sides = sides(root, &rel, &id)?;
            let mut evidence = vec![root.whereabouts()];
            if let Some(here) = &sides.here {
                evidence.extend(here.evidence());
                evidence.push(Evidence::seen(About::Undo, "the trash keeps what is there now", "device ids"));
            }
            let main = sides.here.as_ref().or(sides.kept.as_ref());
            let kind = main.map_or("file", |found| found.stat.kind.as_str());
            let uid = sides.here.as_ref().map(|found| found.stat.uid());
            Ok(Preflight {
                targets: vec![root.target(kind, &rel, uid)],
                blast_radius: main.map_or_else(|| crate::contract::BlastRadius::one(Scope::Resource), radius),
                reversibility: Reversibility::Reversible,
                destroys_recovery: false,
                evidence,
                alternative: None,
                fingerprint: sides.fingerprint(),
                summary: sides.summary(),
                pre_image: None,
            })
        })
        .await
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let ((rel, id), target, seen) = (parsed(args)?, args.target.clone(), seen.fingerprint);
        work(lease, move |root| {
            let _lock = lock(root)?;
            let sides = sides(root, &rel, &id)?;
            if sides.fingerprint() != seen {
                return Err(ToolError::changed(format!("{} or what the trash keeps of it has changed", rel.shown())));
            }
            let held = sides.held();
            swap(root, &sides.place, &id, held)?;
            let output =
                Output { path: rel.to_string(), restored: sides.kept.is_some(), taken_away: sides.here.is_some() };
            Ok(Done { output, undo: Some(undo_plan(&target, &sides.place, &id, held.swapped())) })
        })
        .await
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        let Ok((rel, id)) = parsed(args) else { return Probe::Unknown };
        let before = seen.fingerprint;
        let look = work(lease, move |root| {
            let now = sides(root, &rel, &id)?;
            Ok(match now.fingerprint() {
                now if now == before => Probe::Unchanged,
                _ if fingerprint(&now.place, now.held().swapped()) == before => Probe::Changed,
                _ => Probe::Unknown,
            })
        });
        look.await.unwrap_or(Probe::Unknown)
    }
}
