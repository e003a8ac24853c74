//! The forms in which a secret is likely to be echoed: those that are looked for as they are, and what text is decoded to
//! before it is looked through again.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// One of the forms of a secret.
pub(super) struct Form {
    pub(super) bytes: Vec<u8>,
    /// It may be broken into lines: base64 and hexadecimal.
    pub(super) is_broken: bool,
}

/// The forms of a secret that are no shorter than `shortest`. They are looked for whatever the case of their letters.
pub(super) fn forms(secret: &str, shortest: usize) -> Vec<Form> {
    let units = |bytes: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    // Their outermost zero may be cut off.
    let [mut little, mut big] = [units(u16::to_le_bytes), units(u16::to_be_bytes)];
    little.pop_if(|last| *last == 0);
    big.drain(..usize::from(big.first() == Some(&0)));
    let written = [secret.as_bytes().to_vec(), little, big];
    let mut forms = Vec::new();
    for bytes in &written {
        forms.push(Form { bytes: hex::encode(bytes).into_bytes(), is_broken: true });
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let aligned = (0..3).map(|shift| inner_base64(engine, bytes, shift).into_bytes());
            forms.extend(aligned.map(|bytes| Form { bytes, is_broken: true }));
        }
    }
    let doubled = ['\'', '"'].map(|quote| secret.replace(quote, &String::from_iter([quote, quote])).into_bytes());
    forms.extend(written.into_iter().chain(doubled).map(|bytes| Form { bytes, is_broken: false }));
    forms.retain(|form| form.bytes.len() >= shortest);
    forms
}

/// How long a text may be that decodes to one of so many bytes: `\\u0061` stands for one of them.
pub(super) const fn longest_of(bytes: usize) -> usize {
    bytes * 7
}

/// So much is decoded at once: it takes many times its length.
const PART: usize = 256 << 10;

/// Long text in parts, and where each begins. They overlap by more than twice the longest form.
pub(super) fn parts(bytes: &[u8], longest: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let overlap = longest.saturating_mul(2).saturating_add(64);
    let part = PART.max(overlap.saturating_mul(2));
    let starts = (0..bytes.len()).step_by(part - overlap);
    let is_needed = move |start: &usize| *start == 0 || bytes.len() > start + overlap;
    starts.filter(is_needed).map(move |start| (start, &bytes[start..bytes.len().min(start + part)]))
}

/// The characters base64 gives for these bytes whatever stands before (`shift` bytes) and after them.
fn inner_base64(engine: &base64::engine::GeneralPurpose, bytes: &[u8], shift: usize) -> String {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(bytes);
    let encoded = engine.encode(&padded);
    // The first character that mixes in foreign bits, and the last, are left out.
    let from = (shift * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    encoded.get(from..to).unwrap_or_default().to_owned()
}

/// Text as it reads decoded, and where each byte of that stood.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    from: Vec<(usize, usize)>,
}

/// How many bytes at the beginning stand for what; `None` where the first stands for itself.
type Step = fn(&[u8]) -> Option<(usize, Vec<u8>)>;

impl View {
    fn of(bytes: &[u8], step: Step) -> Option<Self> {
        let (mut view, mut at, mut is_changed) = (Self { bytes: Vec::new(), from: Vec::new() }, 0, false);
        while let Some((first, _)) = bytes.get(at..).and_then(<[u8]>::split_first) {
            let (taken, stands_for) = match step(&bytes[at..]) {
                Some(decoded) => {
                    is_changed = true;
                    decoded
                }
                None => {
                    view.bytes.push(*first);
                    view.from.push((at, at + 1));
                    at += 1;
                    continue;
                }
            };
            view.from.extend(stands_for.iter().map(|_| (at, at + taken)));
            view.bytes.extend(stands_for);
            at += taken;
        }
        is_changed.then_some(view)
    }

    /// The same, decoded once more.
    fn again(&self, step: Step) -> Option<Self> {
        let mut view = Self::of(&self.bytes, step)?;
        for from in &mut view.from {
            let whole = self.place(&(from.0..from.1));
            *from = (whole.start, whole.end);
        }
        Some(view)
    }

    /// Where a span of it stood in the text it was decoded from.
    pub(super) fn place(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.from.get(span.start).map_or(0, |from| from.0);
        let end = span.end.checked_sub(1).and_then(|last| self.from.get(last)).map_or(start, |from| from.1);
        start..end.max(start)
    }
}

/// What text comes to once escapes are decoded, up to twice: percent-encoding, and the backslashes of JSON and shells.
pub(super) fn decoded(bytes: &[u8]) -> Vec<View> {
    let mut views = Vec::new();
    for (mark, step) in [(b'%', percent as Step), (b'\\', backslash as Step)] {
        let once = bytes.contains(&mark).then(|| View::of(bytes, step)).flatten();
        let twice = once.as_ref().filter(|once| once.bytes.contains(&mark)).and_then(|once| once.again(step));
        views.extend(once.into_iter().chain(twice));
    }
    views
}

/// The text, and what its escapes come to, without blanks and the ends of lines.
pub(super) fn unbroken(bytes: &[u8], decoded: &[View]) -> Vec<View> {
    View::of(bytes, blank).into_iter().chain(decoded.iter().filter_map(|view| view.again(blank))).collect()
}

fn blank(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    bytes.first()?.is_ascii_whitespace().then(|| (1, Vec::new()))
}

fn percent(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let digits = bytes.strip_prefix(b"%")?;
    Some((3, vec![u8::try_from(hexadecimal(digits, 2)?).ok()?]))
}

fn backslash(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let rest = bytes.strip_prefix(b"\\")?;
    let one = |byte: u8| Some((2, vec![byte]));
    match rest.first()? {
        b'u' => unit(bytes),
        b'x' => Some((4, vec![u8::try_from(hexadecimal(&rest[1..], 2)?).ok()?])),
        b'n' => one(b'\n'),
        b'r' => one(b'\r'),
        b't' => one(b'\t'),
        b'b' => one(8),
        b'f' => one(12),
        other => one(*other),
    }
}

/// `\uXXXX`, or two of them that are one character.
fn unit(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let number = |at: usize| {
        let digits = bytes.get(at..)?.strip_prefix(b"\\u")?;
        u16::try_from(hexadecimal(digits, 4)?).ok()
    };
    let units: Vec<u16> = std::iter::once(number(0)?).chain(number(6)).collect();
    let first = char::decode_utf16(units).next()?.ok()?;
    Some((6 * first.len_utf16(), first.to_string().into_bytes()))
}

fn hexadecimal(digits: &[u8], many: usize) -> Option<u32> {
    let digits = digits.get(..many)?;
    let value = |number: u32, digit: &u8| Some(number * 16 + char::from(*digit).to_digit(16)?);
    digits.iter().try_fold(0, value)
}
