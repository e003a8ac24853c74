//! Names as eyes read them: two that can be taken for one another are one name. After Unicode's UTS #39, for the letters of
//! Latin, Cyrillic and Greek; other scripts are compared as they are.

use mollyguard_tools::text::is_unseen;
use unicode_normalization::UnicodeNormalization as _;

/// Cyrillic and Greek letters and others, lower case, that look like these Latin ones, and small capitals. Unicode's own
/// table, which has them by thousands, leaves out what differs in its weight or a stroke only.
const ALIKE: &[(&str, &str)] = &[
    ("a", "ᴀаαɑàáâãäåāăąǎ"),
    ("b", "ʙьвβ"),
    ("c", "ᴄсϲçćĉċč"),
    ("d", "ᴅԁďđ"),
    ("e", "ᴇеєεèéêëēĕėęěё"),
    ("f", "ꜰғƒ"),
    ("g", "ɢɡԍĝğġģ"),
    ("h", "ʜһнηĥħ"),
    ("j", "ᴊјϳĵ"),
    ("k", "ᴋкκķ"),
    // Whatever is one upright stroke, in one case or the other.
    ("l", "ʟɪi1|іїιӏļľĺłìíîïĩīĭįıǐ"),
    ("n", "ɴпñńņňŉ"),
    ("o", "ᴏ0оοσөòóôõöøōŏőǒ"),
    ("p", "ᴘрρ"),
    ("q", "ꞯԛ"),
    ("r", "ʀгŕŗř"),
    ("rn", "ᴍmмμ"),
    ("s", "ꜱѕśŝşšș"),
    ("t", "ᴛтτţťŧț"),
    ("u", "ᴜυцùúûüũūŭůűųǔ"),
    ("v", "ᴠνѵ"),
    ("vv", "ᴡwωѡԝŵ"),
    ("x", "хχ"),
    ("y", "ʏуγўýÿŷ"),
    ("z", "ᴢźżžζ"),
];

/// What is left of a name once everything is gone that eyes overlook: letter case, spaces, punctuation, accents, styles, and
/// which alphabet a letter is of. Capitals of one alphabet look like others than their small letters do: so a name has a
/// skeleton as it is written, one in small letters, and one in capitals.
fn skeletons(name: &str) -> [String; 3] {
    let seen: Vec<char> = letters(name).collect();
    let look = |cased: &dyn Fn(char) -> Vec<char>| {
        seen.iter().flat_map(|c| cased(*c)).map(looked_at).collect::<Vec<_>>().concat()
    };
    [look(&|c| vec![c]), look(&|c| c.to_lowercase().collect()), look(&|c| c.to_uppercase().collect())]
}

/// The letters and digits of a name, without styles and accents.
fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
    // What is in the table is taken for what it looks like, whatever Unicode decomposes it to.
    let plain = |c: char| match c.to_lowercase().any(|c| ALIKE.iter().any(|(_, others)| others.contains(c))) {
        true => vec![c],
        false => std::iter::once(c).nfkd().collect(),
    };
    let plain = name.chars().map(unstyled).flat_map(plain).filter(|c| !is_mark(*c)).nfc();
    plain.filter(|c| (c.is_alphanumeric() || *c == '|') && !is_unseen(*c))
}

/// What a letter looks like, in small Latin letters where it looks like some: by the table above, else by Unicode's.
fn looked_at(c: char) -> String {
    let known = |c: char| ALIKE.iter().find(|(_, others)| others.contains(c)).map(|(latin, _)| (*latin).to_owned());
    let small = |c: char| c.to_lowercase().map(|c| known(c).unwrap_or_else(|| c.to_string())).collect::<String>();
    if let Some(latin) = known(c) {
        return latin;
    }
    let prototype = unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect::<Vec<_>>();
    let letters = prototype.into_iter().filter(|c| c.is_alphanumeric() && !is_mark(*c)).map(small).collect::<String>();
    // What stands beside a letter like an apostrophe is one.
    if letters.is_empty() && !matches!(c, '\u{2b0}'..='\u{2ff}') { small(c) } else { letters }
}

