//! `postgres_truncate`: empties a table, after copying its rows into the quarantine where they fit.

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::CREDENTIAL;
use super::catalog::{self, Relation, cell};
use super::code::{self, Doing};
use super::contents::{self, Contents};
use super::copies::{self, Copies};
use super::quarantine::{self, Kept, TRASH, Way};
use super::session::{Mode, Session, Tx};
use super::shape;
use super::subject;
use crate::contract::{
    About, Audience, BlastRadius, Condition, Digest, Done, Evidence, Lease, Preflight, Probe, Promise, Reversibility,
    Scope, ToolError, TypedTool, UndoPlan, now,
};
use crate::text::{count, shown, size};

pub(super) struct PostgresTruncate;

/// What has to be so for the rows to come back exactly.
const FITS: &str = "rows_fit_quarantine";

/// How many tables one call empties.
const MOST_TABLES: usize = 200;

/// What to empty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// The configured database.
    target: String,
    /// The table, as SQL writes it: `public.bookings`, `"Odd name"`.
    table: String,
    /// Empty the tables that refer to it by foreign keys too, and those that refer to them.
    #[serde(default)]
    cascade: bool,
    /// Let the sequences that belong to the columns start anew.
    #[serde(default)]
    restart_identity: bool,
}

/// What was emptied.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The tables that are empty now.
    truncated: Vec<String>,
    /// How many rows they held. None where they were not all counted.
    rows: Option<u64>,
    /// More rows than these, where counting stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_than: Option<u64>,
    /// The id of the copies in the quarantine, where there are any.
    quarantine_id: Option<String>,
}

#[async_trait]
impl TypedTool for PostgresTruncate {
    type Args = Args;
    type Output = Output;

    fn promise(&self) -> Promise {
        Promise {
            name: "postgres_truncate",
            kind: "postgres",
            title: "Empty a table",
            description: "Removes all rows of a table and its partitions. They are copied into the quarantine first where \
                          they fit, and undo_call puts them back; otherwise they are gone for good. Sequences go on where \
                          they were unless restart_identity is set.",
            reversibility: Reversibility::Irreversible,
            softened_by: vec![Condition {
                name: Cow::Borrowed(FITS),
                to: Reversibility::Reversible,
                means: Cow::Borrowed("all rows fit into the quarantine, and can be put back without firing anything"),
            }],
            scope: Scope::Group,
            idempotent: false,
            open_world: false,
            credential: CREDENTIAL,
            audience: Audience::Agents,
        }
    }

    async fn look(&self, args: &Args, lease: &Lease) -> Result<Preflight, ToolError> {
        let mut session = Session::open(lease).await?;
        let whereabouts = session.whereabouts();
        let tx = session.begin(Mode::Trial).await?;
        let mut preflight = Reach::find(&tx, args).await?.preflight(&tx).await?;
        preflight.evidence.insert(0, whereabouts);
        tx.rollback().await?;
        Ok(preflight)
    }

    fn effect(&self, args: &Args, seen: &Preflight) -> Value {
        json!([seen.whole(), args.restart_identity])
    }

