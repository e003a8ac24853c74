//! Text of others as people read it: names, sentences, and the agent's own words line by line. None of it can be taken for
//! a line of the gateway's, and nothing in it is hidden.

use std::fmt::Write as _;

use mollyguard_record::model::OwnWords;
use mollyguard_tools::sql::{Dialect, comments};
use mollyguard_tools::text::{COMMENT_BEGINS, COMMENT_ENDS, count, grouped, visible, visible_exactly};
use serde_json::Value;

/// The most characters of one sentence.
const FOREIGN_CHARS: usize = 400;

/// The most characters of what would happen.
const TOLD_CHARS: usize = 8_000;
/// The most arguments that are shown.
const ARGUMENTS: usize = 8;
/// Longer lines are continued on the next.
const WIDTH: usize = 100;
/// The most lines of one argument: enough for the statements people write, and a screen at most.
const LINES_EACH: usize = 32;
/// The most lines of all arguments together, unless there are many.
const LINES_ALL: usize = 64;
/// The least of one.
const LINES_LEAST: usize = 4;

/// A sentence of others on one line: what cannot be seen is escaped, line breaks are too, and it is capped.
#[must_use]
pub fn clean(text: &str) -> String {
    capped(text, FOREIGN_CHARS)
}

/// What a tool says would happen: it names everything that is changed, so it is capped where nobody reads on.
#[must_use]
pub(super) fn told(text: &str) -> String {
    capped(text, TOLD_CHARS)
}

fn capped(text: &str, most: usize) -> String {
    let start = text.char_indices().nth(most + 1).map_or(text, |(cut, _)| &text[..cut]);
    let mut cleaned = visible(start);
    if let Some((cut, _)) = cleaned.char_indices().nth(most) {
        cleaned.truncate(cut);
        let _ = write!(cleaned, "… ({} characters in all)", grouped(text.chars().count() as u64));
    }
    cleaned
}

/// A line of the gateway's with words of others in it: what Markdown or HTML would read as a tag, a comment, an entity or a link
/// is escaped where it does not stand in a code span.
#[must_use]
pub(super) fn unmarked(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        // As CommonMark reads it: up to the next run of as many backticks. One without an end would look for it on other lines.
        if ticks > 0 {
            let taken = span_after(&rest[ticks..], ticks).map_or(ticks, |length| ticks + length);
            let (span, after) = rest.split_at(taken);
            match taken > ticks {
                true => text.push_str(span),
                false => text.push_str(&"\\u{60}".repeat(ticks)),
            }
            rest = after;
            continue;
        }
        let begins = |with: &dyn Fn(char) -> bool| after.chars().next().is_some_and(with);
        let is_mark = match c {
            '<' => begins(&|c| c.is_ascii_alphabetic() || "/!?".contains(c)),
            '&' => {
                begins(&|c| c.is_ascii_alphanumeric() || c == '#')
                    && after.split(char::is_whitespace).next().is_some_and(|word| word.contains(';'))
            }
            ']' => begins(&|c| "([:".contains(c)),
            _ => false,
        };
        match is_mark {
            true => text.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            false => text.push(c),
        }
        rest = after;
    }
    text
}

/// How long a code span goes on that so many backticks have begun, its end included.
fn span_after(text: &str, ticks: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(from) = text[at..].find('`').map(|found| at + found) {
        let run = text[from..].len() - text[from..].trim_start_matches('`').len();
        if run == ticks {
            return Some(from + run);
        }
        at = from + run;
    }
    None
}

/// What the agent passed: a line for each argument, or where that has lines of its own, is long or is a statement with
/// comments, a block below its name with `| ` before each line. As text everything is indented: clients that render Markdown
/// show that as code, where nothing is interpreted.
#[must_use]
pub fn arguments(tool: &str, args: &Value) -> OwnWords {
    let Some(fields) = args.as_object() else { return OwnWords::default() };
    let (mut lines, mut left, mut marks) = (Vec::new(), LINES_ALL, false);
    for (key, value) in fields.iter().take(ARGUMENTS) {
        let key = clean(key);
        let value = if let Value::String(text) = value { text.clone() } else { value.to_string() };
        let dialect = Dialect::of_tool(tool).filter(|_| key == "sql");
        let words = Words::of(&value, dialect);
        marks |= words.marked;
        if let Some(line) = words.alone() {
            lines.push(format!("{key}: {line}"));
            left = left.saturating_sub(1);
            continue;
        }
        lines.push(format!("{key}:"));
        let most = LINES_EACH.min(left).max(LINES_LEAST);
        left = left.saturating_sub(words.lines.len().min(most));
        words.block(&mut lines, most);
    }
    if marks {
        lines.push(format!("({COMMENT_BEGINS} {COMMENT_ENDS} marks a comment: it does not run)"));
    }
    OwnWords { lines, left_off: fields.len().saturating_sub(ARGUMENTS) }
}

