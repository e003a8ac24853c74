//! What taking a table away means, for good or not.

use rusqlite::Connection;

use super::contents::Contents;
use super::schema::{self, Table};
use crate::contract::{About, BlastRadius, Evidence, Preflight, Reversibility, Scope, ToolError};
use crate::text::{count, grouped, shown};
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::connect::text;

/// What taking a table away means, for good or not: how much is in it, what hangs on it, what would bring it back.
pub(crate) fn preflight(
    site: &Site,
    conn: &Connection,
    table: &Table,
    contents: &Contents,
    [before, after]: [&str; 2],
) -> Result<Preflight, ToolError> {
    let name = &table.name;
    let dependents = dependents(conn, site, table)?;
    let mut blast_radius = BlastRadius::one(Scope::Resource);
    blast_radius.dependents = dependents.len() as u64;
    blast_radius.rows = Some(contents.rows);
    blast_radius.bytes = Some(contents.bytes);
    blast_radius.parts.insert(name.clone(), contents.rows);
    blast_radius.truncated = contents.truncated;
    let rows = contents.counted();
    let last = contents.last.map(|last| format!(", the highest rowid is {last}")).unwrap_or_default();
    let holds = format!("`{}` holds {rows}, {}{last}", shown(name), about(contents));
    let mut evidence = vec![site.whereabouts(), Evidence::seen(About::State, holds, "the table")];
    evidence.extend(dependents.into_iter().map(|what| Evidence::seen(About::Dependents, what, "sqlite_master")));
    let backups = "the gateway knows of no backup of this file";
    evidence.push(Evidence::seen(About::Backups, backups, "the configuration"));
    Ok(Preflight {
        targets: vec![site.table(name)],
        blast_radius,
        reversibility: Reversibility::Reversible,
        destroys_recovery: false,
        evidence,
        alternative: None,
        fingerprint: contents.fingerprint,
        summary: format!("{before} the table {} with {rows}{after}", shown(name)),
        pre_image: None,
    })
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
