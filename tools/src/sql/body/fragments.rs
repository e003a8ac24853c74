//! What goes into fragments and types, and where it ends.

use std::ops::Range;

use super::reader::Reader;
use super::tokens::Kind as TokenKind;
use super::{Fragment, Kind, Unread};

/// What a statement starts with that is a query or a change of rows.
const QUERIES: &[&str] = &["select", "with", "values", "insert", "update", "delete", "merge"];

/// Statements that do something else.
const ACTS: &[&str] = &[
    "abort",
    "alter",
    "analyze",
    "call",
    "checkpoint",
    "cluster",
    "comment",
    "commit",
    "copy",
    "create",
    "deallocate",
    "discard",
    "do",
    "drop",
    "execute",
    "explain",
    "grant",
    "import",
    "listen",
    "load",
    "lock",
    "notify",
    "prepare",
    "reassign",
    "refresh",
    "reindex",
    "release",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "security",
    "set",
    "show",
    "start",
    "truncate",
    "unlisten",
    "vacuum",
];

/// What may follow the first word of a type that has several.
const TYPE_WORDS: &[&str] = &[
    "array",
    "day",
    "hour",
    "minute",
    "month",
    "precision",
    "second",
    "time",
    "to",
    "varying",
    "with",
    "without",
    "year",
    "zone",
];

