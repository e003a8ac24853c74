//! What a database says about its tables.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::contract::ToolError;
use crate::text::shown;
use crate::toolsets::sqlite::connect::{Site, text};

/// What begins the name of everything the quarantine owns.
pub(crate) const TRASH: &str = "mollyguard_trash";

/// Whether a name belongs to the quarantine.
pub(crate) fn is_trash(name: &str) -> bool {
    name.get(..TRASH.len()).is_some_and(|start| start.eq_ignore_ascii_case(TRASH))
}

/// Whether a name belongs to SQLite itself.
pub(crate) fn is_internal(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
}

/// What a name in the schema stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    View,
    Virtual,
    /// The storage of a virtual table.
    Shadow,
}

/// How one row of a table is told from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// By its rowid, under this name.
    Rowid(String),
    /// By the stored columns at these places, in a table without rowids.
    Columns(Vec<usize>),
    /// Not at all: columns hide every name of the rowid.
    Hidden,
}

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub name: String,
    pub declared: String,
    pub not_null: bool,
    pub default: Option<String>,
    /// Its place in the primary key, from 1.
    pub primary: Option<u32>,
    /// Computed from other columns: cannot be written.
    pub generated: bool,
}

/// One table, view or virtual table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// As the schema spells it.
    pub name: String,
    pub kind: Kind,
    pub columns: Vec<Column>,
    pub key: Key,
    pub autoincrement: bool,
    pub encoding: Encoding,
}

/// How text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16le,
    Utf16be,
}

impl Encoding {
    fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let name: String = conn.query_row("PRAGMA encoding", [], |row| row.get(0))?;
        Ok(match name.as_str() {
            "UTF-16le" => Self::Utf16le,
            "UTF-16be" => Self::Utf16be,
            _ => Self::Utf8,
        })
    }
}

impl Table {
    /// The columns that can be written, in order.
    pub(crate) fn stored(&self) -> Vec<String> {
        self.columns.iter().filter(|column| !column.generated).map(|column| column.name.clone()).collect()
    }

    /// The column that is the rowid under another name.
    pub(crate) fn rowid_column(&self) -> Option<&str> {
        let Key::Rowid(name) = &self.key else { return None };
        self.columns.iter().map(|column| column.name.as_str()).find(|column| column == name)
    }
}

/// The table of that name in any case, if there is one.
pub(crate) fn find(conn: &Connection, name: &str) -> rusqlite::Result<Option<Table>> {
    let sql = "SELECT l.name, l.type, l.wr, coalesce(m.sql, '') FROM pragma_table_list AS l \
               JOIN sqlite_master AS m ON m.name = l.name AND m.type IN ('table', 'view') \
               WHERE l.schema = 'main' AND l.name = ?1 COLLATE NOCASE";
    let read = |row: &Row<'_>| {
        let kind: String = row.get(1)?;
        Ok((row.get::<_, String>(0)?, kind, row.get::<_, bool>(2)?, row.get::<_, String>(3)?))
    };
    let Some((name, kind, without_rowid, sql)) = conn.query_row(sql, [name], read).optional()? else { return Ok(None) };
    let kind = match kind.as_str() {
        "view" => Kind::View,
        "virtual" => Kind::Virtual,
        "shadow" => Kind::Shadow,
        _ => Kind::Table,
    };
    let columns = match columns(conn, &name) {
        // A view over a table that is gone has no columns; it is still there to be named.
        Err(_) if kind == Kind::View => Vec::new(),
        columns => columns?,
    };
    let key = if kind == Kind::Table { key(conn, &name, &columns, without_rowid)? } else { Key::Hidden };
    let autoincrement = kind == Kind::Table && text::says(&sql, "autoincrement");
    Ok(Some(Table { name, kind, columns, key, autoincrement, encoding: Encoding::of(conn)? }))
}

/// A plain table of the user's, or a refusal that says what else the name is.
pub(crate) fn plain_table(conn: &Connection, site: &Site, name: &str) -> Result<Table, ToolError> {
    let refuse =
        |what: &str, next: &str| Err(ToolError::refused(format!("`{}` is {what}", shown(name))).with_next(next));
    if is_internal(name) {
        return refuse("a table of SQLite itself", "it follows from the other tables; leave it to SQLite");
    }
    let Some(table) = find(conn, name).map_err(|error| site.explain(&error))? else {
        return Err(missing(conn, site, name));
    };
    match table.kind {
        Kind::Table => Ok(table),
        Kind::View => refuse("a view: it holds no rows of its own", "name one of the tables it reads"),
        Kind::Virtual => refuse("a virtual table", "what it holds cannot be kept for taking it back; ask a person"),
        Kind::Shadow => refuse("the storage of a virtual table", "it belongs to the virtual table of a similar name"),
    }
}

/// The error for a table that does not exist, with those that do.
pub(crate) fn missing(conn: &Connection, site: &Site, name: &str) -> ToolError {
    let there = list(conn).unwrap_or_default();
    let mut there: Vec<_> =
        there.into_iter().map(|(table, _)| table).filter(|table| !is_trash(table)).map(|table| shown(&table)).collect();
    let more = there.len().saturating_sub(30);
    there.truncate(30);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    ToolError::not_found(format!("there is no table `{}` in `{}`", shown(name), site.name))
        .with_next(format!("the tables and views there are: {}{more}", there.join(", ")))
}

