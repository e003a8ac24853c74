//! One classifier for all SQL dialects: what a statement would do, told from its text alone.
//!
//! It works by allowlist: what it cannot parse, does not know, or finds more than once is not a read. It is one layer of
//! several and decides nothing by itself; a toolset also opens its target for reading only.

pub(crate) mod body;
mod changes;
mod comments;
mod functions;
mod keywords;
mod postgres;
mod relations;
mod size;
mod sqlite;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlparser::ast::{ObjectName, ObjectNamePart, ObjectType, Statement, visit_relations};
use sqlparser::dialect::{Dialect as Syntax, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

pub use changes::{Change, RowsOf, changes_of_rows};
pub use comments::comments;
pub(crate) use comments::effect_of;
pub use postgres::Uses;
pub(crate) use postgres::{LONGEST_NAME, is_operator, is_part, is_start};
use size::{nests, tokens_at_most};

/// Whose SQL a statement is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
}

impl Dialect {
    /// That of a tool with this name, where its toolset has one: `sqlite_write`.
    #[must_use]
    pub fn of_tool(name: &str) -> Option<Self> {
        match name.split_once('_')?.0 {
            "sqlite" => Some(Self::Sqlite),
            "postgres" => Some(Self::Postgres),
            "mysql" => Some(Self::MySql),
            _ => None,
        }
    }

    fn syntax(self) -> &'static dyn Syntax {
        match self {
            Self::Sqlite => &SQLiteDialect {},
            Self::Postgres => &PostgreSqlDialect {},
            Self::MySql => &MySqlDialect {},
        }
    }
}

/// What rows a write acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `INSERT`, `REPLACE`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
}

impl Verb {
    /// The word for people: `insert`, `update`, `delete`, `merge`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
        }
    }
}

/// A statement that changes rows and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What the outermost changing statement does.
    pub verb: Verb,
    /// The tables named as what is changed, outermost first, as written but without their quotes.
    pub tables: Vec<String>,
    /// Everything its text says it may do to rows, common table expressions, conflicts and branches included: each once,
    /// the worst first.
    pub changes: Vec<Change>,
    /// The statement itself is a SELECT; only its common table expressions change rows.
    pub selects: bool,
    /// Rows in the way are deleted: `REPLACE`, `INSERT OR REPLACE`, `UPDATE OR REPLACE`.
    pub replaces: bool,
    /// Functions whose value is another one each time, as called: `random()`, `datetime('now')`.
    pub volatile: Vec<String>,
}

/// What a statement would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// It only reads.
    Read,
    /// It changes rows.
    Write(Write),
    /// It changes the schema.
    Schema {
        /// The statement in a few fixed words, such as `DROP TABLE`.
        what: &'static str,
        /// What it is about, where that is one name.
        name: Option<String>,
    },
    /// It does something else: a transaction, a setting, an attachment, a lock.
    Other {
        /// What was found, in a few fixed words.
        what: String,
    },
}

/// Why a statement has no class at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing in it.
    #[error("there is no statement in it")]
    Empty,
    /// There is more than one statement in it.
    #[error("it holds {0} statements, the second a `{1}`; one call runs exactly one")]
    Several(usize, String),
    /// It cannot be parsed, so nobody can say what it does.
    #[error("it cannot be parsed: {0}")]
    Unparsable(String),
    /// It calls a function that is not on the list of harmless ones.
    #[error("it calls `{0}`, which is not on the list of functions known to be harmless")]
    Function(String),
    /// It uses syntax whose effect cannot be told from the text.
    #[error("it uses {0}, whose effect cannot be told from the text")]
    Opaque(String),
}

/// Statements longer than this are refused unread.
const LONGEST: usize = 1 << 20;

/// Statements of more words and signs than this are refused before they are taken apart: each costs the parser hundreds of
/// bytes. Text literals count as one where they can be told.
const MOST_TOKENS: usize = 500_000;

/// Of longer texts only one is taken apart at a time.
const LONG: usize = 64 << 10;
static LONG_ONES: Mutex<()> = Mutex::new(());

