//! Matching by `LIKE` and `GLOB` as SQLite does it (`patternCompare` in its `func.c`), stoppable and without recursion.

use super::stop::{Meter, Over};

/// The longest pattern SQLite takes.
pub(crate) const LONGEST: usize = 50_000;

/// Whose wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `%`, `_`, either case of ASCII letters.
    Like,
    /// `*`, `?`, `[…]`.
    Glob,
}

/// The character at a place and the place behind it, zero at the end. What is no UTF-8 is read as SQLite does.
pub(crate) fn read(text: &[u8], at: usize) -> (u32, usize) {
    let Some(first) = text.get(at).copied() else { return (0, at) };
    let mut next = at + 1;
    let mut character = u32::from(match first {
        0xc0..=0xdf => first & 0x1f,
        0xe0..=0xef => first & 0x0f,
        0xf0..=0xf7 => first & 0x07,
        0xf8..=0xfb => first & 0x03,
        0xfc..=0xfd => first & 0x01,
        0xfe..=0xff => 0,
        byte => return (u32::from(byte), next),
    });
    while let Some(byte) = text.get(next).filter(|byte| **byte & 0xc0 == 0x80) {
        character = (character << 6).wrapping_add(u32::from(byte & 0x3f));
        next += 1;
    }
    if character < 0x80 || character & 0xffff_f800 == 0xd800 {
        character = 0xfffd;
    }
    (character, next)
}

struct Wildcards {
    all: u32,
    one: u32,
    /// The escape character of `LIKE`, `[` of `GLOB`; zero for none.
    other: u32,
    kind: Kind,
}

/// How one part of the pattern meets the text.
enum Met {
    /// Both go on from these places.
    Yes(usize, usize),
    No,
}

/// Whether a text matches a pattern. Both end at a NUL.
pub(crate) fn matches(
    pattern: &[u8],
    text: &[u8],
    kind: Kind,
    escape: Option<u32>,
    meter: &mut Meter,
) -> Result<bool, Over> {
    let up_to_nul = |bytes: &'_ [u8]| bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (pattern, text) = (&pattern[..up_to_nul(pattern)], &text[..up_to_nul(text)]);
    let (all, one, other) = match kind {
        Kind::Like => (u32::from(b'%'), u32::from(b'_'), escape.unwrap_or_default()),
        Kind::Glob => (u32::from(b'*'), u32::from(b'?'), u32::from(b'[')),
    };
    // An escape character that is a wildcard is none any more.
    let left = |wildcard: u32| if Some(wildcard) == escape { 0 } else { wildcard };
    let wildcards = Wildcards { all: left(all), one: left(one), other, kind };
    let (mut at, mut place) = (0, 0);
    // Where the pattern goes on behind the last `%`, and the first place in the text that was not tried there. An earlier
    // one need not be tried again: what it could reach, the last one can.
    let mut back: Option<(usize, usize)> = None;
    loop {
        meter.did(1)?;
        let (character, next) = read(pattern, at);
        if character != 0 && character == wildcards.all {
            let Some((behind, skipped)) = wildcards.skip(pattern, next, text, place) else { return Ok(false) };
            if behind == pattern.len() {
                return Ok(true);
            }
            let Some(first) = wildcards.candidate(pattern, behind, text, skipped, meter)? else { return Ok(false) };
            (at, place, back) = (behind, first, Some((behind, first)));
            continue;
        }
        if character == 0 && place == text.len() {
            return Ok(true);
        }
        if character != 0 {
            let length = next - at;
            if let Met::Yes(on, further) = wildcards.meet(pattern, (character, next), text, place, meter)? {
                meter.did(length)?;
                (at, place) = (on, further);
                continue;
            }
        }
        match back {
            Some((behind, tried)) if tried < text.len() => {
                let next = read(text, tried).1;
                let Some(next) = wildcards.candidate(pattern, behind, text, next, meter)? else { return Ok(false) };
                (at, place, back) = (behind, next, Some((behind, next)));
            }
            _ => return Ok(false),
        }
    }
}

impl Wildcards {
    /// Goes behind a run of `%` and `_`, each `_` taking a character of the text; `None` where that has too few.
    fn skip(&self, pattern: &[u8], mut at: usize, text: &[u8], mut place: usize) -> Option<(usize, usize)> {
        loop {
            let (character, next) = read(pattern, at);
            if character == 0 || (character != self.all && character != self.one) {
                return Some((at, place));
            }
            if character == self.one {
                let (taken, further) = read(text, place);
                if taken == 0 {
                    return None;
                }
                place = further;
            }
            at = next;
        }
    }

    /// The first place from here where the pattern may go on behind a `%`: where its next character is, if that is a letter
    /// or sign of ASCII, or right here.
    fn candidate(
        &self,
        pattern: &[u8],
        behind: usize,
        text: &[u8],
        from: usize,
        meter: &mut Meter,
    ) -> Result<Option<usize>, Over> {
        let Some(wanted) = pattern.get(behind).copied().filter(u8::is_ascii) else { return Ok(Some(from)) };
        if u32::from(wanted) == self.one || u32::from(wanted) == self.other {
            return Ok(Some(from));
        }
        let mut rest = text[from..].iter();
        let found = match self.kind {
            Kind::Glob => rest.position(|byte| *byte == wanted),
            Kind::Like => rest.position(|byte| byte.eq_ignore_ascii_case(&wanted)),
        };
        meter.did(found.unwrap_or(text.len() - from))?;
        Ok(found.map(|further| from + further))
    }

    /// Compares one character of the pattern, escaped or not, or one set.
    fn meet(
        &self,
        pattern: &[u8],
        (character, next): (u32, usize),
        text: &[u8],
        place: usize,
        meter: &mut Meter,
    ) -> Result<Met, Over> {
        let (found, further) = read(text, place);
        if character == self.other && self.kind == Kind::Glob {
            let (seen, end) = set(pattern, next, found);
            meter.did(end - next)?;
            return Ok(if found != 0 && seen { Met::Yes(end, further) } else { Met::No });
        }
        let escaped = self.other != 0 && character == self.other;
        let (wanted, on) = if escaped { read(pattern, next) } else { (character, next) };
        let same = wanted == found || (self.kind == Kind::Like && folded(wanted) == folded(found));
        let any = !escaped && wanted == self.one;
        Ok(if wanted != 0 && found != 0 && (same || any) { Met::Yes(on, further) } else { Met::No })
    }
}

/// Lower case of an ASCII letter.
fn folded(character: u32) -> u32 {
    if (0x41..=0x5a).contains(&character) { character + 0x20 } else { character }
}

/// Whether a set, read from behind its `[`, has this character in it, and where it ends. One without an end has none.
fn set(pattern: &[u8], at: usize, character: u32) -> (bool, usize) {
    const END: u32 = b']' as u32;
    const RANGE: u32 = b'-' as u32;
    let (mut seen, mut before) = (false, 0);
    let (mut member, mut next) = read(pattern, at);
    let inverted = member == u32::from(b'^');
    if inverted {
        (member, next) = read(pattern, next);
    }
    if member == END {
        seen |= character == END;
        (member, next) = read(pattern, next);
    }
    while member != 0 && member != END {
        let ahead = read(pattern, next).0;
        if member == RANGE && ahead != END && ahead != 0 && before > 0 {
            (member, next) = read(pattern, next);
            seen |= (before..=member).contains(&character);
            before = 0;
        } else {
            seen |= character == member;
            before = member;
        }
        (member, next) = read(pattern, next);
    }
    (member != 0 && seen != inverted, next)
}
