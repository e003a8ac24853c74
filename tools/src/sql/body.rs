//! Reads the body of a PostgreSQL function from its text alone: every expression and statement it can run, each as a
//! statement that [`super::examine`] can read, and every type and name it declares.
//!
//! It goes by `src/pl/plpgsql/src/pl_gram.y` and splits where PL/pgSQL splits. What it does not understand is refused.

mod block;
mod fragments;
mod reader;
mod statement;
mod tokens;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use reader::Reader;

/// All that a body can run.
///
/// What is not in it: PL/pgSQL casts a value to the type of what it is assigned to, whose input function, cast or domain
/// check then runs. Functions and operators of an expression are only named here, and not looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    /// Every expression and statement, in the order they are written.
    pub fragments: Vec<Fragment>,
    /// The types of variables and cursor arguments as written, `t.a%TYPE` and `t%ROWTYPE` among them.
    pub types: Vec<String>,
    /// The names of variables, cursors, their arguments, aliases and labels, folded as the server folds them. Parameters of
    /// the function, `new`, `old` and `tg_op` and its like are declared outside of its text and not among them.
    pub names: BTreeSet<String>,
}

/// A part of a body that is SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// A statement of its own. Variables stand in it like columns.
    pub sql: String,
    /// What it was in the body.
    pub kind: Kind,
}

/// What a fragment was in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An expression, now behind `SELECT`.
    Expression,
    /// A statement, without the variables its result goes to.
    Statement,
}

/// Why nobody can say what a body runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// It holds something that was not understood.
    #[error("it holds {0}")]
    Opaque(String),
    /// It runs something that is neither a query nor a change of rows, such as `EXECUTE`.
    #[error("it runs {0}")]
    Acts(String),
}

/// What the body of a function in PL/pgSQL runs.
///
/// # Errors
/// Why that cannot be said.
pub(crate) fn plpgsql(source: &str) -> Result<Body, Unread> {
    let mut reader = Reader::new(source)?;
    reader.options()?;
    reader.function()?;
    Ok(reader.body)
}

/// What the body of a function in SQL runs, given as text: one or more statements.
///
/// # Errors
/// Why that cannot be said.
pub(crate) fn sql(source: &str) -> Result<Body, Unread> {
    let mut reader = Reader::new(source)?;
    while !reader.is_done() {
        if !reader.eat(";") {
            reader.last_query()?;
        }
    }
    Ok(reader.body)
}