fn one_at_a_time(sql: &str) -> Option<MutexGuard<'static, ()>> {
    (sql.len() > LONG).then(|| LONG_ONES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Statements with more names, keywords and operators than this are refused unparsed: a chain of operators becomes a tree
/// as deep as it is long, and walking that would exhaust the stack. SQLite's own limit is a depth of 1,000.
const MOST_PARTS: usize = 4_000;

/// A name as SQL of SQLite and PostgreSQL: in double quotes, whatever it holds.
#[must_use]
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a statement would do, told from its text.
///
/// # Errors
/// Why it has no class: empty, several statements, a parse error, an unknown function.
pub fn classify(sql: &str, dialect: Dialect) -> Result<Class, Refusal> {
    classified(sql, dialect).map(|(class, _)| class)
}

/// The same with the statement as it was parsed, for telling more of it without reading it again.
pub(crate) fn classified(sql: &str, dialect: Dialect) -> Result<(Class, Statement), Refusal> {
    let _alone = one_at_a_time(sql);
    let (statement, tokens) = parse(sql, dialect)?;
    if dialect == Dialect::Postgres {
        postgres::uses(sql, &tokens)?;
    }
    Ok((class_of(&statement, Trust::text_alone(dialect))?, statement))
}

/// The class of a PostgreSQL statement together with every name it writes. The class holds only once the catalogue was asked
/// about those names: user-defined types, operators by name and the functions of well-known extensions are let through.
///
/// # Errors
/// As for [`classify`].
pub fn examine(sql: &str) -> Result<(Class, Uses), Refusal> {
    examine_with(sql, Trust { dialect: Dialect::Postgres, catalogue: true, functions: false })
}

/// The class of a PostgreSQL statement by its text alone, as [`classify`] tells it, together with every name it writes.
///
/// # Errors
/// As for [`classify`].
pub(crate) fn examine_text(sql: &str) -> Result<(Class, Uses), Refusal> {
    examine_with(sql, Trust::text_alone(Dialect::Postgres))
}

/// The same of a part of a function's body, whose functions are looked up in the catalogue too, every one of them.
pub(crate) fn examine_body(sql: &str) -> Result<(Class, Uses), Refusal> {
    examine_with(sql, Trust { dialect: Dialect::Postgres, catalogue: true, functions: true })
}

fn examine_with(sql: &str, trust: Trust) -> Result<(Class, Uses), Refusal> {
    let _alone = one_at_a_time(sql);
    let (statement, tokens) = parse(sql, Dialect::Postgres)?;
    let uses = postgres::uses(sql, &tokens)?;
    Ok((class_of(&statement, trust)?, uses))
}

/// Every name a PostgreSQL statement of any class writes.
///
/// # Errors
/// The text cannot be read, or reads differently for the server.
pub(crate) fn names(sql: &str) -> Result<Uses, Refusal> {
    let _alone = one_at_a_time(sql);
    let (_, tokens) = parse(sql, Dialect::Postgres)?;
    postgres::uses(sql, &tokens)
}

/// The tables a statement reads or writes, by the last part of their names in small letters: what stays of its text when
/// words, values and conditions are varied.
pub(crate) fn tables(sql: &str, dialect: Dialect) -> Vec<String> {
    let _alone = one_at_a_time(sql);
    let mut tables = BTreeSet::new();
    if let Ok((statement, _)) = parse(sql, dialect) {
        let _all = visit_relations(&statement, |name| {
            tables.extend(last_part(name).map(|name| name.to_lowercase()));
            ControlFlow::<()>::Continue(())
        });
    }
    tables.into_iter().collect()
}

/// What a class is told from.
#[derive(Clone, Copy, Debug)]
struct Trust {
    dialect: Dialect,
    /// Names that the text leaves open are looked up before the statement runs.
    catalogue: bool,
    /// And so is every function, whatever list it is on.
    functions: bool,
}

impl Trust {
    const fn text_alone(dialect: Dialect) -> Self {
        Self { dialect, catalogue: false, functions: false }
    }
}

fn parse(sql: &str, dialect: Dialect) -> Result<(Statement, Vec<TokenWithSpan>), Refusal> {
    if sql.len() > LONGEST {
        return Err(Refusal::Opaque(format!("{} bytes of text", sql.len())));
    }
    if sql.contains('\0') {
        // A C library stops reading here; a parser in Rust does not.
        return Err(Refusal::Opaque("a NUL character".into()));
    }
    if let Some(trick) = hidden_text(sql, dialect) {
        return Err(Refusal::Opaque(trick.into()));
    }
    if sql.len() > MOST_TOKENS && tokens_at_most(sql, dialect) > MOST_TOKENS {
        return Err(Refusal::Opaque(format!("more than {MOST_TOKENS} words and signs")));
    }
    let syntax = dialect.syntax();
    let tokens = Tokenizer::new(syntax, sql).tokenize_with_location();
    let mut tokens = tokens.map_err(|error| Refusal::Unparsable(short(&error)))?;
    if tokens.iter().filter(|token| nests(&token.token)).count() > MOST_PARTS {
        return Err(Refusal::Opaque(format!("more than {MOST_PARTS} names and operators")));
    }
    // Only PostgreSQL's are looked at again; a copy of the others would be as large as they are.
    let plain = if dialect == Dialect::Postgres { postgres::plainer(&tokens) } else { std::mem::take(&mut tokens) };
    let mut parser = Parser::new(syntax).with_tokens_with_locations(plain);
    let mut parsed = parser.parse_statements();
    // What the parser knows is read as it stands first.
    if parsed.is_err() {
        let again = match dialect {
            Dialect::Sqlite => {
                let tokens = Tokenizer::new(syntax, sql).tokenize_with_location();
                Some(sqlite::plainer(&tokens.map_err(|error| Refusal::Unparsable(short(&error)))?))
            }
            Dialect::Postgres => relations::without_stars(postgres::plainer(&tokens)),
            Dialect::MySql => None,
        };
        if let Some(plain) = again {
            parser = Parser::new(syntax).with_tokens_with_locations(plain);
            parsed = parser.parse_statements();
        }
    }
    let mut statements = parsed.map_err(|error| Refusal::Unparsable(short(&error)))?;
    // The parser takes an `END` for the end of a block around the statements and leaves all that follows unread. To
    // SQLite and PostgreSQL it is a name like any other: `SELECT 1 END, writefile('x', 'y')`, `SELECT 1 END; DROP TABLE t`.
    if parser.peek_token() != Token::EOF {
        return Err(Refusal::Opaque("text behind an `END`".into()));
    }
    match statements.get(1) {
        Some(second) => Err(Refusal::Several(statements.len(), first_word(&second.to_string()))),
        None => statements.pop().map(|statement| (statement, tokens)).ok_or(Refusal::Empty),
    }
}

/// Whether a function, named as the database itself names it, is known to change nothing: for an authorizer, which also
/// hears of operators that are functions underneath.
#[must_use]
pub fn is_known_function(name: &str, dialect: Dialect) -> bool {
    let operator = dialect == Dialect::Sqlite && matches!(name, "->" | "->>");
    operator || functions::effect(&name.to_ascii_lowercase(), dialect).is_some()
}

/// Whether what SQLite asks its authorizer about was put there by whoever owns the schema, inside a view or trigger, rather
/// than by the statement. The accessor alone does not say so: it also names common table expressions, as the statement
/// pleases, be it like a view of the schema. But whatever the statement calls itself, its text names.
#[must_use]
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has an authorizer"))]
pub(crate) fn is_of_the_schema(name: &str, accessor: Option<&str>, statement: &str) -> bool {
    accessor.is_some() && !statement.to_ascii_lowercase().contains(&name.to_ascii_lowercase())
}

/// Text that a server executes although a parser takes it for a comment or for something else.
fn hidden_text(sql: &str, dialect: Dialect) -> Option<&'static str> {
    let has = |needle: &str| sql.to_ascii_lowercase().contains(needle);
    match dialect {
        Dialect::MySql if has("/*!") || has("/*m!") => Some("an executable comment"),
        Dialect::Sqlite | Dialect::Postgres | Dialect::MySql => None,
    }
}

