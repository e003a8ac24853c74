//! Where the words of a command tell a program to look for code: in variables such as `PYTHONPATH`, in options such as `-I`, and
//! in code such as `sys.path`. Whatever lies in such a folder, however deep, can be a module there.

use std::path::{Path, PathBuf};

use super::within::{INLINE, INTERPRETERS, Within, is_one_of};
use crate::config::Names;

/// The variables whose folders interpreters and loaders search for code, and some for what tells them of more.
const VARIABLES: &[&str] = &[
    "BUNDLE_PATH",
    "CLASSPATH",
    "DYLD_FALLBACK_FRAMEWORK_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
    "DYLD_LIBRARY_PATH",
    "GEM_HOME",
    "GEM_PATH",
    "GROOVY_HOME",
    "GUILE_EXTENSIONS_PATH",
    "GUILE_LOAD_COMPILED_PATH",
    "GUILE_LOAD_PATH",
    "JAVA_HOME",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JULIA_DEPOT_PATH",
    "JULIA_LOAD_PATH",
    "JYTHONPATH",
    "LD_LIBRARY_PATH",
    "LUA_CPATH",
    "LUA_PATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PERL_LOCAL_LIB_ROOT",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PSMODULEPATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONUSERBASE",
    "RUBYLIB",
    "RUBYOPT",
    "R_HOME",
    "R_LIBS",
    "R_LIBS_SITE",
    "R_LIBS_USER",
    "TCLLIBPATH",
    "TCL_LIBRARY",
    "TK_LIBRARY",
    "VIRTUAL_ENV",
    "ZDOTDIR",
];

/// The options of interpreters that are followed by such folders, or have them joined to them.
const OPTIONS: &[&str] = &[
    "-I",
    "-L",
    "-cp",
    "-classpath",
    "--class-path",
    "--classpath",
    "--module-path",
    "--upgrade-module-path",
    "--load-path",
    "--project",
];

/// What leads a program to run in another folder, where an interpreter may find its code.
const ENTERS: &[&str] = &["cd", "pushd", "--chdir"];

/// What code says that looks for more code elsewhere.
const IN_CODE: &[&str] = &[
    "sys.path",
    "addsitedir",
    "@INC",
    "use lib",
    "LOAD_PATH",
    "$:",
    "package.path",
    "package.cpath",
    "module.paths",
    "include_path",
    "auto_path",
    "libPaths",
    "%load-path",
    "DEPOT_PATH",
];

/// The folders a command's words tell a program to look for code in, and how much in each counts.
pub(super) fn folders(words: &[String]) -> Vec<(PathBuf, Within)> {
    let mut found = Vec::new();
    for (name, value) in words.iter().flat_map(|word| assignments(word)) {
        let within = if name == "HOME" { Within::Names(Names::Settings) } else { Within::Modules };
        found.extend(paths_in(value).into_iter().map(|path| (path, within)));
    }
    let pieces: Vec<&str> = words.iter().flat_map(|word| pieces_of(word)).collect();
    if pieces.iter().any(|piece| is_one_of(piece, INTERPRETERS)) {
        let mut told: Vec<&str> = optional(&pieces).collect();
        if goes_by_its_folder(&pieces) {
            told.extend(entered(words));
        }
        let in_code = words.iter().filter(|word| IN_CODE.iter().any(|told| word.contains(told)));
        // Between two values, a `/` is no folder.
        let in_code = in_code.flat_map(|word| paths_in(word)).filter(|path| path != Path::new("/"));
        found.extend(told.into_iter().flat_map(paths_in).chain(in_code).map(|path| (path, Within::Modules)));
    }
    found.retain(|(path, _)| path.is_dir());
    found
}

/// The words, and those of shell code in them, as a shell takes them apart where nothing is quoted.
fn pieces_of(word: &str) -> impl Iterator<Item = &str> {
    let pieces = word.split(|c: char| c.is_whitespace() || ";|&()<>".contains(c));
    let pieces = pieces.map(|piece| piece.trim_matches(['\'', '"', '`'])).filter(move |piece| *piece != word);
    std::iter::once(word).chain(pieces).filter(|piece| !piece.is_empty())
}

/// What is given to the options that tell of folders.
fn optional<'a>(pieces: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    pieces.iter().enumerate().flat_map(|(at, piece)| {
        let next = pieces.get(at + 1).copied().filter(|_| OPTIONS.contains(piece));
        next.into_iter().chain(joined(piece))
    })
}

