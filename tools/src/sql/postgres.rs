//! PostgreSQL's own reading of a statement's text: its lexer, and what a look into the catalogue needs to know of a text.
//!
//! The parser's tokens are compared with these, so that text which both read differently is refused. The rules are those of
//! `src/backend/parser/scan.l` with `standard_conforming_strings` on.

use std::collections::BTreeSet;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::keywords::is_keyword;
use super::{Refusal, relations};

/// PostgreSQL cuts longer names, so that they name something else than they say.
pub(crate) const LONGEST_NAME: usize = 63;

/// Every name and operator a statement writes, whatever they turn out to be: too many rather than too few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Names with a parenthesis behind them that no schema qualifies: most are functions.
    pub calls: BTreeSet<String>,
    /// The same behind a schema's name: schema and name.
    pub qualified: BTreeSet<(String, String)>,
    /// Every single name: a column, or a function in attribute notation.
    pub names: BTreeSet<String>,
    /// Dotted names, in parts: a relation, a type, a column.
    pub dotted: BTreeSet<Vec<String>>,
    /// Operators.
    pub operators: BTreeSet<String>,
    /// Names without quotes that are not all ASCII: how a database of single bytes folds those, its locale says.
    pub bare: BTreeSet<String>,
    /// How often something of the name `nextval` is called.
    pub draws: usize,
    /// The same of `set_config`.
    pub settings: usize,
}

impl Uses {
    /// Adds what another text uses.
    pub fn extend(&mut self, other: Self) {
        self.calls.extend(other.calls);
        self.qualified.extend(other.qualified);
        self.names.extend(other.names);
        self.dotted.extend(other.dotted);
        self.operators.extend(other.operators);
        self.bare.extend(other.bare);
        self.draws += other.draws;
        self.settings += other.settings;
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// A name or keyword, folded as the server folds it.
    Word(String),
    Text,
    Number,
    Parameter,
    Operator(String),
    Mark(char),
}

/// Compares the server's reading with the parser's and collects what it names.
pub(super) fn uses(sql: &str, tokens: &[TokenWithSpan]) -> Result<Uses, Refusal> {
    let lexemes = Lexer { rest: sql }.all()?;
    let mut parsed = tokens.iter().filter_map(|token| shape(&token.token));
    for lexeme in &lexemes {
        let same = match lexeme {
            Lexeme::Word(word) => matches!(parsed.next(), Some(Shape::Word(other)) if other == *word),
            Lexeme::Text => parsed.next() == Some(Shape::Text),
            Lexeme::Mark(mark @ ('(' | ')' | ',' | ';')) => parsed.next() == Some(Shape::Mark(*mark)),
            _ => true,
        };
        if !same {
            return opaque("text that the server reads differently");
        }
    }
    if parsed.next().is_some() {
        return opaque("text that the server reads differently");
    }
    let mut uses = collect(&lexemes)?;
    uses.bare = tokens.iter().filter_map(|token| bare(&token.token)).collect();
    Ok(uses)
}

fn bare(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && !word.value.is_ascii() => {
            Some(word.value.to_ascii_lowercase())
        }
        _ => None,
    }
}

/// The tokens without PostgreSQL's syntax that the parser does not know and that changes no class: `TABLE t` is
/// `SELECT * FROM t`; `BETWEEN SYMMETRIC` and a frame's `EXCLUDE TIES` are keywords only; `ONLY t` is `t` without its children.
pub(super) fn plainer(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let written: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let is = |at: usize, word: &str| written.get(at).is_some_and(|t| is_keyword(&t.token, word));
    let mut plain = Vec::new();
    let mut at = 0;
    while let Some(&token) = written.get(at) {
        let frame_end = [["CURRENT", "ROW"], ["NO", "OTHERS"], ["TIES", ")"], ["GROUP", ")"]];
        let excludes =
            frame_end.iter().find(|[first, second]| is(at + 1, first) && (*second == ")" || is(at + 2, second)));
        if at == 0 && is(at, "TABLE") {
            let word = |text: &str| TokenWithSpan::new(Token::make_keyword(text), token.span);
            plain.extend([word("SELECT"), TokenWithSpan::new(Token::Mul, token.span), word("FROM")]);
        } else if let (true, Some([_, second])) = (is(at, "EXCLUDE"), excludes) {
            let words = if *second == ")" { 1 } else { 2 };
            if written.get(at + words + 1).is_some_and(|t| t.token == Token::RParen) {
                at += words;
            } else {
                plain.push(token.clone());
            }
        } else if !(is(at, "SYMMETRIC") && at > 0 && is(at - 1, "BETWEEN")) {
            plain.push(token.clone());
        }
        at += 1;
    }
    relations::without_only(plain)
}

