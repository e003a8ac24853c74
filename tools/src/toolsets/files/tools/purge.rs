//! `files_purge`: a file, a folder or a trash entry goes for good.

use std::io;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Alternative, Audience, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility, Scope, Target,
    ToolError, TypedTool,
};
use crate::failpoint;
use crate::text::{moment, shown};
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Place, Root, beyond_mount, work};
use crate::toolsets::files::model::KIND;
use crate::toolsets::files::model::probe::{self, find_out};
use crate::toolsets::files::model::removal::{doomed, fingerprint, radius};
use crate::toolsets::files::model::tally::Found;
use crate::toolsets::files::model::trash::{self, Entry, Held, fresh_id, lock, parse_id, swap};

/// Removes for good.
pub(crate) struct Purge;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured target.
    target: String,
    /// The file or folder, relative to the target's root. Either this or `trash_entry`.
    #[serde(default)]
    path: Option<String>,
    /// The id of a trash entry, as `files_delete` and `files_write` gave it. Either this or `path`.
    #[serde(default)]
    trash_entry: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What is gone: its path relative to the root, or where a trash entry once came from.
    path: Option<String>,
    /// How many files went, links and the like included.
    files: u64,
    /// How many folders went.
    folders: u64,
    /// How many bytes went.
    bytes: u64,
}

#[async_trait]
impl TypedTool for Purge {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "files_purge",
            kind: KIND,
            title: "Delete for good",
            description: "Removes a file, a whole folder or a trash entry for good: nothing brings it back. Prefer \
                          files_delete, which can be undone. Refuses where another file system is mounted inside.",
            reversibility: Reversibility::Irreversible,
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
        work(lease, move |root| Ok(Doomed::of(root, &args)?.preflight(root, &args))).await
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
            let doomed = Doomed::of(root, &args)?;
            if fingerprint(doomed.place(), &doomed.found) != seen {
                return Err(ToolError::changed(format!("{} is not what was looked at any more", doomed.shown())));
            }
            let (path, tally) = (doomed.rel.as_ref().map(Rel::to_string), doomed.found.tally.clone());
            doomed.go(root)?;
            let (files, folders, bytes) = (tally.files, tally.folders, tally.bytes);
            Ok(Done { output: Output { path, files, folders, bytes }, undo: None })
        })
        .await
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        let (again, args) = (self.look(args, lease).await, args.clone());
        find_out(again, seen, lease, move |root, uid| {
            let gone = match (&args.path, &args.trash_entry) {
                (Some(path), _) => probe::place(root, path)?.stat()?.is_none(),
                (None, Some(id)) => Entry::open(root, id)?.is_none(),
                (None, None) => false,
            };
            // What is still in the trash was not removed to the end.
            Ok(gone && !probe::keeps(root, uid)?)
        })
        .await
    }
}

struct Doomed {
    at: At,
    /// Where it is, or where a trash entry says that it came from.
    rel: Option<Rel>,
    found: Found,
}

enum At {
    Path(Place),
    Trash(Entry),
}

impl Doomed {
    fn of(root: &Root, args: &Args) -> Result<Self, ToolError> {
        let doomed = match (&args.path, &args.trash_entry) {
            (Some(path), None) => {
                let (place, found) = doomed(root, path)?;
                Self { rel: Some(place.rel.clone()), at: At::Path(place), found }
            }
            (None, Some(id)) => Self::in_trash(root, &parse_id(id)?)?,
            _ => return Err(ToolError::refused("give either `path` or `trash_entry`")),
        };
        if doomed.found.tally.truncated {
            let shown = doomed.shown();
            return Err(ToolError::refused(format!(
                "{shown} holds more than could be looked at, and what nobody has seen is not purged"
            ))
            .with_next("purge its parts one by one, or use files_delete"));
        }
        Ok(doomed)
    }

    fn in_trash(root: &Root, id: &str) -> Result<Self, ToolError> {
        let gone = || ToolError::not_found(format!("there is no trash entry `{id}`"));
        let entry = Entry::open(root, id)?.ok_or_else(gone)?;
        let rel = entry.origin().and_then(|origin| Rel::parse(&origin.path).ok());
        let found = entry.survey(root, &rel.clone().unwrap_or_default())?.ok_or_else(gone)?;
        match found.tally.mounts() {
            Some(mounts) => Err(beyond_mount(&mounts)),
            None => Ok(Self { at: At::Trash(entry), rel, found }),
        }
    }

