//! The inverse of a change of schema, derived from what it really changed: the difference of a table before and after, or
//! the id of what came to be.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::catalog::{self, Relation, cell, quote};
use super::code::{self, Doing};
use super::footprint::{self, Footprint, Thing};
use super::shape;
use crate::contract::{Digest, ToolError};
use crate::toolsets::postgres::connect::Tx;

/// One step back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Remove a schema that was made.
    Schema { oid: u32 },
    /// Remove a table, view, sequence or index that was made.
    Relation { oid: u32 },
    /// Remove a type that was made.
    Type { oid: u32 },
    /// Give a table its name again.
    Name { table: u32, name: String },
    /// Remove a constraint that was added, or give it its name again.
    Constraint { table: u32, oid: u32, name: Option<String> },
    /// Give a column its name again.
    Column { table: u32, number: i16, name: String },
    /// Let a column be NULL or not, as before.
    NotNull { table: u32, number: i16, not_null: bool },
    /// Give a column its default again.
    Default { table: u32, number: i16, default: Option<String> },
    /// Remove a column that was added.
    Added { table: u32, number: i16 },
}

/// A table as far as its changes can be taken back.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    relation: Relation,
    columns: Vec<catalog::Column>,
    constraints: Vec<(u32, String)>,
    /// Its whole definition, for telling that it is back.
    pub shape: Digest,
}

impl Before {
    pub(crate) async fn of(tx: &Tx<'_>, oid: u32) -> Result<Self, ToolError> {
        // A foreign key to a partitioned table has one for each partition below it, which comes and goes with it.
        let sql = "SELECT k.oid, k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 \
                   AND k.contype <> 't' AND k.conparentid = 0 ORDER BY k.oid";
        let mut constraints = Vec::new();
        for row in tx.rows(sql, &[(&oid, Type::OID)]).await? {
            constraints.push((cell(&row, 0)?, cell(&row, 1)?));
        }
        let relation = catalog::relation_of(tx, oid).await?;
        let columns = catalog::columns(tx, oid).await?;
        Ok(Self { relation, columns, constraints, shape: shape::shape(tx, &[oid]).await? })
    }

    /// The steps from `after` back to this, in the order they are taken.
    pub(crate) fn steps(&self, after: &Self) -> Vec<Step> {
        let table = self.relation.oid;
        let mut steps = Vec::new();
        if self.relation.name != after.relation.name {
            steps.push(Step::Name { table, name: self.relation.name.clone() });
        }
        let column_of = |number: i16| self.columns.iter().find(|before| before.number == number);
        let added: Vec<i16> =
            after.columns.iter().map(|column| column.number).filter(|number| column_of(*number).is_none()).collect();
        for (oid, name) in &after.constraints {
            match self.constraints.iter().find(|(before, _)| before == oid) {
                None => steps.push(Step::Constraint { table, oid: *oid, name: None }),
                Some((_, before)) if before != name => {
                    steps.push(Step::Constraint { table, oid: *oid, name: Some(before.clone()) });
                }
                Some(_) => {}
            }
        }
        for column in &after.columns {
            let Some(before) = column_of(column.number) else { continue };
            let number = column.number;
            if before.not_null != column.not_null {
                steps.push(Step::NotNull { table, number, not_null: before.not_null });
            }
            // What generates a column follows the names of others by itself, and is no default to set.
            if before.default != column.default && before.generated.is_none() {
                steps.push(Step::Default { table, number, default: before.default.clone() });
            }
            if before.name != column.name {
                steps.push(Step::Column { table, number, name: before.name.clone() });
            }
        }
        steps.extend(added.into_iter().map(|number| Step::Added { table, number }));
        steps
    }
}

impl Step {
    /// The relation it is about.
    pub(crate) fn relation(&self) -> Option<u32> {
        match self {
            Self::Schema { .. } | Self::Type { .. } => None,
            Self::Relation { oid } => Some(*oid),
            Self::Name { table, .. }
            | Self::Constraint { table, .. }
            | Self::Column { table, .. }
            | Self::NotNull { table, .. }
            | Self::Default { table, .. }
            | Self::Added { table, .. } => Some(*table),
        }
    }

