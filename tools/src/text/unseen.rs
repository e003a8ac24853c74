//! Which characters cannot be told from others by looking at them. Every text that people read is shown without them: an
//! escape such as `\u{200b}` stands where one was, so that nothing is lost and two names never look the same.

/// Whether a character draws nothing of its own, changes the order of others, or has no fixed look: Unicode's control,
/// format, unassigned and private-use characters, white space other than the space, `Default_Ignorable_Code_Point`, and the
/// fillers that count as letters but draw nothing.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
        | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || c.is_whitespace()
        || !is_printable(c)
}

/// The standard library's own table: behind another character it escapes only what is not printable.
fn is_printable(c: char) -> bool {
    let mut buffer = [0; 5];
    buffer[0] = b'x';
    let length = 1 + c.encode_utf8(&mut buffer[1..]).len();
    let text = std::str::from_utf8(&buffer[..length]).unwrap_or_default();
    text.escape_debug().count() == 2
}

/// A mark that is drawn over, under or around the character before it (`Grapheme_Extend`).
fn is_mark(c: char) -> bool {
    // The standard library escapes a printable character that begins a text only where it is such a mark.
    !c.is_ascii() && c.escape_debug().len() > 1
}

/// More marks than this on one character grow into the lines around it.
const MOST_MARKS: usize = 3;

/// Looks at a text character by character.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reader {
    before: Option<char>,
    marks: usize,
}

impl Reader {
    /// The character just read is shown by its number for another reason: no mark can stand on it.
    pub(super) fn escaped(&mut self) {
        *self = Self::default();
    }

    /// Whether the next character must be escaped: what is unseen, what makes another character of the one before, and
    /// marks on nothing or without end.
    pub(super) fn escapes(&mut self, c: char) -> bool {
        if c.is_ascii() {
            (self.before, self.marks) = (Some(c), 0);
            return c.is_ascii_control();
        }
        let mark = !is_unseen(c) && is_mark(c);
        let stands = self.marks < MOST_MARKS && self.before.is_some_and(char::is_alphanumeric);
        let escapes = is_unseen(c)
            || is_another(c)
            || (mark && !stands)
            || (composes_with_some(c) && self.before.is_some_and(is_composed_with));
        self.marks = if mark && !escapes { self.marks + 1 } else { 0 };
        // Behind an escape nothing is left that a mark could stand on; behind a mark its letter is.
        self.before = match (escapes, mark) {
            (true, _) => None,
            (false, true) if self.marks > 0 && !c.is_alphanumeric() => self.before,
            (false, _) => Some(c),
        };
        escapes
    }
}

/// Characters that Unicode's canonical composition (UAX #15) takes for another one or joins to the one before, so that two
/// texts look the same: marks on Latin, Greek, Cyrillic and kana, parts of Hangul syllables, doubled letters.
fn is_another(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{374}' | '\u{37e}' | '\u{387}' | '\u{483}'..='\u{489}' | '\u{653}'..='\u{655}'
        | '\u{958}'..='\u{95f}' | '\u{9dc}'..='\u{9dd}' | '\u{9df}' | '\u{a33}' | '\u{a36}' | '\u{a59}'..='\u{a5b}'
        | '\u{a5e}' | '\u{b5c}'..='\u{b5d}' | '\u{f43}' | '\u{f4d}' | '\u{f52}' | '\u{f57}' | '\u{f5c}' | '\u{f69}'
        | '\u{f73}' | '\u{f75}'..='\u{f76}' | '\u{f78}' | '\u{f81}' | '\u{f93}' | '\u{f9d}' | '\u{fa2}' | '\u{fa7}'
        | '\u{fac}' | '\u{fb9}' | '\u{1160}'..='\u{11ff}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{1f71}' | '\u{1f73}' | '\u{1f75}' | '\u{1f77}' | '\u{1f79}' | '\u{1f7b}' | '\u{1f7d}' | '\u{1fbb}'
        | '\u{1fbe}' | '\u{1fc9}' | '\u{1fcb}' | '\u{1fd3}' | '\u{1fdb}' | '\u{1fe3}' | '\u{1feb}'
        | '\u{1fee}'..='\u{1fef}' | '\u{1ff9}' | '\u{1ffb}' | '\u{1ffd}' | '\u{20d0}'..='\u{20ff}' | '\u{2126}'
        | '\u{212a}'..='\u{212b}' | '\u{2329}'..='\u{232a}' | '\u{2adc}' | '\u{302a}'..='\u{302f}'
        | '\u{3099}'..='\u{309a}' | '\u{d7b0}'..='\u{d7ff}' | '\u{f900}'..='\u{fa0d}' | '\u{fa10}' | '\u{fa12}'
        | '\u{fa15}'..='\u{fa1e}' | '\u{fa20}' | '\u{fa22}' | '\u{fa25}'..='\u{fa26}' | '\u{fa2a}'..='\u{faff}'
        | '\u{fb1d}' | '\u{fb1f}' | '\u{fb2a}'..='\u{fb4e}' | '\u{fe20}'..='\u{fe2f}' | '\u{1d15e}'..='\u{1d164}'
        | '\u{1d1bb}'..='\u{1d1c0}' | '\u{2f800}'..='\u{2fa1f}')
}

