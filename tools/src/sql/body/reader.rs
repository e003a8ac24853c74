//! Goes over a body's tokens once. A token is either taken as the keyword, name or punctuation that it must be, or it goes
//! into a fragment or a type: there is no way past it otherwise.

use std::ops::Range;

use super::tokens::{Kind as TokenKind, Token, tokens};
use super::{Body, Fragment, Kind, Unread};

/// Words that no server takes for a name here.
const RESERVED: &[&str] = &[
    "all", "begin", "by", "case", "declare", "else", "end", "execute", "for", "foreach", "from", "if", "in", "into",
    "loop", "not", "null", "or", "strict", "then", "to", "using", "when", "while",
];

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

pub(super) struct Reader<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// How many statements are open around the present one.
    pub(super) depth: usize,
    pub(super) body: Body,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a str) -> Result<Self, Unread> {
        Ok(Self { source, tokens: tokens(source)?, at: 0, depth: 0, body: Body::default() })
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The keyword that comes next.
    pub(super) fn word(&self) -> Option<&str> {
        match self.tokens.get(self.at).map(|token| &token.kind) {
            Some(TokenKind::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Whether this keyword or punctuation comes `ahead` tokens after the next.
    pub(super) fn is(&self, ahead: usize, what: &str) -> bool {
        self.is_at(self.at + ahead, what)
    }

    fn is_at(&self, at: usize, what: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(what))
    }

    pub(super) fn eat(&mut self, what: &str) -> bool {
        let found = self.is(0, what);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn require(&mut self, what: &str) -> Result<(), Unread> {
        if self.eat(what) { Ok(()) } else { self.lost(&format!("something else than `{}`", what.to_ascii_uppercase())) }
    }

    /// An unquoted word that is not the first part of a longer name.
    pub(super) fn eat_lone(&mut self, word: &str) -> bool {
        !self.is(1, ".") && self.eat(word)
    }

    fn name_at(&self, at: usize) -> Option<String> {
        match &self.tokens.get(at)?.kind {
            TokenKind::Word(word) if RESERVED.contains(&word.as_str()) => None,
            TokenKind::Word(name) | TokenKind::Quoted(name) => Some(name.clone()),
            _ => None,
        }
    }

    pub(super) fn is_name(&self) -> bool {
        self.name_at(self.at).is_some()
    }

    pub(super) fn name(&mut self) -> Result<String, Unread> {
        match self.name_at(self.at) {
            Some(name) => {
                self.at += 1;
                Ok(name)
            }
            None => self.lost("something else than a name"),
        }
    }

    /// A name that the body declares.
    pub(super) fn declared(&mut self) -> Result<(), Unread> {
        let name = self.name()?;
        self.body.names.insert(name);
        Ok(())
    }

    /// A variable, a parameter by number, or a field of one.
    pub(super) fn variable(&mut self) -> Result<(), Unread> {
        match self.variable_at(self.at) {
            Some(end) => {
                self.at = end;
                Ok(())
            }
            None => self.lost("something else than a variable"),
        }
    }

    /// Where the variable ends that starts here. PL/pgSQL puts three names together at most.
    fn variable_at(&self, start: usize) -> Option<usize> {
        if self.tokens.get(start)?.kind != TokenKind::Parameter {
            self.name_at(start)?;
        }
        let mut end = start + 1;
        while end < start + 5 && self.is_at(end, ".") && self.name_at(end + 1).is_some() {
            end += 2;
        }
        Some(end)
    }

    pub(super) fn is_variable(&self) -> bool {
        self.variable_at(self.at).is_some()
    }

    /// Whether `what` comes outside of parentheses before `stop` does.
    pub(super) fn finds(&self, what: &str, stop: &str) -> bool {
        let mut open = 0_usize;
        for token in self.tokens.iter().skip(self.at) {
            if open == 0 && (token.is(what) || token.is(stop)) {
                return token.is(what);
            }
            if token.is("(") || token.is("[") {
                open += 1;
            } else if token.is(")") || token.is("]") {
                open = open.saturating_sub(1);
            } else if token.is(";") {
                return false;
            }
        }
        false
    }

    /// A cursor; one with arguments can only be one that the body declares.
    pub(super) fn cursor_variable(&mut self) -> Result<(), Unread> {
        self.variable()?;
        let last = self.at.checked_sub(1).and_then(|last| self.name_at(last));
        if self.is(0, "(") && !last.is_some_and(|name| self.body.names.contains(&name)) {
            return self.lost("arguments of a cursor that is not declared");
        }
        Ok(())
    }

    /// Variables with commas between them.
    pub(super) fn variables(&mut self) -> Result<(), Unread> {
        self.variable()?;
        while self.eat(",") {
            self.variable()?;
        }
        Ok(())
    }

    /// Takes a literal that PL/pgSQL itself reads.
    pub(super) fn text(&mut self) -> Result<(), Unread> {
        let token = self.tokens.get(self.at).filter(|token| token.kind == TokenKind::Text);
        if token.is_some_and(|token| self.written(&token.place).starts_with(['\'', 'e', 'E', '$'])) {
            self.at += 1;
            return Ok(());
        }
        self.lost("something else than a literal")
    }

    pub(super) fn is_text(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.kind == TokenKind::Text)
    }

    pub(super) fn number(&mut self) -> Result<(), Unread> {
        if self.tokens.get(self.at).is_none_or(|token| token.kind != TokenKind::Number) {
            return self.lost("something else than a number");
        }
        self.at += 1;
        Ok(())
    }

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

    fn written(&self, place: &Range<usize>) -> &'a str {
        self.source.get(place.clone()).unwrap_or_default()
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

    /// Refuses with the line where it stands.
    pub(super) fn lost<T>(&self, what: &str) -> Result<T, Unread> {
        let place = self.tokens.get(self.at).map_or(self.source.len(), |token| token.place.start);
        let line = self.written(&(0..place)).matches('\n').count() + 1;
        Err(Unread::Opaque(format!("{what}, in line {line}")))
    }
}