/// Every table and view with its kind, by name; without SQLite's own.
pub(crate) fn list(conn: &Connection) -> rusqlite::Result<Vec<(String, Kind)>> {
    let sql = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               ORDER BY name";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let kind: String = row.get(1)?;
        let kind = match kind.as_str() {
            "view" => Kind::View,
            "virtual" => Kind::Virtual,
            "shadow" => Kind::Shadow,
            _ => Kind::Table,
        };
        Ok((row.get(0)?, kind))
    })?;
    rows.collect()
}

fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main')";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([table], |row| {
        let primary: u32 = row.get(4)?;
        let hidden: i64 = row.get(5)?;
        Ok(Column {
            name: row.get(0)?,
            declared: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            not_null: row.get(2)?,
            default: row.get(3)?,
            primary: (primary > 0).then_some(primary),
            generated: hidden > 1,
        })
    })?;
    rows.collect()
}

fn key(conn: &Connection, table: &str, columns: &[Column], without_rowid: bool) -> rusqlite::Result<Key> {
    if without_rowid {
        // A generated column cannot be in a primary key, so places among the stored ones are enough.
        let stored: Vec<&Column> = columns.iter().filter(|column| !column.generated).collect();
        let mut key: Vec<(u32, usize)> =
            stored.iter().enumerate().filter_map(|(at, column)| Some((column.primary?, at))).collect();
        key.sort_unstable();
        return Ok(Key::Columns(key.into_iter().map(|(_, at)| at).collect()));
    }
    let mut primary = columns.iter().filter(|column| column.primary.is_some());
    if let (Some(only), None) = (primary.next(), primary.next()) {
        // A primary key that is the rowid has no index of its own (https://sqlite.org/lang_createtable.html#rowid).
        let sql = "SELECT count(*) FROM pragma_index_list(?1, 'main') WHERE origin = 'pk'";
        let indexes: i64 = conn.query_row(sql, [table], |row| row.get(0))?;
        if indexes == 0 {
            return Ok(Key::Rowid(only.name.clone()));
        }
    }
    let free = |name: &&&str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let name = ["rowid", "_rowid_", "oid"].iter().find(free);
    Ok(name.map_or(Key::Hidden, |name| Key::Rowid((*name).to_owned())))
}

/// The text of a table and its triggers, joined: what may run when its rows change.
pub(crate) fn text_of(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT sql FROM sqlite_master WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('table', 'trigger') \
               AND sql IS NOT NULL ORDER BY rowid";
    conn.prepare(sql)?.query_map([table], |row| row.get(0))?.collect()
}

/// A foreign key of some table.
#[derive(Clone, Debug)]
pub(crate) struct ForeignKey {
    /// The table that refers.
    pub child: String,
    /// The table it refers to.
    pub parent: String,
    pub id: i64,
    pub from: Vec<String>,
    pub to: Vec<Option<String>>,
    pub on_update: String,
    pub on_delete: String,
}

/// The foreign keys of one table.
pub(crate) fn foreign_keys_of(conn: &Connection, child: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let sql = "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list(?1, 'main') \
               ORDER BY id, seq";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([child])?;
    let mut keys: Vec<ForeignKey> = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if keys.last().is_none_or(|key| key.id != id) {
            keys.push(ForeignKey {
                child: child.to_owned(),
                parent: row.get(1)?,
                id,
                from: Vec::new(),
                to: Vec::new(),
                on_update: row.get(4)?,
                on_delete: row.get(5)?,
            });
        }
        if let Some(key) = keys.last_mut() {
            key.from.push(row.get(2)?);
            key.to.push(row.get(3)?);
        }
    }
    Ok(keys)
}

/// The foreign keys of other tables that refer to this one.
pub(crate) fn references_to(conn: &Connection, parent: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut found = Vec::new();
    for (child, kind) in list(conn)? {
        if kind == Kind::Table && !is_trash(&child) && !child.eq_ignore_ascii_case(parent) {
            let keys = foreign_keys_of(conn, &child)?;
            found.extend(keys.into_iter().filter(|key| key.parent.eq_ignore_ascii_case(parent)));
        }
    }
    Ok(found)
}

/// Counts rows, at most `bound`. The second part says that there are more.
pub(crate) fn count(conn: &Connection, table: &str, filter: &str, bound: u64) -> rusqlite::Result<(u64, bool)> {
    let limit = i64::try_from(bound).unwrap_or(i64::MAX - 1) + 1;
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} {filter} LIMIT {limit})", text::quote(table));
    let counted = counted(conn, &sql, [])?;
    Ok((counted.min(bound), counted > bound))
}

/// The number a `SELECT count(*)` gives.
pub(crate) fn counted(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<u64> {
    let counted: i64 = conn.query_row(sql, params, |row| row.get(0))?;
    Ok(u64::try_from(counted).unwrap_or_default())
}