    async fn run(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Result<Done<Output>, ToolError> {
        let mut session = Session::open(lease).await?;
        let tx = session.begin_change(seen).await?;
        let first = Reach::find(&tx, args).await?;
        shape::lock(&tx, &first.tables).await?;
        // What waited for the lock may have found another table behind the name, or more that refer to it.
        let again = Args { target: args.target.clone(), table: first.root().quoted(), ..*args };
        let reach = Reach::find(&tx, &again).await?;
        if reach.fingerprint != seen.fingerprint {
            return Err(ToolError::changed(format!("{} is no longer as it was looked at", reach.root().shown())));
        }
        let copied = if reach.lost.is_none() { Some(copy(&tx, &reach, args).await?) } else { None };
        // All of them are locked and named: nothing that came since can go along, a partition that did makes it fail.
        let word = |table: &Relation| if table.kind == 'p' { "" } else { "ONLY " };
        let list: Vec<String> = reach.tables.iter().map(|table| format!("{}{}", word(table), table.quoted())).collect();
        let (list, how) = (list.join(", "), if args.restart_identity { "RESTART" } else { "CONTINUE" });
        tx.run(&format!("TRUNCATE {list} {how} IDENTITY RESTRICT")).await?;
        let undo = match &copied {
            Some(kept) => Some(UndoPlan {
                tool: "postgres_restore_truncated".into(),
                args: json!({ "target": args.target, "id": kept.id }),
                expects: quarantine::way_is_free(&tx, kept).await?.digest,
                until: None,
                lossy: Vec::new(),
            }),
            None => None,
        };
        seen.keeps_its_undo(undo.is_some())?;
        let id = tx.id().await?;
        let committed = tx.commit().await;
        session.settle(committed, &id).await?;
        let truncated = reach.tables.iter().map(Relation::shown).collect();
        let (rows, more_than) = reach.contents.told();
        let output = Output { truncated, rows, more_than, quarantine_id: copied.map(|kept| kept.id) };
        Ok(Done { output, undo })
    }

    async fn probe(&self, args: &Args, seen: &Preflight, lease: &Lease) -> Probe {
        match self.look(args, lease).await {
            Ok(again) if again.fingerprint == seen.fingerprint => Probe::Unchanged,
            // The same tables, and nothing in them any more.
            Ok(again) if again.blast_radius.rows == Some(0) && again.targets == seen.targets => Probe::Changed,
            Ok(_) | Err(_) => Probe::Unknown,
        }
    }
}

async fn copy(tx: &Tx<'_>, reach: &Reach, args: &Args) -> Result<Kept, ToolError> {
    quarantine::open(tx).await?;
    let id = quarantine::new_id();
    let leaves: Vec<Relation> = reach.tables.iter().filter(|table| table.kind == 'r').cloned().collect();
    let sequences = if args.restart_identity { reach.sequences.clone() } else { Vec::new() };
    let tables = copies::make(tx, &id, &leaves).await?;
    let copies = Copies { tables, sequences, root: reach.root().quoted(), cascade: args.cascade };
    let what = format!("rows of {}", reach.root().shown());
    let kept = Kept { id, what, at: now().to_string(), way: Way::Copies(copies), held: None };
    quarantine::note(tx, &kept).await?;
    Ok(kept)
}

/// The call that empties them again, after the rows were put back.
pub(super) async fn again(tx: &Tx<'_>, target: &str, copies: &Copies) -> Result<UndoPlan, ToolError> {
    let restart_identity = !copies.sequences.is_empty();
    let args = Args { target: target.into(), table: copies.root.clone(), cascade: copies.cascade, restart_identity };
    let expects = Reach::find(tx, &args).await?.fingerprint;
    let args = json!({ "target": target, "table": copies.root, "cascade": copies.cascade,
                       "restart_identity": restart_identity });
    Ok(UndoPlan { tool: "postgres_truncate".into(), args, expects, until: None, lossy: Vec::new() })
}

/// What one call would empty.
struct Reach {
    /// The tables with their partitions and children, the named one included: those that others refer to first.
    tables: Vec<Relation>,
    root: u32,
    contents: Contents,
    sequences: Vec<copies::Position>,
    /// Why the rows would not come back, if so.
    lost: Option<String>,
    fingerprint: Digest,
}

impl Reach {
    async fn find(tx: &Tx<'_>, args: &Args) -> Result<Self, ToolError> {
        let root = catalog::relation(tx, &args.table).await?;
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

    fn root(&self) -> &Relation {
        self.tables.iter().find(|table| table.oid == self.root).unwrap_or(&self.tables[0])
    }

    async fn preflight(&self, tx: &Tx<'_>) -> Result<Preflight, ToolError> {
        let contents = &self.contents;
        let mut blast_radius = BlastRadius::one(if self.tables.len() > 1 { Scope::Group } else { Scope::Resource });
        blast_radius.resources = self.tables.len() as u64;
        blast_radius.rows = contents.rows;
        blast_radius.bytes = Some(contents.bytes);
        blast_radius.truncated = contents.truncated;
        let mut evidence = Vec::new();
        for table in &self.tables {
            let Some(part) = contents.parts.iter().find(|part| part.oid == table.oid) else { continue };
            blast_radius.parts.insert(table.shown(), part.rows);
            let what = format!("{} holds {}", table.shown(), part.shown());
            let kind = if table.oid == self.root { About::State } else { About::Dependents };
            evidence.push(Evidence::seen(kind, what, "the table"));
        }
        let last = shape::last_write(tx, &self.tables, contents, tx.site().limits.count).await?;
        evidence.push(Evidence::seen(About::State, last, "pg_stat_all_tables"));
        let (reversibility, undo) = match &self.lost {
            None => {
                let what =
                    format!("all rows ({}) fit into the quarantine and come back from there", size(contents.bytes));
                (Reversibility::Reversible, Evidence::seen(About::Undo, what, "the look").proving(FITS))
            }
            Some(reason) => {
                let what = format!("the rows do not come back: {reason}");
                (Reversibility::Irreversible, Evidence::seen(About::Undo, what, "the look"))
            }
        };
        evidence.push(undo);
        let backups = "the gateway knows of no backup of this database, nor of its age";
        evidence.push(Evidence::seen(About::Backups, backups, "the configuration"));
        let others = self.tables.len() as u64 - 1;
        let more = if others > 0 { format!(" and {}", count(others, "other table")) } else { String::new() };
        let rows = contents.shown().unwrap_or_else(|| "all rows".into());
        Ok(Preflight {
            targets: self.tables.iter().map(|table| table.target(tx)).collect(),
            blast_radius,
            reversibility,
            destroys_recovery: false,
            evidence,
            alternative: None,
            fingerprint: self.fingerprint,
            summary: format!("empty {}{more}: {rows}", self.root().shown()),
            pre_image: None,
        })
    }
}

fn truncatable(root: &Relation) -> Result<(), ToolError> {
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
async fn ordered(tx: &Tx<'_>, root: u32, cascade: bool) -> Result<(Vec<Relation>, bool), ToolError> {
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

const REACH: &str = "WITH RECURSIVE tree (oid) AS (SELECT $1::oid \
        UNION SELECT h.inhrelid FROM tree JOIN pg_catalog.pg_inherits h ON h.inhparent = tree.oid), \
    reach (oid) AS (SELECT oid FROM tree UNION SELECT k.conrelid FROM reach \
        JOIN pg_catalog.pg_constraint k ON k.confrelid = reach.oid AND k.contype = 'f' AND $2) \
    SELECT oid FROM reach ORDER BY oid";

const KEYS: &str = "SELECT k.conrelid, k.confrelid, k.conrelid::pg_catalog.regclass::text FROM pg_catalog.pg_constraint k \
    WHERE k.contype = 'f' AND k.confrelid = ANY ($1) ORDER BY 1, 2";

/// Why the rows could not be put back exactly, if so.
async fn lost(
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

const LOST: &str = "SELECT why FROM (\
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