/// Whether two names can be taken for one another.
pub fn alike(one: &str, other: &str) -> bool {
    one == other || std::iter::zip(skeletons(one), skeletons(other)).any(|(one, other)| one == other)
}

/// How many of these names cannot be taken for one another.
pub fn count_apart<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    let mut apart: Vec<&str> = Vec::new();
    for name in names {
        if !apart.iter().any(|other| alike(name, other)) {
            apart.push(name);
        }
    }
    apart.len()
}

/// Whether a name has anything that people can tell it by.
pub(super) fn has_letters(name: &str) -> bool {
    letters(name).next().is_some()
}

/// Whether somebody of this name, linked to this user, is somebody else than this one. Who is linked to nobody may be
/// anybody.
pub fn is_somebody_else(name: &str, user: Option<&str>, than: &str) -> bool {
    !alike(name, than) && user.is_some_and(|user| !alike(user, than))
}

/// Whether a name is one people can tell from others: it has a letter or a digit, and no letters of alphabets that nobody
/// writes in one word.
pub(super) fn is_tellable(name: &str) -> bool {
    let scripts: Vec<Script> = name.chars().filter_map(script).collect();
    let has = |script: Script| scripts.contains(&script);
    let mixed =
        [Script::Latin, Script::Greek, Script::Cyrillic, Script::Other].into_iter().filter(|it| has(*it)).count();
    has_letters(name) && mixed <= 1
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Other,
}

/// The alphabet of a letter; `None` for what is written together with any: digits, signs, and Chinese, Japanese and Korean.
fn script(c: char) -> Option<Script> {
    let plain = std::iter::once(unstyled(c)).nfkd().next().unwrap_or(c);
    if !plain.is_alphabetic() || is_mark(c) {
        return None;
    }
    match u32::from(plain) {
        0x0000..=0x024F | 0x1E00..=0x1EFF => Some(Script::Latin),
        0x0370..=0x03FF | 0x1F00..=0x1FFF => Some(Script::Greek),
        0x0400..=0x052F | 0x1C80..=0x1C8F | 0x2DE0..=0x2DFF | 0xA640..=0xA69F => Some(Script::Cyrillic),
        0x1100..=0x11FF | 0x3040..=0x318F | 0x3400..=0x9FFF | 0xAC00..=0xD7FF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF => {
            None
        }
        _ => Some(Script::Other),
    }
}

