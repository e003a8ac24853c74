//! What stands between a statement's words, as its own dialect reads them, and the words without it.

use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};
use sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

use super::{Dialect, LONGEST};
use crate::contract::{Digest, Preflight};

/// The bytes of each comment, its marks included and the line's end left out. None where the text cannot be read.
#[must_use]
pub fn comments(sql: &str, dialect: Dialect) -> Vec<Range<usize>> {
    if sql.len() > LONGEST {
        return Vec::new();
    }
    let tokens = Tokenizer::new(dialect.syntax(), sql).tokenize_with_location().unwrap_or_default();
    let spans = tokens.iter().filter_map(|token| match &token.token {
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => Some(token.span),
        _ => None,
    });
    let mut places =
        Places { chars: sql.char_indices(), length: sql.len(), at: 0, here: Location { line: 1, column: 1 } };
    let mut found = Vec::new();
    for span in spans {
        let (start, end) = (places.byte_of(span.start), places.byte_of(span.end));
        let text = sql.get(start..end).unwrap_or_default();
        found.push(start..start + text.trim_end_matches(['\n', '\r']).len());
    }
    found
}

/// What a change would come to, of which a look found this: things and state, the rows as they were and would be, and where
/// those are not kept, the statement.
pub(crate) fn effect_of(seen: &Preflight, sql: &str, params: &impl Serialize, dialect: Dialect) -> Value {
    let rows = seen.pre_image.as_ref().map(Digest::of);
    let statement = rows.is_none().then(|| json!([words(sql, dialect), params]));
    json!({ "on": seen.targets, "state": seen.fingerprint, "rows": rows, "statement": statement })
}

/// A statement's words and signs, whatever stands between them.
fn words(sql: &str, dialect: Dialect) -> Vec<String> {
    let read = (sql.len() <= LONGEST).then(|| Tokenizer::new(dialect.syntax(), sql).tokenize().ok()).flatten();
    let Some(tokens) = read else { return vec![sql.to_owned()] };
    let words = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon));
    words.map(ToString::to_string).collect()
}

/// Turns lines and columns, in the order they come, into bytes.
struct Places<'a> {
    chars: std::str::CharIndices<'a>,
    length: usize,
    /// The byte `here` is at.
    at: usize,
    here: Location,
}

impl Places<'_> {
    fn byte_of(&mut self, place: Location) -> usize {
        while self.here < place {
            let Some((_, c)) = self.chars.next() else { return self.length };
            self.at = self.chars.offset();
            self.here = match c {
                '\n' => Location { line: self.here.line + 1, column: 1 },
                _ => Location { line: self.here.line, column: self.here.column + 1 },
            };
        }
        self.at
    }
}