fn class_of(statement: &Statement, trust: Trust) -> Result<Class, Refusal> {
    match statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_) => walk::class_of(statement, trust),
        Statement::Explain { statement: inner, analyze, options, describe_alias: _, .. } => {
            // An option list may say ANALYZE in several spellings, so any list counts as one.
            let runs = *analyze || options.as_ref().is_some_and(|options| !options.is_empty());
            match class_of(inner, trust)? {
                Class::Read => Ok(Class::Read),
                class if runs => Ok(class),
                _ => Ok(Class::Other { what: "EXPLAIN of a statement that is not a read".into() }),
            }
        }
        Statement::ShowVariable { .. } if trust.dialect == Dialect::Postgres => Ok(Class::Read),
        Statement::ShowTables { .. } | Statement::ShowColumns { .. } if trust.dialect == Dialect::MySql => {
            Ok(Class::Read)
        }
        other => Ok(schema_change(other).unwrap_or_else(|| Class::Other { what: first_word(&other.to_string()) })),
    }
}

fn schema_change(statement: &Statement) -> Option<Class> {
    let (what, name) = match statement {
        Statement::Drop { object_type, names, .. } => {
            let what = match object_type {
                ObjectType::Table => "DROP TABLE",
                ObjectType::View => "DROP VIEW",
                ObjectType::Index => "DROP INDEX",
                ObjectType::Schema => "DROP SCHEMA",
                ObjectType::Database => "DROP DATABASE",
                _ => "DROP",
            };
            let name = if let [name] = names.as_slice() { last_part(name) } else { None };
            (what, name)
        }
        Statement::DropTrigger(_) => ("DROP TRIGGER", None),
        Statement::AlterTable(alter) => ("ALTER TABLE", last_part(&alter.name)),
        Statement::CreateTable(create) => ("CREATE TABLE", last_part(&create.name)),
        Statement::CreateVirtualTable { name, .. } => ("CREATE VIRTUAL TABLE", last_part(name)),
        Statement::CreateIndex(_) => ("CREATE INDEX", None),
        Statement::CreateView(_) => ("CREATE VIEW", None),
        Statement::CreateTrigger(_) => ("CREATE TRIGGER", None),
        Statement::Truncate(_) => ("TRUNCATE", None),
        _ => return None,
    };
    Some(Class::Schema { what, name })
}

/// The last part of a dotted name, without its quotes.
fn last_part(name: &ObjectName) -> Option<String> {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => Some(ident.value.clone()),
        _ => None,
    }
}

/// The first word of a statement as the parser prints it: a keyword, never text of the caller.
fn first_word(printed: &str) -> String {
    printed.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_uppercase()
}

/// A parser's message, cut so that a long statement is not echoed.
fn short(error: &impl ToString) -> String {
    let text = error.to_string();
    match text.char_indices().nth(200) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
