//! Names, sizes and counts as text for people. The name of a file or a table is hostile input: it must not be able to
//! forge, hide or reorder any part of a sentence it stands in, nor to look like another name.

mod unseen;

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use sha2::{Digest as _, Sha256};

use crate::contract::Timestamp;

pub use unseen::is_unseen;
use unseen::{Reader, looks_latin, poses_as_latin};

/// Longer names are cut in the middle: the beginning says where it is, the end says what it is.
const LONGEST: usize = 160;

/// Stands before a comment of a statement that is shown line by line; no text of others holds it.
pub const COMMENT_BEGINS: char = '\u{27e6}';
/// Stands behind it.
pub const COMMENT_ENDS: char = '\u{27e7}';

/// A name as it stands in a sentence: as it is when it is plain, else quoted with everything odd escaped; where it holds what
/// Markdown or HTML reads as more than text, in a code span. Two names never come to the same text.
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
    simple(bytes).map_or_else(|| spelled(bytes), str::to_owned)
}

fn spelled(bytes: &[u8]) -> String {
    let (text, plain) = named(bytes, LONGEST);
    match () {
        // No backtick is left in it.
        () if is_marked_up(&String::from_utf8_lossy(bytes)) => format!("`{text}`"),
        () if plain => text,
        () => format!("\"{}\"", text.replace('"', "\\\"")),
    }
}

/// The name, where it is a short one of letters, digits and dots or so: most are, and each call shows some.
fn simple(bytes: &[u8]) -> Option<&str> {
    let is_simple = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'-');
    let is_short = (1..=LONGEST).contains(&bytes.len());
    let name = std::str::from_utf8(bytes).ok().filter(|_| is_short && bytes.iter().all(is_simple))?;
    (!name.contains("www.")).then_some(name)
}

/// Whether clients that render Markdown (CommonMark, GitHub's, with formulas) could show a name as something else than its
/// letters: emphasis, struck out, a link, a tag, a comment that hides what follows, an escape.
fn is_marked_up(name: &str) -> bool {
    let is_sign = |c: char| "<>&[]*|!~$\\".contains(c);
    // Between letters it is no emphasis.
    let is_at_an_edge = |(at, _): (usize, &str)| {
        let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_letter(name[..at].chars().next_back()) || !is_letter(name[at + 1..].chars().next())
    };
    name.contains(is_sign)
        || name.contains("://")
        || name.contains("www.")
        || (name.matches('_').count() > 1 && name.match_indices('_').any(is_at_an_edge))
}

/// A name as it stands in a code span, without quotes around it: cut after so many characters. Two names never come to the
/// same text here either.
#[must_use]
pub fn in_code(name: &str, most: usize) -> String {
    named(name.as_bytes(), most).0
}

/// Longer names are cut in the middle.
const NAME_CHARS: usize = 240;

/// The name of something that exists, as it is but for what cannot be seen or told apart. Two names never come to the same.
#[must_use]
pub fn name(text: &str) -> String {
    in_code(text, NAME_CHARS)
}

/// The same in a code span, so that Markdown interprets nothing in it.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("`{}`", name(text))
}

/// Text of others on one line, as it is but for what cannot be seen: that is escaped, and so is a line break.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut reader = Reader::default();
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if reader.escapes(c) { escape(&mut shown, c) } else { shown.push(c) }
    }
    shown
}

/// One line of a text that is shown exactly: what cannot be seen is escaped, and so is whatever reads like an escape.
#[must_use]
pub fn visible_exactly(line: &str) -> String {
    let mut reader = Reader::default();
    let mut shown = String::with_capacity(line.len());
    for (at, c) in line.char_indices() {
        let is_like_an_escape = c == '\\' && line[at + 1..].starts_with("u{");
        let is_mark = matches!(c, COMMENT_BEGINS | COMMENT_ENDS);
        if reader.escapes(c) || is_like_an_escape || is_mark { escape(&mut shown, c) } else { shown.push(c) }
    }
    shown
}

