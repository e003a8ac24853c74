//! What a program that the gateway runs is given: a folder of the gateway's own to run in, and the variables listed here.
//! Where one of them leads a program to code or to settings, no target may reach that.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use super::within::{Owned, Within};
use crate::config::Names;

/// What a variable's value leads to.
#[derive(Clone, Copy)]
enum Leads {
    /// Nothing in the file system.
    Nowhere,
    /// The settings of whatever a program is, and modules that interpreters load unasked, below names that begin with a dot.
    Home,
    /// A folder that is the program's in whole.
    Folder,
    /// A socket, if it is a path or holds one.
    Address,
}

/// All that a program is given besides `PATH`: what desktops' notifications, password managers and the prompts they open
/// need. Everything else stays here: secrets, and whatever would have an interpreter load more code.
const PASSED: [(&str, Leads); 8] = [
    ("USER", Leads::Nowhere),
    ("LANG", Leads::Nowhere),
    ("HOME", Leads::Home),
    ("XDG_RUNTIME_DIR", Leads::Folder),
    ("GNUPGHOME", Leads::Folder),
    ("DISPLAY", Leads::Address),
    ("WAYLAND_DISPLAY", Leads::Address),
    ("DBUS_SESSION_BUS_ADDRESS", Leads::Address),
];

/// A program out of every target's reach.
#[derive(Debug)]
pub(crate) struct Program {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Where it may look for others: `PATH` without what a target reaches.
    pub(super) search: OsString,
    /// Where it runs.
    pub(super) folder: PathBuf,
}

impl Program {
    /// The program, ready to be given its arguments. Its standard input is empty.
    ///
    /// # Errors
    /// There is no folder to run it in.
    pub(crate) fn command(&self) -> io::Result<Command> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|error| {
            let why = format!("`{}`, where it would run, cannot be made: {error}", self.folder.display());
            io::Error::new(error.kind(), why)
        })?;
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.env_clear().env("PATH", &self.search).envs(environment());
        Ok(command)
    }
}

/// The variables as they are passed. One that leads to a folder by a relative path leads nowhere in another folder.
fn environment() -> impl Iterator<Item = (&'static str, OsString)> {
    PASSED.iter().filter_map(|(name, leads)| {
        let value = env::var_os(name)?;
        let is_passed = match leads {
            Leads::Nowhere => !value.as_encoded_bytes().contains(&b'/'),
            Leads::Home | Leads::Folder => Path::new(&value).is_absolute(),
            Leads::Address => true,
        };
        is_passed.then_some((*name, value))
    })
}

/// What the variables lead to.
pub(super) fn led_to() -> Vec<Owned> {
    let mut owned = Vec::new();
    // Programs that are told of none ask the system for it.
    if let Some(home) = env::home_dir().filter(|home| home.is_absolute()) {
        owned.push(Owned {
            what: "home directory of its programs",
            path: home,
            within: Within::Names(Names::Settings),
        });
    }
    for (name, value) in environment() {
        let leads = PASSED.iter().find(|(passed, _)| *passed == name).map(|(_, leads)| *leads);
        let (paths, within) = match leads {
            Some(Leads::Folder) => (vec![PathBuf::from(value)], Within::Everything),
            Some(Leads::Address) => (paths_in(&value), Within::Nothing),
            _ => continue,
        };
        let what = "folder for its programs";
        owned.extend(paths.into_iter().map(|path| Owned { what, path, within }));
    }
    owned
}

/// The absolute paths in an address such as `unix:path=/run/user/1000/bus,guid=0`.
fn paths_in(address: &OsStr) -> Vec<PathBuf> {
    let address = address.to_string_lossy();
    let pieces = address.split([',', ';', '=']);
    pieces.filter(|piece| piece.starts_with('/')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_in_addresses() {
        let paths = |address: &str| paths_in(OsStr::new(address));
        assert_eq!(paths("unix:path=/run/bus,guid=0;tcp:host=x"), [PathBuf::from("/run/bus")]);
        assert_eq!(paths("/private/tmp/x:0"), [PathBuf::from("/private/tmp/x:0")]);
        assert!(paths(":0").is_empty());
    }
}
