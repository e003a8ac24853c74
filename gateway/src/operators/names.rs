//! Names as eyes read them: two that can be taken for one another are one name. After Unicode's UTS #39, for the letters of
//! Latin, Cyrillic and Greek; other scripts are compared as they are.

use mollyguard_tools::text::is_unseen;

/// Cyrillic and Greek letters and others, lower case, that look like these Latin ones.
const ALIKE: &[(&str, &str)] = &[
    ("a", "аαɑàáâãäåāăąǎ"),
    ("b", "ьвβ"),
    ("c", "сϲçćĉċč"),
    ("d", "ԁďđ"),
    ("e", "еєεèéêëēĕėęěё"),
    ("f", "ғƒ"),
    ("g", "ɡԍĝğġģ"),
    ("h", "һнηĥħ"),
    ("j", "јϳĵ"),
    ("k", "кκķ"),
    // Whatever is one upright stroke, in one case or the other.
    ("l", "i1|іїιӏļľĺłìíîïĩīĭįıǐ"),
    ("n", "пñńņňŉ"),
    ("o", "0оοσөòóôõöøōŏőǒ"),
    ("p", "рρ"),
    ("q", "ԛ"),
    ("r", "гŕŗř"),
    ("rn", "mмμ"),
    ("s", "ѕśŝşšș"),
    ("t", "тτţťŧț"),
    ("u", "υцùúûüũūŭůűųǔ"),
    ("v", "νѵ"),
    ("vv", "wωѡԝŵ"),
    ("x", "хχ"),
    ("y", "уγўýÿŷ"),
    ("z", "źżžζ"),
];

/// What is left of a name once everything is gone that eyes overlook: letter case, spaces, punctuation, accents, styles, and
/// which alphabet a letter is of.
pub(crate) fn skeleton(name: &str) -> String {
    let plain = name.chars().map(unstyled).flat_map(char::to_lowercase);
    let seen = plain.filter(|c| (c.is_alphanumeric() || *c == '|') && !is_mark(*c) && !is_unseen(*c));
    let mut skeleton = String::with_capacity(name.len());
    for c in seen {
        match ALIKE.iter().find(|(_, others)| others.contains(c)) {
            Some((latin, _)) => skeleton.push_str(latin),
            None => skeleton.push(c),
        }
    }
    skeleton
}

/// Whether two names can be taken for one another.
pub(crate) fn alike(one: &str, other: &str) -> bool {
    one == other || skeleton(one) == skeleton(other)
}

/// Whether somebody of this name, linked to this user, is somebody else than this one. Who is linked to nobody may be
/// anybody.
pub(crate) fn is_somebody_else(name: &str, user: Option<&str>, than: &str) -> bool {
    !alike(name, than) && user.is_some_and(|user| !alike(user, than))
}

/// Whether a name is one people can tell from others: it has a letter or a digit, and no letters of alphabets that nobody
/// writes in one word.
pub(super) fn is_tellable(name: &str) -> bool {
    let scripts: Vec<Script> = name.chars().filter_map(script).collect();
    let has = |script: Script| scripts.contains(&script);
    let mixed =
        [Script::Latin, Script::Greek, Script::Cyrillic, Script::Other].into_iter().filter(|it| has(*it)).count();
    !skeleton(name).is_empty() && mixed <= 1
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
    if !unstyled(c).is_alphabetic() || is_mark(c) {
        return None;
    }
    match u32::from(unstyled(c)) {
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

/// A letter or digit without its style: full width, mathematical, or in a circle.
fn unstyled(c: char) -> char {
    let at = u32::from(c);
    let letter = |n: u32| char::from_u32(u32::from(b'a') + n % 26).unwrap_or(c);
    match at {
        0xFF01..=0xFF5E => char::from_u32(at - 0xFF01 + 0x21).unwrap_or(c),
        0x1D400..=0x1D6A3 => letter((at - 0x1D400) % 52),
        0x1D7CE..=0x1D7FF => char::from_u32(u32::from(b'0') + (at - 0x1D7CE) % 10).unwrap_or(c),
        0x24B6..=0x24E9 => letter((at - 0x24B6) % 26),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
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
                let single = |upper: char| (skeleton(&upper.to_string()) == skeleton(&chosen.to_string())).then_some(upper);
                let cased = if *upper { chosen.to_uppercase().next().and_then(single).unwrap_or(chosen) } else { chosen };
                other.push(cased);
                other.push_str(between);
            }
            prop_assert!(alike(&name, &other), "{} {}", name, other);
            prop_assert!(!is_somebody_else(&other, Some("somebody"), &name));
            prop_assert!(!is_somebody_else("somebody", Some(&other), &name));
        }
    }
}
