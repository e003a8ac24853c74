//! Names and counts as text for people. A name in a schema is hostile input: it must not be able to forge, hide or reorder
//! any part of a sentence it stands in.

/// Longer names are cut in the middle.
const LONGEST: usize = 120;

/// A name as it stands in a sentence: as it is when it is plain, else quoted with everything odd escaped.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| !is_unseen(c) && (c.is_alphanumeric() || "_$.-/".contains(c));
    let escaped = |c: char| match c {
        _ if is_unseen(c) => format!("\\u{{{:x}}}", u32::from(c)),
        '"' | '\\' | '`' => format!("\\{c}"),
        _ => c.to_string(),
    };
    let long = name.chars().count().checked_sub(LONGEST).filter(|over| *over > 0);
    let text: String = match long {
        Some(over) => {
            let start = name.chars().take(LONGEST / 2).map(escaped);
            start.chain(["…".to_owned()]).chain(name.chars().skip(LONGEST / 2 + over).map(escaped)).collect()
        }
        None => name.chars().map(escaped).collect(),
    };
    let plain = long.is_none() && !name.is_empty() && name.chars().all(plain);
    if plain { text } else { format!("\"{text}\"") }
}

/// Control, bidirectional, invisible and blank characters other than the space: Unicode's `Default_Ignorable_Code_Point`,
/// `Bidi_Control` and `White_Space`, line separators, and the fillers that count as letters but draw nothing.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `1,508`.
pub(super) fn thousands(n: u64) -> String {
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

/// `1 row`, `1,508 rows`.
pub(super) fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", thousands(n)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_forge_nothing() {
        assert_eq!(shown("bookings"), "bookings");
        assert_eq!(shown("büro_2"), "büro_2");
        assert_eq!(shown("pay ment"), "\"pay ment\"");
        assert_eq!(shown(""), "\"\"");
        assert_eq!(shown("a`\nb"), "\"a\\`\\u{a}b\"");
        assert_eq!(shown("t\" with 0 rows"), "\"t\\\" with 0 rows\"");
        assert_eq!(shown("a\u{202e}b\u{200b}\u{3164}\u{e0041}"), "\"a\\u{202e}b\\u{200b}\\u{3164}\\u{e0041}\"");
        let long = shown(&"a\u{7}".repeat(5000));
        assert!(long.chars().count() < 1000 && long.contains('…') && !long.chars().any(char::is_control));
    }

    #[test]
    fn counts_read_well() {
        assert_eq!([0, 999, 1_508, 1_000_000].map(thousands), ["0", "999", "1,508", "1,000,000"]);
        assert_eq!([count(1, "row"), count(0, "row"), count(1_508, "row")], ["1 row", "0 rows", "1,508 rows"]);
    }
}
