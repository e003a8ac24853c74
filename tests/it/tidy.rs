//! What the compiler does not keep: the walls between the parts, sizes, words, licences.

mod features;
mod imports;
mod licences;
mod rooms;
mod scan;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{collections::BTreeSet, fs};

use mollyguard_tests::{Result, root};

use scan::{code, functions, test_modules, without_tests};

/// What may lie at the top of the checkout.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".clippy.toml",
    ".config",
    ".deny.toml",
    ".gitignore",
    ".rustfmt.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "examples",
    "gateway",
    "policies",
    "tests",
    "tools",
];

/// A crate, the folder where it may not be named, and the parts of that folder where it may.
const WALLS: &[(&str, &str, &[&str])] = &[
    ("rmcp", "gateway/src", &["mcp.rs", "mcp/", "upstream.rs", "upstream/"]),
    ("rmcp", "tools", &[]),
    ("cedar_policy", "gateway/src", &["policy.rs", "policy/"]),
    ("cedar_policy", "tools", &[]),
    ("tokio_postgres", "gateway/src", &[]),
    ("sqlparser", "gateway/src", &[]),
    ("cap_std", "tools/src", &["toolsets/files/"]),
    ("cap_fs_ext", "tools/src", &["toolsets/files/"]),
    ("rusqlite", "tools/src", &["toolsets/sqlite/", "sql/tests/"]),
    ("tokio_postgres", "tools/src", &["toolsets/postgres/"]),
    ("tokio_postgres", "tools/contract", &[]),
    ("rusqlite", "tools/contract", &[]),
    ("sqlparser", "tools/contract", &[]),
    ("mollyguard_tools", "tools/contract", &[]),
    ("mollyguard", "tools", &[]),
    ("rusqlite", "gateway/src", &["cli/demo.rs", "cli/demo/"]),
    ("rusqlite", "gateway/record/src", &["store/sqlite.rs", "store/sqlite/", "verify/tests.rs", "verify/tests/"]),
    ("mollyguard", "gateway/record", &[]),
    ("rmcp", "gateway/record", &[]),
];

/// The longest a file may be, and the longest a file of tests may be. Both leave air above what we aim at.
const FILE_LINES: (usize, usize) = (450, 700);
/// The longest a function may be, and the longest a test may be.
const FUNCTION_LINES: (usize, usize) = (80, 150);

/// A Rust source file.
struct Source {
    /// Below the root.
    path: String,
    text: String,
    /// The whole file is compiled for tests only.
    is_tests: bool,
}

impl Source {
    /// Where the modules are that this file declares for tests only: what their paths start with.
    fn test_modules(&self) -> Vec<String> {
        let path = Path::new(&self.path);
        let mut folder = path.parent().unwrap_or(Path::new("")).to_owned();
        match path.file_stem().and_then(OsStr::to_str) {
            Some("mod" | "lib" | "main") | None => {}
            Some(stem) => folder.push(stem),
        }
        let module = |name: String| folder.join(name).display().to_string();
        test_modules(&code(&self.text)).into_iter().map(module).collect()
    }
}

/// Every file that git knows or would add.
fn files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()?;
    assert!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout)?;
    let files: BTreeSet<_> =
        listed.split('\0').filter(|path| !path.is_empty() && root().join(path).is_file()).collect();
    assert!(files.len() > 20, "git lists hardly any files: {files:?}");
    Ok(files.into_iter().map(str::to_owned).collect())
}

