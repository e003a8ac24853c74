//! `files_delete`: a file or folder goes to the trash, from where it can come back.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::{
    About, Audience, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError, TypedTool,
};
use crate::toolsets::files::connect::work;
use crate::toolsets::files::model::KIND;
use crate::toolsets::files::model::probe::{find_out, is_trashed};
use crate::toolsets::files::model::removal::{doomed, fingerprint, radius};
use crate::toolsets::files::model::trash::{self, Held, fresh_id, lock, swap};

/// Moves to the trash.
pub(crate) struct Delete;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured target.
    target: String,
    /// The file or folder, relative to the target's root.
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
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
        crate::toolsets::files::model::aim(seen)
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
            let undo = trash::undo_plan(&args.target, &place, &id, held.swapped());
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
