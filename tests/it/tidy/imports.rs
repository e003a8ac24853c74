//! Just enough of a Rust reader to tell which paths a file names.

use super::scan::{code, without_tests};

/// A path that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) path: Vec<String>,
    /// Under which name others find it, where it is handed on.
    pub(super) name: String,
    /// `pub use`: others find it here as well.
    pub(super) is_handed_on: bool,
}

/// All that a file names outside of tests: what it uses, and the paths within its code that begin in its own crate.
pub(super) fn imports(text: &str) -> Vec<Import> {
    let code = without_tests(&code(text));
    let mut found = Vec::new();
    let mut rest = code.as_str();
    let mut body = String::with_capacity(code.len());
    while let Some(start) = next_use(rest) {
        let (before, statement) = rest.split_at(start);
        body.push_str(before);
        let end = statement.find(';').unwrap_or(statement.len());
        let line = before.rsplit('\n').next().unwrap_or_default();
        let is_handed_on = line.trim_start().starts_with("pub");
        tree(&[], statement[..end].trim_start_matches("use").trim(), is_handed_on, &mut found);
        rest = &statement[end..];
    }
    body.push_str(rest);
    found.extend(paths(&body));
    found
}

/// Where the next `use` statement begins: the word at the beginning of a line, but for what says who may see it.
fn next_use(code: &str) -> Option<usize> {
    code.match_indices("use ").map(|(at, _)| at).find(|at| {
        let line = code[..*at].rsplit('\n').next().unwrap_or_default().trim();
        line.is_empty() || (line.starts_with("pub") && !line.contains(['{', ';']))
    })
}

/// The paths of a tree such as `a::{b, c::D as E}`.
fn tree(above: &[String], text: &str, is_handed_on: bool, found: &mut Vec<Import>) {
    let (path, group) = match text.split_once('{') {
        Some((path, group)) => (path.trim(), Some(group.trim_end().trim_end_matches('}'))),
        None => (text, None),
    };
    let (path, renamed) = match path.split_once(" as ") {
        Some((path, name)) if group.is_none() => (path, Some(name.trim())),
        _ => (path, None),
    };
    let parts = path.split("::").map(str::trim).filter(|part| !part.is_empty());
    let mut whole: Vec<String> = above.to_vec();
    // In a group `self` is what the group is of.
    whole.extend(
        parts
            .enumerate()
            .filter(|(n, part)| above.is_empty() && *n == 0 || *part != "self")
            .map(|(_, part)| part.to_owned()),
    );
    match group {
        Some(group) => split(group).into_iter().for_each(|one| tree(&whole, one, is_handed_on, found)),
        None => {
            let name = renamed.map(str::to_owned).or_else(|| whole.last().cloned()).unwrap_or_default();
            found.push(Import { path: whole, name, is_handed_on });
        }
    }
}

/// The parts of a group, at its own commas.
fn split(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The paths in code that begin with `crate`, `super` or `self`.
fn paths(code: &str) -> Vec<Import> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c| !is_part(c)).filter(|word| word.contains("::"));
    let own = words.filter(|word| ["crate::", "super::", "self::"].iter().any(|first| word.starts_with(first)));
    let path = |word: &str| word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    own.map(|word| Import { name: String::new(), path: path(word), is_handed_on: false }).collect()
}

#[test]
fn every_path_of_a_tree_is_found() {
    let text =
        "use a::{self, b::{C, D as E}, f};\npub(crate) use g::H;\nfn i() { use super::j; crate::k::l(); m::n() }\n";
    let found: Vec<_> = imports(text).into_iter().map(|it| (it.path.join("::"), it.is_handed_on)).collect();
    let expected = [("a", false), ("a::b::C", false), ("a::b::D", false), ("a::f", false), ("g::H", true)];
    let found_first: Vec<_> = found.iter().take(5).map(|(path, on)| (path.as_str(), *on)).collect();
    assert_eq!(found_first, expected);
    assert!(found.contains(&("crate::k::l".to_owned(), false)), "{found:?}");
}
