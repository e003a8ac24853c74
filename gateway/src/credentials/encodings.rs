//! Secrets in the encodings that replies are likely to hold them in: each text is looked through decoded again.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use mollyguard_tools::contract::{HeldSecrets as _, MARK, Secret};
use proptest::prelude::*;

use super::*;

fn redactor(secret: &str) -> Redactor {
    let secret = Arc::new(Secret::new(secret.to_owned()));
    Redactor::new(&[Named { reference: "env:X".into(), secret }]).unwrap()
}

fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

/// `text` with an end of a line after so many characters.
fn lines(text: &str, length: usize, end: &str) -> String {
    text.as_bytes().chunks(length).map(String::from_utf8_lossy).collect::<Vec<_>>().join(end)
}

fn percent(text: &str, is_escaped: impl Fn(usize) -> bool) -> String {
    let one = |(at, byte): (usize, u8)| match byte {
        b'%' => "%25".to_owned(),
        _ if is_escaped(at) || !byte.is_ascii() => format!("%{byte:02X}"),
        _ => char::from(byte).to_string(),
    };
    text.bytes().enumerate().map(one).collect()
}

fn escaped(text: &str, is_escaped: impl Fn(usize) -> bool) -> String {
    let one = |(at, c): (usize, char)| match c {
        '\\' | '"' => format!("\\{c}"),
        '/' => "\\/".to_owned(),
        _ if is_escaped(at) => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .flat_map(|unit| ["\\u".to_owned(), hex::encode(unit.to_be_bytes())])
            .collect(),
        _ => c.to_string(),
    };
    text.chars().enumerate().map(one).collect()
}

/// Every text that holds the secret whole, with what stands around it encoded like it.
fn texts(whole: &str, length: usize, some: u64) -> Vec<String> {
    let wide = [wide(whole, u16::to_le_bytes), wide(whole, u16::to_be_bytes)];
    let some = |at: usize| (some >> (at % 64)) & 1 == 1;
    let mut texts = vec![
        percent(whole, |_| true),
        percent(whole, some),
        percent(&percent(whole, some), some),
        escaped(whole, |_| true),
        escaped(whole, some),
        escaped(&escaped(whole, some), |_| false),
        serde_json::json!(serde_json::json!(whole).to_string()).to_string(),
        whole.replace('\'', "''"),
        whole.replace('"', "\"\""),
    ];
    for bytes in [whole.as_bytes(), &wide[0], &wide[1]] {
        for encoded in [STANDARD.encode(bytes), URL_SAFE.encode(bytes), hex::encode(bytes)] {
            texts.push(encoded.clone());
            texts.extend(["\n", "\r\n", "\n    ", "\\n", "\\r\\n", " "].map(|end| lines(&encoded, length, end)));
        }
        texts.extend(String::from_utf8(bytes.to_vec()));
    }
    texts
}

proptest! {
    // Each has a search of its own to build.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_encoding_of_a_secret_survives(
        secret in "[ -~]{6,30}", before in "[a-z]{0,5}", after in "[a-z]{0,5}", length in 4_usize..80, some: u64,
    ) {
        let redactor = redactor(&secret);
        for text in texts(&format!("{before}{secret}{after}"), length, some) {
            let clean = redactor.text(&text).into_owned();
            prop_assert!(clean.contains(MARK), "{text} kept {secret}");
            prop_assert_eq!(redactor.references(text.as_bytes()), ["env:X"]);
        }
        for bytes in [wide(&secret, u16::to_le_bytes), wide(&secret, u16::to_be_bytes)] {
            let whole = [b"\xff\xfe", &bytes[..], b"\xff"].concat();
            prop_assert_eq!(redactor.spans(&whole).len(), 1);
            // Without its outermost zero it is whole as well.
            let is_found = |bytes: &[u8]| !redactor.spans(bytes).is_empty();
            prop_assert!(is_found(&bytes[1..]) || is_found(&bytes[..bytes.len() - 1]));
        }
    }

    /// In letters of any alphabet as well.
    #[test]
    fn no_encoding_of_any_letters_survives(secret in "\\PC{6,20}", length in 4_usize..80, some: u64) {
        let redactor = redactor(&secret);
        for text in texts(&format!("a{secret}b"), length, some) {
            prop_assert!(redactor.text(&text).contains(MARK), "{text} kept {secret}");
        }
    }

    /// What is decoded is taken out where it stood, and nothing beside it.
    #[test]
    fn what_stands_around_an_encoded_secret_stays(before in "[ a-z\\\\%]{0,9}", after in "[ a-z\\\\%]{0,9}", some: u64) {
        let secret = "Tr0ub4dor-&-3";
        let encoded = [percent(secret, |at| at == 0 || (some >> at) & 1 == 1), escaped(secret, |_| true), STANDARD.encode(secret)];
        for encoded in encoded {
            let text = format!("{before}. {encoded} .{after}");
            let clean = redactor(secret).text(&text).into_owned();
            prop_assert!(clean.starts_with(&format!("{before}. ")), "{clean} of {text}");
            prop_assert!(clean.ends_with(&format!(" .{after}")), "{clean} of {text}");
            prop_assert!(clean.contains(MARK), "{clean} of {text}");
        }
    }
}

/// Wherever in a long text it stands, that is decoded in parts.
#[test]
fn long_text_is_decoded_as_a_whole() {
    let redactor = redactor("Tr0ub4dor-&-3");
    let secret = escaped("Tr0ub4dor-&-3", |_| true);
    for at in [0, 261_900, 262_100, 262_144, 639_000] {
        let mut text = "\\n%41 x\n".repeat(80_000);
        let at = at / 8 * 8;
        text.insert_str(at, &secret);
        let clean = redactor.text(&text);
        assert!(clean.len() == text.len() - secret.len() + MARK.len() && clean[at..].starts_with(MARK), "at {at}");
    }
}

/// What merely looks encoded, or shares letters with a secret, is ordinary.
#[test]
fn ordinary_text_is_left() {
    let redactor = redactor("correct-horse-battery");
    for text in
        ["100%", "C:\\users\\u00e9", "50%2", "a\\", "\\u", "\\ud800", "%zz %", "correct\nhorse\nbattery", "Y29y\ncmVj"]
    {
        assert_eq!(redactor.text(text), text);
    }
}
