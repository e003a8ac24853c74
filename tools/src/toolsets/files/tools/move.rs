//! `files_move`: a file or folder gets another path; nothing is replaced.

use std::ffi::OsStr;
use std::io;

use async_trait::async_trait;
use cap_std::fs::Dir;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::{
    Applied, Change, Digest, Findings, Fingerprint, Preflight, Reversibility, Scope, Spec, TakesBack, ToolError, Undo,
};
use crate::failpoint;
use crate::toolsets::files::connect::platform;
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Place, Root, io_error, sync_names};
use crate::toolsets::files::model::kind::{Folders, Open};
use crate::toolsets::files::model::probe::{self, id_of};
use crate::toolsets::files::model::removal::{Removal, moved, radius};
use crate::toolsets::files::model::reserved;
use crate::toolsets::files::model::tally::Found;
use crate::toolsets::files::model::walk::{survey, survey_to};

/// Moves within the root.
pub(crate) struct Move;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// What to move, relative to the target's root.
    from: String,
    /// Its new path, relative to the target's root. Nothing may be there yet, and its folder has to be.
    to: String,
}

impl TakesBack for Args {
    const TOOL: &'static str = Move::SPEC.name;
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Where it was.
    from: String,
    /// Where it is now.
    to: String,
}

/// What is to move, and where to.
pub(crate) struct Way {
    pub(crate) from: Place,
    pub(crate) to: Place,
    found: Found,
}

impl Way {
    /// Where the move may be made.
    pub(crate) fn find(root: &Root, args: &Args) -> Result<Self, ToolError> {
        let (from, to) = (Rel::parse_inside(&args.from)?, Rel::parse_inside(&args.to)?);
        if to.starts_with(&from) {
            return Err(ToolError::refused(format!("{} lies in {} or is the same", to.shown(), from.shown())));
        }
        let Removal { place: from, found } = Removal::looked_at(root, &args.from, |place| survey_to(root, place, &to))?;
        let to = root.place(&to)?;
        reserved::leave(root, &to)?;
        if to.stat()?.is_some() {
            return Err(ToolError::refused(format!("{} exists already, and a move replaces nothing", to.rel.shown()))
                .with_next("move or delete that first with `files_move` or `files_delete`, or choose another path"));
        }
        Ok(Self { from, to, found })
    }
}

impl Fingerprint for Way {
    fn fingerprint(&self) -> Digest {
        let (from, to) = (self.from.folder.uid(), self.to.folder.uid());
        Digest::of(&json!({ "from": from, "item": self.found.print, "to": to }))
    }

    fn moved(&self) -> String {
        moved(&self.from.rel.shown())
    }
}

#[async_trait]
impl Change for Move {
    type Kind = Folders;
    type Args = Args;
    type Output = Output;
    type Seen = Way;
    const SPEC: Spec = Spec::change(
        "files_move",
        "Move or rename",
        "Moves or renames a file, a link or a whole folder below the target's root. Never replaces anything, never leaves \
         the file system, and an undo moves it back.",
        Reversibility::Reversible,
    )
    .scope(Scope::Group)
    .idempotent()
    .on_whole_things();

    async fn observe(args: &Args, root: &mut Open<'_>) -> Result<Way, ToolError> {
        Way::find(root, args)
    }

    async fn describe(_args: &Args, way: &Way, root: &mut Open<'_>) -> Result<Findings, ToolError> {
        let (kind, uid) = (way.found.stat.kind.as_str(), way.found.stat.uid());
        let targets = [root.target(kind, &way.from.rel, Some(uid)), root.target(kind, &way.to.rel, None)];
        let summary = format!("move {} to {}", way.found.text(&way.from.rel.shown()), way.to.rel.shown());
        Ok(Findings::on(targets, summary)
            .radius(radius(&way.found))
            .facts(way.found.evidence())
            // Where they are no backups any more, the next call could purge them as if they were anything.
            .destroys_recovery(way.found.tally.loses_backups()))
    }

    async fn apply(
        _args: &Args,
        way: Way,
        _agreed: &Preflight,
        root: &mut Open<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        carry(root, &way, platform::rename)?;
        let output = Output { from: way.from.rel.to_string(), to: way.to.rel.to_string() };
        // The same move the other way about, as its own look will find it.
        let back = Way { from: way.to, to: way.from, found: way.found };
        let undo = Undo::with(&Args { from: output.to.clone(), to: output.from.clone() }, back.fingerprint())?;
        Ok(Applied::new(output, undo))
    }

    async fn took_effect(args: &Args, agreed: &Preflight, root: &mut Open<'_>) -> Result<bool, ToolError> {
        let (from, to) = (probe::place(root, &args.from)?.stat()?, probe::place(root, &args.to)?.stat()?);
        Ok(from.is_none() && to.is_some_and(|stat| Some(stat.uid().as_str()) == id_of(agreed)))
    }
}

/// How a name is moved: as by [`platform::rename`].
pub(crate) type Rename = fn(&Dir, &OsStr, &Dir, &OsStr) -> io::Result<()>;

/// Renames, and renames back if it was something else than what was looked at.
pub(crate) fn carry(root: &Root, way: &Way, rename: Rename) -> Result<(), ToolError> {
    let (from, to) = ((&way.from.dir, way.from.name.as_os_str()), (&way.to.dir, way.to.name.as_os_str()));
    let (shown, place) = (way.from.rel.shown(), way.to.rel.shown());
    // A way around a missing kind of rename takes several steps, and may have ended between them.
    let arrived = || !matches!(way.to.stat(), Ok(None));
    let renamed = failpoint::pass("files_rename").and_then(|()| rename(from.0, from.1, to.0, to.1));
    renamed.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ToolError::changed(format!("something came to be at {place} meanwhile")),
        _ if arrived() => {
            ToolError::uncertain(format!("moving {shown} to {place} stopped half way, and it may be at both: {error}"))
        }
        io::ErrorKind::NotFound => ToolError::changed(format!("{shown} is gone")),
        io::ErrorKind::CrossesDevices => {
            ToolError::refused(format!("{place} lies on another file system, and a move copies nothing"))
        }
        _ => io_error(&shown, &error),
    })?;
    failpoint::reach("files_renamed");
    let moved = survey(root, &way.to);
    if moved.as_ref().is_ok_and(|moved| moved.as_ref().map(|found| found.print) == Some(way.found.print)) {
        // The new name first, so that it is never without one.
        return sync_names(&format!("{shown} is moved to {place}"), [to.0, from.0]);
    }
    rename(to.0, to.1, from.0, from.1).map_err(|error| {
        ToolError::uncertain(format!("{shown} changed while it was moved to {place}, and did not move back: {error}"))
    })?;
    Err(moved.err().unwrap_or_else(|| ToolError::changed(format!("{shown} is not what was looked at any more"))))
}
