//! What stands behind one trusted thing: files, folders, and all that a program finds its code by.

use std::path::{Path, PathBuf};

use super::child::led_to;
use super::links::links_in;
use super::search;
use super::walk::{files_of, hidden_in, locate};
use super::within::{INLINE, INTERPRETERS, Owned, SCRIPTS, Within, is_code, is_one_of, shebang};
use crate::config::Place;

/// What is trusted with it. Programs are looked for in `folders` first, and in `others` where those have none.
pub(super) fn owned(what: &'static str, place: &Place, folders: &[PathBuf], others: &[PathBuf]) -> Vec<Owned> {
    let one = |path: &PathBuf, within| vec![Owned { what, path: path.clone(), within }];
    let mut owned = match place {
        Place::Path(path) => one(path, Within::Everything),
        Place::Folder(path, names) => one(path, Within::Names(*names)),
        Place::LookedBefore(path) => one(path, Within::Nothing),
        Place::Program(words) => {
            let find = |name: &str| locate(name, folders).or_else(|| locate(name, others));
            let mut owned = Vec::new();
            of_program(words, &find, SCRIPTS, &mut owned);
            owned.extend(led_to());
            owned
        }
    };
    let links: Vec<Owned> = owned.iter().flat_map(links_in).collect();
    owned.extend(links);
    owned
}

/// The program and the files its arguments name, what runs it where it is a script, and where those look for code.
fn of_program(words: &[String], find: &dyn Fn(&str) -> Option<PathBuf>, deep: usize, owned: &mut Vec<Owned>) {
    let Some((name, arguments)) = words.split_first() else { return };
    let mut add = |what, path: PathBuf, within| owned.push(Owned { what, path, within });
    let program = find(name);
    let files = files_of(arguments);
    for path in program.iter().chain(&files) {
        add("program", path.clone(), Within::Nothing);
    }
    for (path, within) in search::folders(words) {
        add("folder of programs", path, within);
    }
    let (runs, shebang) = match &program {
        Some(path) => (path.clone(), shebang(path)),
        None => return,
    };
    let interpreters = words.iter().flat_map(|word| interpreters_in(word));
    let named: Vec<PathBuf> = interpreters.filter_map(find).filter(|path| path.is_file()).collect();
    let installed = shebang.is_none().then_some(&runs).into_iter().chain(&named);
    for (path, within) in installed.flat_map(|path| beside_program(path)) {
        add("folder of programs", path, within);
    }
    let scripts = scripts_in(words);
    for path in hidden_in(arguments) {
        add("program", path, Within::Nothing);
    }
    for script in files.iter().filter(|file| is_code(file)).chain(&scripts) {
        beside_script(script).for_each(|(path, within)| add("folder of programs", path, within));
    }
    if let Some(mut line) = shebang.filter(|_| deep > 0) {
        line.push(runs.to_string_lossy().into_owned());
        line.extend_from_slice(arguments);
        of_program(&line, find, deep - 1, owned);
    }
}

/// The words, and the pieces of shell code in them.
fn pieces_of(word: &str) -> impl Iterator<Item = &str> {
    word.split(|c: char| c.is_whitespace() || ";|&()<>'\"`=,".contains(c)).filter(|piece| !piece.is_empty())
}

/// The interpreters that a word, or a piece of shell code in it, names.
fn interpreters_in(word: &str) -> impl Iterator<Item = &str> {
    pieces_of(word).filter(|piece| is_one_of(piece, INTERPRETERS))
}

/// What interpreters are given as their scripts, whatever those are called: the first path behind them that is there.
fn scripts_in(words: &[String]) -> Vec<PathBuf> {
    let (mut scripts, mut is_behind) = (Vec::new(), false);
    let is_there = |piece: &str| Path::new(piece).is_absolute() && Path::new(piece).exists();
    let pieces = |word| if is_there(word) { vec![word] } else { pieces_of(word).collect() };
    for piece in words.iter().flat_map(|word| pieces(word.as_str())) {
        if is_one_of(piece, INTERPRETERS) {
            is_behind = true;
        } else if INLINE.contains(&piece) {
            is_behind = false;
        } else if is_behind && is_there(piece) {
            scripts.push(PathBuf::from(piece));
            is_behind = false;
        }
    }
    scripts
}

/// Where an installed program finds libraries, modules and settings: in the folder where it really lies, and beside it where
/// that is one of programs other than the system's, which are trusted anyway; interpreters in virtual environments go by where they are named as well.
fn beside_program(path: &Path) -> Vec<(PathBuf, Within)> {
    let mut beside = Vec::new();
    let real = path.canonicalize().ok();
    for (path, is_real) in std::iter::once((path, false)).chain(real.as_deref().map(|real| (real, true))) {
        let Some(folder) = path.parent() else { continue };
        if is_real {
            beside.push((folder.to_path_buf(), Within::Modules));
        }
        beside.push((folder.join("pyvenv.cfg"), Within::Nothing));
        let is_of_programs =
            folder.file_name().is_some_and(|name| ["bin", "sbin", "libexec"].iter().any(|it| name == *it));
        let is_the_systems = |prefix: &Path| ["/", "/usr", "/usr/local"].iter().any(|it| prefix == Path::new(it));
        if let Some(prefix) = folder.parent().filter(|prefix| is_of_programs && !is_the_systems(prefix)) {
            let folders = ["lib", "lib32", "lib64", "libexec", "share", "etc"];
            beside.extend(folders.map(|name| (prefix.join(name), Within::Everything)));
            beside.push((prefix.join("pyvenv.cfg"), Within::Nothing));
        }
    }
    beside
}

/// Where a script finds modules unasked: in its own folder, and for some in `node_modules` of the folders above.
fn beside_script(path: &Path) -> impl Iterator<Item = (PathBuf, Within)> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    // A folder that is run is the script itself.
    let folder = if real.is_dir() { Some(real) } else { real.parent().map(Path::to_path_buf) };
    let above: Vec<PathBuf> =
        folder.iter().flat_map(|folder| folder.ancestors().skip(1)).map(Path::to_path_buf).collect();
    let modules = above.into_iter().flat_map(|folder| {
        [(folder.join("node_modules"), Within::Everything), (folder.join("package.json"), Within::Nothing)]
    });
    folder.into_iter().map(|folder| (folder, Within::Modules)).chain(modules)
}