    fn place(&self) -> &Place {
        match &self.at {
            At::Path(place) => place,
            At::Trash(entry) => &entry.place,
        }
    }

    fn shown(&self) -> String {
        match &self.at {
            At::Path(place) => place.rel.shown(),
            At::Trash(entry) => format!("trash entry {}", shown(&entry.id)),
        }
    }

    fn preflight(&self, root: &Root, args: &Args) -> Preflight {
        let mut evidence = vec![root.whereabouts()];
        evidence.extend(self.found.evidence());
        let (tally, mut alternative) = (&self.found.tally, None);
        let (target, destroys_recovery) = match &self.at {
            At::Path(place) => {
                alternative = Some(Alternative {
                    tool: "files_delete".into(),
                    args: json!({ "target": args.target, "path": args.path }),
                    summary: "move it to the trash instead, from where it can come back".into(),
                });
                (self.target(root, &place.rel), tally.backups() > 0 || tally.trashed() > 0)
            }
            At::Trash(entry) => {
                let what = match entry.origin() {
                    Some(from) => format!("it is what was {} until {}", shown(&from.path), moment(from.at)),
                    None => "it is kept in the trash, and does not say since when".into(),
                };
                evidence.push(Evidence::seen(About::Backups, what, "the trash entry"));
                let mut target = self.target(root, &Rel::default());
                target.path = format!("{}/{}/{}", target.path, crate::toolsets::files::connect::rel::TRASH, entry.id);
                (target, true)
            }
        };
        Preflight {
            targets: vec![target],
            blast_radius: radius(&self.found),
            reversibility: Reversibility::Irreversible,
            destroys_recovery,
            evidence,
            alternative,
            fingerprint: fingerprint(self.place(), &self.found),
            summary: format!("delete {} for good", self.found.text(&self.shown())),
            pre_image: None,
        }
    }

    fn target(&self, root: &Root, rel: &Rel) -> Target {
        root.target(self.found.stat.kind.as_str(), rel, Some(self.found.stat.uid()))
    }

    /// Takes it out of everybody's reach, makes sure that it is what was looked at, and removes it from there.
    fn go(self, root: &Root) -> Result<(), ToolError> {
        let shown = self.shown();
        match self.at {
            At::Path(place) => {
                let id = fresh_id();
                let held = Held { here: Some(self.found.print), kept: None };
                swap(root, &place, &id, held)?;
                let entry = Entry::open(root, &id).ok().flatten().ok_or_else(|| {
                    ToolError::uncertain(format!("{shown} went to the trash as `{id}`, which cannot be opened"))
                })?;
                remove(&entry, &shown, &self.found, || {
                    swap(root, &place, &id, Held { here: None, kept: held.here }).map_err(|error| error.to_string())
                })
            }
            At::Trash(entry) => {
                let (old, rel) = (entry.id.clone(), self.rel.unwrap_or_default());
                let entry = entry.renamed(root)?;
                let back = || entry.named_again(&old).map_err(|error| error.to_string());
                let print = entry.survey(root, &rel).map(|found| found.map(|found| found.print));
                if !print.as_ref().is_ok_and(|print| *print == Some(self.found.print)) {
                    back().map_err(|why| ToolError::uncertain(format!("{shown} is `{}` now: {why}", entry.id)))?;
                    return Err(print.err().unwrap_or_else(|| ToolError::changed(format!("{shown} has changed"))));
                }
                remove(&entry, &shown, &self.found, back)
            }
        }
    }
}

/// Removes an entry's item; if not even the first thing could go, everything is put back.
fn remove(entry: &Entry, shown: &str, found: &Found, back: impl Fn() -> Result<(), String>) -> Result<(), ToolError> {
    let all = found.tally.files + found.tally.folders;
    let kept = |gone: u64, error: &io::Error| {
        ToolError::uncertain(format!(
            "{gone} of {all} entries of {shown} are gone, then: {error}; what is left is in the trash as `{}`",
            entry.id
        ))
    };
    failpoint::reach("files_remove");
    match trash::remove(&entry.place) {
        Ok(_) => entry.discard_for_good().map_err(|error| {
            ToolError::uncertain(format!("{shown} is gone, but may be back after a power cut: the disk says {error}"))
        }),
        Err((0, error)) => match back() {
            Ok(()) => Err(ToolError::failed(format!("{shown} cannot be removed: {error}"))),
            Err(_) => Err(kept(0, &error)),
        },
        Err((gone, error)) => Err(kept(gone, &error)),
    }
}