#[derive(PartialEq, Eq)]
enum Shape {
    Word(String),
    Text,
    Mark(char),
}

fn shape(token: &Token) -> Option<Shape> {
    Some(match token {
        Token::Word(word) if word.quote_style.is_some() => Shape::Word(word.value.clone()),
        Token::Word(word) => Shape::Word(word.value.to_ascii_lowercase()),
        Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::HexStringLiteral(_) => Shape::Text,
        Token::LParen => Shape::Mark('('),
        Token::RParen => Shape::Mark(')'),
        Token::Comma => Shape::Mark(','),
        Token::SemiColon => Shape::Mark(';'),
        _ => return None,
    })
}

fn collect(lexemes: &[Lexeme]) -> Result<Uses, Refusal> {
    let mut uses = Uses::default();
    let mut chain: Vec<String> = Vec::new();
    for (at, lexeme) in lexemes.iter().enumerate() {
        let next = lexemes.get(at + 1);
        match lexeme {
            Lexeme::Text if next == Some(&Lexeme::Text) => return opaque("two literals side by side"),
            Lexeme::Operator(operator) => {
                chain.clear();
                uses.operators.insert(operator.clone());
            }
            Lexeme::Word(word) => {
                if word.len() > LONGEST_NAME {
                    return opaque("a name longer than the server keeps");
                }
                if word == "operator"
                    && next == Some(&Lexeme::Mark('('))
                    && lexemes.get(at + 2) != Some(&Lexeme::Word("pg_catalog".into()))
                {
                    return opaque("an operator by name");
                }
                uses.names.insert(word.clone());
                chain.push(word.clone());
                if next == Some(&Lexeme::Mark('.')) {
                    continue;
                }
                if next == Some(&Lexeme::Mark('(')) {
                    uses.draws += usize::from(word == "nextval");
                    uses.settings += usize::from(word == "set_config");
                    match chain.as_slice() {
                        [.., schema, name] => drop(uses.qualified.insert((schema.clone(), name.clone()))),
                        _ => drop(uses.calls.insert(word.clone())),
                    }
                }
                uses.dotted.insert(std::mem::take(&mut chain));
            }
            Lexeme::Mark('.') => {}
            _ => chain.clear(),
        }
    }
    Ok(uses)
}

pub(super) struct Lexer<'a> {
    /// What is still to be read.
    pub(super) rest: &'a str,
}

impl<'a> Lexer<'a> {
    fn all(mut self) -> Result<Vec<Lexeme>, Refusal> {
        let mut lexemes = Vec::new();
        while let Some(first) = self.blank()? {
            lexemes.push(self.one(first)?);
        }
        Ok(lexemes)
    }