/// One argument, ready to be shown.
struct Words {
    /// Each with whether it continues the one before.
    lines: Vec<(bool, String)>,
    /// There is a comment in it.
    marked: bool,
}

impl Words {
    fn of(text: &str, dialect: Option<Dialect>) -> Self {
        let comments = dialect.map(|dialect| comments(text, dialect)).unwrap_or_default();
        let mut comments = comments.into_iter().peekable();
        let marked = comments.peek().is_some();
        let (mut lines, mut start) = (Vec::new(), 0);
        for line in text.split('\n') {
            let end = start + line.len();
            let (mut shown, mut at) = (String::new(), start);
            while let Some(comment) = comments.peek().filter(|comment| comment.start < end) {
                let (from, to) = (comment.start.max(at), comment.end.min(end));
                shown.push_str(&visible_exactly(&text[at..from]));
                let _ = write!(shown, "{COMMENT_BEGINS}{}{COMMENT_ENDS}", visible_exactly(&text[from..to]));
                at = to;
                if comment.end > end {
                    break;
                }
                comments.next();
            }
            shown.push_str(&visible_exactly(&text[at..end]));
            wrapped(&shown, &mut lines);
            start = end + 1;
        }
        Self { lines, marked }
    }

    /// The one line it is, if it can stand behind its name.
    fn alone(&self) -> Option<&str> {
        match self.lines.as_slice() {
            [(_, line)] if !self.marked && line.trim() == line => Some(line),
            _ => None,
        }
    }

    fn block(&self, lines: &mut Vec<String>, most: usize) {
        let head = if self.lines.len() > most { most * 3 / 4 } else { most };
        let tail = self.lines.len().saturating_sub(most - head).max(head);
        for (at, (continues, line)) in self.lines.iter().enumerate() {
            if at == head && tail > head {
                lines.push(format!("… {} not shown here …", count((tail - head) as u64, "line")));
            }
            if at < head || at >= tail {
                let mark = if *continues { "|…" } else { "|" };
                lines.push(format!("{mark} {line}"));
            }
        }
    }
}

