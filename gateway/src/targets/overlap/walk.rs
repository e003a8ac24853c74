//! Where paths lead: every name looked up on the way, links and what they lead to included.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// After so many links the system gives up as well.
const MOST_LINKS: usize = 40;

/// A path as it is walked now.
#[derive(Clone, Debug)]
pub(super) struct Walked {
    /// Each name that is looked up, in the folder where it really lies. Who can change one of them can lead the path
    /// elsewhere.
    pub(super) names: Vec<PathBuf>,
    /// Where it ends, as far as that exists.
    pub(super) real: PathBuf,
    /// The device and inode of the end, and of the folders it lies in: a folder mounted twice has two paths.
    ids: Vec<(u64, u64)>,
}

impl Walked {
    pub(super) fn of(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let (mut real, mut names, mut links) = (PathBuf::from("/"), Vec::new(), 0);
        let mut ahead: VecDeque<OsString> = words(&path).collect();
        while let Some(word) = ahead.pop_front() {
            match Path::new(&word).components().next() {
                Some(Component::RootDir) => real = PathBuf::from("/"),
                Some(Component::ParentDir) => {
                    real.pop();
                }
                Some(Component::Normal(name)) => {
                    let at = real.join(name);
                    names.push(at.clone());
                    match at.read_link() {
                        Ok(target) if links < MOST_LINKS => {
                            links += 1;
                            words(&target)
                                .collect::<Vec<_>>()
                                .into_iter()
                                .rev()
                                .for_each(|word| ahead.push_front(word));
                        }
                        _ => real = at,
                    }
                }
                _ => {}
            }
        }
        let ids = real.ancestors().filter_map(|path| path.metadata().ok()).map(|found| (found.dev(), found.ino()));
        Self { names, ids: ids.collect(), real }
    }

    /// Whether `self`, or a name on the way to it, is `folder` or lies in it. Of what is on the way only what lies in it
    /// counts: the folder itself is not its own to move.
    pub(super) fn is_in(&self, folder: &Self) -> Option<&Path> {
        let on_the_way = self.names.iter().find(|name| name.starts_with(&folder.real) && **name != folder.real);
        let at_the_end = || (self.real.starts_with(&folder.real) || self.is_mounted_in(folder)).then_some(&self.real);
        on_the_way.or_else(at_the_end).map(PathBuf::as_path)
    }

    /// Where this ends, as seen from a folder that it lies in, whichever way that is mounted.
    pub(super) fn below(&self, folder: &Self) -> Option<PathBuf> {
        let is_it = |path: &&Path| {
            let id = || path.metadata().ok().map(|found| (found.dev(), found.ino()));
            **path == folder.real || (folder.real.symlink_metadata().is_ok() && id().as_ref() == folder.ids.first())
        };
        let folder = self.real.ancestors().find(is_it)?;
        self.real.strip_prefix(folder).ok().map(Path::to_path_buf)
    }

    fn is_mounted_in(&self, folder: &Self) -> bool {
        let exists = folder.real.symlink_metadata().is_ok();
        exists && folder.ids.first().is_some_and(|id| self.ids.contains(id))
    }
}

fn words(path: &Path) -> impl Iterator<Item = OsString> + use<'_> {
    path.components().map(|component| component.as_os_str().to_owned())
}

/// The folders in which programs are looked for. A relative one would be another in each folder a program is run in.
pub(super) fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

/// Where a program is: a name is looked for in these folders.
pub(super) fn locate(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    if name.contains('/') { Some(Path::new(name).to_path_buf()) } else { find_program(name, folders) }
}

/// The program of that name in the first folder that has it.
fn find_program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;

    let runs =
        |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    folders.iter().map(|folder| folder.join(name)).find(runs)
}

/// The files that the arguments of a program name by absolute paths: it runs in a folder where others name nothing. Options,
/// assignments and shell code are taken apart, since an interpreter's script may stand in any of them.
pub(super) fn files_of(arguments: &[String]) -> Vec<PathBuf> {
    let home = std::env::home_dir();
    let mut files = Vec::new();
    for argument in arguments {
        let option = argument.strip_prefix('-').and_then(|rest| rest.char_indices().nth(1).map(|(at, _)| &rest[at..]));
        let pieces = argument.split(|c: char| c.is_whitespace() || ";|&()<>'\"`=,@".contains(c));
        for piece in std::iter::once(argument.as_str()).chain(option).chain(pieces) {
            if piece.is_empty() || piece.contains("://") {
                continue;
            }
            let below_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|prefix| piece.strip_prefix(prefix));
            let path = match (below_home, &home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => PathBuf::from(piece),
            };
            if path.is_absolute() {
                files.push(path);
            }
        }
    }
    files
}

/// In so many places one path of an argument may end.
const ENDS: usize = 32;

/// What else in the arguments may be a path: whatever begins at a `/`, however it is joined to what stands before it
/// (`A=/x:/y`, `-nf/x`, `host:/x`), up to each character that may end it. Only what stands in a web address is none.
pub(super) fn hidden_in(arguments: &[String]) -> Vec<PathBuf> {
    let home = std::env::home_dir();
    let may_end = |c: char| !c.is_alphanumeric() && !"/._-".contains(c);
    let mut paths = Vec::new();
    for argument in arguments {
        for (at, _) in argument.match_indices('/') {
            let (before, rest) = argument.split_at(at);
            if is_in_an_address(before, rest) {
                continue;
            }
            let is_homes = ["~", "$HOME", "${HOME}"].iter().any(|name| before.ends_with(name));
            let ends = rest.match_indices(may_end).map(|(end, _)| end).take(ENDS).chain([rest.len()]);
            for path in ends.filter_map(|end| rest.get(..end)) {
                let below_home = home.as_ref().filter(|_| is_homes).map(|home| home.join(path.trim_start_matches('/')));
                paths.push(below_home.unwrap_or_else(|| PathBuf::from(path)));
            }
        }
    }
    paths
}

/// Whether a `/` stands in an address such as `https://a.example/path`.
fn is_in_an_address(before: &str, rest: &str) -> bool {
    let is_between = |c: char| c.is_whitespace() || "'\"`".contains(c);
    let begins = before.rsplit(is_between).next().unwrap_or_default();
    let ends = rest.split(is_between).next().unwrap_or_default();
    let at = begins.find(':').unwrap_or(begins.len());
    let scheme = begins[..at].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is_web = ["http", "https", "ws", "wss"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    is_web && [&begins[at..], ends].concat().starts_with("://")
}