    /// Skips white space and comments, and tells what comes behind them.
    pub(super) fn blank(&mut self) -> Result<Option<char>, Refusal> {
        while let Some(first) = self.rest.chars().next() {
            match first {
                ' ' | '\t' | '\n' | '\r' | '\u{c}' => self.skip(1),
                '-' if self.rest.starts_with("--") => {
                    let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
                    self.skip(end);
                }
                '/' if self.rest.starts_with("/*") => self.comment()?,
                _ => return Ok(Some(first)),
            }
        }
        Ok(None)
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn comment(&mut self) -> Result<(), Refusal> {
        let mut depth = 0_usize;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return Ok(());
                }
            } else {
                let Some(c) = self.rest.chars().next() else { return opaque("a comment without an end") };
                self.skip(c.len_utf8());
            }
        }
    }

    pub(super) fn one(&mut self, first: char) -> Result<Lexeme, Refusal> {
        let bytes = self.rest.as_bytes();
        match first {
            '\'' => self.text(1, false),
            'e' | 'E' if bytes.get(1) == Some(&b'\'') => self.text(2, true),
            'b' | 'B' | 'x' | 'X' | 'n' | 'N' if bytes.get(1) == Some(&b'\'') => self.text(2, false),
            'u' | 'U' if self.rest.get(1..3) == Some("&'") => self.text(3, false),
            'u' | 'U' if self.rest.get(1..3) == Some("&\"") => opaque("a name in Unicode escapes"),
            '"' => self.quoted(),
            '$' => self.dollar(),
            _ if is_start(first) => Ok(Lexeme::Word(self.take(is_part).to_ascii_lowercase())),
            _ if first.is_ascii_digit() => Ok(self.number()),
            '.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => Ok(self.number()),
            '.' | ',' | '(' | ')' | '[' | ']' | ';' | ':' => {
                self.skip(1);
                Ok(Lexeme::Mark(first))
            }
            _ if is_operator(first) => Ok(self.operator()),
            _ => opaque("a character that is none of SQL"),
        }
    }

    fn text(&mut self, prefix: usize, escapes: bool) -> Result<Lexeme, Refusal> {
        self.skip(prefix);
        loop {
            let Some(at) = self.rest.find(['\'', '\\']) else { return opaque("a literal without an end") };
            let quote = self.rest.as_bytes().get(at) == Some(&b'\'');
            self.skip(at + 1);
            if quote && !self.rest.starts_with('\'') {
                return Ok(Lexeme::Text);
            }
            if quote {
                self.skip(1);
            } else if escapes {
                let escaped = self.rest.chars().next().map_or(0, char::len_utf8);
                self.skip(escaped);
            }
        }
    }

    fn quoted(&mut self) -> Result<Lexeme, Refusal> {
        self.skip(1);
        let mut name = String::new();
        loop {
            let Some(at) = self.rest.find('"') else { return opaque("a name without an end") };
            name.push_str(self.rest.get(..at).unwrap_or_default());
            self.skip(at + 1);
            if !self.rest.starts_with('"') {
                return Ok(Lexeme::Word(name));
            }
            name.push('"');
            self.skip(1);
        }
    }

    fn dollar(&mut self) -> Result<Lexeme, Refusal> {
        self.skip(1);
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            self.take(|c| c.is_ascii_digit());
            // Newer servers refuse what older ones read as two things.
            if self.rest.starts_with(|c| is_start(c) || c == '$') {
                return opaque("a parameter with something sticking to it");
            }
            return Ok(Lexeme::Parameter);
        }
        let tag = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        if !self.rest.starts_with('$') {
            return opaque("a dollar sign that starts nothing");
        }
        self.skip(1);
        let end = format!("${tag}$");
        let Some(at) = self.rest.find(&end) else { return opaque("a literal without an end") };
        self.skip(at + end.len());
        Ok(Lexeme::Text)
    }

    fn number(&mut self) -> Lexeme {
        self.take(|c| c.is_ascii_digit());
        if self.rest.starts_with('.') && !self.rest.starts_with("..") {
            self.skip(1);
            self.take(|c| c.is_ascii_digit());
        }
        let exponent = self.rest.strip_prefix(['e', 'E']).unwrap_or_default();
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.starts_with(|c: char| c.is_ascii_digit()) {
            self.rest = digits;
            self.take(|c| c.is_ascii_digit());
        }
        Lexeme::Number
    }

    /// The longest run of operator characters before a comment; a sign at its end belongs to what follows unless the run
    /// holds a character that SQL's own operators lack.
    fn operator(&mut self) -> Lexeme {
        let run = self.rest.find(|c| !is_operator(c)).map_or(self.rest, |end| self.rest.get(..end).unwrap_or_default());
        let comment = ["--", "/*"].iter().filter_map(|start| run.find(start)).min();
        let mut name = run.get(..comment.unwrap_or(run.len())).unwrap_or_default();
        if !name.contains(['~', '!', '@', '#', '^', '&', '|', '`', '?', '%']) {
            while name.len() > 1 && name.ends_with(['+', '-']) {
                name = &name[..name.len() - 1];
            }
        }
        let name = name.to_owned();
        self.skip(name.len());
        Lexeme::Operator(name)
    }
}

/// Whether a name may begin with this.
pub(crate) const fn is_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

/// Whether a name may go on with this.
pub(crate) const fn is_part(c: char) -> bool {
    is_start(c) || c.is_ascii_digit() || c == '$'
}

/// Whether operators are made of this.
pub(crate) const fn is_operator(c: char) -> bool {
    matches!(c, '~' | '!' | '@' | '#' | '^' | '&' | '|' | '`' | '?' | '+' | '-' | '*' | '/' | '%' | '<' | '>' | '=')
}

fn opaque<T>(what: &str) -> Result<T, Refusal> {
    Err(Refusal::Opaque(what.into()))
}
