//! `sqlite_query`: one read. Four layers each keep it from changing anything: the classifier, a connection opened for
//! reading, the authorizer, and SQLite's own word that the statement is read-only.
//!
//! A sort too large for SQLite's cache goes to a temporary file, which SQLite deletes as soon as it has opened it:
//! [`temporary`] bounds it. Sorting in memory instead would cost the gateway itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, ErrorCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::contract::{Digest, Findings, Preflight, Read, Spec, ToolError};
use crate::sql::{self, Class, Dialect, classify};
use crate::toolsets::sqlite::connect::budget::{self, Weight};
use crate::toolsets::sqlite::connect::idle::Known;
use crate::toolsets::sqlite::connect::room::Size;
use crate::toolsets::sqlite::connect::temporary::{self, Temporary};
use crate::toolsets::sqlite::connect::{STEPS, Site, bounded, stop};
use crate::toolsets::sqlite::model::answer::{self, Output, collect};
use crate::toolsets::sqlite::model::kind::{DatabaseFiles, Tx};
use crate::toolsets::sqlite::model::schema;

/// How long a read goes on where it keeps writers waiting. Applications wait about five seconds for a lock before they fail.
const IN_THE_WAY: Duration = Duration::from_secs(3);

/// How many steps pass between two looks at what a sort of long rows has written: few, because each may write megabytes.
const WATCHED: i32 = 10;

pub(crate) struct SqliteQuery;

/// What to ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// Exactly one SELECT, VALUES or EXPLAIN.
    sql: String,
    /// How many rows at most; the gateway's own limit holds as well.
    #[serde(default)]
    limit: Option<u64>,
}

#[async_trait]
impl Read for SqliteQuery {
    type Kind = DatabaseFiles;
    type Args = Args;
    type Output = Output;
    type Seen = Digest;
    const SPEC: Spec = Spec::read(
        "sqlite_query",
        "Query a SQLite database",
        "Runs exactly one read (SELECT, VALUES, EXPLAIN) and returns its rows. Only functions known to be harmless are \
         allowed, and no PRAGMA: sqlite_describe tells about tables and columns.",
    );

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Digest, ToolError> {
        only_a_read(&args.sql)?;
        Ok(answer::asked(tx, &json!(args.sql)))
    }

    fn describe(_args: &Args, _seen: &Digest, tx: &Tx<'_>) -> Findings {
        answer::findings(tx, "query")
    }

    async fn read(args: &Args, _seen: Digest, tx: &mut Tx<'_>) -> Result<Output, ToolError> {
        answer(tx, &args.sql, args.limit.unwrap_or(u64::MAX).min(tx.limits.output_rows))
    }

    fn aim(args: &Args, seen: &Preflight) -> Vec<Value> {
        let tables = sql::tables(&args.sql, Dialect::Sqlite);
        if tables.is_empty() { seen.aim() } else { tables.into_iter().map(Value::from).collect() }
    }
}

/// The texts last found to be reads, so that a text is classified once and not for the look and the run. What a text is
/// depends on nothing but the text.
static READS: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

const READS_KEPT: usize = 32;

const LONGEST_KEPT: usize = 4096;

fn only_a_read(sql: &str) -> Result<(), ToolError> {
    if READS.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == sql) {
        return Ok(());
    }
    classified_as_read(sql)?;
    if sql.len() <= LONGEST_KEPT {
        let mut reads = READS.lock().unwrap_or_else(PoisonError::into_inner);
        reads.truncate(READS_KEPT - 1);
        reads.push_front(sql.to_owned());
    }
    Ok(())
}

fn classified_as_read(sql: &str) -> Result<(), ToolError> {
    let refuse = |what: String, next: &str| Err(ToolError::refused(format!("not a read: {what}")).with_next(next));
    match classify(sql, Dialect::Sqlite) {
        Ok(Class::Read) => Ok(()),
        Ok(Class::Write(write)) => refuse(format!("it would {} rows", write.verb.as_str()), "use `sqlite_write`"),
        Ok(Class::Schema { what: "DROP TABLE", .. }) => {
            refuse("DROP TABLE".into(), "use `sqlite_drop_table`: it keeps the table in a quarantine and can be undone")
        }
        Ok(Class::Schema { what, .. }) => {
            refuse(what.into(), "schema changes other than `sqlite_drop_table` are not offered")
        }
        Ok(Class::Other { what }) if what == "PRAGMA" => {
            refuse("PRAGMA".into(), "`sqlite_describe` tells about tables, columns, indexes and keys")
        }
        Ok(Class::Other { what }) => refuse(what, "send one SELECT"),
        Err(refusal) => refuse(refusal.to_string(), "send exactly one SELECT that calls built-in functions only"),
    }
}

