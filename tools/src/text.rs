//! Names, sizes and counts as text for people. The name of a file or a table is hostile input: it must not be able to
//! forge, hide or reorder any part of a sentence it stands in.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::contract::Timestamp;

/// Longer names are cut in the middle: the beginning says where it is, the end says what it is.
const LONGEST: usize = 160;

/// A name as it stands in a sentence: as it is when it is plain, else quoted with everything odd escaped.
#[must_use]
pub fn shown(name: &str) -> String {
    shown_bytes(name.as_bytes())
}

/// The same for a name as the file system gave it, which need not be UTF-8.
#[must_use]
pub fn shown_os(name: &OsStr) -> String {
    shown_bytes(name.as_bytes())
}

fn shown_bytes(bytes: &[u8]) -> String {
    // Nothing longer than this is shown, so nothing longer needs to be escaped.
    let (head, tail) = match bytes.len() > 4 * LONGEST {
        true => (&bytes[..2 * LONGEST], &bytes[bytes.len() - 2 * LONGEST..]),
        false => (bytes, &[][..]),
    };
    let mut pieces = pieces(head);
    let plain = tail.is_empty() && !pieces.is_empty() && pieces.iter().all(|piece| piece.plain);
    pieces.extend(self::pieces(tail));
    let text: String = if pieces.len() > LONGEST {
        let (start, end) = (&pieces[..LONGEST / 2], &pieces[pieces.len() - LONGEST / 2..]);
        start.iter().map(|piece| piece.text.as_str()).chain(["…"]).chain(end.iter().map(|p| p.text.as_str())).collect()
    } else {
        pieces.iter().map(|piece| piece.text.as_str()).collect()
    };
    if plain { text } else { format!("\"{text}\"") }
}

/// A sentence of somebody else's: what cannot be seen is taken out, and it is cut after 400 characters.
#[must_use]
pub fn shown_sentence(text: &str) -> String {
    const LONGEST_SENTENCE: usize = 400;
    let mut shown: String =
        text.chars().map(|c| if is_unseen(c) { ' ' } else { c }).take(LONGEST_SENTENCE + 1).collect();
    if shown.chars().count() > LONGEST_SENTENCE {
        shown = shown.chars().take(LONGEST_SENTENCE).chain(['…']).collect();
    }
    shown
}

struct Piece {
    text: String,
    plain: bool,
}

fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for chunk in bytes.utf8_chunks() {
        pieces.extend(chunk.valid().chars().map(|c| match c {
            _ if is_unseen(c) => Piece { text: format!("\\u{{{:x}}}", u32::from(c)), plain: false },
            '"' | '\\' | '`' => Piece { text: format!("\\{c}"), plain: false },
            _ => Piece { text: c.to_string(), plain: c.is_alphanumeric() || "._-/+@=~%#:$".contains(c) },
        }));
        pieces.extend(chunk.invalid().iter().map(|b| Piece { text: format!("\\x{b:02x}"), plain: false }));
    }
    pieces
}

/// Control, bidirectional, invisible and blank characters other than the space: Unicode's `Default_Ignorable_Code_Point`,
/// `Bidi_Control` and `White_Space`, line separators, and the fillers that count as letters but draw nothing.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A size for people: `16 bytes`, `1.2 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return count(bytes, "byte");
    }
    let (mut whole, mut tenths, mut unit) = (bytes, 0, "");
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        if whole < 1000 {
            break;
        }
        (tenths, whole, unit) = (whole % 1000 / 100, whole / 1000, next);
    }
    if whole >= 100 { format!("{whole} {unit}") } else { format!("{whole}.{tenths} {unit}") }
}

/// `1 file`, `214 files`.
#[must_use]
pub fn count(n: u64, what: &str) -> String {
    match (n, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{} {stem}ies", grouped(n)),
        (_, None) => format!("{} {what}s", grouped(n)),
    }
}

/// A number with thousands separated: `1,508`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment to the second.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(shown("uploads/2025/büro.txt"), "uploads/2025/büro.txt");
        assert_eq!(shown("my file"), "\"my file\"");
        assert_eq!(shown(""), "\"\"");
    }

    #[test]
    fn hostile_names_forge_nothing() {
        assert_eq!(shown("a`\nb"), "\"a\\`\\u{a}b\"");
        assert_eq!(shown("a\nb"), "\"a\\u{a}b\"");
        assert_eq!(shown("x\" (0 files)"), "\"x\\\" (0 files)\"");
        assert_eq!(shown("a\u{202e}txt.exe"), "\"a\\u{202e}txt.exe\"");
        assert_eq!(shown("a\u{200b}\u{3164}\u{e0041}"), "\"a\\u{200b}\\u{3164}\\u{e0041}\"");
        assert_eq!(shown_os(OsStr::from_bytes(b"\xff\x1b[2J")), "\"\\xff\\u{1b}[2J\"");
        let long = shown(&"a\u{7}".repeat(5000));
        assert!(long.chars().count() < 1000 && long.contains('…') && !long.chars().any(char::is_control));
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(
            [0, 1, 999, 1000, 1_250_000, 123_400_000_000].map(size),
            ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.2 MB", "123 GB"]
        );
        assert_eq!([0, 999, 1_508, 1_000_000].map(grouped), ["0", "999", "1,508", "1,000,000"]);
        assert_eq!([count(1, "file"), count(0, "file"), count(2, "entry")], ["1 file", "0 files", "2 entries"]);
    }
}
