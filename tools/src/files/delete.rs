//! `files_delete`: a file or folder goes to the trash, from where it can come back.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::KIND;
use super::client::{Place, Root, beyond_mount, work};
use super::platform;
use super::probe::{find_out, is_trashed};
use super::rel::Rel;
use super::tally::Found;
use super::trash::{self, Held, fresh_id, lock, swap};
use super::walk::survey;
use super::{reserved, restore};
use crate::contract::{
    About, Audience, BlastRadius, Digest, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope,
    ToolError, TypedTool,
};
use crate::text::shown_os;

/// Moves to the trash.
pub(super) struct Delete;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// The configured target.
    target: String,
    /// The file or folder, relative to the target's root.
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// What went to the trash, relative to the root.
    path: String,
    /// The trash entry it is kept as.
    trash_entry: String,
    /// How many files it was, links and the like included.
    files: u64,
    /// How many folders it was.
    folders: u64,
    /// How many bytes it was.
    bytes: u64,
    /// Counting stopped: the numbers are at least these.
    truncated: bool,
}

#[async_trait]
impl TypedTool for Delete {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "files_delete",
            kind: KIND,
            title: "Delete to the trash",
            description: "Deletes a file, a link or a whole folder by moving it to the target's trash, from where an \
                          undo brings it back exactly. Refuses where another file system is mounted inside.",
            reversibility: Reversibility::Reversible,
            softened_by: Vec::new(),
            scope: Scope::Group,
            idempotent: true,
            open_world: false,
            credential: None,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let args = args.clone();
        work(lease, move |root| {
            let (place, found) = doomed(root, &args.path)?;
            trash::open(root)?;
            let mut evidence = vec![root.whereabouts()];
            evidence.extend(found.evidence());
            evidence.push(Evidence::seen(About::Undo, "the trash on the same file system keeps it", "device ids"));
            Ok(Preflight {
                targets: vec![root.target(found.stat.kind.as_str(), &place.rel, Some(found.stat.uid()))],
                blast_radius: radius(&found),
                reversibility: Reversibility::Reversible,
                destroys_recovery: false,
                evidence,
                alternative: None,
                fingerprint: fingerprint(&place, &found),
                summary: format!("move {} to the trash", found.text(&place.rel.shown())),
                pre_image: None,
            })
        })
        .await
    }

    fn effect(&self, _args: &Args, seen: &Preflight) -> Value {
        seen.whole()
    }

    fn aim(&self, _args: &Args, seen: &Preflight) -> Vec<Value> {
        super::aim(seen)
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let (args, seen) = (args.clone(), seen.fingerprint);
        work(lease, move |root| {
            let _lock = lock(root)?;
            let (place, found) = doomed(root, &args.path)?;
            if fingerprint(&place, &found) != seen {
                return Err(ToolError::changed(format!("{} is not what was looked at any more", place.rel.shown())));
            }
            let id = fresh_id();
            let held = Held { here: Some(found.print), kept: None };
            swap(root, &place, &id, held)?;
            let undo = restore::plan(&args.target, &place, &id, held.swapped());
            let tally = found.tally;
            let output = Output {
                path: place.rel.to_string(),
                trash_entry: id,
                files: tally.files,
                folders: tally.folders,
                bytes: tally.bytes,
                truncated: tally.truncated,
            };
            Ok(Done { output, undo: Some(undo) })
        })
        .await
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        let (again, path) = (self.look(args, lease).await, args.path.clone());
        find_out(again, seen, lease, move |root, uid| is_trashed(root, &path, uid)).await
    }
}

/// What is to go, if it may: it is there, and nothing is mounted at it or inside it.
pub(super) fn doomed(root: &Root, path: &str) -> Result<(Place, Found), ToolError> {
    doomed_as(root, path, |place| survey(root, place))
}

/// The same, looked at in a way of its own.
pub(super) fn doomed_as<F>(root: &Root, path: &str, look: F) -> Result<(Place, Found), ToolError>
where
    F: FnOnce(&Place) -> Result<Option<Found>, ToolError>,
{
    let rel = Rel::parse_inside(path)?;
    let place = root.place(&rel)?;
    reserved::leave(root, &place)?;
    let found = look(&place)?.ok_or_else(|| ToolError::not_found(format!("there is no {}", rel.shown())))?;
    if let Some(mounts) = found.tally.mounts() {
        return Err(beyond_mount(&mounts));
    }
    // Where counting stopped, the system's own list still says what is mounted further down.
    let unseen = || platform::mounts_below(&root.real.join(rel.to_string()));
    match found.tally.truncated.then(unseen).and_then(|mounts| mounts.into_iter().next()) {
        Some(mount) => Err(beyond_mount(&shown_os(mount.as_os_str()))),
        None => Ok((place, found)),
    }
}

/// The digest of what is at a place, and of the folder it lies in.
pub(super) fn fingerprint(place: &Place, found: &Found) -> Digest {
    Digest::of(&json!({ "folder": place.folder.uid(), "item": found.print }))
}

/// How much a found thing is.
pub(super) fn radius(found: &Found) -> BlastRadius {
    let tally = &found.tally;
    BlastRadius {
        resources: (tally.files + tally.folders).max(1),
        bytes: Some(tally.bytes),
        truncated: tally.truncated,
        ..BlastRadius::one(match found.stat.kind {
            super::Kind::Directory => Scope::Group,
            _ => Scope::Resource,
        })
    }
}
