//! `files_move`: a file or folder gets another path; nothing is replaced.

use std::ffi::OsStr;
use std::io;

use async_trait::async_trait;
use cap_std::fs::Dir;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    Audience, Digest, Done, Lease, Preflight, Probe, Promise, Reversibility, Scope, ToolError, TypedTool, UndoPlan,
};
use crate::failpoint;
use crate::toolsets::files::connect::platform;
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Place, Root, io_error, settle, work};
use crate::toolsets::files::model::KIND;
use crate::toolsets::files::model::probe::{self, find_out};
use crate::toolsets::files::model::removal::{doomed_as, radius};
use crate::toolsets::files::model::reserved;
use crate::toolsets::files::model::tally::Found;
use crate::toolsets::files::model::trash::lock;
use crate::toolsets::files::model::walk::{survey, survey_to};

const NAME: &str = "files_move";

/// Moves within the root.
pub(crate) struct Move;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured target.
    target: String,
    /// What to move, relative to the target's root.
    from: String,
    /// Its new path, relative to the target's root. Nothing may be there yet, and its folder has to be.
    to: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Where it was.
    from: String,
    /// Where it is now.
    to: String,
}

pub(crate) struct Way {
    pub(crate) from: Place,
    pub(crate) to: Place,
    found: Found,
}

impl Way {
    fn fingerprint(&self) -> Digest {
        let (from, to) = (self.from.folder.uid(), self.to.folder.uid());
        Digest::of(&json!({ "from": from, "item": self.found.print, "to": to }))
    }
}

/// What is to move, and where to, if it may.
pub(crate) fn way(root: &Root, args: &Args) -> Result<Way, ToolError> {
    let (from, to) = (Rel::parse_inside(&args.from)?, Rel::parse_inside(&args.to)?);
    if to.starts_with(&from) {
        return Err(ToolError::refused(format!("{} lies in {} or is the same", to.shown(), from.shown())));
    }
    let (from, found) = doomed_as(root, &args.from, |place| survey_to(root, place, &to))?;
    let to = root.place(&to)?;
    reserved::leave(root, &to)?;
    if to.stat()?.is_some() {
        return Err(ToolError::refused(format!("{} exists already, and a move replaces nothing", to.rel.shown()))
            .with_next("move or delete that first with `files_move` or `files_delete`, or choose another path"));
    }
    Ok(Way { from, to, found })
}

#[async_trait]
impl TypedTool for Move {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: NAME,
            kind: KIND,
            title: "Move or rename",
            description: "Moves or renames a file, a link or a whole folder below the target's root. Never replaces \
                          anything, never leaves the file system, and an undo moves it back.",
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
            let way = way(root, &args)?;
            let mut evidence = vec![root.whereabouts()];
            evidence.extend(way.found.evidence());
            let kind = way.found.stat.kind.as_str();
            // Where they are no backups any more, the next call could purge them as if they were anything.
            let destroys_recovery = way.found.tally.loses_backups();
            Ok(Preflight {
                targets: vec![
                    root.target(kind, &way.from.rel, Some(way.found.stat.uid())),
                    root.target(kind, &way.to.rel, None),
                ],
                blast_radius: radius(&way.found),
                reversibility: match destroys_recovery {
                    true => Reversibility::Irreversible,
                    false => Reversibility::Reversible,
                },
                destroys_recovery,
                evidence,
                alternative: None,
                fingerprint: way.fingerprint(),
                summary: format!("move {} to {}", way.found.text(&way.from.rel.shown()), way.to.rel.shown()),
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
            let way = way(root, &args)?;
            if way.fingerprint() != seen {
                return Err(ToolError::changed(format!("{} is not what was looked at any more", way.from.rel.shown())));
            }
            carry(root, &way, platform::rename)?;
            let output = Output { from: way.from.rel.to_string(), to: way.to.rel.to_string() };
            // The same move the other way about, as its own look will find it.
            let back = Way { from: way.to, to: way.from, found: way.found };
            let undo = UndoPlan::exact(
                NAME,
                json!({ "target": args.target, "from": output.to, "to": output.from }),
                back.fingerprint(),
            );
            Ok(Done { output, undo: Some(undo) })
        })
        .await
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        let (again, args) = (self.look(args, lease).await, args.clone());
        find_out(again, seen, lease, move |root, uid| {
            let (from, to) = (probe::place(root, &args.from)?.stat()?, probe::place(root, &args.to)?.stat()?);
            Ok(from.is_none() && to.is_some_and(|stat| Some(stat.uid().as_str()) == uid))
        })
        .await
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
        return settle(&format!("{shown} is moved to {place}"), [to.0, from.0]);
    }
    rename(to.0, to.1, from.0, from.1).map_err(|error| {
        ToolError::uncertain(format!("{shown} changed while it was moved to {place}, and did not move back: {error}"))
    })?;
    Err(moved.err().unwrap_or_else(|| ToolError::changed(format!("{shown} is not what was looked at any more"))))
}