fn sources() -> Result<Vec<Source>> {
    let rust = files()?.into_iter().filter(|path| Path::new(path).extension().is_some_and(|ext| ext == "rs"));
    let read = |path: String| -> Result<Source> {
        let is_tests = path.starts_with("tests/it/") || path.contains("/src/") && path.contains("/tests/");
        Ok(Source { text: fs::read_to_string(root().join(&path))?, path, is_tests })
    };
    let mut sources = rust.map(read).collect::<Result<Vec<_>>>()?;
    let modules: Vec<_> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        source.is_tests |= modules.iter().any(|module| {
            let rest = source.path.strip_prefix(module);
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
    Ok(sources)
}

/// Fails with everything that was found at once.
#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// The lines of `code` that have this identifier.
fn lines_naming(code: &str, name: &str) -> Vec<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let names = |line: &str| line.split(|c| !is_part(c)).any(|word| word == name);
    code.lines().enumerate().filter(|(_, line)| names(line)).map(|(at, _)| at + 1).collect()
}

#[test]
fn the_top_level_is_what_it_should_be() -> Result {
    let files = files()?;
    let top: BTreeSet<_> = files.iter().filter_map(|path| path.split('/').next()).collect();
    let strange: Vec<_> = top.into_iter().filter(|top| !TOP_LEVEL.contains(top)).map(str::to_owned).collect();
    none(&strange, "these may not lie at the top of the checkout");
    Ok(())
}

#[test]
fn the_walls_between_the_parts_stand() -> Result {
    let mut found = Vec::new();
    for source in sources()? {
        let code = code(&source.text);
        for (name, folder, doors) in WALLS {
            let Some(inside) = source.path.strip_prefix(folder).and_then(|path| path.strip_prefix('/')) else {
                continue;
            };
            if !doors.iter().any(|door| inside.starts_with(door)) {
                let lines = lines_naming(&code, name);
                found.extend(lines.into_iter().map(|line| format!("{}:{line} names `{name}`", source.path)));
            }
        }
    }
    none(&found, "only some parts may know some crates");
    Ok(())
}

#[test]
fn files_and_functions_are_short() -> Result {
    let mut found = Vec::new();
    for source in sources()? {
        let lines = source.text.lines().count();
        let limit = if source.is_tests { FILE_LINES.1 } else { FILE_LINES.0 };
        if lines > limit {
            found.push(format!("{}: {lines} lines, at most {limit}", source.path));
        }
        for function in functions(&code(&source.text)) {
            let limit = if source.is_tests { FUNCTION_LINES.1 } else { FUNCTION_LINES.0 };
            if function.lines > limit {
                let (path, name) = (&source.path, &function.name);
                found.push(format!("{path}:{} `{name}`: {} lines, at most {limit}", function.line, function.lines));
            }
        }
    }
    none(&found, "split these: one idea a file, control flow in the parent and work in the leaves");
    Ok(())
}

#[test]
fn nothing_unwraps_outside_tests() -> Result {
    let mut found = Vec::new();
    for source in sources()?.into_iter().filter(|source| !source.is_tests) {
        let product = without_tests(&code(&source.text));
        // Where clippy was told why, this need not ask again.
        if product.contains("expect(clippy::unwrap_used") || product.contains("expect(clippy::expect_used") {
            continue;
        }
        for (at, line) in product.lines().enumerate() {
            if line.contains(".unwrap()") || line.contains(".expect(") {
                found.push(format!("{}:{}", source.path, at + 1));
            }
        }
    }
    none(&found, "return the error instead");
    Ok(())
}

#[test]
fn nothing_is_left_for_later() -> Result {
    let mut found = Vec::new();
    for source in sources()? {
        for (at, line) in code(&source.text).lines().enumerate() {
            let bad = ["#[allow(", "#![allow(", "todo!(", "unimplemented!(", "dbg!("].into_iter();
            found.extend(bad.filter(|bad| line.contains(bad)).map(|bad| format!("{}:{} `{bad}`", source.path, at + 1)));
        }
    }
    none(&found, "use `expect` with a reason instead of `allow`, and finish what is begun");
    Ok(())
}

#[test]
fn every_module_says_what_it_is_for() -> Result {
    let mut found = Vec::new();
    for source in sources()?.into_iter().filter(|source| !source.is_tests) {
        let doc = source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let says =
            doc.starts_with("#![doc = include_str!") || doc.strip_prefix("//! ").is_some_and(|doc| doc.len() > 15);
        if !says {
            found.push(source.path);
        }
    }
    none(&found, "these files should begin with `//!` and what they are for");
    Ok(())
}

/// Words that have no place in what we ship: unfinished business, how the work was organised, where packages come from.
fn unwanted() -> Vec<String> {
    // In halves, so that this file does not name them.
    let halves = [
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X:"),
        ("issue", " #"),
        ("Issue", " #"),
        ("helper", " session"),
        ("/work", "/"),
        ("work", "tree"),
        ("crates", ".io/"),
        ("index.crates", ".io"),
        ("npmjs", ".org"),
        ("py", "pi.org"),
        ("deb.debian", ".org"),
        ("As an", " AI"),
        ("language", " model"),
    ];
    halves.map(|(a, b)| format!("{a}{b}")).into()
}

/// A word in capitals is meant as one of its own, and not within another: PostgreSQL has nodes called so.
fn speaks(line: &str, word: &str) -> bool {
    let is_whole = word.bytes().all(|byte| byte.is_ascii_uppercase());
    line.match_indices(word).any(|(at, _)| {
        let beside = [line[..at].chars().next_back(), line[at + word.len()..].chars().next()];
        !is_whole || !beside.into_iter().flatten().any(|c| c.is_ascii_uppercase())
    })
}

#[test]
fn nothing_speaks_of_how_it_was_made() -> Result {
    let (words, mut found) = (unwanted(), Vec::new());
    for path in files()? {
        // The locks are written by machines.
        if path.ends_with("Cargo.lock") || path.ends_with("package-lock.json") || path == "LICENSE" {
            continue;
        }
        // What is not text has no words.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for (at, line) in text.lines().enumerate() {
            let named = words.iter().filter(|word| speaks(line, word));
            found.extend(named.map(|word| format!("{path}:{} `{word}`", at + 1)));
        }
    }
    none(&found, "these words do not belong here");
    Ok(())
}

#[test]
fn scripts_can_be_run() -> Result {
    use std::os::unix::fs::PermissionsExt as _;
    for script in ["tests/run", "tests/soak", ".ci/run"] {
        let path: PathBuf = root().join(script);
        let mode = fs::metadata(&path).map_err(|error| format!("`{script}`: {error}"))?.permissions().mode();
        assert!(mode & 0o111 == 0o111, "`{script}` should be executable");
        assert!(fs::read_to_string(&path)?.starts_with("#!/usr/bin/env bash\n"), "`{script}` should be a bash script");
    }
    Ok(())
}
