//! `files_write`: a file's whole content, old or new, in one step.

use std::ffi::OsString;
use std::io::{self, Write as _};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_fs_ext::DirExt as _;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _, Permissions, PermissionsExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{
    About, Applied, BlastRadius, Change, Digest, Findings, Fingerprint, Preflight, Reversibility, Scope, Softening,
    Spec, Target, ToolError,
};
use crate::failpoint;
use crate::text::{shown, size};
use crate::toolsets::files::connect::platform;
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Kind, Place, Root, Stat, beyond_mount, io_error};
use crate::toolsets::files::model::encoding::Encoding;
use crate::toolsets::files::model::kind::{Folders, Open};
use crate::toolsets::files::model::probe::{self, id_of};
use crate::toolsets::files::model::removal::moved;
use crate::toolsets::files::model::tally::Found;
use crate::toolsets::files::model::trash::{self, Entry, Held, fresh_id, swap};
use crate::toolsets::files::model::walk::{open_file, survey};
use crate::toolsets::files::model::{attributes, reserved};

const KEPT: &str = "prior_state_kept";

/// Writes a file.
pub(crate) struct Write;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The file, relative to the target's root.
    path: String,
    /// Its whole new content.
    content: String,
    /// How the content is written here.
    #[serde(default)]
    encoding: Encoding,
    /// Make the folders on the way where they are missing.
    #[serde(default)]
    create_parents: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The file, relative to the root.
    path: String,
    /// Its size now.
    bytes: u64,
    /// SHA-256 of its content in hexadecimal.
    sha256: String,
    /// There was no such file before.
    created: bool,
    /// The trash entry that keeps what was there before, where there was something and it is kept.
    trash_entry: Option<String>,
}

#[async_trait]
impl Change for Write {
    type Kind = Folders;
    type Args = Args;
    type Output = Output;
    type Seen = Plan;
    const SPEC: Spec = Spec::change(
        "files_write",
        "Write a file",
        "Writes the whole content of a file below the target's root, in one step, keeping owner and mode. What was there \
         before goes to the trash if it is not too large, and an undo brings it back exactly.",
        Reversibility::Irreversible,
    )
    .softened_by(&[Softening {
        name: KEPT,
        to: Reversibility::Reversible,
        means: "what was there before fits the journal and goes to the trash, or nothing was there",
    }]);

    async fn observe(args: &Args, root: &mut Open<'_>) -> Result<Plan, ToolError> {
        Plan::of(root, args)
    }

    async fn describe(_args: &Args, plan: &Plan, root: &mut Open<'_>) -> Result<Findings, ToolError> {
        trash::open(root)?;
        Ok(plan.findings(root))
    }

    async fn apply(
        _args: &Args,
        plan: Plan,
        agreed: &Preflight,
        root: &mut Open<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        agreed.keeps_its_undo(plan.keeps)?;
        plan.carry_out(root)
    }

    fn effect(args: &Args, seen: &Preflight) -> Value {
        let content = content_of(args).map(|content| Digest::of_bytes(&content));
        json!([seen.whole(), content.ok()])
    }

    async fn took_effect(args: &Args, agreed: &Preflight, root: &mut Open<'_>) -> Result<bool, ToolError> {
        let (content, old) = (content_of(args)?, id_of(agreed));
        let written = probe::holds(root, &args.path, Digest::of_bytes(&content), content.len() as u64, old)?;
        let keeps = agreed.reversibility == Reversibility::Reversible;
        Ok(written && (old.is_none() || !keeps || probe::keeps(root, old)?))
    }
}

fn content_of(args: &Args) -> Result<Vec<u8>, ToolError> {
    match args.encoding {
        Encoding::Utf8 => Ok(args.content.clone().into_bytes()),
        Encoding::Base64 => STANDARD
            .decode(&args.content)
            .map_err(|error| ToolError::refused(format!("`content` is no base64: {error}"))),
    }
}

/// What would be written, and over what.
pub(crate) struct Plan {
    content: Vec<u8>,
    rel: Rel,
    /// What comes to be: the file, or the first of the folders that are missing on the way to it.
    top: Place,
    /// The names below `top`, the file's last.
    below: Vec<String>,
    found: Option<Found>,
    keeps: bool,
    backup: Option<String>,
}

