//! Goes over a body's tokens once. A token is either taken as the keyword, name or punctuation that it must be, or it goes
//! into a fragment or a type: there is no way past it otherwise.

use std::ops::Range;

use super::tokens::{Kind as TokenKind, Token, tokens};
use super::{Body, Unread};

/// Words that no server takes for a name here.
const RESERVED: &[&str] = &[
    "all", "begin", "by", "case", "declare", "else", "end", "execute", "for", "foreach", "from", "if", "in", "into",
    "loop", "not", "null", "or", "strict", "then", "to", "using", "when", "while",
];

pub(super) struct Reader<'a> {
    source: &'a str,
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
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

    pub(super) fn is_at(&self, at: usize, what: &str) -> bool {
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

    pub(super) fn name_at(&self, at: usize) -> Option<String> {
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
    pub(super) fn variable_at(&self, start: usize) -> Option<usize> {
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

    pub(super) fn written(&self, place: &Range<usize>) -> &'a str {
        self.source.get(place.clone()).unwrap_or_default()
    }

    /// Refuses with the line where it stands.
    pub(super) fn lost<T>(&self, what: &str) -> Result<T, Unread> {
        let place = self.tokens.get(self.at).map_or(self.source.len(), |token| token.place.start);
        let line = self.written(&(0..place)).matches('\n').count() + 1;
        Err(Unread::Opaque(format!("{what}, in line {line}")))
    }
}
