//! `files_purge`: a file, a folder or a trash entry goes for good.

use std::io;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::{
    About, Applied, Change, Digest, Findings, Fingerprint, Preflight, Reversibility, Scope, Spec, ToolError,
};
use crate::failpoint;
use crate::text::{moment, shown};
use crate::toolsets::files::connect::rel::{Rel, TRASH};
use crate::toolsets::files::connect::{Place, Root, beyond_mount};
use crate::toolsets::files::model::kind::{Folders, Open};
use crate::toolsets::files::model::probe::{self, id_of};
use crate::toolsets::files::model::removal::{Removal, moved, print_of, radius};
use crate::toolsets::files::model::tally::Found;
use crate::toolsets::files::model::trash::{self, Entry, Held, fresh_id, parse_id, swap};

/// Removes for good.
pub(crate) struct Purge;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
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
impl Change for Purge {
    type Kind = Folders;
    type Args = Args;
    type Output = Output;
    type Seen = Purged;
    const SPEC: Spec = Spec::change(
        "files_purge",
        "Delete for good",
        "Removes a file, a whole folder or a trash entry for good: nothing brings it back. Prefer files_delete, which can be \
         undone. Refuses where another file system is mounted inside.",
        Reversibility::Irreversible,
    )
    .scope(Scope::Group)
    .idempotent()
    .on_whole_things();

    async fn observe(args: &Args, root: &mut Open<'_>) -> Result<Purged, ToolError> {
        Purged::find(root, args)
    }

    async fn describe(args: &Args, seen: &Purged, root: &mut Open<'_>) -> Result<Findings, ToolError> {
        let kind = seen.found.stat.kind.as_str();
        let rel = match &seen.at {
            At::Path(place) => place.rel.clone(),
            At::Trash(_) => Rel::default(),
        };
        let mut target = root.target(kind, &rel, Some(seen.found.stat.uid()));
        if let At::Trash(entry) = &seen.at {
            target.path = target.path.below(TRASH).below(&entry.id);
        }
        let findings = Findings::on([target], format!("delete {} for good", seen.found.text(&seen.shown())))
            .radius(radius(&seen.found))
            .facts(seen.found.evidence());
        Ok(match &seen.at {
            At::Path(_) => {
                findings.destroys_recovery(seen.found.tally.backups() > 0 || seen.found.tally.trashed() > 0).instead(
                    "files_delete",
                    json!({ "path": args.path }),
                    "move it to the trash instead, from where it can come back",
                )
            }
            At::Trash(entry) => {
                let what = match entry.origin() {
                    Some(from) => format!("it is what was {} until {}", shown(&from.path), moment(from.at)),
                    None => "it is kept in the trash, and does not say since when".into(),
                };
                findings.destroys_recovery(true).fact(About::Backups, what, "the trash entry")
            }
        })
    }

    async fn apply(
        _args: &Args,
        seen: Purged,
        _agreed: &Preflight,
        root: &mut Open<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        let (path, tally) = (seen.rel.as_ref().map(Rel::to_string), seen.found.tally.clone());
        seen.go(root)?;
        let (files, folders, bytes) = (tally.files, tally.folders, tally.bytes);
        Ok(Applied::new(Output { path, files, folders, bytes }, None))
    }

    async fn took_effect(args: &Args, agreed: &Preflight, root: &mut Open<'_>) -> Result<bool, ToolError> {
        let gone = match (&args.path, &args.trash_entry) {
            (Some(path), _) => probe::place(root, path)?.stat()?.is_none(),
            (None, Some(id)) => Entry::open(root, id)?.is_none(),
            (None, None) => false,
        };
        // What is still in the trash was not removed to the end.
        Ok(gone && !probe::keeps(root, id_of(agreed))?)
    }
}

/// What is to go for good.
pub(crate) struct Purged {
    at: At,
    /// Where it is, or where a trash entry says that it came from.
    rel: Option<Rel>,
    found: Found,
}

enum At {
    Path(Place),
    Trash(Entry),
}

impl Purged {
    fn find(root: &Root, args: &Args) -> Result<Self, ToolError> {
        let purged = match (&args.path, &args.trash_entry) {
            (Some(path), None) => {
                let Removal { place, found } = Removal::of(root, path)?;
                Self { rel: Some(place.rel.clone()), at: At::Path(place), found }
            }
            (None, Some(id)) => Self::in_trash(root, &parse_id(id)?)?,
            _ => return Err(ToolError::refused("give either `path` or `trash_entry`")),
        };
        if purged.found.tally.truncated {
            let shown = purged.shown();
            return Err(ToolError::refused(format!(
                "{shown} holds more than could be looked at, and what nobody has seen is not purged"
            ))
            .with_next("purge its parts one by one, or use files_delete"));
        }
        Ok(purged)
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

impl Fingerprint for Purged {
    fn fingerprint(&self) -> Digest {
        print_of(self.place(), &self.found)
    }

    fn moved(&self) -> String {
        moved(&self.shown())
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