    /// What it removes.
    async fn removes(&self, tx: &Tx<'_>) -> Result<Option<Thing>, ToolError> {
        let (class, id, part) = match self {
            Self::Schema { oid } => ("pg_namespace", *oid, 0),
            Self::Relation { oid } => ("pg_class", *oid, 0),
            Self::Type { oid } => ("pg_type", *oid, 0),
            Self::Constraint { oid, name: None, .. } => ("pg_constraint", *oid, 0),
            Self::Added { table, number } => ("pg_class", *table, i32::from(*number)),
            _ => return Ok(None),
        };
        Ok(Some(Thing { class: footprint::class(tx, class).await?, id, part }))
    }

    /// What must be as it was left before the step is taken: destroying rows or values is no way back.
    pub(crate) async fn left(&self, tx: &Tx<'_>) -> Result<Value, ToolError> {
        match self {
            Self::Schema { oid } => {
                let name = name_in(tx, "pg_namespace", "nspname", *oid).await?;
                Ok(json!([oid, name]))
            }
            Self::Type { oid } => {
                let name = name_in(tx, "pg_type", "typname", *oid).await?;
                Ok(json!([oid, name]))
            }
            Self::Relation { oid } => {
                let relation = catalog::relation_of(tx, *oid).await?;
                let held = super::contents::contents(tx, std::slice::from_ref(&relation), 0).await?;
                if held.truncated {
                    return Err(ToolError::changed(format!("{} holds rows now", relation.shown()))
                        .with_next("use `postgres_drop`, which keeps them"));
                }
                Ok(json!([relation.schema, relation.name, held.digest]))
            }
            Self::Added { table, number } => {
                let relation = catalog::relation_of(tx, *table).await?;
                let name = column_name(tx, *table, *number).await?;
                // To IS NOT NULL a row with a null in it is no value.
                let sql = format!(
                    "SELECT EXISTS (SELECT FROM {} AS t WHERE pg_catalog.num_nonnulls(t.{}) > 0)",
                    relation.quoted(),
                    quote(&name)
                );
                if tx.value::<bool>(&sql, &[]).await? {
                    let what = format!("the column {name:?} of {} holds values now", relation.shown());
                    return Err(ToolError::changed(what).with_next("use `postgres_drop`, which keeps them"));
                }
                Ok(json!(name))
            }
            _ => Ok(Value::Null),
        }
    }

    /// Takes the step.
    pub(crate) async fn take(&self, tx: &Tx<'_>) -> Result<(), ToolError> {
        let sql = match self {
            Self::Schema { oid } => {
                format!("DROP SCHEMA {} RESTRICT", quote(&name_in(tx, "pg_namespace", "nspname", *oid).await?))
            }
            Self::Type { oid } => {
                let sql = "SELECT pg_catalog.format_type($1, NULL)";
                format!("DROP TYPE {} RESTRICT", tx.value::<String>(sql, &[(oid, Type::OID)]).await?)
            }
            Self::Relation { oid } => {
                let relation = catalog::relation_of(tx, *oid).await?;
                let word = match relation.kind {
                    'v' => "VIEW",
                    'S' => "SEQUENCE",
                    'i' | 'I' => "INDEX",
                    _ => "TABLE",
                };
                format!("DROP {word} {} RESTRICT", relation.quoted())
            }
            _ => self.alteration(tx).await?,
        };
        // The default is the server's own text of an expression: one statement, by the extended protocol.
        let statement = tx.prepare(&sql).await?;
        tx.execute(&statement, &[]).await?;
        Ok(())
    }

    async fn alteration(&self, tx: &Tx<'_>) -> Result<String, ToolError> {
        let table = catalog::relation_of(tx, self.relation().unwrap_or_default()).await?.quoted();
        let change = match self {
            Self::Name { name, .. } => format!("RENAME TO {}", quote(name)),
            Self::Constraint { oid, name, .. } => {
                let now = quote(&name_in(tx, "pg_constraint", "conname", *oid).await?);
                match name {
                    None => format!("DROP CONSTRAINT {now} RESTRICT"),
                    Some(name) => format!("RENAME CONSTRAINT {now} TO {}", quote(name)),
                }
            }
            Self::Column { table, number, name } => {
                format!("RENAME COLUMN {} TO {}", quote(&column_name(tx, *table, *number).await?), quote(name))
            }
            Self::NotNull { table, number, not_null } => {
                let (column, how) = (column_name(tx, *table, *number).await?, if *not_null { "SET" } else { "DROP" });
                format!("ALTER COLUMN {} {how} NOT NULL", quote(&column))
            }
            Self::Default { table, number, default } => {
                let column = quote(&column_name(tx, *table, *number).await?);
                match default {
                    Some(default) => format!("ALTER COLUMN {column} SET DEFAULT {default}"),
                    None => format!("ALTER COLUMN {column} DROP DEFAULT"),
                }
            }
            Self::Added { table, number } => {
                format!("DROP COLUMN {} RESTRICT", quote(&column_name(tx, *table, *number).await?))
            }
            Self::Schema { .. } | Self::Relation { .. } | Self::Type { .. } => {
                return Err(ToolError::refused("not a change of a table"));
            }
        };
        Ok(format!("ALTER TABLE {table} {change}"))
    }
}