/// What is joined to such an option.
fn joined(piece: &str) -> Option<&str> {
    let behind = |option: &&str| piece.strip_prefix(*option).map(|rest| rest.trim_start_matches('='));
    OPTIONS.iter().filter_map(behind).find(|rest| rest.starts_with(['/', '~', '$']))
}

/// Whether an interpreter among these looks for its code in the folder it runs in: it is given a module, code, or a script
/// that lies there.
fn goes_by_its_folder(pieces: &[&str]) -> bool {
    let begin = pieces.iter().enumerate().filter(|(_, piece)| is_one_of(piece, INTERPRETERS));
    begin.into_iter().any(|(at, _)| {
        for piece in &pieces[at + 1..] {
            match *piece {
                // Python's, for going by no folder of anybody's.
                "-I" | "-P" => return false,
                piece if INLINE.contains(&piece) => return true,
                piece if piece.starts_with('-') => {}
                piece => return !piece.starts_with(['/', '~', '$']),
            }
        }
        true
    })
}

/// The folders that are entered before.
fn entered(words: &[String]) -> Vec<&str> {
    let in_code =
        words.iter().flat_map(|word| ENTERS.iter().flat_map(|name| behind(word, name)).map(|(_, at)| first_of(at)));
    let by_env = words.iter().zip(words.iter().skip(1)).skip_while(|(word, _)| !Path::new(word).ends_with("env"));
    let by_env = by_env.filter(|(word, _)| ["-C", "--chdir"].contains(&word.as_str()));
    in_code.chain(by_env.map(|(_, folder)| folder.as_str())).collect()
}

/// The assignments of such variables in a word, or anywhere in the shell code it is: each name, and what is assigned.
fn assignments(word: &str) -> Vec<(&'static str, &str)> {
    let of = |name: &'static str| {
        behind(word, name).flat_map(move |(at, value)| {
            let mut values = vec![first_of(value)];
            if at == 0 {
                // As `env` takes it: nothing in it ends it.
                values.extend(value.split(':'));
                values.extend(value.split_whitespace().filter_map(joined));
            }
            values.into_iter().map(move |value| (name, value))
        })
    };
    VARIABLES.iter().copied().chain(["HOME"]).flat_map(of).collect()
}

/// Where a name stands in a text, each with what follows it: `NAME=`, `NAME+=`, csh's `setenv NAME value`, fish's
/// `set -x NAME value`, PowerShell's `$env:NAME = value`, `cd value`.
fn behind<'a>(text: &'a str, name: &'static str) -> impl Iterator<Item = (usize, &'a str)> {
    text.match_indices(name).filter_map(move |(at, _)| {
        let (before, rest) = (&text[..at], &text[at + name.len()..]);
        // Behind a `$` it is only read.
        let is_whole = !before.ends_with(|c: char| c.is_alphanumeric() || "_${".contains(c));
        let value = rest.trim_start_matches(['+', '=', ' ', '\t']);
        (is_whole && value.len() < rest.len()).then_some((at, value))
    })
}

/// The value at the beginning of a text: up to its closing quote, or to where a shell's word ends.
fn first_of(text: &str) -> &str {
    match text.chars().next() {
        Some(quote @ ('\'' | '"')) => text[1..].split(quote).next().unwrap_or_default(),
        _ => text.split(|c: char| c.is_whitespace() || "|&()<>'\"`".contains(c)).next().unwrap_or_default(),
    }
}

/// The folders in a list of them, however it is separated, or in code: what stands before a pattern is one.
fn paths_in(list: &str) -> Vec<PathBuf> {
    let home = std::env::home_dir();
    let pieces = list.split(|c: char| c.is_whitespace() || ":;,'\"`()[]{}=|&<>".contains(c));
    let mut paths = Vec::new();
    for piece in std::iter::once(list).chain(list.split(':')).chain(pieces) {
        let piece = joined(piece).unwrap_or(piece);
        let below_home = ["~", "$HOME", "${HOME}"].iter().find_map(|prefix| piece.strip_prefix(prefix));
        let path = match (below_home, &home) {
            (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(piece),
        };
        let path = before_pattern(&path);
        if path.is_absolute() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// The folder before `*` or Lua's `?`.
fn before_pattern(path: &Path) -> PathBuf {
    let is_plain = |part: &std::path::Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?']);
    path.components().take_while(is_plain).collect()
}
