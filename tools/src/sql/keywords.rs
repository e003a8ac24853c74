//! Words that PostgreSQL takes for no table's name and for no alias of one unless they stand in double quotes. Where the
//! parser took one for such a name, it has read the statement otherwise than the server does.

use std::ops::ControlFlow;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor};
use sqlparser::tokenizer::Token;

use super::Refusal;

/// The keywords of categories R and T in `pg_get_keywords()` of PostgreSQL 13 to 18, in order.
const RESERVED: [&str; 101] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// Of those, the ones that stand for a value, which a FROM may name like a table.
const VALUES: [&str; 12] = [
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "system_user",
    "user",
];

/// Whether this word without quotes is never a table's name.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

/// Goes on where the server would take this for the name of a table or of an alias too.
fn name(name: &Ident) -> ControlFlow<Refusal> {
    if name.quote_style.is_none() && is_reserved(&name.value) {
        let word = name.value.to_ascii_uppercase();
        return ControlFlow::Break(Refusal::Opaque(format!("the keyword {word} where a name is wanted")));
    }
    ControlFlow::Continue(())
}

/// The same of a table's name. Behind a dot any word is a name.
pub(super) fn relation(dotted: &ObjectName) -> ControlFlow<Refusal> {
    match dotted.0.first() {
        Some(ObjectNamePart::Identifier(first)) => name(first),
        _ => ControlFlow::Continue(()),
    }
}

/// The same of what stands in a FROM.
pub(super) fn factor(factor: &TableFactor) -> ControlFlow<Refusal> {
    alias(alias_of(factor))?;
    let TableFactor::Table { name: table, args: None, with_hints, version, partitions, json_path, index_hints, .. } =
        factor
    else {
        return ControlFlow::Continue(());
    };
    let plain = with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty();
    if !plain || version.is_some() || json_path.is_some() {
        return ControlFlow::Break(Refusal::Opaque("a table of another dialect".into()));
    }
    match table.0.as_slice() {
        [ObjectNamePart::Identifier(only)] if VALUES.contains(&only.value.to_ascii_lowercase().as_str()) => {
            ControlFlow::Continue(())
        }
        _ => relation(table),
    }
}

/// The same of the names of common table expressions.
pub(super) fn query(query: &Query) -> ControlFlow<Refusal> {
    let mut tables = query.with.iter().flat_map(|with| &with.cte_tables);
    tables.try_for_each(|table| alias(Some(&table.alias)))
}

fn alias(alias: Option<&TableAlias>) -> ControlFlow<Refusal> {
    let Some(alias) = alias else { return ControlFlow::Continue(()) };
    name(&alias.name)?;
    alias.columns.iter().try_for_each(|column| name(&column.name))
}

const fn alias_of(factor: &TableFactor) -> Option<&TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::XmlTable { alias, .. } => alias.as_ref(),
        // Every other kind is refused.
        _ => None,
    }
}

/// Whether it is this word, without quotes.
pub(super) fn is_keyword(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
}
