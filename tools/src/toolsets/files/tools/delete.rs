//! `files_delete`: a file or folder goes to the trash, from where it can come back.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{About, Applied, Change, Findings, Preflight, Reversibility, Scope, Spec, ToolError};
use crate::toolsets::files::model::kind::{Folders, Open};
use crate::toolsets::files::model::probe::is_trashed;
use crate::toolsets::files::model::removal::Removal;
use crate::toolsets::files::model::trash::{self, Held, fresh_id, swap};

/// Moves to the trash.
pub(crate) struct Delete;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
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
impl Change for Delete {
    type Kind = Folders;
    type Args = Args;
    type Output = Output;
    type Seen = Removal;
    const SPEC: Spec = Spec::change(
        "files_delete",
        "Delete to the trash",
        "Deletes a file, a link or a whole folder by moving it to the target's trash, from where an undo brings it back \
         exactly. Refuses where another file system is mounted inside.",
        Reversibility::Reversible,
    )
    .scope(Scope::Group)
    .idempotent()
    .on_whole_things();

    async fn observe(args: &Args, root: &mut Open<'_>) -> Result<Removal, ToolError> {
        Removal::of(root, &args.path)
    }

    async fn describe(_args: &Args, seen: &Removal, root: &mut Open<'_>) -> Result<Findings, ToolError> {
        trash::open(root)?;
        let summary = format!("move {} to the trash", seen.found.text(&seen.place.rel.shown()));
        Ok(seen.findings(root, summary).fact(About::Undo, "the trash on the same file system keeps it", "device ids"))
    }

    async fn apply(
        _args: &Args,
        Removal { place, found }: Removal,
        _agreed: &Preflight,
        root: &mut Open<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let (id, tally) = (fresh_id(), found.tally);
        let held = Held { here: Some(found.print), kept: None };
        swap(root, &place, &id, held)?;
        let undo = trash::undo(&place, &id, held.swapped())?;
        let output = Output {
            path: place.rel.to_string(),
            trash_entry: id,
            files: tally.files,
            folders: tally.folders,
            bytes: tally.bytes,
            truncated: tally.truncated,
        };
        Ok(Applied::new(output, undo))
    }

    async fn took_effect(args: &Args, agreed: &Preflight, root: &mut Open<'_>) -> Result<bool, ToolError> {
        is_trashed(root, &args.path, agreed)
    }
}
