//! Snapshots of what users see, kept under `tests/golden/`.

use std::collections::HashMap;
use std::fs;

use crate::{Result, root};

/// What differs from run to run, and the word that stands for it.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    texts: Vec<(String, String)>,
}

impl Redaction {
    /// Ids and times only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also this text, such as the world's path.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>, stands_for: &str) -> Self {
        self.texts.push((text.into(), stands_for.to_owned()));
        self
    }

    /// `text` with ids numbered in order of appearance, so that equal ids stay visibly equal, and times and digests
    /// replaced.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.texts {
            text = text.replace(from, to);
        }
        let mut ids: HashMap<String, usize> = HashMap::new();
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let taken = if let Some(id) = shaped(rest, UUID) {
                let next = ids.len() + 1;
                redacted.push_str(&format!("<id-{}>", ids.entry(id.to_owned()).or_insert(next)));
                id.len()
            } else if let Some(time) = shaped(rest, TIME) {
                redacted.push_str("<time>");
                let fraction = rest.get(time.len()..).unwrap_or_default();
                time.len()
                    + fraction.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | 'Z'))).unwrap_or(fraction.len())
            } else if let Some(digest) = shaped(rest, &"h".repeat(64)) {
                redacted.push_str("<digest>");
                digest.len()
            } else {
                redacted.push(c);
                c.len_utf8()
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        redacted
    }
}

const UUID: &str = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
const TIME: &str = "dddd-dd-ddTdd:dd:dd";

/// The start of `text` if it has this shape: `h` is a hexadecimal digit, `d` a digit, anything else itself.
fn shaped<'a>(text: &'a str, shape: &str) -> Option<&'a str> {
    let start = text.get(..shape.len())?;
    let fits = start.chars().zip(shape.chars()).all(|(c, shape)| match shape {
        'h' => c.is_ascii_hexdigit() && !c.is_ascii_uppercase(),
        'd' => c.is_ascii_digit(),
        other => c == other,
    });
    fits.then_some(start)
}

/// Compares `actual` with `tests/golden/NAME`, or writes it there when `UPDATE_GOLDEN` is set.
///
/// # Errors
/// They differ, or there is nothing to compare with.
pub fn golden(name: &str, actual: &str, redaction: &Redaction) -> Result {
    let path = root().join("tests/golden").join(name);
    let mut actual = redaction.apply(actual);
    if !actual.ends_with('\n') {
        actual.push('\n');
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value != "0") {
        fs::create_dir_all(path.parent().ok_or("a golden file has a folder")?)?;
        return Ok(fs::write(path, actual)?);
    }
    let advice = "if the change is meant, run again with UPDATE_GOLDEN=1 and look at the difference in git";
    let expected = fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}; {advice}", path.display()))?;
    if expected == actual {
        return Ok(());
    }
    let line = expected.lines().zip(actual.lines()).take_while(|(a, b)| a == b).count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end of file)").to_owned();
    let (was, is) = (at(&expected), at(&actual));
    Err(format!("`{}` differs from line {}:\n- {was}\n+ {is}\n{advice}", path.display(), line + 1).into())
}

#[cfg(test)]
mod tests {
    use super::Redaction;

    #[test]
    fn what_differs_from_run_to_run_is_redacted() {
        let a = "0192f0c1-2b3c-7def-8123-456789abcdef";
        let b = "0192f0c1-2b3c-7def-8123-000000000000";
        let text = format!("{a} {b} {a} at 2026-11-22T17:00:00.123456Z, é {} in /tmp/x/state", "ab".repeat(32));
        let redacted = Redaction::new().text("/tmp/x", "<world>").apply(&text);
        assert_eq!(redacted, "<id-1> <id-2> <id-1> at <time>, é <digest> in <world>/state");
    }

    #[test]
    fn a_date_alone_stays() {
        assert_eq!(Redaction::new().apply("starts 2026-05-01, 12 rows"), "starts 2026-05-01, 12 rows");
    }
}
