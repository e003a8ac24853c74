//! The tokens of a body, each with its place, as PL/pgSQL's scanner makes them.

use std::ops::Range;

use super::Unread;
use crate::sql::Refusal;
use crate::sql::postgres::{LONGEST_NAME, Lexeme, Lexer};

/// Longer bodies are refused unread.
const LONGEST: usize = 1 << 18;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or keyword without quotes, folded.
    Word(String),
    /// A name in quotes, which is never a keyword.
    Quoted(String),
    Text,
    Number,
    Parameter,
    /// An operator or punctuation.
    Mark(String),
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) place: Range<usize>,
}

impl Token {
    /// Whether it is this keyword or this punctuation.
    pub(super) fn is(&self, what: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) | Kind::Mark(own) if own == what)
    }
}

pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Unread> {
    if source.len() > LONGEST {
        return Err(Unread::Opaque(format!("{} bytes of text", source.len())));
    }
    let mut lexer = Lexer { rest: source };
    let mut tokens: Vec<Token> = Vec::new();
    while let Some(first) = lexer.blank().map_err(unread)? {
        let from = source.len() - lexer.rest.len();
        let double = [":=", "::", ".."].into_iter().find(|double| lexer.rest.starts_with(double));
        let lexeme = match double {
            Some(double) => {
                lexer.skip(double.len());
                Lexeme::Operator(double.into())
            }
            None => lexer.one(first).map_err(unread)?,
        };
        let place = from..source.len() - lexer.rest.len();
        let written = source.get(place.clone()).unwrap_or_default();
        let kind = kind(lexeme, written)?;
        // Servers do not agree on `1_000`, `0x1f` and `1a`.
        if kind == Kind::Number && lexer.rest.starts_with(|c: char| c.is_alphabetic() || c == '_' || !c.is_ascii()) {
            return opaque("a number with something sticking to it");
        }
        // The second goes on in the manner of the first.
        if kind == Kind::Text && tokens.last().is_some_and(|last| last.kind == Kind::Text) {
            return opaque("two literals side by side");
        }
        tokens.push(Token { kind, place });
    }
    Ok(tokens)
}

fn kind(lexeme: Lexeme, written: &str) -> Result<Kind, Unread> {
    Ok(match lexeme {
        Lexeme::Word(word) if word.len() > LONGEST_NAME => return opaque("a name longer than the server keeps"),
        Lexeme::Word(name) if written.starts_with('"') => Kind::Quoted(name),
        Lexeme::Word(word) => Kind::Word(word),
        Lexeme::Text if ends_otherwise(written) => {
            return opaque("a literal whose end depends on `standard_conforming_strings`");
        }
        Lexeme::Text => Kind::Text,
        Lexeme::Number => Kind::Number,
        Lexeme::Parameter => Kind::Parameter,
        Lexeme::Operator(operator) => Kind::Mark(operator),
        Lexeme::Mark(mark) => Kind::Mark(mark.into()),
    })
}

/// Whether a backslash could take a quote with it: only where `standard_conforming_strings` is off, which a function or a
/// session may set.
fn ends_otherwise(written: &str) -> bool {
    if written.starts_with(['e', 'E', '$']) {
        return false;
    }
    let mut escapes = false;
    written.chars().any(|c| {
        let escaped = c == '\'' && escapes;
        escapes = c == '\\' && !escapes;
        escaped
    })
}

fn unread(refusal: Refusal) -> Unread {
    match refusal {
        Refusal::Opaque(what) => Unread::Opaque(what),
        other => Unread::Opaque(format!("text that cannot be read ({other})")),
    }
}

fn opaque<T>(what: &str) -> Result<T, Unread> {
    Err(Unread::Opaque(what.into()))
}
