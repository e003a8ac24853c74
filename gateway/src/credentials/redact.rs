//! Takes every held secret out of text, in the forms it is likely to be echoed in.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use mollyguard_tools::contract::{BlastRadius, HeldSecrets, MARK};
use serde_json::Value;

use super::SecretError;
use super::forms::{View, decoded, forms, longest_of, parts, unbroken};
use super::fragments::Fragments;
use super::named::{Named, SHORTEST};

/// Takes held secrets out of text.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    search: Option<Search>,
    fragments: Fragments,
    longest: usize,
    /// Some form can be written as a number.
    has_digits: bool,
}

/// Looks for many forms at once.
#[derive(Clone, Debug)]
struct Search {
    /// Finds all of them, those that overlap others too.
    all: AhoCorasick,
    /// The reference each form belongs to, and whether it may be broken into lines.
    forms: Arc<[(String, bool)]>,
}

impl Search {
    /// Every occurrence of every form, those within and across others as well, with its reference; or only of those that
    /// may be broken into lines.
    fn of<'a>(&'a self, bytes: &'a [u8], is_unbroken: bool) -> impl Iterator<Item = (Range<usize>, &'a str)> {
        // Which is the faster search, and nearly always enough.
        let is_any = self.all.is_match(bytes);
        let found = is_any.then(|| self.all.find_overlapping_iter(bytes)).into_iter().flatten();
        found.filter_map(move |found| {
            let (reference, is_broken) = self.forms.get(found.pattern().as_usize())?;
            (*is_broken || !is_unbroken).then_some((found.range(), reference.as_str()))
        })
    }
}

impl Redactor {
    /// A redactor for these secrets: as they are, in UTF-16, in hexadecimal and base64 of either, broken into lines or not,
    /// with quotes doubled, and with any of their bytes percent-encoded or escaped by backslashes as in JSON; whatever the
    /// case of their letters.
    ///
    /// # Errors
    /// There are too many to search for.
    pub fn new(secrets: &[Named]) -> Result<Self, SecretError> {
        let of_one = |named: &Named| {
            let forms = forms(named.secret.reveal(), SHORTEST).into_iter();
            forms.map(|form| (form.bytes, named.reference.clone(), form.is_broken)).collect::<Vec<_>>()
        };
        let mut forms: Vec<(Vec<u8>, String, bool)> = secrets.iter().flat_map(of_one).collect();
        forms.sort_unstable();
        forms.dedup_by(|one, other| one.0 == other.0);
        if forms.is_empty() {
            return Ok(Self::default());
        }
        let bytes = || forms.iter().map(|(bytes, ..)| bytes);
        let is_number = |form: &Vec<u8>| form.iter().all(|b| b.is_ascii_digit() || b"+-.eE".contains(b));
        let longest = bytes().map(Vec::len).max().unwrap_or_default();
        let decoded = secrets.iter().map(|named| longest_of(named.secret.reveal().len())).max().unwrap_or_default();
        let has_digits = bytes().any(is_number);
        let failed = |error: BuildError| SecretError::Redactor(error.to_string());
        let mut builder = AhoCorasick::builder();
        let builder = builder.match_kind(MatchKind::Standard).ascii_case_insensitive(true);
        let all = builder.build(bytes()).map_err(failed)?;
        let forms = forms.into_iter().map(|(_, reference, is_broken)| (reference, is_broken)).collect();
        Ok(Self {
            search: Some(Search { all, forms }),
            fragments: Fragments::new(secrets).map_err(failed)?,
            // Each character may be followed by the end of a line.
            longest: longest.saturating_mul(2).max(decoded),
            has_digits,
        })
    }