/// Ordinary letters and signs that join to a few others only.
fn composes_with_some(c: char) -> bool {
    matches!(c,
        '\u{93c}' | '\u{9be}' | '\u{9d7}' | '\u{b3e}' | '\u{b56}'..='\u{b57}' | '\u{bbe}' | '\u{bd7}' | '\u{c56}'
        | '\u{cc2}' | '\u{cd5}'..='\u{cd6}' | '\u{d3e}' | '\u{d57}' | '\u{dca}' | '\u{dcf}' | '\u{ddf}' | '\u{102e}'
        | '\u{1b35}' | '\u{110ba}' | '\u{11127}' | '\u{1133e}' | '\u{11357}' | '\u{114b0}' | '\u{114ba}' | '\u{114bd}'
        | '\u{115af}' | '\u{11930}')
}

/// Those others.
fn is_composed_with(c: char) -> bool {
    matches!(c,
        '\u{928}' | '\u{930}' | '\u{933}' | '\u{9c7}' | '\u{b47}' | '\u{b92}' | '\u{bc6}'..='\u{bc7}' | '\u{c46}'
        | '\u{cbf}' | '\u{cc6}' | '\u{cca}' | '\u{d46}'..='\u{d47}' | '\u{dd9}' | '\u{ddc}' | '\u{1025}' | '\u{1b05}'
        | '\u{1b07}' | '\u{1b09}' | '\u{1b0b}' | '\u{1b0d}' | '\u{1b11}' | '\u{1b3a}' | '\u{1b3c}'
        | '\u{1b3e}'..='\u{1b3f}' | '\u{1b42}' | '\u{11099}' | '\u{1109b}' | '\u{110a5}' | '\u{11131}'..='\u{11132}'
        | '\u{11347}' | '\u{114b9}' | '\u{115b8}'..='\u{115b9}' | '\u{11935}')
}

/// Whether a letter or digit is taken for a Latin one in a word that has some: those of Greek, Cyrillic, Armenian and Cherokee
/// all are there, and so is whatever else looks like one.
pub(super) fn poses_as_latin(c: char) -> bool {
    matches!(c, '\u{370}'..='\u{52f}' | '\u{531}'..='\u{587}' | '\u{13a0}'..='\u{13ff}' | '\u{1c80}'..='\u{1c8f}'
        | '\u{1f00}'..='\u{1fff}' | '\u{a640}'..='\u{a69f}' | '\u{ab70}'..='\u{abbf}')
        && c.is_alphabetic()
        || looks_latin(c)
}

/// Whether a letter or digit looks like a Latin one, by Unicode's table of confusables (UTS #39), or is a small capital. The
/// letters of European languages are themselves.
pub(super) fn looks_latin(c: char) -> bool {
    const SMALL_CAPITALS: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ";
    if c <= '\u{17f}' || !c.is_alphanumeric() {
        return false;
    }
    let mut buffer = [0; 4];
    let mut prototype = unicode_security::skeleton(c.encode_utf8(&mut buffer));
    let is_one = (prototype.next().is_some_and(|c| c.is_ascii_alphanumeric())) && prototype.next().is_none();
    is_one || SMALL_CAPITALS.contains(c)
}