impl Plan {
    fn of(root: &Root, args: &Args) -> Result<Self, ToolError> {
        let content = content_of(args)?;
        let rel = Rel::parse_inside(&args.path)?;
        let (top, below) = root.nearest(&rel)?;
        reserved::leave_below(root, &top, &below)?;
        if !below.is_empty() && !args.create_parents {
            return Err(ToolError::not_found(format!("there is no folder {}", top.rel.shown()))
                .with_next("set `create_parents` to make the folders on the way"));
        }
        let found = if below.is_empty() { survey(root, &top)? } else { None };
        if let Some(found) = &found {
            writable(root, &rel, found)?;
        }
        let keeps = found.as_ref().is_none_or(|found| found.stat.bytes <= root.limits().undo_bytes);
        let backup = found.as_ref().and_then(|_| root.backup_pattern(&rel.to_string())).map(|g| shown(g.as_str()));
        Ok(Self { content, rel, top, below, found, keeps, backup })
    }

    fn findings(&self, root: &Root) -> Findings {
        let (size_now, name) = (size(self.content.len() as u64), self.rel.shown());
        let summary = match &self.found {
            None => format!("create {name} ({size_now})"),
            Some(found) => format!("overwrite {} with {size_now}", found.text(&name)),
        };
        let findings = Findings::on(self.targets(root), summary).radius(BlastRadius {
            resources: 1 + self.below.len() as u64,
            bytes: Some(self.found.as_ref().map_or(0, |found| found.stat.bytes)),
            ..BlastRadius::one(Scope::Resource)
        });
        let findings = match &self.found {
            None => findings.proves(KEPT, "nothing is there now: undoing takes away what is made", "fstat"),
            Some(found) if self.keeps => {
                let what = format!("the {} that are there now move to the trash", size(found.stat.bytes));
                findings.proves(KEPT, what, "fstat")
            }
            Some(found) => {
                let (old, most) = (size(found.stat.bytes), size(root.limits().undo_bytes));
                let what = format!("the {old} that are there now are lost: at most {most} are kept");
                findings
                    .fact(About::Undo, what, "fstat")
                    // An overwritten backup whose old content is kept is still there.
                    .destroys_recovery(self.backup.is_some())
                    .instead(
                        "files_delete",
                        json!({ "path": self.rel.to_string() }),
                        "move what is there to the trash first, and write then: both can be undone",
                    )
            }
        };
        let findings = findings.facts(self.found.iter().flat_map(Found::evidence));
        if self.below.is_empty() {
            return findings.class(self.class());
        }
        let what = format!("the folder {} does not exist yet and is made", self.top.rel.shown());
        findings.class(self.class()).fact(About::State, what, "fstat")
    }

    const fn class(&self) -> Reversibility {
        if self.keeps { Reversibility::Reversible } else { Reversibility::Irreversible }
    }

    /// A file that is not there yet has no id; what exists and is changed is the folder it will lie in.
    fn targets(&self, root: &Root) -> Vec<Target> {
        let uid = self.found.as_ref().map(|found| found.stat.uid());
        let mut targets = vec![root.target("file", &self.rel, uid)];
        if self.found.is_none() {
            targets.push(root.target("directory", &self.top.rel.parent(), Some(self.top.folder.uid())));
        }
        targets
    }

    fn carry_out(self, root: &Root) -> Result<Applied<Output>, ToolError> {
        let id = fresh_id();
        let entry = Entry::make(root, &id, &self.top.rel)?;
        let clean_up = |error: ToolError| {
            // Only what was staged is here so far.
            let _ = trash::remove(&entry.place);
            entry.discard();
            error
        };
        self.stage(&entry).map_err(|error| clean_up(io_error(&self.rel.shown(), &error)))?;
        failpoint::reach("files_staged");
        let staged = entry.survey(root, &self.top.rel).map_err(clean_up)?.map(|found| found.print);
        let held = Held { here: self.found.as_ref().map(|found| found.print), kept: staged };
        swap(root, &self.top, &id, held).map_err(|error| match error {
            ToolError::Uncertain { .. } => error,
            untouched @ ToolError::Untouched { .. } => clean_up(untouched),
        })?;
        let undo = if self.keeps {
            Some(trash::undo(&self.top, &id, held.swapped())?)
        } else {
            // What cannot be removed stays in the trash, which is less than was feared.
            let _ = trash::remove(&entry.place);
            entry.discard();
            None
        };
        let created = self.found.is_none();
        let output = Output {
            path: self.rel.to_string(),
            bytes: self.content.len() as u64,
            sha256: hex::encode(Digest::of_bytes(&self.content).as_bytes()),
            created,
            trash_entry: (self.keeps && !created).then_some(id),
        };
        Ok(Applied { output, undo })
    }

