//! Names in sentences, and every character there is.

use proptest::prelude::*;

use super::*;

fn every_char() -> impl Iterator<Item = char> {
    (0..=u32::from(char::MAX)).filter_map(char::from_u32)
}

#[test]
fn plain_names_stay_as_they_are() {
    assert_eq!(shown("uploads/2025/büro.txt"), "uploads/2025/büro.txt");
    assert_eq!(shown("my file"), "\"my file\"");
    assert_eq!(shown(""), "\"\"");
    for name in ["письмо с фото.txt", "sınır", "þing/æble", "Ελλάδα/Α", "面積m²"] {
        assert!(!shown(name).contains("\\u{"), "{}", shown(name));
    }
    for word in ["日本", "Größe", "Ελλάδα", "таблица", "ไทย", "हिन्दी", "বাংলা", "தமிழ்", "한국어", "がぎ"]
    {
        assert_eq!(visible(word), word);
        assert!(!shown(word).contains("\\u{"), "{}", shown(word));
    }
}

#[test]
fn hostile_names_forge_nothing() {
    for (name, text) in [
        ("x <!--", "`x <!--`"),
        ("a<b>c", "`a<b>c`"),
        ("![x](http://e.example/a)", "`![x](http://e.example/a)`"),
        ("**bold**", "`**bold**`"),
        ("__init__.py", "`__init__.py`"),
        ("_migrations", "_migrations"),
        ("order_items_2", "order_items_2"),
        ("~~gone~~", "`~~gone~~`"),
        ("a&lt;b", "`a&lt;b`"),
        ("a\\u{200b}", "`a\\\\u{200b}`"),
        ("a` <!-- `b", "`a\\u{60} <!-- \\u{60}b`"),
        ("x | y", "`x | y`"),
        ("$a$", "`$a$`"),
        ("https://e.example", "`https://e.example`"),
    ] {
        assert_eq!(shown(name), text);
    }
    assert_eq!(shown("a`\nb"), "\"a\\u{60}\\u{a}b\"");
    assert_eq!(shown("a\nb"), "\"a\\u{a}b\"");
    assert_eq!(shown("x\" (0 files)"), "\"x\\\" (0 files)\"");
    assert_eq!(shown("a\u{202e}txt.exe"), "\"a\\u{202e}txt.exe\"");
    assert_eq!(shown("a\u{200b}\u{3164}\u{e0041}"), "\"a\\u{200b}\\u{3164}\\u{e0041}\"");
    assert_eq!(shown_os(OsStr::from_bytes(b"\xff\x1b[2J")), "`\\xff\\u{1b}[2J`");
    let long = shown(&"a\u{7}".repeat(5000));
    assert!(long.chars().count() < 1000 && long.contains('…') && !long.chars().any(char::is_control));
}

#[test]
fn names_that_look_alike_are_told_apart() {
    for (one, other) in [
        ("orders", "or\u{200b}ders"),
        ("orders", "orders\u{fe0f}"),
        ("orders", "\u{43e}rders"),
        ("caf\u{e9}", "cafe\u{301}"),
        ("\u{c5}ngstrom", "\u{212b}ngstrom"),
        ("\u{304c}", "\u{304b}\u{3099}"),
        ("\u{ac00}", "\u{1100}\u{1161}"),
        ("a  b", "a b"),
        ("a", "a "),
        ("a\u{200b}", "a\\u{200b}"),
        ("a`b", "a'b"),
        ("x\u{e000}", "x\u{e001}"),
        ("bookings", "\u{299}ookings"),
        ("bookings", "\u{ff42}ookings"),
        ("bookings", "\u{1d5bb}\u{1d5c8}\u{1d5c8}\u{1d5c4}\u{1d5c2}\u{1d5c7}\u{1d5c0}\u{1d5cc}"),
        ("cop", "\u{441}\u{43e}\u{440}"),
        ("AB", "\u{391}\u{392}"),
        ("C", "\u{2102}"),
    ] {
        let (a, b) = (shown(one), shown(other));
        assert_ne!(a, b);
        for text in [&a, &b, &in_code(one, 100), &in_code(other, 100)] {
            assert!(!text.contains("  ") && !text.contains(|c: char| is_unseen(c) || c == '\u{301}'), "{text}");
        }
    }
    assert_eq!(shown("a\u{300}\u{300}\u{300}"), "\"a\\u{300}\\u{300}\\u{300}\"");
    assert_eq!(shown("e\u{430}\u{e49}"), "\"e\\u{430}\\u{e49}\"", "no mark stands on an escape");
    let tower = visible(&format!("\u{e01}{}", "\u{e49}".repeat(200)));
    assert!(tower.matches('\u{e49}').count() <= 3, "marks do not grow into the lines around: {tower}");
}

/// Each character of Unicode in a word: as itself or by its number, so that no two come to the same, and none unseen is left.
/// Of the planes that hold nothing but what is unassigned or private, some.
#[test]
fn every_character_is_shown_as_itself_or_by_its_number() {
    let mut shown = 0;
    for c in every_char().filter(|c| u32::from(*c) < 0x40000 || u32::from(*c).is_multiple_of(331)) {
        let (name, number) = (format!("a{c}b"), format!("a\\u{{{:x}}}b", u32::from(c)));
        let doubled = if c == '\\' { "a\\\\b" } else { &name };
        let texts = [(in_code(&name, 100), doubled), (visible(&name), &name), (visible_exactly(&name), &name)];
        for (text, itself) in texts {
            assert!(text == number || (text == itself && !is_unseen(c)), "{c:?} is shown as {text:?}");
            shown += usize::from(text != number);
        }
    }
    assert!(shown > 3 * 140_000, "what has a glyph is shown by it: {shown}");
    assert!(every_char().filter(|c| *c >= '\u{40000}').all(is_unseen), "nothing else is there");
}

