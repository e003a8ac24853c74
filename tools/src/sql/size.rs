//! How large a text is to a parser, told before it is taken apart.

use sqlparser::tokenizer::Token;

use super::Dialect;

/// No less than the number of words and signs in a text, told without taking it apart. A plain literal is one; behind
/// whatever a dialect may quote, escape or comment with in a way of its own, what stands in literals is counted too.
pub(super) fn tokens_at_most(sql: &str, dialect: Dialect) -> usize {
    let bytes = sql.as_bytes();
    let (mut found, mut quote, mut odd, mut in_word, mut in_number) = (0, None, false, false, false);
    for (at, byte) in bytes.iter().copied().enumerate() {
        if let Some(open) = quote {
            if byte == open {
                quote = None;
            } else if byte == b'\\' && dialect == Dialect::MySql {
                (quote, odd) = (None, true);
            }
            continue;
        }
        let doubled = |mark| bytes.get(at + 1) == Some(&mark);
        match byte {
            b'\'' | b'"' if odd => {}
            b'\'' | b'"' if in_word || (at > 0 && bytes[at - 1] == b'&') => odd = true,
            b'\'' | b'"' => quote = Some(byte),
            b'\\' | b'$' | b'#' | b'`' | b'[' => odd = true,
            b'-' if doubled(b'-') => odd = true,
            b'/' if doubled(b'*') => odd = true,
            _ => {}
        }
        // A character that is not ASCII is one of its own: it may be a space, a letter or a quote.
        let (word, inside) = (byte.is_ascii_alphanumeric() || byte == b'_', (0x80..0xc0).contains(&byte));
        // A number may end where a letter begins.
        let goes_on = word && in_word && (byte.is_ascii_digit() || !in_number);
        found += usize::from(!byte.is_ascii_whitespace() && !inside && !goes_on);
        (in_word, in_number) = (word, byte.is_ascii_digit());
    }
    found
}

/// Whether a token can deepen the tree. Literals, commas and parentheses cannot: the parser itself bounds the latter.
pub(super) const fn nests(token: &Token) -> bool {
    !matches!(
        token,
        Token::Whitespace(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::HexStringLiteral(_)
            | Token::Comma
            | Token::LParen
            | Token::RParen
    )
}
