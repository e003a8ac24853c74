//! How PostgreSQL names a table with its children or without: `ONLY t`, `ONLY (t)`, `t *`. The parser takes `ONLY` for the
//! table and what follows for its alias, so it is given the name alone; what is run stays as it was written.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::keywords::{is_keyword, is_reserved};

/// The words and signs, of which none is a blank, without each `ONLY` before a table's name. That word is reserved: behind
/// `ROWS`, `AS` or a dot it is something else, and before a name or parenthesis it is nothing else.
pub(super) fn without_only(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|t| is_keyword(&t.token, word));
    // The parser knows it in a change of schema.
    let known = ["ALTER", "TRUNCATE", "LOCK", "COMMENT"].iter().any(|word| is(0, word));
    if known || !tokens.iter().any(|t| is_keyword(&t.token, "ONLY")) {
        return tokens;
    }
    let mut left_out = Vec::new();
    for at in (0..tokens.len()).filter(|at| is(*at, "ONLY")) {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before)).map(|t| &t.token);
        let other = ["AS", "ROW", "ROWS"].iter().any(|word| before.is_some_and(|token| is_keyword(token, word)));
        if other || before == Some(&Token::Period) {
            continue;
        }
        if name_end(&tokens, at + 1).is_some() {
            left_out.push(at);
        } else if is_sign(&tokens, at + 1, &Token::LParen)
            && let Some(end) = name_end(&tokens, at + 2)
            && is_sign(&tokens, end, &Token::RParen)
        {
            left_out.extend([at, at + 1, end]);
        }
    }
    without(tokens, &left_out)
}

/// The same without the `*` behind a table's name, or `None` where there is none. A product looks alike, so this is only for
/// what the parser refuses as it stands.
pub(super) fn without_stars(tokens: Vec<TokenWithSpan>) -> Option<Vec<TokenWithSpan>> {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|t| is_keyword(&t.token, word));
    let mut left_out = Vec::new();
    for at in 0..tokens.len() {
        let Some(end) = name_end(&tokens, at).filter(|end| is_sign(&tokens, *end, &Token::Mul)) else { continue };
        let Some(before) = at.checked_sub(1) else { continue };
        let distinct = is(before, "FROM") && before > 0 && is(before - 1, "DISTINCT");
        let begins = ["FROM", "JOIN", "UPDATE", "USING", "INTO", "TABLE"].iter().any(|word| is(before, word));
        let listed = [Token::Comma, Token::LParen].iter().any(|sign| is_sign(&tokens, before, sign));
        if (begins && !distinct) || (listed && ends(tokens.get(end + 1))) {
            left_out.push(end);
        }
    }
    (!left_out.is_empty()).then(|| without(tokens, &left_out))
}

/// Whether nothing that could be multiplied stands here.
fn ends(token: Option<&TokenWithSpan>) -> bool {
    const BEHIND: [&str; 10] = ["AS", "CROSS", "FULL", "INNER", "JOIN", "LEFT", "NATURAL", "ON", "RIGHT", "WHERE"];
    token.is_none_or(|token| {
        matches!(token.token, Token::Comma | Token::RParen | Token::SemiColon | Token::EOF)
            || BEHIND.iter().any(|word| is_keyword(&token.token, word))
    })
}

/// Behind which word a name ends that begins here: `t`, `public.t`, `"odd"."Name"`.
fn name_end(tokens: &[TokenWithSpan], mut at: usize) -> Option<usize> {
    let word = |at: usize| match tokens.get(at).map(|t| &t.token) {
        Some(Token::Word(word)) => Some(word),
        _ => None,
    };
    word(at).filter(|word| word.quote_style.is_some() || !is_reserved(&word.value))?;
    at += 1;
    while is_sign(tokens, at, &Token::Period) && word(at + 1).is_some() {
        at += 2;
    }
    Some(at)
}

fn is_sign(tokens: &[TokenWithSpan], at: usize, sign: &Token) -> bool {
    tokens.get(at).is_some_and(|token| token.token == *sign)
}

/// `left_out` is in order.
fn without(tokens: Vec<TokenWithSpan>, left_out: &[usize]) -> Vec<TokenWithSpan> {
    let kept = tokens.into_iter().enumerate().filter(|(at, _)| left_out.binary_search(at).is_err());
    kept.map(|(_, token)| token).collect()
}
