//! What a statement changes, by its text and by what the server has read in it: both have to be the same.

use tokio_postgres::types::Type;

use super::catalog::cell;
use super::code::Code;
use super::involved;
use super::layout::{self, Layout};
use crate::contract::ToolError;
use crate::sql::{Verb, Write};
use crate::text::{count, shown};
use crate::toolsets::postgres::connect::Tx;

/// The tables the statement changes, as the server read it: it has locked them for writing.
pub(crate) async fn named(tx: &Tx<'_>, write: &Write, code: &Code) -> Result<Vec<Layout>, ToolError> {
    let mut oids: Vec<u32> = Vec::new();
    for row in &tx.rows(LOCKED, &[(&"RowExclusiveLock" as _, Type::TEXT)]).await? {
        oids.push(cell(row, 0)?);
    }
    let named = writable(tx, layout::layouts(tx, &oids).await?, write).await?;
    resolved(code)?;
    let Some(written) = &code.written else { return Ok(named) };
    match named.iter().find(|layout| !written.contains(&layout.oid)) {
        None => Ok(named),
        Some(layout) => {
            let reason =
                format!("not run: the server reads it as a change of {}, and its text says otherwise", layout.shown());
            Err(ToolError::refused(reason).with_next(PLAINLY))
        }
    }
}

/// Refuses a statement that says it changes what is no table of this database.
pub(crate) fn resolved(code: &Code) -> Result<(), ToolError> {
    let Some(missing) = code.missing.first() else { return Ok(()) };
    let reason = format!("not run: {} is no table of this database that can be changed", shown(missing));
    Err(ToolError::refused(reason).with_next(PLAINLY))
}

/// What to do about it.
const PLAINLY: &str = "name the table that is changed as `postgres_describe` tells it";

/// The tables in the order they are told, or why they are not for writing.
pub(crate) async fn writable(tx: &Tx<'_>, mut layouts: Vec<Layout>, write: &Write) -> Result<Vec<Layout>, ToolError> {
    // What the statement does worst to comes first: its name is the one a person types.
    layouts.sort_by_key(|layout| write.rank(&layout.name).unwrap_or(usize::MAX));
    for layout in &layouts {
        let name = layout.shown();
        if layout.oid < 16_384 || layout.schema.starts_with("mollyguard_") {
            let reason = format!("{name} is not for writing: it belongs to PostgreSQL or to the quarantine");
            return Err(ToolError::refused(reason));
        }
        if layout.kind == 'f' {
            return Err(ToolError::refused(format!("{name} is a foreign table: its rows are on another server")));
        }
    }
    if layouts.is_empty() {
        return Err(ToolError::refused("the statement changes no table"));
    }
    let oids: Vec<u32> = layouts.iter().map(|layout| layout.oid).collect();
    let away = tx.rows(AWAY, &[(&oids as _, Type::OID_ARRAY)]).await?;
    match away.first() {
        None => Ok(layouts),
        Some(row) => {
            let reason = format!(
                "the foreign table {} is a part of it, and its rows are on another server",
                shown(&cell::<String>(row, 0)?)
            );
            Err(ToolError::refused(reason).with_next("name the part that is meant, if it is one of this database"))
        }
    }
}

/// The foreign tables that are partitions or children of these: a try would already change their server.
const AWAY: &str = "WITH RECURSIVE tree (oid) AS (SELECT pg_catalog.unnest($1) UNION SELECT i.inhrelid FROM tree \
    JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid) SELECT c.oid::pg_catalog.regclass::text FROM tree \
    JOIN pg_catalog.pg_class c ON c.oid = tree.oid WHERE c.relkind = 'f' ORDER BY 1 LIMIT 1";

/// The relations that this transaction has locked as `$1` says.
pub(crate) const LOCKED: &str = "SELECT DISTINCT l.relation FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c \
    ON c.oid = l.relation WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.mode = $1 \
    AND c.relkind IN ('r', 'p', 'v', 'f', 'm') ORDER BY 1";

/// What a statement that is not tried out may change beside the tables it names, for people.
pub(crate) async fn reached(
    tx: &Tx<'_>,
    named: &[Layout],
    write: &Write,
    sql: &str,
) -> Result<Option<String>, ToolError> {
    let roots: Vec<u32> = named.iter().map(|layout| layout.oid).collect();
    let verb = if write.inserts() { Verb::Insert } else { write.verb };
    let reach = involved::involved(tx, &roots, verb, sql).await?;
    let others: Vec<u32> = reach.tables.into_iter().filter(|oid| !roots.contains(oid)).collect();
    Ok(beside(named, &layout::layouts(tx, &others).await?))
}

/// The same, where it is known what is reached.
pub(crate) fn beside(named: &[Layout], reached: &[Layout]) -> Option<String> {
    /// The tables that are named; what comes after them is counted.
    const NAMED: usize = 12;
    let others = reached.iter().filter(|layout| named.iter().all(|one| one.oid != layout.oid));
    let mut names: Vec<String> = others.map(Layout::shown).collect();
    if names.is_empty() {
        return None;
    }
    names.sort();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(count(more as u64, "more table"));
    }
    Some(format!("it may also change rows of {} (by foreign keys, partitions, rules or triggers)", names.join(", ")))
}