pub(crate) fn answer(site: &Site, sql: &str, most: u64) -> Result<Output, ToolError> {
    let (mut size, mut own_patterns) = (Size::Small, false);
    loop {
        let place = size.wait(site)?;
        match attempt(site, sql, most, (size, own_patterns))? {
            Ran::Whole(output) => return Ok(output),
            Ran::In(larger) => size = larger,
            Ran::ForOwnPatterns => own_patterns = true,
        }
        drop(place);
    }
}

/// How one run of a read went.
enum Ran {
    Whole(Output),
    /// It is to be run again in a place of this size.
    In(Size),
    /// It is to be run again with `LIKE` and `GLOB` of our own.
    ForOwnPatterns,
}

fn attempt(site: &Site, sql: &str, most: u64, (size, own_patterns): (Size, bool)) -> Result<Ran, ToolError> {
    let (mut conn, files, known) = site.reader()?;
    if own_patterns {
        bounded::install_patterns(&conn).map_err(|error| site.explain(&error))?;
    }
    let weight = Weight::default();
    weight.within(size);
    let usual = size != Size::Many;
    if !usual {
        let larger = format!("PRAGMA cache_size = -{}", size.part() >> 10);
        conn.execute_batch(&larger).map_err(|error| site.explain(&error))?;
    }
    // The schema a statement is examined under is the one it runs under.
    conn.execute_batch("BEGIN; SELECT 1 FROM sqlite_master LIMIT 1").map_err(|error| site.explain(&error))?;
    let known = known.map_or_else(|| Known::of(&conn), Ok).map_err(|error| site.explain(&error))?;
    weight.stored(known.stored);
    let crowded = Arc::new(AtomicBool::new(false));
    let (keeping, noting, mut files_kept) = (weight.clone(), Arc::clone(&crowded), Temporary::of(size));
    let until = known.in_the_way.then(|| Instant::now() + IN_THE_WAY);
    stop::until(until);
    site.stop_when(&mut conn, if size.is_watched() { WATCHED } else { STEPS }, move || {
        let too_much = keeping.keeps_rows() && files_kept.too_much(keeping.sorts());
        noting.fetch_or(too_much, Ordering::Relaxed);
        too_much || until.is_some_and(|until| Instant::now() >= until)
    })?;
    let weighing = weight.clone();
    let denied = Arc::new(Mutex::new(None));
    let noting = Arc::clone(&denied);
    let statement = sql.to_owned();
    let authorizer = move |context: AuthContext<'_>| match judge(&context, &statement) {
        Ok(()) => {
            weighing.hear(&context.action);
            Authorization::Allow
        }
        Err(what) => {
            *noting.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
            Authorization::Deny
        }
    };
    conn.authorizer(Some(authorizer)).map_err(|error| site.explain(&error))?;
    let result = rows(site, &conn, sql, most, (&weight, size, own_patterns));
    let late = until.is_some_and(|until| Instant::now() >= until) && !site.is_over();
    stop::until(None);
    let none: Option<fn(AuthContext<'_>) -> Authorization> = None;
    conn.authorizer(none).map_err(|error| site.explain(&error))?;
    let said = denied.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (result, said) {
        (Ok(output), _) => {
            conn.execute_batch("COMMIT").map_err(|error| site.explain(&error))?;
            site.keep(conn, files.filter(|_| !own_patterns && usual), known);
            Ok(Ran::Whole(output))
        }
        (Err(_), Some(what)) => Err(ToolError::refused(format!("not a read: {what}"))),
        (Err(Failed::Refused(reason)), None) => Err(ToolError::refused(reason)),
        (Err(Failed::Sqlite(error)), None) if weight.wants_room(&error, sql, own_patterns) => {
            Ok(Ran::In(size.for_longer()))
        }
        (Err(Failed::Sqlite(error)), None) if !own_patterns && weight.wants_own_patterns(&error) => {
            Ok(Ran::ForOwnPatterns)
        }
        (Err(Failed::Sqlite(_)), None) if crowded.load(Ordering::Relaxed) => {
            size.for_more().map(Ran::In).ok_or_else(|| temporary::refusal(&site.name, size))
        }
        (Err(Failed::Sqlite(error)), None) if late && is_interrupted(&error) => Err(too_long_in_the_way(site)),
        (Err(Failed::Sqlite(error)), None) => Err(advise(site, &conn, &error)),
    }
}

fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

fn too_long_in_the_way(site: &Site) -> ToolError {
    let (name, seconds) = (&site.name, IN_THE_WAY.as_secs());
    let reason = format!(
        "stopped on `{name}`: it read for more than {seconds} s, and nobody can write a database with a rollback journal while \
         somebody reads it"
    );
    ToolError::unavailable(reason).with_next(
        "narrow it down: a condition on an indexed column, a limit; or have the database's owner switch it to write-ahead mode \
         (`PRAGMA journal_mode = WAL`), in which reads keep no writer waiting",
    )
}

/// What a read may do while it is compiled and, for pragma functions, while it runs.
fn judge(context: &AuthContext<'_>, statement: &str) -> Result<(), String> {
    const DESCRIBING: &[&str] =
        &["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"];
    match context.action {
        // It would read a whole table without looking at the clock.
        AuthAction::Read { table_name: "dbstat", column_name: "aggregate" } => Err("it aggregates `dbstat`".into()),
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Ok(()),
        AuthAction::Function { function_name } => {
            // A view's own functions were put there by whoever owns the schema; SQLite lets only harmless ones through.
            let known = sql::is_known_function(function_name, Dialect::Sqlite)
                || sql::is_of_the_schema(function_name, context.accessor, statement);
            if known { Ok(()) } else { Err(format!("it calls `{function_name}`")) }
        }
        // Full-text tables ask whether somebody else wrote to their storage.
        AuthAction::Pragma { pragma_name: "data_version", pragma_value: None } => Ok(()),
        // An R*Tree prepares what would change its storage as soon as it is opened, and runs none of it for a read: the
        // statement itself names no change, and the connection cannot make any.
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. }
            if is_part_of_an_rtree(table_name) =>
        {
            Ok(())
        }
        AuthAction::Pragma { pragma_name, .. } if DESCRIBING.contains(&pragma_name.to_ascii_lowercase().as_str()) => {
            Ok(())
        }
        _ => Err("SQLite would do more than read for it".into()),
    }
}

fn is_part_of_an_rtree(table: &str) -> bool {
    ["_node", "_parent", "_rowid"].iter().any(|part| table.len() > part.len() && table.ends_with(part))
}

enum Failed {
    Sqlite(rusqlite::Error),
    Refused(String),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn rows(
    site: &Site,
    conn: &Connection,
    sql: &str,
    most: u64,
    (weight, size, own_patterns): (&Weight, Size, bool),
) -> Result<Output, Failed> {
    budget::compiling(conn, sql)?;
    let mut statement = conn.prepare(sql)?;
    // What is only explained does not run.
    if statement.is_explain() == 0 {
        weight.examine(conn, sql)?;
    }
    weight.apply(conn, sql, own_patterns)?;
    if !statement.readonly() {
        return Err(Failed::Refused("not a read: SQLite says the statement may write".into()));
    }
    if statement.parameter_count() > 0 {
        return Err(Failed::Refused("the statement has parameters, and there is nothing to fill them with".into()));
    }
    // A column without an alias is called what it says.
    let names: usize = statement.column_names().map(str::len).sum();
    if names as u64 > site.limits.output_bytes {
        return Err(Failed::Refused("the names of its columns alone are more than an answer holds".into()));
    }
    // A row that a larger place would hold is no reason to end.
    let cut_long = size.is_longest() && (own_patterns || !weight.has_patterns());
    Ok(collect(site, &mut statement, most, cut_long)?)
}

/// SQLite's refusal with what would help.
fn advise(site: &Site, conn: &Connection, error: &rusqlite::Error) -> ToolError {
    let text = error.to_string();
    if let Some((_, table)) = text.split_once("no such table: ") {
        let table = table.split_whitespace().next().unwrap_or_default();
        return schema::missing(conn, site, table);
    }
    let advised = site.explain(error);
    if text.contains("no such column") {
        return advised.with_next("`sqlite_describe` with `table` lists the columns");
    }
    advised
}