impl<'a> Reader<'a> {
    /// The tokens before the first of `stops` outside of parentheses, and which of those it is. That is taken too.
    fn until(&mut self, stops: &[&str]) -> Result<(Range<usize>, usize), Unread> {
        let start = self.at;
        let mut closing = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            let stop = stops.iter().position(|stop| closing.is_empty() && token.is(stop));
            self.at += 1;
            if let Some(stop) = stop {
                return Ok((start..self.at - 1, stop));
            }
            if token.is("(") {
                closing.push(")");
            } else if token.is("[") {
                closing.push("]");
            } else if token.is(";") || token.is(")") || token.is("]") {
                let closes = closing.pop().is_some_and(|closing| token.is(closing));
                if !closes {
                    self.at -= 1;
                    return self.lost("parentheses or a semicolon that end nothing");
                }
            }
        }
        self.lost("an end in the middle of a statement")
    }

    /// An expression up to one of `stops`; says which.
    pub(super) fn expression(&mut self, stops: &[&str]) -> Result<usize, Unread> {
        self.expression_in(stops, "SELECT ", "")
    }

    pub(super) fn expression_in(&mut self, stops: &[&str], before: &str, after: &str) -> Result<usize, Unread> {
        let (range, stop) = self.until(stops)?;
        if range.is_empty() {
            return self.lost("no expression");
        }
        self.push(format!("{before}{}{after}", self.between(&range)), Kind::Expression);
        Ok(stop)
    }

    /// What stands between brackets behind a variable: `[i]`, `[a:b]`, `[:]`.
    pub(super) fn subscript(&mut self) -> Result<(), Unread> {
        loop {
            let (range, stop) = self.until(&["]", ":"])?;
            if !range.is_empty() {
                self.push(format!("SELECT {}", self.between(&range)), Kind::Expression);
            }
            if stop == 0 {
                return Ok(());
            }
        }
    }

    /// Whether a query or a change of rows starts here.
    pub(super) fn is_query(&self) -> bool {
        self.is(0, "(") || self.is(0, "table") || self.word().is_some_and(|word| QUERIES.contains(&word))
    }

    fn query_starts(&self) -> Result<(), Unread> {
        match self.word() {
            Some(word) if ACTS.contains(&word) => Err(Unread::Acts(format!("`{}`", word.to_ascii_uppercase()))),
            _ if self.is_query() => Ok(()),
            _ => self.lost("a statement that is not known"),
        }
    }

    /// A query whose result goes nowhere else: PL/pgSQL leaves an `INTO` in it alone.
    pub(super) fn query(&mut self, stops: &[&str]) -> Result<(), Unread> {
        self.query_starts()?;
        let (range, _) = self.until(stops)?;
        self.push(self.between(&range).to_owned(), Kind::Statement);
        Ok(())
    }

    /// A query that may end with the text.
    pub(super) fn last_query(&mut self) -> Result<(), Unread> {
        self.query_starts()?;
        let end = self.tokens.iter().skip(self.at).any(|token| token.is(";"));
        if end {
            return self.query(&[";"]);
        }
        // Without a semicolon all the rest is one statement, whatever its parentheses: that is for the parser to say.
        let range = self.at..self.tokens.len();
        self.at = self.tokens.len();
        self.push(self.between(&range).to_owned(), Kind::Statement);
        Ok(())
    }

    /// A statement of the body, whose result may go `INTO` variables.
    pub(super) fn command(&mut self) -> Result<(), Unread> {
        self.query_starts()?;
        let (range, _) = self.until(&[";"])?;
        let sql = match self.targets(&range)? {
            None => self.between(&range).to_owned(),
            Some(cut) => {
                format!("{} {}", self.between(&(range.start..cut.start)), self.between(&(cut.end..range.end)))
            }
        };
        self.push(sql.trim_end().to_owned(), Kind::Statement);
        Ok(())
    }

    /// Where a statement names the variables that its result goes to. An `INTO` behind `INSERT` or `MERGE` names a table.
    fn targets(&self, range: &Range<usize>) -> Result<Option<Range<usize>>, Unread> {
        let mut found = None;
        for into in range.clone().filter(|&at| self.is_at(at, "into")) {
            if into > range.start && ["insert", "merge"].into_iter().any(|verb| self.is_at(into - 1, verb)) {
                continue;
            }
            let mut end = into + 1;
            if self.is_at(end, "strict") {
                end += 1;
            }
            loop {
                match self.variable_at(end) {
                    Some(variable) if variable <= range.end => end = variable,
                    _ => return self.lost("something else than a variable behind `INTO`"),
                }
                if !self.is_at(end, ",") {
                    break;
                }
                end += 1;
            }
            if self.is_at(end, "(") {
                // PL/pgSQL would take the name for the variable and leave the rest.
                return self.lost("parentheses behind a variable of `INTO`");
            }
            if found.replace(into..end).is_some() {
                return self.lost("a second `INTO`");
            }
        }
        Ok(found)
    }

    /// `PERFORM`: a query without its `SELECT`.
    pub(super) fn perform(&mut self) -> Result<(), Unread> {
        let (range, _) = self.until(&[";"])?;
        if range.is_empty() {
            return self.lost("no expression");
        }
        self.push(format!("SELECT {}", self.between(&range)), Kind::Statement);
        Ok(())
    }

    /// A type up to one of `stops`, which stays.
    pub(super) fn data_type(&mut self, stops: &[&str]) -> Result<(), Unread> {
        let start = self.at;
        self.name()?;
        let mut inside = false;
        while self.tokens.get(self.at).is_some_and(|token| inside || !stops.iter().any(|stop| token.is(stop))) {
            if !self.in_type(&mut inside) {
                return self.lost("a type that is not understood");
            }
            self.at += 1;
        }
        let written = self.between(&(start..self.at)).to_owned();
        self.body.types.push(written);
        Ok(())
    }

    /// Whether the next token may stand in a type behind its first word.
    fn in_type(&self, inside: &mut bool) -> bool {
        let Some(token) = self.tokens.get(self.at) else { return false };
        let behind = |mark: &str| self.at.checked_sub(1).is_some_and(|last| self.is_at(last, mark));
        match &token.kind {
            TokenKind::Mark(mark) => match mark.as_str() {
                "(" => !std::mem::replace(inside, true),
                ")" => std::mem::replace(inside, false),
                "," => *inside,
                "%" => !*inside && (self.is(1, "type") || self.is(1, "rowtype")),
                "." | "[" | "]" => !*inside,
                _ => false,
            },
            TokenKind::Number => *inside || behind("["),
            _ if *inside || behind(".") || behind("%") => self.is_name(),
            TokenKind::Word(word) => TYPE_WORDS.contains(&word.as_str()),
            _ => false,
        }
    }

    fn push(&mut self, sql: String, kind: Kind) {
        self.body.fragments.push(Fragment { sql, kind });
    }

    /// The text from the first of these tokens to the end of the last: a comment behind it cannot swallow what is added.
    fn between(&self, range: &Range<usize>) -> &'a str {
        let start = self.tokens.get(range.start).map(|token| token.place.start);
        let end = range.end.checked_sub(1).and_then(|last| self.tokens.get(last)).map(|token| token.place.end);
        match (start, end) {
            (Some(start), Some(end)) if !range.is_empty() => self.written(&(start..end)),
            _ => "",
        }
    }
}
