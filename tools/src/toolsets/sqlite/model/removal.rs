//! What taking a table away means, for good or not.

use rusqlite::Connection;

use super::contents::{Contents, contents};
use super::schema::{self, Table};
use crate::contract::{About, BlastRadius, Digest, Evidence, Findings, Fingerprint, Scope, ToolError};
use crate::text::{count, grouped, shown};
use crate::toolsets::sqlite::connect::{Site, text};

/// A whole table that is to go.
pub(crate) struct Whole {
    pub(crate) table: Table,
    pub(crate) contents: Contents,
}

impl Fingerprint for Whole {
    fn fingerprint(&self) -> Digest {
        self.contents.fingerprint
    }

    fn moved(&self) -> String {
        format!("`{}` is no longer as it was looked at", shown(&self.table.name))
    }
}

impl Whole {
    pub(crate) fn of(site: &Site, conn: &Connection, table: Table) -> Result<Self, ToolError> {
        Ok(Self { contents: contents(conn, site, &table)?, table })
    }

    /// How much is in it, what hangs on it, what would bring it back.
    pub(crate) fn findings(
        &self,
        site: &Site,
        conn: &Connection,
        [before, after]: [&str; 2],
    ) -> Result<Findings, ToolError> {
        let Self { table, contents } = self;
        let (name, dependents) = (&table.name, dependents(conn, site, table)?);
        let radius = BlastRadius {
            dependents: dependents.len() as u64,
            rows: Some(contents.rows),
            bytes: Some(contents.bytes),
            parts: [(name.clone(), contents.rows)].into(),
            truncated: contents.truncated,
            ..BlastRadius::one(Scope::Resource)
        };
        let rows = contents.counted();
        let last = contents.last.map(|last| format!(", the highest rowid is {last}")).unwrap_or_default();
        let holds = format!("`{}` holds {rows}, {}{last}", shown(name), about(contents));
        let backups = "the gateway knows of no backup of this file";
        Ok(Findings::on([site.table(name)], format!("{before} the table {} with {rows}{after}", shown(name)))
            .radius(radius)
            .fact(About::State, holds, "the table")
            .facts(dependents.into_iter().map(|what| Evidence::seen(About::Dependents, what, "sqlite_master")))
            .fact(About::Backups, backups, "the configuration"))
    }
}

fn about(contents: &Contents) -> String {
    let about = if contents.truncated { "more than" } else { "about" };
    format!("{about} {}", count(contents.bytes, "byte"))
}

/// What else mentions a table: foreign keys, views, triggers of other tables.
fn dependents(conn: &Connection, site: &Site, table: &Table) -> Result<Vec<String>, ToolError> {
    let find = || -> rusqlite::Result<Vec<String>> {
        let mut found = Vec::new();
        for key in schema::references_to(conn, &table.name)? {
            let set: Vec<String> =
                key.from.iter().map(|column| format!("{} IS NOT NULL", text::quote(column))).collect();
            let filter = format!("WHERE {}", set.join(" AND "));
            let (rows, more) = schema::count(conn, &key.child, &filter, site.limits.count)?;
            let more = if more { "more than " } else { "" };
            let (child, rows) = (shown(&key.child), grouped(rows));
            found.push(format!("`{child}` refers to it by a foreign key, from {more}{rows} rows"));
        }
        let sql = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('view', 'trigger') AND sql IS NOT NULL \
                   AND tbl_name <> ?1 COLLATE NOCASE ORDER BY name";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([&table.name])?;
        while let Some(row) = rows.next()? {
            let (kind, name, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if text::mentions(&sql, &table.name) {
                found.push(format!("the {kind} `{}` mentions it", shown(&name)));
            }
        }
        Ok(found)
    };
    find().map_err(|error| site.explain(&error))
}
