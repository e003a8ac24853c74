//! What lay in the quarantine when it was put there, so that what is brought back is what was taken away: the definition by
//! ids and column numbers, and which rows there were. Others can still write to it by its id: through a view, a foreign key,
//! or by its new name.

use serde_json::json;
use tokio_postgres::types::Type;

use super::catalog::{Relation, cell};
use super::contents::{self, counted};
use super::kept::{Held, Kept, Rows, Stands, Way};
use super::{catalog, shape, subject};
use crate::contract::{Digest, ToolError};
use crate::text::count;
use crate::toolsets::postgres::connect::Tx;

impl Held {
    /// What lies there now.
    pub(crate) async fn of(tx: &Tx<'_>, way: &Way) -> Result<Option<Self>, ToolError> {
        Self::up_to(tx, way, tx.site().limits.count).await
    }

    async fn up_to(tx: &Tx<'_>, way: &Way, most: u64) -> Result<Option<Self>, ToolError> {
        let relations = match way {
            Way::Relations(moved) => {
                let oids: Vec<u32> = moved.iter().map(|one| one.oid).collect();
                shape::relations(tx, &oids).await?
            }
            Way::Schema { oid, .. } => subject::relations_in(tx, *oid).await?,
            // Its table goes on being used, and its values with it; of copies the rows are counted by who wrote them.
            Way::Column { .. } | Way::Copies(_) | Way::Database { .. } => return Ok(None),
        };
        let oids: Vec<u32> = relations.iter().map(|relation| relation.oid).collect();
        let around = match way {
            Way::Schema { oid, .. } => subject::look_of_schema(tx, *oid).await?,
            _ => None,
        };
        let definition = Digest::of(&json!([oids, shape::shape(tx, &oids).await?, around]));
        let contents = contents::contents(tx, &relations, most).await?;
        let rows = contents.parts.iter().map(|part| Rows {
            oid: part.oid,
            rows: part.rows,
            stopped: part.stopped,
            digest: part.digest,
            writes: part.writes,
        });
        let sequences = Some(stand(tx, &oids).await?);
        Ok(Some(Self { definition, most, rows: rows.collect(), sequences }))
    }
}

/// The sequences among these relations and those that belong to their columns.
const SEQUENCES: &str = "SELECT c.oid, CASE WHEN pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN \
    pg_catalog.quote_ident(n.nspname::text) || '.' || pg_catalog.quote_ident(c.relname::text) END \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' \
    AND (c.oid = ANY ($1) OR EXISTS (SELECT FROM pg_catalog.pg_depend d \
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid \
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1) \
        AND d.deptype IN ('a', 'i'))) ORDER BY c.oid";

async fn stand(tx: &Tx<'_>, oids: &[u32]) -> Result<Vec<Stands>, ToolError> {
    let mut found = Vec::new();
    for row in &tx.rows(SEQUENCES, &[(&oids as _, Type::OID_ARRAY)]).await? {
        let (oid, name): (u32, Option<String>) = (cell(row, 0)?, cell(row, 1)?);
        let at = match name {
            Some(name) => {
                let sql = format!("SELECT s.last_value::text || ' ' || s.is_called::text FROM {name} AS s");
                Some(tx.value::<String>(&sql, &[]).await?)
            }
            None => None,
        };
        found.push(Stands { oid, at });
    }
    Ok(found)
}

/// Compares what lies there with what was put there; what a person should know of that, where it is the same.
///
/// # Errors
/// `Untouched`: it was changed since, in words that say what.
pub(crate) async fn compare(tx: &Tx<'_>, kept: &Kept) -> Result<Vec<String>, ToolError> {
    if let Way::Column { .. } = kept.way {
        return Ok(vec![
            "its table went on being used: each row comes back with the value it has in the column now".into(),
        ]);
    }
    let Some(then) = &kept.held else {
        return Ok(vec!["nobody wrote down what it held when it was dropped, so that was not compared".into()]);
    };
    let Some(now) = Held::up_to(tx, &kept.way, then.most).await? else { return Ok(Vec::new()) };
    if now.definition != then.definition {
        return Err(changed(&format!("the definition of the {} was changed", kept.what), kept));
    }
    let stood = then.sequences.iter().flatten();
    let moved = stood.filter(|was| was.at.is_some()).find(|was| !now.sequences.iter().flatten().any(|is| is == *was));
    if let Some(was) = moved {
        let sequence = catalog::relation_of(tx, was.oid).await?;
        return Err(changed(&format!("the sequence {} was drawn from or set", sequence.shown()), kept));
    }
    let mut said = Vec::new();
    let mut same = 0;
    for was in &then.rows {
        let relation = catalog::relation_of(tx, was.oid).await?;
        let Some(is) = now.rows.iter().find(|is| is.oid == was.oid) else { continue };
        match (was.digest, is.digest) {
            (Some(before), Some(after)) if before != after || was.stopped != is.stopped => {
                let (had, has) = (counted(was.rows, was.stopped), counted(is.rows, is.stopped));
                let how = if had == has {
                    format!("it still holds {has}, other ones")
                } else {
                    format!("it held {had}, now it holds {has}")
                };
                return Err(changed(&format!("rows of {} were written ({how})", relation.shown()), kept));
            }
            (Some(_), Some(_)) if was.stopped => said.push(beyond(&relation, was, is)),
            (Some(_), Some(_)) => same += was.rows,
            _ => said.push(format!("the rows of {} could not be read, so they were not compared", relation.shown())),
        }
    }
    if said.is_empty() && !then.rows.is_empty() {
        said.push(format!(
            "nothing of it was changed since: its definition and {} are as they were",
            count(same, "row")
        ));
    }
    Ok(said)
}

/// What can be told of a table with more rows than are compared.
fn beyond(relation: &Relation, was: &Rows, is: &Rows) -> String {
    let writes = match is.writes.checked_sub(was.writes) {
        Some(0) => "the server counted no write to it since".to_owned(),
        Some(more @ 1..) => format!(
            "since then the server counted {} as written, of which some may be from just before",
            count(more.unsigned_abs(), "row")
        ),
        _ => "the server's own count of writes began anew since".to_owned(),
    };
    let compared = count(was.rows, "row");
    format!(
        "of {} the first {compared} are as they were; what lies behind them was not compared: {writes}",
        relation.shown()
    )
}

fn changed(what: &str, kept: &Kept) -> ToolError {
    let by_hand = match &kept.way {
        Way::Relations(_) => format!("a person can look at it in the schema {} and move it back by hand", kept.trash()),
        _ => format!("a person can look at it under the name {} and rename it by hand", kept.trash()),
    };
    ToolError::changed(format!(
        "{what} while it lay in the quarantine, so bringing it back would not restore what was dropped"
    ))
    .with_next(by_hand)
}
