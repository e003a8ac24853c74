//! What emptying a table reaches: the tables that go with it, and whether their rows come back.

use serde::Serialize;
use serde_json::json;
use tokio_postgres::types::Type;

use super::catalog::{self, Relation, cell};
use super::code::{self, Doing};
use super::contents::{self, Contents};
use super::copies::{self, Copies};
use super::quarantine::{self, TRASH};
use super::{shape, subject};
use crate::contract::{
    About, BlastRadius, Digest, Evidence, Findings, Fingerprint, Reversibility, Scope, TakesBack, Target, ToolError,
    Undo,
};
use crate::text::{count, shown, size};
use crate::toolsets::postgres::connect::Tx;

/// What is to be emptied.
#[derive(Serialize)]
pub(crate) struct Emptied<'a> {
    /// The table, as SQL writes it.
    pub(crate) table: &'a str,
    /// The tables that refer to it too.
    pub(crate) cascade: bool,
    /// The sequences of the columns start anew.
    pub(crate) restart_identity: bool,
}

impl TakesBack for Emptied<'_> {
    const TOOL: &'static str = "postgres_truncate";
}

/// What has to be so for the rows to come back exactly.
pub(crate) const FITS: &str = "rows_fit_quarantine";

/// How many tables one call empties.
pub(crate) const MOST_TABLES: usize = 200;

/// The call that empties them again, after the rows were put back.
pub(crate) async fn again(tx: &Tx<'_>, copies: &Copies) -> Result<Undo, ToolError> {
    let restart_identity = !copies.sequences.is_empty();
    let args = Emptied { table: &copies.root, cascade: copies.cascade, restart_identity };
    Undo::with(&args, Reach::find(tx, &args).await?.fingerprint)
}

/// What one call would empty.
pub(crate) struct Reach {
    /// The tables with their partitions and children, the named one included: those that others refer to first.
    pub(crate) tables: Vec<Relation>,
    pub(crate) root: u32,
    pub(crate) contents: Contents,
    pub(crate) sequences: Vec<copies::Position>,
    /// Why the rows would not come back, if so.
    pub(crate) lost: Option<String>,
    fingerprint: Digest,
}

impl Fingerprint for Reach {
    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn moved(&self) -> String {
        format!("{} is no longer as it was looked at", self.root().shown())
    }
}

impl Reach {
    pub(crate) async fn find(tx: &Tx<'_>, args: &Emptied<'_>) -> Result<Self, ToolError> {
        let root = catalog::relation(tx, args.table).await?;
        shape::harden(tx).await?;
        truncatable(&root)?;
        let (mut tables, cyclic) = ordered(tx, root.oid, args.cascade).await?;
        let contents = contents::contents(tx, &tables, tx.site().limits.count).await?;
        let owned = copies::positions(tx, &tables).await?;
        let sequences = if args.restart_identity { owned } else { Vec::new() };
        let lost = if cyclic {
            Some("the tables refer to each other in a circle".into())
        } else {
            lost(tx, &tables, &contents, &sequences).await?
        };
        let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
        let names: Vec<_> = tables.iter().map(|table| (&table.schema, &table.name)).collect();
        let fingerprint = Digest::of(&json!({
            "names": names, "shape": shape::shape(tx, &oids).await?, "holds": contents.digest,
            "sequences": sequences, "lost": lost,
        }));
        for table in &mut tables {
            if table.kind != 'f' {
                continue;
            }
            return Err(ToolError::refused(format!("{} lies on another server", table.shown())));
        }
        Ok(Self { tables, root: root.oid, contents, sequences, lost, fingerprint })
    }

    pub(crate) fn root(&self) -> &Relation {
        self.tables.iter().find(|table| table.oid == self.root).unwrap_or(&self.tables[0])
    }

    /// The tables as targets of the call.
    pub(crate) fn targets(&self, tx: &Tx<'_>) -> Vec<Target> {
        self.tables.iter().map(|table| table.target(tx)).collect()
    }

