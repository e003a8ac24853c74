//! Codes people are told once and type in: long enough that nobody guesses one, stored only as a keyed digest.

use std::fmt;

use mollyguard_record::audit::ArgsKey;
use mollyguard_tools::contract::Digest;
use zeroize::Zeroizing;

/// Crockford's alphabet: no letters that look like digits, so that a code can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 100 bits.
const LENGTH: usize = 20;
const GROUP: usize = 5;

/// A code. Shown once; what is kept is [`Code::digest`].
pub struct Code(Zeroizing<String>);

impl Code {
    /// A new one, from the system's randomness.
    ///
    /// # Errors
    /// The system has none to give.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0_u8; LENGTH]);
        getrandom::fill(bytes.as_mut_slice())?;
        let text = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32))).map(|c| char::from(*c));
        Ok(Self(Zeroizing::new(text.collect())))
    }

    /// What somebody typed: upper or lower case, with or without the hyphens. `None` if it is no code at all.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 4 * LENGTH {
            return None;
        }
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        for c in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            // As Crockford's alphabet reads what looks alike.
            text.push(match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c if u8::try_from(c).is_ok_and(|byte| ALPHABET.contains(&byte)) => c,
                _ => return None,
            });
        }
        (text.len() == LENGTH).then_some(Self(text))
    }

    /// What is kept of it: it cannot be guessed from that, nor made without the installation's key.
    #[must_use]
    pub fn digest(&self, key: &ArgsKey) -> Digest {
        key.seal("code", &serde_json::Value::from(self.0.as_str()))
    }

    /// In groups of five, for the one person who is to see it.
    #[must_use]
    pub fn shown(&self) -> Zeroizing<String> {
        let groups = self.0.as_bytes().chunks(GROUP).filter_map(|group| std::str::from_utf8(group).ok());
        Zeroizing::new(groups.collect::<Vec<_>>().join("-"))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back_however_it_is_typed() {
        let code = Code::new().unwrap();
        let shown = code.shown();
        assert_eq!(shown.len(), LENGTH + 3);
        let typed = [shown.to_string(), shown.to_lowercase(), shown.replace('-', ""), format!("  {} ", shown.as_str())];
        for typed in typed {
            assert_eq!(*Code::parse(&typed).unwrap().0, *code.0, "{typed}");
        }
        assert_ne!(*Code::new().unwrap().0, *code.0);
        assert_eq!(format!("{code:?}"), "Code(…)");
    }

    #[test]
    fn what_is_no_code_is_none() {
        for typed in ["", "12345", "U".repeat(20).as_str(), &"0".repeat(21), &"0-".repeat(10_000)] {
            assert!(Code::parse(typed).is_none(), "{typed}");
        }
        assert!(Code::parse("oIl00-00000-00000-00000").is_some());
    }
}
