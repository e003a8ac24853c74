//! A small reader of SQL text: names and words with their places, for finding out what a schema's own text mentions.

use std::ops::Range;

pub(crate) use crate::sql::quote;

/// A name or word in SQL text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// Without its quotes.
    pub text: String,
    /// The quote it stands in: `"`, `` ` ``, `[` or `'`.
    pub quote: Option<char>,
    /// Where it stands, quotes included.
    pub at: Range<usize>,
    /// An opening parenthesis follows.
    pub called: bool,
    /// A point follows: something in what it names is meant.
    pub dotted: bool,
}

impl Name {
    /// Whether it is this keyword.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.quote.is_none() && self.text.eq_ignore_ascii_case(word)
    }
}

/// Every name, word and string in a text, comments skipped. Strings count because SQLite lets them stand for names.
pub(crate) fn names(sql: &str) -> Vec<Name> {
    let bytes = sql.as_bytes();
    let mut found: Vec<Name> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &sql[at..];
        let end = match bytes[at] {
            b'-' if rest.starts_with("--") => rest.find('\n').map_or(bytes.len(), |line| at + line),
            b'/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(bytes.len(), |close| at + close + 4),
            quote @ (b'"' | b'`' | b'\'') => {
                let (text, end) = quoted(sql, at, quote);
                found.push(Name { text, quote: Some(quote as char), at: at..end, called: false, dotted: false });
                end
            }
            b'[' => {
                let end = rest.find(']').map_or(bytes.len(), |close| at + close + 1);
                let text = sql[at + 1..end].trim_end_matches(']').to_owned();
                found.push(Name { text, quote: Some('['), at: at..end, called: false, dotted: false });
                end
            }
            byte if is_word(byte) => {
                let end = bytes[at..].iter().position(|byte| !is_word(*byte)).map_or(bytes.len(), |length| at + length);
                found.push(Name {
                    text: sql[at..end].to_owned(),
                    quote: None,
                    at: at..end,
                    called: false,
                    dotted: false,
                });
                end
            }
            b'(' => {
                if let Some(last) = found.last_mut() {
                    last.called |= sql[last.at.end..at].trim().is_empty();
                }
                at + 1
            }
            b'.' => {
                if let Some(last) = found.last_mut() {
                    last.dotted |= sql[last.at.end..at].trim().is_empty();
                }
                at + 1
            }
            _ => at + 1,
        };
        at = end;
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn quoted(sql: &str, start: usize, quote: u8) -> (String, usize) {
    let bytes = sql.as_bytes();
    let mut at = start + 1;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                let quote = char::from(quote).to_string();
                return (sql[start + 1..at].replace(&quote.repeat(2), &quote), at + 1);
            }
            at += 1;
        }
        at += 1;
    }
    (sql[start + 1..].to_owned(), bytes.len())
}

/// How often this sign is written outside of quotes; in a comment it counts.
pub(crate) fn written(sql: &str, sign: &str) -> usize {
    let all = sql.matches(sign).count();
    if all == 0 {
        return 0;
    }
    let quoted = names(sql).into_iter().filter(|name| name.quote.is_some());
    let inside: usize = quoted.map(|name| sql[name.at].matches(sign).count()).sum();
    all.saturating_sub(inside)
}

/// Whether a text mentions this name, in any case and any quotes.
pub(crate) fn mentions(sql: &str, name: &str) -> bool {
    names(sql).iter().any(|found| found.text.eq_ignore_ascii_case(name))
}

/// Whether a text has this keyword in it.
pub(crate) fn says(sql: &str, word: &str) -> bool {
    names(sql).iter().any(|found| found.is(word) && !found.called)
}

/// Whether a schema's text may give another value each time: the clock, randomness, the connection's counters.
pub(crate) fn volatile(sql: &str) -> bool {
    const WORDS: &[&str] = &["current_date", "current_time", "current_timestamp"];
    const CALLS: &[&str] = &[
        "random",
        "randomblob",
        "date",
        "time",
        "datetime",
        "julianday",
        "unixepoch",
        "strftime",
        "changes",
        "total_changes",
        "last_insert_rowid",
    ];
    names(sql).iter().any(|name| {
        let lower = name.text.to_ascii_lowercase();
        (name.quote.is_none() && WORDS.contains(&lower.as_str())) || (name.called && CALLS.contains(&lower.as_str()))
    })
}

/// Whether the clock and chance get from this text of a schema only into rows that are made: a table's defaults do, unless a
/// foreign key sets them, and its checks and generated columns give the same each time. A trigger may do anything.
pub(crate) fn only_new_rows(sql: &str) -> bool {
    let words = names(sql);
    let trigger = words.iter().take(4).any(|name| name.is("trigger"));
    !trigger && !words.iter().any(|name| name.is("set"))
}

/// The text with the name at `at` replaced by another, quoted.
pub(crate) fn renamed(sql: &str, at: &Range<usize>, name: &str) -> String {
    format!("{}{}{}", &sql[..at.start], quote(name), &sql[at.end..])
}

/// The text with this name replaced by another wherever something in it is meant, as in `t.a`.
pub(crate) fn requalified(sql: &str, from: &str, to: &str) -> String {
    let is_number = |name: &Name| name.quote.is_none() && name.text.starts_with(|first: char| first.is_ascii_digit());
    let meant = |name: &&Name| name.dotted && name.text.eq_ignore_ascii_case(from) && !is_number(name);
    // From the end, so that the places before it stay true.
    names(sql).iter().rev().filter(meant).fold(sql.to_owned(), |text, name| renamed(&text, &name.at, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_comments_are_not() {
        let sql = "CREATE TABLE \"a \"\"b\" -- c\n(`d` /* e */ [f g], 'h''i', é DEFAULT (random ()))";
        let found: Vec<String> = names(sql).into_iter().map(|name| name.text).collect();
        assert_eq!(found, ["CREATE", "TABLE", "a \"b", "d", "f g", "h'i", "é", "DEFAULT", "random"]);
        assert!(volatile(sql) && !volatile("CREATE TABLE t (date DATE, random)"));
        assert!(mentions(sql, "F G") && !mentions(sql, "c"));
        assert_eq!((written(sql, ","), written("a || '||' || \"||\" -- ||", "||")), (2, 3));
        let name = &names(sql)[2];
        assert!(renamed(sql, &name.at, "x").starts_with("CREATE TABLE \"x\" -- c"));
    }

    #[test]
    fn a_name_is_replaced_where_something_in_it_is_meant_and_nowhere_else() {
        let sql = "CREATE TABLE t(t, a CHECK (T.a > 0 AND main.[t].t <> 't.a' AND \"t\" . a < 1.5) /* t.a */ REFERENCES t(t))";
        let said = "CREATE TABLE t(t, a CHECK (\"u\".a > 0 AND main.\"u\".t <> 't.a' AND \"u\" . a < 1.5) /* t.a */ REFERENCES t(t))";
        assert_eq!(requalified(sql, "t", "u"), said);
        assert_eq!(requalified("DEFAULT 1.5", "1", "u"), "DEFAULT 1.5");
    }

    #[test]
    fn unfinished_text_ends() {
        for sql in ["'a", "\"", "[", "/*", "--", "`a``", "é'", "[é"] {
            let _names = names(sql);
        }
    }
}