    pub(crate) async fn findings(&self, tx: &Tx<'_>) -> Result<Findings, ToolError> {
        let contents = &self.contents;
        let mut radius = BlastRadius {
            resources: self.tables.len() as u64,
            rows: contents.rows,
            bytes: Some(contents.bytes),
            truncated: contents.truncated,
            ..BlastRadius::one(if self.tables.len() > 1 { Scope::Group } else { Scope::Resource })
        };
        let mut evidence = Vec::new();
        for table in &self.tables {
            let Some(part) = contents.parts.iter().find(|part| part.oid == table.oid) else { continue };
            radius.parts.insert(table.shown(), part.rows);
            let what = format!("{} holds {}", table.shown(), part.shown());
            let kind = if table.oid == self.root { About::State } else { About::Dependents };
            evidence.push(Evidence::seen(kind, what, "the table"));
        }
        let last = shape::last_write(tx, &self.tables, contents, tx.site().limits.count).await?;
        let others = self.tables.len() as u64 - 1;
        let more = if others > 0 { format!(" and {}", count(others, "other table")) } else { String::new() };
        let rows = contents.shown().unwrap_or_else(|| "all rows".into());
        let findings = Findings::on(self.targets(tx), format!("empty {}{more}: {rows}", self.root().shown()))
            .radius(radius)
            .facts(evidence)
            .fact(About::State, last, "pg_stat_all_tables");
        let findings = match &self.lost {
            None => {
                let what =
                    format!("all rows ({}) fit into the quarantine and come back from there", size(contents.bytes));
                findings.class(Reversibility::Reversible).proves(FITS, what, "the look")
            }
            Some(reason) => findings.fact(About::Undo, format!("the rows do not come back: {reason}"), "the look"),
        };
        let backups = "the gateway knows of no backup of this database, nor of its age";
        Ok(findings.fact(About::Backups, backups, "the configuration"))
    }
}

pub(crate) fn truncatable(root: &Relation) -> Result<(), ToolError> {
    let shown_name = root.shown();
    if !matches!(root.kind, 'r' | 'p') {
        return Err(ToolError::refused(format!("{shown_name} is a {}, not a table", root.word())));
    }
    if subject::is_of_the_server(&root.schema) || root.persistence == 't' {
        return Err(ToolError::refused(format!("{shown_name} belongs to the server, or to one session alone")));
    }
    if root.schema == TRASH || quarantine::id_in(&root.schema).is_some() {
        return Err(ToolError::refused(format!("{shown_name} belongs to the quarantine"))
            .with_next("destroy what lies there with `postgres_purge`"));
    }
    Ok(())
}

/// The tables one call empties, those that others refer to first, and whether that order has a circle in it.
pub(crate) async fn ordered(tx: &Tx<'_>, root: u32, cascade: bool) -> Result<(Vec<Relation>, bool), ToolError> {
    let mut oids = Vec::new();
    for row in tx.rows(REACH, &[(&root, Type::OID), (&cascade, Type::BOOL)]).await? {
        oids.push(cell::<u32>(&row, 0)?);
    }
    if oids.len() > MOST_TABLES {
        return Err(ToolError::refused(format!("this would empty more than {MOST_TABLES} tables")));
    }
    let mut keys: Vec<(u32, u32)> = Vec::new();
    for row in tx.rows(KEYS, &[(&oids, Type::OID_ARRAY)]).await? {
        let (child, parent): (u32, u32) = (cell(&row, 0)?, cell(&row, 1)?);
        if !oids.contains(&child) {
            let name: String = cell(&row, 2)?;
            return Err(ToolError::refused(format!("{} refers to it by a foreign key", shown(&name)))
                .with_next("`cascade` = true empties that table too"));
        }
        keys.push((child, parent));
    }
    let (mut order, mut left) = (Vec::new(), oids);
    while let Some(at) = left
        .iter()
        .position(|oid| !keys.iter().any(|(child, parent)| child == oid && parent != oid && left.contains(parent)))
    {
        order.push(left.remove(at));
    }
    let cyclic = !left.is_empty();
    order.extend(left);
    Ok((shape::relations(tx, &order).await?, cyclic))
}