/// Cuts a line so that no client folds it: what is folded would begin a line without its mark. No escape is cut in two.
fn wrapped(line: &str, lines: &mut Vec<(bool, String)>) {
    let (mut rest, mut continues) = (line, false);
    while let Some((mut cut, _)) = rest.char_indices().nth(WIDTH) {
        let escape = rest[..cut].rfind('\\').filter(|at| *at > 0 && rest[*at..].starts_with("\\u{"));
        if let Some(at) = escape.filter(|at| !rest[*at..cut].contains('}')) {
            cut = at;
        }
        lines.push((continues, rest[..cut].to_owned()));
        (rest, continues) = (&rest[cut..], true);
    }
    lines.push((continues, rest.to_owned()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use mollyguard_tools::text::quoted;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_number() {
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{1b}[31md\ne"), "a\\u{202e}b\\u{200b}c\\u{1b}[31md\\u{a}e");
        assert_eq!(quoted("x` [link](http://evil)"), "`x\\u{60} [link](http://evil)`");
        assert!(clean(&"y".repeat(10_000)).ends_with("(10,000 characters in all)"));
        assert_ne!(quoted("orders"), quoted("or\u{200b}ders"));
    }

    #[test]
    fn line_breaks_and_comments_stay_what_they_are() {
        let sql = |text: &str| arguments("sqlite_write", &json!({ "sql": text })).to_string();
        assert_eq!(sql("DELETE FROM t"), "    sql: DELETE FROM t\n");
        assert_eq!(
            sql("DELETE FROM t WHERE id=1 --\nOR true"),
            "    sql:\n    | DELETE FROM t WHERE id=1 ⟦--⟧\n    | OR true\n    (⟦ ⟧ marks a comment: it does not run)\n"
        );
        assert_eq!(
            sql("DELETE FROM t /* a\n\nb */ WHERE '⟦--⟧' = x"),
            "    sql:\n    | DELETE FROM t ⟦/* a⟧\n    | ⟦⟧\n    | ⟦b */⟧ WHERE '\\u{27e6}--\\u{27e7}' = x\n    \
             (⟦ ⟧ marks a comment: it does not run)\n"
        );
        assert_eq!(arguments("files_write", &json!({"content": "a\n"})).to_string(), "    content:\n    | a\n    | \n");
        assert_eq!(sql("SELECT 1\r\nOR true"), "    sql:\n    | SELECT 1\\u{d}\n    | OR true\n");
    }

    #[test]
    fn long_text_is_cut_in_its_middle() {
        let text =
            arguments("files_write", &json!({"content": format!("first{}last", "\nx".repeat(1_000))})).to_string();
        assert!(text.contains("| first\n") && text.ends_with("| xlast\n"), "{text}");
        assert!(
            text.contains("    … 969 lines not shown here …\n") && text.lines().count() == LINES_EACH + 2,
            "{text}"
        );
        let wide = arguments("files_write", &json!({"content": "\u{200b}".repeat(60)})).to_string();
        assert!(wide.lines().all(|line| line.chars().count() <= WIDTH + 8), "{wide}");
        assert_eq!(wide.matches("\\u{200b}").count(), 60, "no escape is cut: {wide}");
        let many: serde_json::Map<_, _> = (0..20).map(|n| (format!("k{n}"), json!("\n".repeat(500)))).collect();
        assert!(arguments("x", &Value::Object(many)).lines.len() < 120);
    }

    proptest! {
        /// Whatever is passed, each line of it has its mark, and what is shown is read back exactly.
        #[test]
        fn no_line_of_others_stands_alone(
            text in "(\\PC|[\n \\\\⟦⟧|:-]|/\\*|\\*/|\u{202e}|WHAT: |\\\\u\\{a\\}){0,40}",
        ) {
            let shown = arguments("sqlite_write", &json!({ "sql": text })).to_string();
            prop_assert!(!shown.contains(|c| c != '\n' && mollyguard_tools::text::is_unseen(c)));
            let mut read = String::new();
            for (at, line) in shown.lines().enumerate() {
                if let Some(line) = line.strip_prefix("    sql:").filter(|_| at == 0) {
                    read.push_str(line.strip_prefix(' ').unwrap_or(line));
                } else if let Some(line) = line.strip_prefix("    | ") {
                    if at > 1 { read.push('\n') }
                    read.push_str(line);
                } else if let Some(line) = line.strip_prefix("    |… ") {
                    read.push_str(line);
                } else {
                    prop_assert_eq!(line, "    (⟦ ⟧ marks a comment: it does not run)");
                }
            }
            let read = read.replace(['⟦', '⟧'], "");
            prop_assert_eq!(unescaped(&read), text);
        }
    }

    /// What is left of a line for Markdown once its code spans are gone; each backtick there is in one.
    fn outside_code(line: &str) -> String {
        let (mut left, mut rest) = (String::new(), line.to_owned());
        while let Some(at) = rest.find('`') {
            left.push_str(&rest[..at]);
            let run = rest[at..].chars().take_while(|c| *c == '`').count();
            let runs: Vec<(usize, usize)> = rest[at + run..]
                .split_inclusive(|c| c != '`')
                .scan(at + run, |from, piece| {
                    let here = *from;
                    *from += piece.len();
                    Some((here, piece.chars().take_while(|c| *c == '`').count()))
                })
                .collect();
            let (end, _) = runs.into_iter().find(|(_, length)| *length == run).expect("a code span ends");
            rest = rest[end + run..].to_owned();
        }
        left + &rest
    }

    proptest! {
        /// Whatever a name or a sentence of others holds, nothing of a line of the gateway's is hidden, linked or styled by it.
        #[test]
        fn no_name_is_read_as_markup(
            name in "(<!--|-->|<b>|</b>|<|>|&lt;|&#x202e;|\\[a\\]\\(http://e\\)|!\\[|\\*\\*|__|_|~~|`|\\$|\\||\\\\|[a-z ]){0,12}",
            sentence in "(<!--|-->|<b>|&lt;|\\[a\\]\\(http://e\\)|`|[a-z ]){0,12}",
        ) {
            let fact = format!("drop the table {} (seen in {})", mollyguard_tools::text::shown(&name), "x");
            let line = unmarked(&format!("{fact} {} {}", quoted(&name), clean(&sentence)));
            let shown = mollyguard_tools::text::shown(&name);
            prop_assert!(line.contains(&shown), "{} keeps {}", line, shown);
            let left = outside_code(&line);
            for mark in ["<!", "<b", "</", "&lt;", "&#", "]("] {
                prop_assert!(!left.contains(mark), "{} in {}", mark, line);
            }
            let fact = outside_code(&fact);
            for mark in ["**", "__", "~~", "$", "|", "\\\\"] {
                prop_assert!(!fact.contains(mark), "{} in {}", mark, fact);
            }
        }
    }

    #[test]
    fn a_code_span_is_what_commonmark_reads_as_one() {
        for (line, shown) in [
            ("`<!--` <!-- `a` 1 < 2", "`<!--` \\u{3c}!-- `a` 1 < 2"),
            ("``<!--` <!--", "\\u{60}\\u{60}\\u{3c}!--\\u{60} \\u{3c}!--"),
            ("``a` <!--`` R&D &amp; [a](b)", "``a` <!--`` R&D \\u{26}amp; [a\\u{5d}(b)"),
        ] {
            assert_eq!(unmarked(line), shown);
        }
    }

    fn unescaped(text: &str) -> String {
        let mut parts = text.split("\\u{");
        let mut read = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (number, rest) = part.split_once('}').unwrap();
            read.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
            read.push_str(rest);
        }
        read
    }
}
