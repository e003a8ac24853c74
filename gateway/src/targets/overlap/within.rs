//! One trusted file or folder, and how much in it is trusted with it.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::walk::Walked;
use crate::config::Names;

/// How much of a folder is trusted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// Nothing: it is a file, or only its name counts.
    Nothing,
    /// All of it.
    Everything,
    /// What an interpreter could load as a module: all but files that are named otherwise, such as databases.
    Modules,
    /// What has one of these names, and what lies in that.
    Names(Names),
}

impl Within {
    /// What of a trusted folder this path is, or lies in.
    pub(super) fn holds<'a>(self, path: &'a Walked, own: &'a Walked) -> Option<&'a Path> {
        match self {
            Self::Nothing => None,
            Self::Modules if is_no_module(&path.real) => None,
            Self::Everything | Self::Modules => path.is_in(own).map(|_| own.real.as_path()),
            Self::Names(names) => {
                let below = path.below(own)?;
                let first = below.components().next()?;
                names.has(first.as_os_str()).then_some(path.real.as_path())
            }
        }
    }
}

/// Whether it is a file, be it there yet or not, whose name ends as no module's does.
pub(super) fn is_no_module(path: &Path) -> bool {
    let ending = path.extension().map(OsStr::to_ascii_lowercase);
    let is_other = |ending: &OsStr| !CODE.iter().chain(LIBRARIES).any(|code| ending == *code);
    ending.is_some_and(|ending| is_other(&ending)) && !path.is_dir()
}

/// One file or folder that is trusted.
#[derive(Debug)]
pub(super) struct Owned {
    /// What it is.
    pub(super) what: &'static str,
    /// Where it is.
    pub(super) path: PathBuf,
    /// How much in it is.
    pub(super) within: Within,
}

/// The programs that read code as text, but for shells: those find no code beside a script by themselves. Versions may follow
/// their names.
pub(super) const INTERPRETERS: &[&str] = &[
    "bun",
    "deno",
    "groovy",
    "guile",
    "java",
    "julia",
    "jython",
    "lua",
    "luajit",
    "node",
    "nodejs",
    "osascript",
    "perl",
    "php",
    "pwsh",
    "pypy",
    "python",
    "pythonw",
    "Rscript",
    "ruby",
    "tclsh",
    "ts-node",
    "tsx",
    "uv",
    "uvx",
    "wish",
];

pub(super) const SHELLS: &[&str] =
    &["ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh"];

/// What the names of files with code end in, but for shells'.
pub(super) const CODE: &[&str] = &[
    "cjs", "cts", "jar", "js", "jsx", "lua", "mjs", "mts", "php", "pl", "pm", "ps1", "py", "pyc", "pyw", "pyz", "r",
    "rb", "tcl", "ts", "tsx",
];

/// What else interpreters and loaders take for code, or go by.
pub(super) const LIBRARIES: &[&str] =
    &["cfg", "class", "conf", "dll", "dylib", "egg", "json", "node", "pth", "pyd", "so", "toml", "whl", "zip"];

/// Arguments that are followed by code, or the name of a module, in place of a script.
pub(super) const INLINE: &[&str] = &["-c", "-e", "-m", "--eval", "--print", "--command"];

/// A script that is run by a script, and so on, is followed so far.
pub(super) const SCRIPTS: usize = 4;

pub(super) fn is_one_of(program: &str, known: &[&str]) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    let name = name.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default().trim_end_matches(['-', '.']);
    known.contains(&name)
}

/// Whether an interpreter may read a file as code, and look for more beside it.
pub(super) fn is_code(path: &Path) -> bool {
    let ending = path.extension().map(OsStr::to_ascii_lowercase);
    ending.is_some_and(|ending| CODE.iter().any(|code| ending == *code))
        || shebang(path).is_some_and(|line| !line.iter().any(|word| is_one_of(word, SHELLS)))
}

/// The words behind `#!` where a file begins with them.
pub(super) fn shebang(path: &Path) -> Option<Vec<String>> {
    // Of anything but a file, reading could wait.
    path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut begins = Vec::new();
    std::fs::File::open(path).ok()?.take(1024).read_to_end(&mut begins).ok()?;
    let line = begins.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).split_whitespace().map(str::to_owned).collect())
}
