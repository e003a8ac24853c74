//! `sqlite_describe`: what is in a database: tables, columns, indexes, triggers, keys, and what lies in the quarantine.

use async_trait::async_trait;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::{Audience, Done, Lease, Preflight, Promise, Reversibility, Scope, ToolError, TypedTool};
use crate::toolsets::sqlite::connect::{Site, work};
use crate::toolsets::sqlite::model::answer::read_preflight;
use crate::toolsets::sqlite::model::quarantine;
use crate::toolsets::sqlite::model::schema::{self, Kind};

pub(crate) struct SqliteDescribe;

/// What to describe.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    #[expect(dead_code, reason = "it is part of the schema; the lease says which target it is")]
    target: String,
    /// One table or view; without it everything.
    #[serde(default)]
    table: Option<String>,
}

/// What is there.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// Tables and views by name.
    tables: Vec<TableOut>,
    /// Dropped tables that `sqlite_restore_table` can bring back.
    quarantine: Vec<KeptOut>,
    /// There is more than this: tables, or parts of them.
    truncated: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TableOut {
    name: String,
    /// `table`, `view`, `virtual` or `shadow`.
    kind: &'static str,
    columns: Vec<ColumnOut>,
    indexes: Vec<IndexOut>,
    foreign_keys: Vec<ForeignKeyOut>,
    triggers: Vec<String>,
    /// How many rows there are; of views and virtual tables not counted.
    rows: Option<u64>,
    /// There are more rows than `rows`.
    rows_truncated: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ColumnOut {
    name: String,
    #[serde(rename = "type")]
    declared: String,
    not_null: bool,
    default: Option<String>,
    /// Its place in the primary key, from 1.
    primary_key: Option<u32>,
    generated: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct IndexOut {
    name: String,
    unique: bool,
    /// An expression is null.
    columns: Vec<Option<String>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ForeignKeyOut {
    columns: Vec<String>,
    references: String,
    referenced_columns: Vec<Option<String>>,
    on_update: String,
    on_delete: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct KeptOut {
    id: String,
    table: String,
    quarantined_as: String,
    dropped_at: String,
}

#[async_trait]
impl TypedTool for SqliteDescribe {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "sqlite_describe",
            kind: "sqlite",
            title: "Describe a SQLite database",
            description: "Lists tables and views with columns, types, indexes, foreign keys, triggers and row counts, and the \
                          dropped tables that can still be brought back.",
            reversibility: Reversibility::ReadOnly,
            softened_by: Vec::new(),
            scope: Scope::Resource,
            idempotent: true,
            open_world: false,
            credential: None,
            audience: Audience::Agents,
        }
    }

    fn blocks(&self) -> bool {
        true
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let table = args.table.clone();
        work(lease, move |site| Ok(read_preflight(site, &json!(table), "describe"))).await
    }

    async fn run(&self, args: &Args, _seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let table = args.table.clone();
        work(lease, move |site| Ok(Done::read(describe(site, table.as_deref())?))).await
    }
}

fn describe(site: &Site, only: Option<&str>) -> Result<Output, ToolError> {
    let conn = site.open_to_read()?;
    let explain = |error: rusqlite::Error| site.explain(&error);
    let names: Vec<String> = match only {
        Some(name) if schema::find(&conn, name).map_err(explain)?.is_none() => {
            return Err(schema::missing(&conn, site, name));
        }
        Some(name) => vec![name.to_owned()],
        None => {
            let all = schema::list(&conn).map_err(explain)?;
            // A virtual table's storage and the quarantine are shown only when asked for by name.
            let shown = all.into_iter().filter(|(name, kind)| *kind != Kind::Shadow && !schema::is_trash(name));
            shown.map(|(name, _)| name).collect()
        }
    };
    let most = usize::try_from(site.limits.output_rows).unwrap_or(usize::MAX);
    let mut output = Output { tables: Vec::new(), quarantine: Vec::new(), truncated: names.len() > most };
    let (mut bytes, bound) = (0, site.limits.output_bytes);
    for name in names.iter().take(most) {
        let Some(mut table) = table_out(&conn, site, name).map_err(explain)? else { continue };
        bytes += size_of(&table);
        if bytes > bound {
            output.truncated = true;
            if output.tables.is_empty() && table.cut(bound) {
                output.tables.push(table);
            }
            break;
        }
        output.tables.push(table);
    }
    for kept in quarantine::kept(&conn).map_err(explain)? {
        let kept = KeptOut { id: kept.id, table: kept.name, quarantined_as: kept.trash, dropped_at: kept.at };
        bytes += size_of(&kept);
        if bytes > bound {
            output.truncated = true;
            break;
        }
        output.quarantine.push(kept);
    }
    Ok(output)
}

fn size_of(part: &impl Serialize) -> u64 {
    serde_json::to_string(part).map_or(0, |text| text.len() as u64)
}

impl TableOut {
    /// Leaves out what does not fit, and says whether enough is left to be shown.
    fn cut(&mut self, bound: u64) -> bool {
        self.triggers.clear();
        self.indexes.clear();
        self.foreign_keys.clear();
        let mut bytes = self.name.len() as u64 + 256;
        let fits = |column: &ColumnOut| {
            bytes += size_of(column) + 1;
            bytes <= bound
        };
        let fitting = self.columns.iter().map(fits).take_while(|fits| *fits).count();
        self.columns.truncate(fitting);
        fitting > 0
    }
}

fn table_out(conn: &Connection, site: &Site, name: &str) -> rusqlite::Result<Option<TableOut>> {
    let Some(table) = schema::find(conn, name)? else { return Ok(None) };
    let kind = match table.kind {
        Kind::Table => "table",
        Kind::View => "view",
        Kind::Virtual => "virtual",
        Kind::Shadow => "shadow",
    };
    let (rows, rows_truncated) = if table.kind == Kind::Table {
        let (rows, more) = schema::count(conn, &table.name, "", site.limits.count)?;
        (Some(rows), more)
    } else {
        (None, false)
    };
    let columns = table.columns.into_iter().map(|column| ColumnOut {
        name: column.name,
        declared: column.declared,
        not_null: column.not_null,
        default: column.default,
        primary_key: column.primary,
        generated: column.generated,
    });
    let keys = schema::foreign_keys_of(conn, &table.name)?.into_iter().map(|key| ForeignKeyOut {
        columns: key.from,
        references: key.parent,
        referenced_columns: key.to,
        on_update: key.on_update,
        on_delete: key.on_delete,
    });
    let triggers =
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name";
    let triggers = conn.prepare(triggers)?.query_map([&table.name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Some(TableOut {
        columns: columns.collect(),
        indexes: indexes(conn, &table.name)?,
        foreign_keys: keys.collect(),
        triggers,
        rows,
        rows_truncated,
        kind,
        name: table.name,
    }))
}

fn indexes(conn: &Connection, table: &str) -> rusqlite::Result<Vec<IndexOut>> {
    let sql = "SELECT name, \"unique\" FROM pragma_index_list(?1, 'main') ORDER BY name";
    let mut statement = conn.prepare(sql)?;
    let found: Vec<(String, bool)> =
        statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut indexes = Vec::new();
    for (name, unique) in found {
        let sql = "SELECT name FROM pragma_index_info(?1, 'main') ORDER BY seqno";
        let columns = conn.prepare(sql)?.query_map([&name], |row| row.get(0))?.collect::<Result<_, _>>()?;
        indexes.push(IndexOut { name, unique, columns });
    }
    Ok(indexes)
}