/// JSON with what is unseen in it means the same, and shows it.
#[test]
fn json_shows_what_is_unseen() {
    let some = every_char().filter(|c| u32::from(*c) < 0x10000 || u32::from(*c).is_multiple_of(331));
    for c in some.filter(|c| is_unseen(*c)) {
        let json = visible_json(&serde_json::json!([c]).to_string());
        assert!(!json.chars().any(is_unseen), "{c:?}: {json}");
        assert_eq!(serde_json::from_str::<[char; 1]>(&json).unwrap(), [c]);
    }
}

#[test]
fn what_unicode_calls_format_or_ignorable_is_unseen() {
    let hidden = "\0\u{7f}\u{85}\u{a0}\u{ad}\u{600}\u{61c}\u{6dd}\u{70f}\u{1680}\u{180e}\u{2007}\u{200e}\u{2028}\u{2066}\u{3000}\
        \u{e000}\u{fdd0}\u{feff}\u{fff9}\u{110bd}\u{13430}\u{e0001}\u{e0100}\u{f0000}\u{10ffff}";
    assert!(hidden.chars().all(is_unseen), "{hidden:?}");
    assert!(" a\u{df}\u{4e00}\u{1f600}⏎".chars().all(|c| !is_unseen(c)));
}

/// Names that differ by little, of characters that show little.
fn names() -> impl Strategy<Value = String> {
    let tricky = prop::sample::select(
        "ab  \\u{}20`'\"….\n\u{200b}\u{202e}\u{301}\u{e9}e\u{430}\u{e49}\u{e01}\u{9c7}\u{9be}\u{27e6}"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop::collection::vec(prop_oneof![4 => tricky, 1 => any::<char>()], 0..12)
        .prop_map(|chars| chars.into_iter().collect())
}

/// Whatever Unicode has for one that looks like a Latin letter or digit, wherever it stands, is shown by its number.
#[test]
fn no_letter_poses_as_a_latin_one() {
    let mut found = 0;
    for c in every_char().filter(|c| *c > '\u{17f}' && c.is_alphanumeric()) {
        let look: String = unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect();
        if look.len() != 1 || !look.chars().all(|c| c.is_ascii_alphanumeric()) {
            continue;
        }
        found += 1;
        for name in [format!("a{c}b"), c.to_string(), format!("{c}{c}/{c}.x"), format!("{c}_1")] {
            let (name, plain) = (shown(&name), shown(&name.replace(c, &look)));
            assert!(!name.contains(c) && name != plain, "{c:?} is shown as {name}");
        }
    }
    assert!(found > 1_000, "{found}");
}

proptest! {
    #[test]
    fn different_names_are_shown_differently(one in names(), other in names(), long in 0_usize..3) {
        let pad = |name: &str| format!("{}{name}{}", "x".repeat(300 * long), "y".repeat(300 * long));
        let (one, other) = (pad(&one), pad(&other));
        prop_assert_eq!(shown(&one) == shown(&other), one == other);
        prop_assert_eq!(in_code(&one, 100) == in_code(&other, 100), one == other);
        if !one.contains('\n') && !other.contains('\n') {
            prop_assert_eq!(visible_exactly(&one) == visible_exactly(&other), one == other);
        }
        for text in [shown(&one), in_code(&one, 100), visible(&one), visible_exactly(&one)] {
            prop_assert!(!text.chars().any(is_unseen), "{:?}", text);
        }
        prop_assert!(!in_code(&one, 100).contains('`'));
    }

    #[test]
    fn a_shown_name_can_be_shown_again(name in names()) {
        prop_assert_eq!(visible(&shown(&name)), shown(&name));
    }

    #[test]
    fn json_means_the_same(name in names()) {
        let json = serde_json::to_string_pretty(&[&name]).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<String>>(&visible_json(&json)).unwrap(), [name]);
    }
}

#[test]
fn sizes_and_counts_read_well() {
    assert_eq!(
        [0, 1, 999, 1000, 1_250_000, 123_400_000_000].map(size),
        ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.2 MB", "123 GB"]
    );
    assert_eq!([0, 999, 1_508, 1_000_000].map(grouped), ["0", "999", "1,508", "1,000,000"]);
    assert_eq!([count(1, "file"), count(0, "file"), count(2, "entry")], ["1 file", "0 files", "2 entries"]);
    assert_eq!([count(1, "day"), count(30, "day")], ["1 day", "30 days"]);
}

proptest! {
    /// What needs no look at each character is shown as it is with one.
    #[test]
    fn a_simple_name_is_spelled_as_any_other(name in "[a-c/.-]{0,6}|[a-zA-Z0-9/.w-]{0,170}|(www|w{0,4})[./]{1,2}[a-z-]{0,4}|[ -~]{0,4}") {
        prop_assert!(simple(name.as_bytes()).is_none_or(|simple| simple == spelled(name.as_bytes())), "{name}");
    }
}

#[test]
fn most_names_are_simple() {
    for name in ["/srv/data/fleet-2.db", "staging", "a.txt"] {
        assert_eq!(simple(name.as_bytes()), Some(name));
    }
    for name in ["", "a b", "www.example.org", "a<b", "x".repeat(LONGEST + 1).as_str()] {
        assert_eq!(simple(name.as_bytes()), None, "{name}");
    }
}
