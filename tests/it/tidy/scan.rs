//! Just enough of a Rust scanner to tell code from comments and text.

/// `text` with comments, strings and characters blanked, line for line.
pub(super) fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut code = String::with_capacity(text.len());
    let mut index = 0;
    while index < chars.len() {
        let end = match (at(index), at(index + 1)) {
            ('/', '/') => until(&chars, index, |i| at(i) == '\n'),
            ('/', '*') => end_of_block_comment(&chars, index),
            ('"', _) => end_of_string(&chars, index + 1),
            ('r', '"' | '#') if !is_word(at(index.wrapping_sub(1))) || at(index.wrapping_sub(1)) == 'b' => {
                end_of_raw_string(&chars, index).unwrap_or(index)
            }
            // A lifetime is no character: 'a without a closing quote after one character.
            ('\'', '\\') => until(&chars, index + 3, |i| at(i) == '\'') + 1,
            ('\'', _) if at(index + 2) == '\'' => index + 3,
            _ => index,
        };
        if end == index {
            code.push(at(index));
            index += 1;
            continue;
        }
        let blanked = chars.get(index..end.min(chars.len())).unwrap_or_default();
        code.extend(blanked.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        index = end;
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn until(chars: &[char], from: usize, stop: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|index| stop(*index)).unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut index = from;
    while let (Some(a), b) = (chars.get(index), chars.get(index + 1)) {
        match (a, b) {
            ('/', Some('*')) => (depth, index) = (depth + 1, index + 2),
            ('*', Some('/')) => (depth, index) = (depth.saturating_sub(1), index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            return index;
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], from: usize) -> usize {
    let mut index = from;
    while let Some(c) = chars.get(index) {
        match c {
            '\\' => index += 2,
            '"' => return index + 1,
            _ => index += 1,
        }
    }
    chars.len()
}

/// `None` where it is no raw string after all, such as `r#type`.
fn end_of_raw_string(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars.get(from + 1..)?.iter().take_while(|c| **c == '#').count();
    let open = from + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |index: usize| {
        let rest = chars.get(index..).unwrap_or_default();
        rest.first() == Some(&'"') && rest.iter().skip(1).take_while(|c| **c == '#').count() >= hashes
    };
    Some((until(chars, open + 1, closes) + 1 + hashes).min(chars.len()))
}

/// A function in a file.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

/// Every function with a body in blanked code.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let before = code.get(..start).unwrap_or_default();
        let after = code.get(start + 3..).unwrap_or_default();
        let name: String = after.chars().take_while(|c| is_word(*c)).collect();
        if before.chars().next_back().is_some_and(is_word) || name.is_empty() {
            continue;
        }
        // A body opens before any `;` that is not inside brackets, as in `[u8; 32]`.
        let mut depth = 0_i32;
        let opening = after.char_indices().find(|(_, c)| {
            depth += match c {
                '(' | '[' => 1,
                ')' | ']' => -1,
                _ => 0,
            };
            depth == 0 && matches!(c, '{' | ';')
        });
        let Some((open, '{')) = opening else { continue };
        let body = after.get(open..).unwrap_or_default();
        let whole = after.get(..open + end_of_block(body)).unwrap_or(after);
        found.push(Function { name, line: before.matches('\n').count() + 1, lines: whole.matches('\n').count() + 1 });
    }
    found
}

/// How long the block is that `text` begins with.
fn end_of_block(text: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// Blanked code without what is compiled for tests only: the item after each `#[cfg(test)]` and each test function.
pub(super) fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = ["#[cfg(test)]", "#[test]", "#[tokio::test"].iter().filter_map(|mark| rest.find(mark)).min()
    {
        let (before, item) = rest.split_at(start);
        kept.push_str(before);
        let end = item.find(['{', ';']).map_or(item.len(), |open| {
            let block = item.get(open..).unwrap_or_default();
            if block.starts_with('{') { open + end_of_block(block) } else { open + 1 }
        });
        let (dropped, after) = item.split_at(end);
        kept.extend(dropped.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// The modules in files of their own that blanked code declares for tests only.
pub(super) fn test_modules(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_for_tests = false;
    for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("#[") {
            // What other packages' tests use as well stands behind a feature: its name is blanked here.
            is_for_tests |= line == "#[cfg(test)]" || line.starts_with("#[cfg(any(test, feature = ");
            continue;
        }
        let module = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod ")).map(|(_, name)| name);
        names.extend(module.filter(|_| is_for_tests).map(str::to_owned));
        is_for_tests = false;
    }
    names
}

#[test]
fn comments_and_text_are_not_code() {
    let text = "a // b\n\"c \\\" d\" e r#\"f \" g\"# h /* i /* j */ k */ l '\\'' 'm' n: &'o str br\"p\" q\n";
    let words: Vec<_> = code(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "e", "h", "l", "n:", "&'o", "str", "b", "q"]);
    assert_eq!(code(text).matches('\n').count(), 2);
}

#[test]
fn functions_are_measured() {
    let found = functions("fn a(x: [u8; 2]) {\n  {\n  }\n}\ntrait T { fn b(); }\n  pub async fn c() -> u8 { 1 }\n");
    let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
    assert_eq!(found, [("a", 1, 4), ("c", 6, 1)]);
}

#[test]
fn test_code_is_left_out() {
    let kept = without_tests("a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\nmod t {\n c { }\n}\nd\n");
    assert_eq!(kept.split_whitespace().collect::<Vec<_>>(), ["a", "b", "d"]);
    assert_eq!(kept.matches('\n').count(), 9);
}

#[test]
fn modules_for_tests_are_known() {
    let code = "mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"x\"]\npub(crate) mod laws;\nmod b;\n\
                #[cfg(any(test, feature =       ))]\npub mod c;\n";
    assert_eq!(test_modules(code), ["tests", "laws", "c"]);
}
