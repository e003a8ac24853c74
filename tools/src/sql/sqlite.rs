//! What SQLite's syntax has that the parser does not know, put the way it does know. Only what the parser refuses as it
//! stands is read like this, and nothing that names a function, a table or a change is ever left out.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::keywords::is_keyword;

/// The words and signs of a statement without hints to the planner, and with comparisons as the parser knows them. What
/// kind of statement it is and what it names stays the same, not what it gives.
pub(super) fn plainer(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let written: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let is = |at: usize, word: &str| written.get(at).is_some_and(|t| is_keyword(&t.token, word));
    let opens = |at: usize| written.get(at).is_some_and(|t| t.token == Token::LParen);
    let known = |at: usize| ["NULL", "TRUE", "FALSE", "DISTINCT", "UNKNOWN"].iter().any(|word| is(at, word));
    let mut plain: Vec<TokenWithSpan> = Vec::with_capacity(written.len());
    // Tables that stand where the parser wants a query, by where they end.
    let mut closes = Vec::new();
    let mut at = 0;
    while let Some(&token) = written.get(at) {
        let put = |token: Token| TokenWithSpan::new(token, written[at].span);
        let before = |word: &str| at > 0 && is(at - 1, word);
        at += if before("AS") && is(at, "MATERIALIZED") && opens(at + 1) {
            // `WITH c AS MATERIALIZED (…)`
            1
        } else if before("AS") && is(at, "NOT") && is(at + 1, "MATERIALIZED") && opens(at + 2) {
            2
        } else if is(at, "INDEXED") && is(at + 1, "BY") && is_name(written.get(at + 2)) && !opens(at + 3) {
            3
        } else if is(at, "NOT") && is(at + 1, "INDEXED") && !opens(at + 2) {
            2
        } else if is(at, "NOT") && ["GLOB", "REGEXP", "MATCH"].iter().any(|word| is(at + 1, word)) {
            1
        } else if is(at, "AS") && is_inserted_into(&written, at) && is_name(written.get(at + 1)) {
            // `INSERT INTO t AS x`
            2
        } else if let (true, Some(words)) = (is(at, "EXCLUDE"), excluded(&written, at + 1)) {
            1 + words
        } else if is(at, "CROSS") && is(at + 1, "JOIN") {
            // It may have a condition in SQLite, as any join.
            1
        } else if is(at, "ISNULL")
            || is(at, "NOTNULL")
            || (is(at, "NOT") && is(at + 1, "NULL") && is_operand(&written, at))
        {
            let word = |word: &str| put(Token::make_keyword(word));
            plain.push(word("IS"));
            if !is(at, "ISNULL") {
                plain.push(word("NOT"));
            }
            plain.push(word("NULL"));
            if is(at, "NOT") { 2 } else { 1 }
        } else if is(at, "IS") && !known(at + 1) && !(is(at + 1, "NOT") && known(at + 2)) {
            // Two values may be compared with it in SQLite.
            let words = if is(at + 1, "NOT") { 2 } else { 1 };
            plain.push(put(if words == 2 { Token::Neq } else { Token::Eq }));
            words
        } else if matches!(token.token, Token::ShiftLeft | Token::ShiftRight) {
            plain.push(put(Token::Plus));
            1
        } else {
            plain.push(token.clone());
            if is(at, "IN") && is_name(written.get(at + 1)) {
                // `x IN t` has the rows of the table for a list, `x IN f(…)` those of a function.
                let word = |word: &str| put(Token::make_keyword(word));
                plain.extend([put(Token::LParen), word("SELECT"), put(Token::Mul), word("FROM")]);
                closes.push(end_of_table(&written, at + 1));
            }
            1
        };
        while closes.pop_if(|end| *end <= at).is_some() {
            plain.push(TokenWithSpan::new(Token::RParen, token.span));
        }
    }
    plain
}

/// Behind which word or sign a table ends that begins there: `t`, `main.t`, `f(…)`.
fn end_of_table(written: &[&TokenWithSpan], mut at: usize) -> usize {
    let is = |at: usize, token: &Token| written.get(at).is_some_and(|t| t.token == *token);
    at += 1;
    while is(at, &Token::Period) && is_name(written.get(at + 1)) {
        at += 2;
    }
    let mut depth = 0_usize;
    while is(at, &Token::LParen) || (depth > 0 && at < written.len()) {
        match written[at].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Whether what stands before is `INTO` and a table's name.
fn is_inserted_into(written: &[&TokenWithSpan], at: usize) -> bool {
    let into = |back: usize| at >= back && is_keyword(&written[at - back].token, "INTO");
    let dotted = at >= 4 && written[at - 2].token == Token::Period;
    at >= 2 && is_name(written.get(at - 1)) && (into(2) || (dotted && into(4)))
}

/// How many words of a window's frame say what it leaves out.
fn excluded(written: &[&TokenWithSpan], at: usize) -> Option<usize> {
    let is = |at: usize, word: &str| written.get(at).is_some_and(|t| is_keyword(&t.token, word));
    let two = (is(at, "CURRENT") && is(at + 1, "ROW")) || (is(at, "NO") && is(at + 1, "OTHERS"));
    let words = if two { 2 } else { usize::from(is(at, "TIES") || is(at, "GROUP")) };
    let closed = written.get(at + words).is_some_and(|t| t.token == Token::RParen);
    (words > 0 && closed).then_some(words)
}

/// Whether what stands before is a value: a name, a literal, something in parentheses.
fn is_operand(written: &[&TokenWithSpan], at: usize) -> bool {
    at > 0
        && match &written[at - 1].token {
            Token::Word(word) => word.keyword == Keyword::NoKeyword,
            Token::Number(..) | Token::SingleQuotedString(_) | Token::RParen | Token::RBracket => true,
            _ => false,
        }
}

fn is_name(token: Option<&&TokenWithSpan>) -> bool {
    token.is_some_and(|token| matches!(token.token, Token::Word(_) | Token::SingleQuotedString(_)))
}