const fn is_mark(c: char) -> bool {
    matches!(c as u32, 0x0300..=0x036F | 0x0483..=0x0489 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
}

/// A letter without the style that Unicode's compatibility decompositions do not take away: in a dark circle or square, or
/// as half of a flag.
fn unstyled(c: char) -> char {
    let at = u32::from(c);
    let letter = |from: u32| char::from_u32(u32::from('A') + at - from).unwrap_or(c);
    match at {
        0x1F150..=0x1F169 => letter(0x1F150),
        0x1F170..=0x1F189 => letter(0x1F170),
        0x1F1E6..=0x1F1FF => letter(0x1F1E6),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_alike_are_one() {
        for other in [
            "Ada",
            "ADA",
            " ada ",
            "a.da",
            "a-d-a",
            "аda",
            "аdа",
            "АДА".replace('Д', "d").as_str(),
            "αda",
            "áda",
            "a\u{301}da",
            "ａｄａ",
            "𝐚𝐝𝐚",
            "ⓐⓓⓐ",
            "ada\u{200b}",
            "ada.",
            "_ada_",
        ] {
            assert!(alike("ada", other), "{other}");
        }
        for (one, other) in [("paul", "pauI"), ("paul", "pau1"), ("bob", "b0b"), ("modern", "rnodern"), ("wim", "vvim")]
        {
            assert!(alike(one, other), "{one} {other}");
        }
        for (one, other) in [("ada", "bea"), ("ada", "ada2"), ("ada", "adam"), ("олег", "ольга"), ("李雷", "韩梅梅")]
        {
            assert!(!alike(one, other), "{one} {other}");
        }
    }

    #[test]
    fn alphabets_are_not_mixed() {
        for name in ["ada", "Ada L.", "Ольга", "Ελένη", "José", "李雷 Lei", "o'brien-2", "ada@example.org"]
        {
            assert!(is_tellable(name), "{name}");
        }
        for name in ["аda", "adα", "Оlga", "Ελeνη", "-- --", "…", "\u{13aa}da"] {
            assert!(!is_tellable(name), "{name}");
        }
    }

    proptest! {
        /// Whatever letter is written in place of another that it looks like, in whatever case and with whatever between.
        #[test]
        fn no_spelling_of_a_name_is_another_name(
            name in "[a-z]{1,12}",
            ways in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), "[ ._\\-]{0,2}"), 12),
        ) {
            let mut other = String::new();
            for (c, (which, upper, between)) in name.chars().zip(&ways) {
                let spellings: Vec<char> = ALIKE
                    .iter()
                    .filter(|(latin, others)| *latin == c.to_string() || others.contains(c))
                    .flat_map(|(latin, others)| others.chars().chain((latin.len() == 1).then_some(latin.chars()).into_iter().flatten()))
                    .chain([c])
                    .collect();
                let chosen = spellings[which.index(spellings.len())];
                let cased = if *upper { chosen.to_uppercase().next().unwrap_or(chosen) } else { chosen };
                // Some capitals look like another letter than their small ones.
                let cased = if looked_at(cased) == looked_at(chosen) { cased } else { chosen };
                other.push(cased);
                other.push_str(between);
            }
            prop_assert!(alike(&name, &other), "{} {}", name, other);
            prop_assert!(!is_somebody_else(&other, Some("somebody"), &name));
            prop_assert!(!is_somebody_else("somebody", Some(&other), &name));
        }
    }

    /// Every character there is that Unicode has for one that looks like a letter, or for a letter in some style.
    fn doubles() -> &'static BTreeMap<char, Vec<char>> {
        static DOUBLES: LazyLock<BTreeMap<char, Vec<char>>> = LazyLock::new(|| {
            let mut doubles: BTreeMap<char, Vec<char>> = ('a'..='z').map(|letter| (letter, vec![letter])).collect();
            for c in ('\u{80}'..='\u{1ffff}').filter(|c| c.is_alphanumeric()) {
                let plain: String = std::iter::once(c).nfkd().collect();
                let look: String =
                    if plain == c.to_string() { unicode_security::skeleton(&plain).collect() } else { plain };
                let mut look = look.chars();
                if let (Some(letter), None) = (look.next(), look.next())
                    && let Some(others) = doubles.get_mut(&letter.to_ascii_lowercase())
                {
                    others.push(c);
                }
            }
            doubles
        });
        &DOUBLES
    }

    #[test]
    fn capitals_of_another_alphabet_are_seen_as_they_are_written() {
        for (one, other) in [
            ("hanna", "ΗΑΝΝΑ"),
            ("Havva", "Ηαννα"),
            ("ada", "ᴀᴅᴀ"),
            ("carl", "ℂarl"),
            ("ada", "🅐🅳🇦"),
            ("will", "ᴡɪʟʟ"),
            ("Ольга", "ОЛЬГА"),
        ] {
            assert!(alike(one, other), "{one} {other}");
        }
        for (one, other) in [("ben", "beh"), ("hanna", "nanna"), ("eva", "ena"), ("はな", "ばな"), ("Ελένη", "Μαρία")]
        {
            assert!(!alike(one, other), "{one} {other}");
        }
        assert_eq!(count_apart(["hanna", "ΗΑΝΝΑ", "ada", "Ada"].into_iter()), 2);
        for name in ["ᴀda", "ℂаrl", "🅐дa", "adＡл"] {
            assert!(!is_tellable(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_double_of_a_letter_makes_another_name(
            name in "[a-z]{1,12}",
            ways in prop::collection::vec(any::<prop::sample::Index>(), 12),
        ) {
            let double = |(letter, way): (char, &prop::sample::Index)| {
                let doubles = &doubles()[&letter];
                doubles[way.index(doubles.len())]
            };
            let other: String = name.chars().zip(&ways).map(double).collect();
            prop_assert!(alike(&name, &other), "{} {}", name, other);
            prop_assert!(alike(&other, &name.to_ascii_uppercase()), "{} {}", name, other);
        }
    }
}