    /// Whether anything is looked for at all.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.search.is_none()
    }

    /// The text without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_idle() {
            return Cow::Borrowed(text);
        }
        // Both are looked for in the text as it came: what is whole may share its end with a piece of another.
        let whole = self.spans(text.as_bytes()).into_iter();
        // In UTF-16, one may end within what reads as a character here.
        let whole = whole.map(|span| text.floor_char_boundary(span.start)..text.ceil_char_boundary(span.end));
        let mut spans: Vec<_> = whole.chain(self.fragments.pieces(text)).collect();
        spans.sort_unstable_by_key(|span| span.start);
        let spans = spans.into_iter().fold(Vec::new(), merged);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut clean, mut at) = (String::with_capacity(text.len()), 0);
        for span in spans {
            clean.push_str(text.get(at..span.start).unwrap_or_default());
            clean.push_str(MARK);
            at = span.end;
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(clean)
    }

    /// Takes secrets out of a string in place.
    pub fn string(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    /// Takes secrets out of the names of a count's parts.
    pub fn parts(&self, radius: &mut BlastRadius) {
        let parts = std::mem::take(&mut radius.parts);
        radius.parts = parts.into_iter().map(|(name, n)| (self.text(&name).into_owned(), n)).collect();
    }

    /// Takes secrets out of every string and every key of a value.
    pub fn value(&self, value: &mut Value) {
        if self.is_idle() {
            return;
        }
        match value {
            Value::String(text) => self.string(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                if fields.keys().any(|key| matches!(self.text(key), Cow::Owned(_))) {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(key, item)| (self.text(&key).into_owned(), item))
                        .collect();
                }
                fields.values_mut().for_each(|item| self.value(item));
            }
            Value::Number(number) if self.has_digits => {
                if let Cow::Owned(clean) = self.text(&number.to_string()) {
                    *value = Value::String(clean);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The bytes without secrets; for log lines.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let spans = self.spans(bytes);
        if spans.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let (mut clean, mut at) = (Vec::with_capacity(bytes.len()), 0);
        for span in spans {
            clean.extend_from_slice(bytes.get(at..span.start).unwrap_or_default());
            clean.extend_from_slice(MARK.as_bytes());
            at = span.end;
        }
        clean.extend_from_slice(bytes.get(at..).unwrap_or_default());
        Cow::Owned(clean)
    }

    /// Every occurrence of every form, in what the bytes are and in what they decode to, in no order.
    fn occurrences(&self, bytes: &[u8], mut tell: impl FnMut(Range<usize>, &str)) {
        let Some(search) = &self.search else { return };
        search.of(bytes, false).for_each(|(span, reference)| tell(span, reference));
        for (start, part) in parts(bytes, self.longest) {
            let mut tell_of = |view: &View, (span, reference): (Range<usize>, &str)| {
                let place = view.place(&span);
                tell(start + place.start..start + place.end, reference);
            };
            let views = decoded(part);
            for view in &views {
                search.of(&view.bytes, false).for_each(|found| tell_of(view, found));
            }
            for view in unbroken(part, &views) {
                search.of(&view.bytes, true).for_each(|found| tell_of(&view, found));
            }
        }
    }
}

/// Adds a span to those before it: one that shares a byte with the last is the same span.
fn merged(mut spans: Vec<Range<usize>>, mut span: Range<usize>) -> Vec<Range<usize>> {
    while let Some(last) = spans.pop_if(|last| last.end > span.start) {
        span = last.start.min(span.start)..last.end.max(span.end);
    }
    spans.push(span);
    spans
}

impl HeldSecrets for Redactor {
    fn longest(&self) -> usize {
        self.longest
    }

    fn spans(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        self.occurrences(bytes, |span, _| spans.push(span));
        spans.sort_unstable_by_key(|span| span.start);
        spans.into_iter().fold(Vec::new(), merged)
    }

    fn references(&self, bytes: &[u8]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        self.occurrences(bytes, |_, reference| {
            if !found.iter().any(|known| known == reference) {
                found.push(reference.to_owned());
            }
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use serde_json::json;

    use mollyguard_tools::contract::Secret;

    use super::*;

    /// Percent-encoding of RFC 3986, in lower- or upper-case hexadecimal.
    fn url_encoded(text: &str, upper: bool) -> String {
        let mut encoded = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else if upper {
                let _ = write!(encoded, "%{byte:02X}");
            } else {
                let _ = write!(encoded, "%{byte:02x}");
            }
        }
        encoded
    }

    fn redactor(secret: &str) -> Redactor {
        let secret = Arc::new(Secret::new(secret.to_owned()));
        Redactor::new(&[Named { reference: "env:X".into(), secret }]).unwrap()
    }

    proptest! {
        #[test]
        fn no_form_of_a_secret_survives(secret in "[ -~]{6,40}", before in "[a-z]{0,7}", after in "[a-z]{0,7}") {
            let redactor = redactor(&secret);
            let around = format!("{before}{secret}{after}");
            let echoes = [
                around.clone(),
                hex::encode(&around),
                url_encoded(&around, true),
                serde_json::to_string(&around).unwrap(),
                STANDARD_NO_PAD.encode(&around),
                URL_SAFE_NO_PAD.encode(&around),
                around.to_ascii_uppercase(),
                around.to_ascii_lowercase(),
                hex::encode_upper(&around),
            ];
            for echo in echoes {
                prop_assert!(redactor.text(&echo).contains(MARK), "{echo} kept {secret}");
                prop_assert!(redactor.bytes(echo.as_bytes()).windows(MARK.len()).any(|w| w == MARK.as_bytes()));
            }
        }
    }

    proptest! {
        #[test]
        fn no_number_holds_a_secret(secret in "[1-9][0-9]{5,11}", before in "[1-9][0-9]{0,3}", after in "[0-9]{0,3}") {
            let redactor = redactor(&secret);
            let digits = format!("{before}{secret}{after}");
            let whole: u64 = digits.parse().unwrap();
            let real = format!("{secret}.5").parse::<f64>().unwrap();
            for number in [json!(whole), json!([{ "n": whole }]), json!(secret.parse::<i64>().unwrap()), json!(real)] {
                let mut value = number;
                redactor.value(&mut value);
                prop_assert!(!value.to_string().contains(&secret), "{value} kept {secret}");
            }
        }

        /// What was cut before it came here holds no long piece of a secret at its ends.
        #[test]
        fn no_piece_of_a_secret_is_left_where_text_was_cut(
            secret in "[a-zA-Z0-9]{10,40}", before in "[ -.]{0,9}", after in "[ -.]{0,9}", at in 8_usize..40,
        ) {
            let at = at.min(secret.len() - 1);
            let redactor = redactor(&secret);
            let (head, tail) = (&secret[..at], &secret[secret.len() - at..]);
            for (cut, piece) in [
                (format!("{before}{head}"), head),
                (format!("{before}{head}…{after}"), head),
                (format!("{tail}{after}"), tail),
                (format!("{before}…{tail}{after}"), tail),
            ] {
                prop_assert!(!redactor.text(&cut).contains(piece), "{cut}: {}", redactor.text(&cut));
            }
        }
    }

    /// Secrets of two letters share beginnings, middles and ends.
    fn overlapping() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab]{6,14}", 1..5)
    }

    proptest! {
        /// Whatever stands around and however they overlap, no character of any secret is left, nor the whole of one's end
        /// where text was cut.
        #[test]
        fn of_secrets_that_overlap_nothing_is_left(secrets in overlapping(), text in "[ab]{0,60}", cut in 0_usize..60) {
            let named = secrets.iter().map(|secret| {
                Named { reference: secret.clone(), secret: Arc::new(Secret::new(secret.clone())) }
            });
            let redactor = Redactor::new(&named.collect::<Vec<_>>()).unwrap();
            let mut is_secret = vec![false; text.len()];
            let occurrences = |secret: &String| {
                let at = |at: &usize| text[*at..].starts_with(secret.as_str());
                (0..text.len()).filter(at).map(|at| at..at + secret.len()).collect::<Vec<_>>()
            };
            let mut held = std::collections::BTreeSet::new();
            for secret in &secrets {
                for found in occurrences(secret) {
                    is_secret[found].fill(true);
                    held.insert(secret.clone());
                }
            }
            let spans = redactor.spans(text.as_bytes());
            for (at, is_secret) in is_secret.iter().enumerate() {
                prop_assert_eq!(spans.iter().any(|span| span.contains(&at)), *is_secret, "{} in {:?}", at, spans);
            }
            prop_assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}", spans);
            let kept: String = text.chars().zip(&is_secret).filter(|(_, is_secret)| !**is_secret).map(|(c, _)| c).collect();
            let bytes = String::from_utf8(redactor.bytes(text.as_bytes()).into_owned()).unwrap();
            prop_assert_eq!(bytes.replace(MARK, ""), kept.clone());
            prop_assert!(redactor.text(&text).replace(MARK, "").len() <= kept.len());
            let told: std::collections::BTreeSet<_> = redactor.references(text.as_bytes()).into_iter().collect();
            prop_assert_eq!(told, held);
            // Cut within one that begins within another.
            let cut = cut.min(text.len());
            let clean = redactor.text(&text[..cut]);
            for secret in secrets.iter().filter(|secret| secret.len() > 8) {
                for piece in 8..secret.len() {
                    prop_assert!(!clean.ends_with(&secret[..piece]), "{} of {}", clean, secret);
                }
            }
        }
    }

    #[test]
    fn a_secret_that_begins_within_another_leaves_no_end() {
        let named = ["hunter22pass", "22pass-tail-of-it"]
            .map(|secret| Named { reference: secret.into(), secret: Arc::new(Secret::new(secret.into())) });
        let redactor = Redactor::new(&named).unwrap();
        for text in
            ["a hunter22pass-tail-of-it b", "a hunter22pass-tail-of b", "a hunter22pass-tail", "a hunter22pass-t…"]
        {
            let clean = redactor.text(text);
            let whole = text.ends_with('b') && !text.contains("-it");
            assert!(whole || !clean.contains("tail"), "{clean}");
            assert!(!clean.contains("hunter") && clean.contains(MARK), "{clean}");
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let redactor = redactor("postgresql://anna:correct-horse@db.example/postgres");
        for text in
            ["postgres 15, as anna", "a database of postgres", "it listens on postgresql://", "see db.example/postgres"]
        {
            assert_eq!(redactor.text(text), text);
        }
        let mut value = json!({"n": 4_711, "x": 1.5, "y": null, "z": [true]});
        let before = value.clone();
        redactor.value(&mut value);
        assert_eq!(value, before);
    }

    #[test]
    fn keys_and_values_are_searched() {
        let mut value = json!({"a hunter22 key": ["x", {"y": "the hunter22 value"}], "n": 1});
        redactor("hunter22").value(&mut value);
        assert!(!value.to_string().contains("hunter22"));
        assert_eq!(value["n"], 1);
    }
}
