//! `files_list`: what lies in a folder.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use async_trait::async_trait;
use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    Audience, BlastRadius, Digest, Done, Lease, Preflight, Promise, Reversibility, Scope, ToolError, TypedTool,
};
use crate::toolsets::files::connect::rel::{DEEPEST, Rel, is_trash};
use crate::toolsets::files::connect::{Kind, Root, Stat, stat_at, work};
use crate::toolsets::files::model::KIND;
use crate::toolsets::files::model::walk::names_in;

/// Lists a folder.
pub(crate) struct List;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured target.
    #[expect(dead_code, reason = "the lease is already for it")]
    target: String,
    /// The folder, relative to the target's root; the root itself if left out.
    #[serde(default)]
    path: Option<String>,
    /// How many levels of folders to look into; 1 lists the folder itself.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    depth: Option<u32>,
    /// How many entries at most.
    #[serde(default)]
    #[schemars(range(min = 1))]
    limit: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The folder, relative to the root, links resolved.
    path: String,
    /// What lies in it, in order of name, each folder before what lies in it.
    entries: Vec<Item>,
    /// There is more than is listed.
    truncated: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Item {
    /// The path relative to the root.
    path: String,
    /// What it is.
    kind: Kind,
    /// Its size, for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Its permission bits in octal.
    mode: String,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    /// What a symbolic link says.
    #[serde(skip_serializing_if = "Option::is_none")]
    link_target: Option<String>,
    /// Another file system is mounted here; it is not looked into unless it is listed by its own path.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mount: bool,
    /// The name's bytes in hexadecimal where it is not UTF-8; such a name cannot be given to a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<String>,
}

#[async_trait]
impl TypedTool for List {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "files_list",
            kind: KIND,
            title: "List files",
            description: "Lists a folder below the target's root: kind, size, time and mode of each entry, what links \
                          say, and where other file systems are mounted. Says `truncated` when there is more.",
            reversibility: Reversibility::ReadOnly,
            softened_by: Vec::new(),
            scope: Scope::Group,
            idempotent: true,
            open_world: false,
            credential: None,
            audience: Audience::Agents,
        }
    }

    fn blocks(&self) -> bool {
        true
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let args = args.clone();
        work(lease, move |root| {
            let (rel, _, stat) = folder(root, &args)?;
            Ok(Preflight {
                targets: vec![root.target("directory", &rel, Some(stat.uid()))],
                blast_radius: BlastRadius::one(Scope::Group),
                reversibility: Reversibility::ReadOnly,
                destroys_recovery: false,
                evidence: vec![root.whereabouts()],
                alternative: None,
                fingerprint: Digest::of(&stat.uid()),
                summary: format!("list {}", rel.shown()),
                pre_image: None,
            })
        })
        .await
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let (args, seen) = (args.clone(), seen.fingerprint);
        work(lease, move |root| {
            let (rel, dir, stat) = folder(root, &args)?;
            if Digest::of(&stat.uid()) != seen {
                return Err(ToolError::changed(format!("{} is another folder now", rel.shown())));
            }
            Listing::of(root, &args, &rel, dir, stat).map(Done::read)
        })
        .await
    }
}

fn folder(root: &Root, args: &Args) -> Result<(Rel, Dir, Stat), ToolError> {
    let rel = root.follow(&Rel::parse(args.path.as_deref().unwrap_or_default())?)?;
    let (dir, stat) = root.open_folder(&rel)?;
    Ok((rel, dir, stat))
}

/// A folder that is being listed, and what of it is still to come.
struct Level {
    dir: Dir,
    device: u64,
    path: String,
    names: VecDeque<OsString>,
    /// There are names behind those.
    more: bool,
}

struct Listing {
    entries_left: u64,
    bytes_left: u64,
    output: Output,
}

impl Listing {
    fn of(root: &Root, args: &Args, rel: &Rel, dir: Dir, stat: Stat) -> Result<Output, ToolError> {
        let limits = root.limits();
        let depth = args.depth.unwrap_or(1).clamp(1, DEEPEST as u32) as usize;
        let mut listing = Self {
            entries_left: args.limit.unwrap_or(limits.output_rows).min(limits.output_rows),
            bytes_left: limits.output_bytes,
            output: Output { path: rel.to_string(), entries: Vec::new(), truncated: false },
        };
        let mut levels = vec![listing.level(dir, stat.dev, rel.to_string())?];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.pop_front() else {
                listing.output.truncated |= level.more;
                levels.pop();
                if listing.output.truncated {
                    break;
                }
                continue;
            };
            let Ok(stat) = stat_at(&level.dir, level.device, &name) else { continue };
            let item = item(&level.dir, &level.path, &name, stat);
            let below = item.path.clone();
            if !listing.add(item) {
                break;
            }
            let enter = stat.kind == Kind::Directory && !stat.mount && levels.len() < depth;
            if enter && let Some(inner) = levels.last().and_then(|level| level.dir.open_dir_nofollow(&name).ok()) {
                levels.push(listing.level(inner, stat.dev, below)?);
                listing.trim(&mut levels);
            }
        }
        Ok(listing.output)
    }

    fn level(&self, dir: Dir, device: u64, path: String) -> Result<Level, ToolError> {
        // One more than fits, for the trash that is left out.
        let (names, more) = names_in(&dir, self.entries_left.saturating_add(1))
            .map_err(|error| crate::toolsets::files::connect::io_error(&crate::text::shown(&path), &error))?;
        let names = names.into_iter().filter(|name| !is_trash(name)).collect();
        Ok(Level { dir, device, path, names, more })
    }

    /// Forgets names that come after all that may still be listed, so that folders that lie in each other are not in memory
    /// each in full.
    fn trim(&self, levels: &mut [Level]) {
        let mut room = usize::try_from(self.entries_left).unwrap_or(usize::MAX);
        for level in levels.iter_mut().rev() {
            level.more |= level.names.len() > room;
            level.names.truncate(room);
            level.names.shrink_to_fit();
            room -= level.names.len();
        }
    }

    /// Whether there was room for it.
    fn add(&mut self, item: Item) -> bool {
        // What the fields around the texts take in JSON, roughly.
        let cost = 120 + 2 * (item.path.len() + item.link_target.as_ref().map_or(0, String::len)) as u64;
        if self.entries_left == 0 || self.bytes_left < cost {
            self.output.truncated = true;
            return false;
        }
        (self.entries_left, self.bytes_left) = (self.entries_left - 1, self.bytes_left - cost);
        self.output.entries.push(item);
        true
    }
}

fn item(dir: &Dir, folder: &str, name: &OsStr, stat: Stat) -> Item {
    let text = name.to_string_lossy();
    let link = || dir.read_link_contents(name).ok().map(|link| link.to_string_lossy().into_owned());
    Item {
        path: if folder.is_empty() { text.clone().into_owned() } else { format!("{folder}/{text}") },
        kind: stat.kind,
        bytes: (stat.kind == Kind::File).then_some(stat.bytes),
        mode: format!("{:04o}", stat.mode),
        modified: stat.modified_at().map(|at| at.to_string()),
        link_target: if stat.kind == Kind::Symlink { link() } else { None },
        mount: stat.mount,
        name_bytes: name.to_str().is_none().then(|| hex::encode(name.as_bytes())),
    }
}
