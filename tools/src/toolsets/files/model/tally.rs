//! What was found at a place, counted and in words for people.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::contract::{About, Digest, Evidence};
use crate::text::{count, moment, shown_os, size};
use crate::toolsets::files::connect::{Kind, Stat, moment_of};

/// How many names of one kind a sentence lists.
const NAMED: usize = 3;

/// What lies in a thing, itself included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Everything that is no folder.
    pub(crate) files: u64,
    pub(crate) folders: u64,
    pub(crate) bytes: u64,
    pub(crate) newest: Option<((i64, i64), String)>,
    pub(crate) mounts: Few,
    pub(crate) backups: Few,
    /// The patterns that those match.
    pub(crate) patterns: Vec<String>,
    /// Those that would be none any more where the thing is to move.
    pub(crate) losing: Few,
    /// There may be more of those beyond the bounds.
    pub(crate) may_lose: bool,
    pub(crate) trashed: u64,
    pub(crate) linked: u64,
    pub(crate) unread: Few,
    /// Counting stopped at a bound.
    pub(crate) truncated: bool,
}

/// How many there are, and the first of them by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Few {
    all: u64,
    named: Vec<String>,
}

impl Few {
    /// One more.
    pub(crate) fn add(&mut self, path: &[u8]) {
        self.all += 1;
        if self.named.len() < NAMED {
            self.named.push(shown_os(OsStr::from_bytes(path)));
        }
    }

    fn text(&self) -> String {
        let more = if self.all > self.named.len() as u64 { ", …" } else { "" };
        format!("{}{more}", self.named.join(", "))
    }
}

impl Tally {
    /// Where something is mounted inside, by name.
    pub(crate) fn mounts(&self) -> Option<String> {
        (self.mounts.all > 0).then(|| self.mounts.text())
    }

    pub(crate) const fn backups(&self) -> u64 {
        self.backups.all
    }

    /// A move takes backups, or what may be some, to where nothing would hold them for backups.
    pub(crate) const fn loses_backups(&self) -> bool {
        self.losing.all > 0 || self.may_lose
    }

    pub(crate) const fn trashed(&self) -> u64 {
        self.trashed
    }

    /// `(214 files, 1.2 MB)`, or `(at least …)`.
    pub(crate) fn text(&self) -> String {
        let least = if self.truncated { "at least " } else { "" };
        format!("({least}{}, {})", count(self.files, "file"), size(self.bytes))
    }
}

/// One thing as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) stat: Stat,
    pub(crate) tally: Tally,
    /// The digest of its state, wherever it lies: moving it does not change it.
    pub(crate) print: Digest,
}

impl Found {
    /// What it is and how much: `uploads/2025 (214 files, 1.2 MB)`.
    pub(crate) fn text(&self, shown: &str) -> String {
        match self.stat.kind {
            Kind::Directory => format!("{shown} {}", self.tally.text()),
            Kind::File => format!("{shown} ({})", size(self.stat.bytes)),
            Kind::Symlink => format!("{shown} (a symbolic link)"),
            Kind::Special => format!("{shown} (a fifo, socket or device)"),
        }
    }

    /// What a person should know about it before it goes anywhere.
    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        let (tally, mut facts) = (&self.tally, Vec::new());
        let mut add = |about, what: String, source: &str| facts.push(Evidence::seen(about, what, source));
        if let Some((at, path)) = &tally.newest
            && let Some(at) = moment_of(*at)
        {
            add(About::State, format!("newest change at {}: {path}", moment(at)), "fstat");
        }
        if tally.truncated {
            let folders = count(tally.folders, "folder");
            let files = count(tally.files, "file");
            add(About::State, format!("counting stopped after {files} and {folders}: there is more"), "readdir");
        }
        if tally.unread.all > 0 {
            let folders = count(tally.unread.all, "folder");
            add(About::State, format!("{folders} cannot be looked into: {}", tally.unread.text()), "readdir");
        }
        if tally.backups.all > 0 {
            let files = count(tally.backups.all, "file");
            let globs = tally.patterns.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(", ");
            let what = match (self.stat.kind, tally.backups.all) {
                (Kind::Directory, 1) => format!("1 file matching {globs} lies inside"),
                (Kind::Directory, _) => format!("{files} matching {globs} lie inside"),
                _ => format!("it matches {globs}: others rely on it for recovery"),
            };
            add(About::Backups, format!("{what} ({})", tally.backups.text()), "settings `backups`");
        }
        if tally.losing.all > 0 {
            let named = tally.losing.text();
            let what = match tally.losing.all {
                1 => format!("{named} would not count as a backup any more where it moves to"),
                all => format!("{all} files would not count as backups any more where they move to ({named})"),
            };
            add(About::Backups, what, "settings `backups`");
        }
        if tally.may_lose {
            let what = "what was not counted may hold backups that would not count as such where they move to";
            add(About::Backups, what.into(), "settings `backups`");
        }
        if tally.trashed > 0 {
            add(About::Backups, format!("a trash with {} lies inside", count(tally.trashed, "file")), "readdir");
        }
        if tally.linked > 0 {
            let what = match self.stat.kind {
                Kind::Directory => format!("{} inside have other names too (hard links)", count(tally.linked, "file")),
                _ => format!("its content has {} (hard links) and lives on there", count(tally.linked, "other name")),
            };
            add(About::Dependents, what, "fstat nlink");
        }
        if let Some(mounts) = tally.mounts() {
            add(About::Boundary, format!("another file system is mounted at {mounts}"), "device ids");
        }
        facts
    }
}