async fn name_in(tx: &Tx<'_>, catalogue: &str, column: &str, oid: u32) -> Result<String, ToolError> {
    let sql = format!("SELECT x.{column}::text FROM pg_catalog.{catalogue} x WHERE x.oid = $1");
    let rows = tx.rows(&sql, &[(&oid, Type::OID)]).await?;
    let row = rows.first().ok_or_else(|| ToolError::changed("what was made is gone already"))?;
    cell(row, 0)
}

async fn column_name(tx: &Tx<'_>, table: u32, number: i16) -> Result<String, ToolError> {
    let columns = catalog::columns(tx, table).await?;
    let column = columns.into_iter().find(|column| column.number == number);
    column.map(|column| column.name).ok_or_else(|| ToolError::changed("the column is gone already"))
}

/// What a change left.
pub(crate) struct Left {
    /// Moves when anything that the steps would take back was touched since, or something came to it.
    pub digest: Digest,
    /// What the steps remove, with all that refers to it.
    pub things: BTreeSet<Thing>,
}

/// What is left of a change that these steps would take back.
pub(crate) async fn left(tx: &Tx<'_>, steps: &[Step]) -> Result<Left, ToolError> {
    let (mut seen, mut removed) = (Vec::new(), Vec::new());
    let mut oids: Vec<u32> = steps.iter().filter_map(Step::relation).collect();
    oids.dedup();
    code::of_relations(tx, &oids, Doing::Rebuilding).await?.refuse("not taken back")?;
    for step in steps {
        seen.push(json!([step, step.left(tx).await?]));
        removed.extend(step.removes(tx).await?);
    }
    let Footprint { things, digest } = footprint::of(tx, &removed).await?;
    let shape = shape::shape(tx, &oids).await?;
    Ok(Left { digest: Digest::of(&json!({ "steps": seen, "shape": shape, "footprint": digest })), things })
}

/// Takes all steps back, and refuses where they do not lead to the table as it `was`.
pub(crate) async fn take_back(tx: &Tx<'_>, steps: &[Step], was: Option<Digest>) -> Result<(), ToolError> {
    for step in steps {
        step.take(tx).await?;
    }
    let Some(was) = was.filter(|_| !matches!(steps, [Step::Relation { .. }])) else { return Ok(()) };
    let mut oids: Vec<u32> = steps.iter().filter_map(Step::relation).collect();
    oids.dedup();
    match shape::shape(tx, &oids).await? == was {
        true => Ok(()),
        false => Err(ToolError::failed("the steps back do not lead to the table as it was, so none was kept")),
    }
}

/// Takes a change back right after it was made, and makes it as it was again: only that shows that it can be done. What
/// removes something would wait for more locks than the change itself, and what looks for NULLs would read the whole table.
pub(crate) async fn prove(tx: &Tx<'_>, steps: &[Step], was: Option<Digest>) -> Result<(), ToolError> {
    let costs_nothing = |step: &Step| match step {
        Step::Name { .. } | Step::Column { .. } | Step::Default { .. } => true,
        Step::Constraint { name, .. } => name.is_some(),
        Step::NotNull { not_null, .. } => !not_null,
        Step::Schema { .. } | Step::Relation { .. } | Step::Type { .. } | Step::Added { .. } => false,
    };
    if !steps.iter().all(costs_nothing) {
        return Ok(());
    }
    tx.run("SAVEPOINT mollyguard_back").await?;
    let tried = take_back(tx, steps, was).await;
    tx.run("ROLLBACK TO SAVEPOINT mollyguard_back; RELEASE SAVEPOINT mollyguard_back").await?;
    tried.map_err(|error| ToolError::refused(format!("not run: taking it back was tried, and failed: {error}")))
}