pub(crate) const REACH: &str = "WITH RECURSIVE tree (oid) AS (SELECT $1::oid \
        UNION SELECT h.inhrelid FROM tree JOIN pg_catalog.pg_inherits h ON h.inhparent = tree.oid), \
    reach (oid) AS (SELECT oid FROM tree UNION SELECT k.conrelid FROM reach \
        JOIN pg_catalog.pg_constraint k ON k.confrelid = reach.oid AND k.contype = 'f' AND $2) \
    SELECT oid FROM reach ORDER BY oid";

pub(crate) const KEYS: &str = "SELECT k.conrelid, k.confrelid, k.conrelid::pg_catalog.regclass::text FROM pg_catalog.pg_constraint k \
    WHERE k.contype = 'f' AND k.confrelid = ANY ($1) ORDER BY 1, 2";

/// Why the rows could not be put back exactly, if so.
pub(crate) async fn lost(
    tx: &Tx<'_>,
    tables: &[Relation],
    contents: &Contents,
    sequences: &[copies::Position],
) -> Result<Option<String>, ToolError> {
    let limits = tx.site().limits;
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    if let Some(first) = code::of_relations(tx, &oids, Doing::Rebuilding).await?.first() {
        return Ok(Some(format!("putting them back would run {first}, which is not known to be harmless")));
    }
    if contents.hidden {
        return Ok(Some("this role may not see all of them".into()));
    }
    if contents.truncated || contents.bytes > limits.undo_bytes {
        let what = format!("{} are more than the {} kept for undoing", size(contents.bytes), size(limits.undo_bytes));
        return Ok(Some(if contents.truncated { "there are more rows than are counted".into() } else { what }));
    }
    if let Err(ToolError::Untouched { reason, .. }) = quarantine::possible(tx).await {
        return Ok(Some(reason));
    }
    let seqs: Vec<u32> = sequences.iter().map(|position| position.oid).collect();
    let rows = tx.rows(LOST, &[(&oids, Type::OID_ARRAY), (&seqs, Type::OID_ARRAY)]).await?;
    rows.first().map(|row| cell(row, 0)).transpose()
}

pub(crate) const LOST: &str = "SELECT why FROM (\
    SELECT 1 AS rank, 'a trigger on TRUNCATE does more than empty the table' AS why FROM pg_catalog.pg_trigger t \
        WHERE t.tgrelid = ANY ($1) AND t.tgtype & 32 <> 0 AND t.tgenabled <> 'D' \
    UNION ALL SELECT 2, 'a rule rewrites what is inserted' FROM pg_catalog.pg_rewrite r \
        WHERE r.ev_class = ANY ($1) AND r.ev_type = '3' \
    UNION ALL SELECT 3, 'triggers would fire, and only the table''s owner can hold them back' FROM pg_catalog.pg_trigger t \
        JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal \
        AND t.tgtype & 4 <> 0 AND t.tgenabled <> 'D' AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') \
    UNION ALL SELECT 4, 'the role may not insert into all of the tables' FROM pg_catalog.pg_class c \
        WHERE c.oid = ANY ($1) AND NOT pg_catalog.has_table_privilege(c.oid, 'INSERT') \
    UNION ALL SELECT 5, 'a table has no column that holds values' FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1) \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
            AND NOT a.attisdropped AND a.attgenerated = '') \
    UNION ALL SELECT 6, 'a sequence belongs to another role' FROM pg_catalog.pg_class c \
        WHERE c.oid = ANY ($2) AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') \
    UNION ALL SELECT 7, 'rows may be there that a NOT VALID constraint would not let in again' FROM pg_catalog.pg_constraint k \
        WHERE k.conrelid = ANY ($1) AND NOT k.convalidated \
    UNION ALL SELECT 8, 'a CHECK calls a function whose answer may be another one by then' FROM pg_catalog.pg_constraint k \
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = k.oid \
        JOIN pg_catalog.pg_proc p ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.refobjid \
        WHERE k.conrelid = ANY ($1) AND k.contype = 'c' AND p.provolatile <> 'i') AS found ORDER BY rank LIMIT 1";