    /// Makes what is to come as the item of a trash entry, complete.
    ///
    /// It is made where it will lie, so that it takes group and access lists from its folder, and moved away at once, so
    /// that nobody meets it half written.
    fn stage(&self, entry: &Entry) -> io::Result<()> {
        let made = OsString::from(format!(".mollyguard-{}.tmp", entry.id));
        let away = || {
            platform::rename(&self.top.dir, &made, &entry.place.dir, &entry.place.name).inspect_err(|_| {
                // Made a moment ago under a name nobody else has; if it stays, it is empty.
                let _ = self.top.dir.remove_file(&made);
                let _ = self.top.dir.remove_dir(&made);
            })
        };
        let old = self.found.as_ref().map(|found| found.stat);
        let Some((file, folders)) = self.below.split_last() else {
            let file = create(&self.top.dir, &made, old)?;
            away()?;
            return self.fill(file, old);
        };
        self.top.dir.create_dir(&made)?;
        away()?;
        let mut dir = entry.place.dir.open_dir_nofollow(&entry.place.name)?;
        for name in folders {
            dir.create_dir(name)?;
            platform::sync(&dir)?;
            dir = dir.open_dir_nofollow(name)?;
        }
        self.fill(create(&dir, &file.into(), None)?, None)?;
        platform::sync(&dir)
    }

    fn fill(&self, mut file: File, old: Option<Stat>) -> io::Result<()> {
        file.write_all(&self.content)?;
        if let Some(old) = old {
            let (user, group) = (rustix::fs::Uid::from_raw(old.owner.0), rustix::fs::Gid::from_raw(old.owner.1));
            if Stat::of(&file.metadata()?).owner != old.owner {
                rustix::fs::fchown(&file, Some(user), Some(group))
                    .map_err(|error| io::Error::other(format!("its owner cannot be kept: {error}")))?;
            }
            let replaced = open_file(&self.top, old)
                .map_err(|error| io::Error::other(format!("its access list cannot be read, so not kept: {error}")))?;
            attributes::keep(&replaced, &file)?;
            // Writing takes the set-id bits away, as it does everywhere else: the program under them is another one now.
            file.set_permissions(Permissions::from_mode(old.mode & 0o777))?;
        }
        file.sync_all()
    }
}

impl Fingerprint for Plan {
    fn fingerprint(&self) -> Digest {
        let item = self.found.as_ref().map(|found| found.print);
        Digest::of(&json!({ "folder": self.top.folder.uid(), "top": self.top.rel.to_string(), "item": item }))
    }

    fn moved(&self) -> String {
        moved(&self.rel.shown())
    }
}

/// What replaces a file starts out closed to others, until it has that file's owner and mode.
fn create(dir: &Dir, name: &OsString, old: Option<Stat>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(if old.is_some() { 0o600 } else { 0o666 });
    dir.open_with(name, &options)
}

fn writable(root: &Root, rel: &Rel, found: &Found) -> Result<(), ToolError> {
    let shown = rel.shown();
    if found.stat.mount {
        return Err(beyond_mount(&shown));
    }
    match found.stat.kind {
        Kind::File => Ok(()),
        Kind::Directory => Err(ToolError::refused(format!("{shown} is a folder"))),
        Kind::Special => Err(ToolError::refused(format!("{shown} is a fifo, socket or device, and no regular file"))),
        Kind::Symlink => {
            let error = ToolError::refused(format!("{shown} is a symbolic link, and a change follows none"));
            Err(match root.follow(rel) {
                Ok(real) => error.with_next(format!("name the path it leads to: {}", real.shown())),
                Err(_) => error.with_next("it leads out of the root, or nowhere"),
            })
        }
    }
}