/// A sentence of somebody else's: what cannot be seen is escaped, and it is cut after 400 characters.
#[must_use]
pub fn shown_sentence(text: &str) -> String {
    const LONGEST_SENTENCE: usize = 400;
    let start = text.char_indices().nth(LONGEST_SENTENCE + 1).map_or(text, |(cut, _)| &text[..cut]);
    let mut shown = visible(start);
    if let Some((cut, _)) = shown.char_indices().nth(LONGEST_SENTENCE) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

/// JSON with every character that cannot be seen as `\uXXXX`: the same to whoever parses it. Line breaks between the values
/// stay.
#[must_use]
pub fn visible_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if !is_unseen(c) || c == '\n' {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

fn escape(text: &mut String, c: char) {
    let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
}

/// A name without what cannot be seen, and whether it can stand in a sentence without quotes.
fn named(bytes: &[u8], most: usize) -> (String, bool) {
    // Nothing longer than this is shown, so nothing longer needs to be escaped.
    let (head, tail) = match bytes.len() > 4 * most {
        true => (&bytes[..2 * most], &bytes[bytes.len() - 2 * most..]),
        false => (bytes, &[][..]),
    };
    let mut pieces = pieces(head);
    let plain = tail.is_empty() && !pieces.is_empty() && pieces.iter().all(|piece| piece.plain);
    pieces.extend(self::pieces(tail));
    let is_edge = |at: usize, of: &[Piece]| at == 0 || at + 1 == of.len() || of[at - 1].is_space();
    let edges: Vec<usize> = (0..pieces.len()).filter(|at| pieces[*at].is_space() && is_edge(*at, &pieces)).collect();
    // A space that is not alone may be drawn as one, or not at all.
    edges.into_iter().for_each(|at| pieces[at].text = "\\u{20}".into());
    let of = |pieces: &[Piece]| pieces.iter().map(|piece| piece.text.as_str()).collect::<String>();
    if pieces.len() <= most && tail.is_empty() {
        return (of(&pieces), plain);
    }
    // What is left out is told by its digest, so that no other name is cut to the same.
    let digest = hex::encode(&Sha256::digest(bytes)[..16]);
    let (start, end) = (of(&pieces[..most / 2]), of(&pieces[pieces.len() - most / 2..]));
    (format!("{start}…({} bytes, SHA-256 {digest}…)…{end}", grouped(bytes.len() as u64)), false)
}

struct Piece {
    text: String,
    plain: bool,
}

impl Piece {
    fn is_space(&self) -> bool {
        matches!(self.text.as_str(), " " | "\\u{20}")
    }
}

fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let mut reader = Reader::default();
        let poses = poses(chunk.valid());
        for word in chunk.valid().split_inclusive(|c: char| !c.is_alphanumeric()) {
            // In one word with Latin letters, such a letter is taken for one.
            let is_latin = word.contains(|c: char| c.is_ascii_alphabetic());
            pieces.extend(word.chars().map(|c| {
                let is_double = (is_latin && poses_as_latin(c)) || (poses && looks_latin(c));
                let unclear = reader.escapes(c) || is_double || matches!(c, '`' | '…');
                if unclear {
                    reader.escaped();
                }
                piece(c, unclear)
            }));
        }
        pieces.extend(chunk.invalid().iter().map(|b| Piece { text: format!("\\x{b:02x}"), plain: false }));
    }
    pieces
}

/// Whether every letter of a name looks like a Latin one, so that all of it could be read as another.
fn poses(name: &str) -> bool {
    name.chars().filter(|c| c.is_alphanumeric()).all(|c| c.is_ascii() || looks_latin(c))
}

fn piece(c: char, unclear: bool) -> Piece {
    let mut text = String::new();
    match c {
        _ if unclear => escape(&mut text, c),
        '\\' => text.push_str("\\\\"),
        _ => text.push(c),
    }
    Piece { text, plain: !unclear && (c.is_alphanumeric() || "._-/+@=~%#:$".contains(c)) }
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

/// `1 file`, `214 files`, `3 days`, `2 entries`.
#[must_use]
pub fn count(n: u64, what: &str) -> String {
    match (n, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{} {stem}ies", grouped(n)),
        _ => format!("{} {what}s", grouped(n)),
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
