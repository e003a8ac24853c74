//! `postgres_purge`: destroys a table, view, sequence, column or empty schema for good, whether in use or in the quarantine.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use crate::contract::{
    About, Applied, Change, Findings, Preflight, Reversibility, Scope, Spec, TakesBack as _, ToolError,
};
use crate::text::shown;
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::catalog::quote;
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::look::{self, Look};
use crate::toolsets::postgres::model::quarantine::{self, Kept, Way};
use crate::toolsets::postgres::model::subject::{self, Named, Object, Subject};

/// Destroys for good.
pub(crate) struct Purge;

/// What to destroy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// What kind of thing it is.
    object: Object,
    /// A table, view or sequence as SQL writes it; a schema by its exact name without quotes; for a column the table it is
    /// in. What lies in the quarantine goes by its name there.
    name: String,
    /// The column's exact name without quotes, where `object` is `column`.
    #[serde(default)]
    column: Option<String>,
}

/// What was destroyed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// What is no more.
    purged: String,
    /// How many rows went with it; for a column those of its table. None where they were not all counted.
    rows: Option<u64>,
    /// More rows than these, where counting stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_than: Option<u64>,
}

impl Args {
    fn named(&self) -> Named<'_> {
        Named { object: self.object, name: &self.name, column: self.column.as_deref(), quarantined: true }
    }
}

#[async_trait]
impl Change for Purge {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Look;
    const SPEC: Spec = Spec::change(
        "postgres_purge",
        "Destroy for good",
        "Destroys a table with its rows, or a view, sequence, column or empty schema: nothing brings them \
         back. It is refused while anything else depends on it. Use postgres_drop instead unless the space \
         or the data itself must be gone.",
        Reversibility::Irreversible,
    )
    .scope(Scope::Group)
    .on_whole_things();

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Look, ToolError> {
        Look::at(tx, look::find(tx, &args.named()).await?).await
    }

    async fn describe(args: &Args, look: &Look, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        let kept = entry(tx, &look.subject).await?;
        alone(look)?;
        let findings = look.findings(tx, ["destroy for good", ""]).await?;
        let Some(kept) = kept else {
            let thing = look.subject.shown();
            let what = format!("drop the {thing} into the quarantine, from where it can be brought back");
            return Ok(findings.instead(Named::TOOL, json!(args.named()), what));
        };
        let what = format!("this is all that is left of the {}, dropped at {}", kept.what, shown(&kept.at));
        Ok(findings.destroys_recovery(true).fact(About::Backups, what, "the quarantine"))
    }

    async fn apply(
        _args: &Args,
        look: Look,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        alone(&look)?;
        let kept = entry(tx, &look.subject).await?;
        tx.run(&statement(&look.subject)?).await?;
        if let Some(kept) = kept {
            clear(tx, &kept, &look.subject).await?;
        }
        let (rows, more_than) = look.contents.told();
        Ok(Applied::new(Output { purged: look.subject.shown(), rows, more_than }, None))
    }

    async fn took_effect(_args: &Args, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<bool, ToolError> {
        let Some(target) = agreed.targets.first() else { return Ok(false) };
        let Some((oid, column)) = subject::id_of(target) else { return Ok(false) };
        let sql = match target.kind.as_str() {
            "postgres_schema" => {
                "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.oid = $1 AND $2 = 0)"
            }
            "postgres_column" => {
                "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attnum = $2 \
                 AND NOT a.attisdropped)"
            }
            _ => "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = $1 AND $2 = 0)",
        };
        tx.value(sql, &[(&oid, Type::OID), (&column, Type::INT2)]).await
    }
}

/// What the quarantine's list says of it, where it lies there.
async fn entry(tx: &Tx<'_>, subject: &Subject) -> Result<Option<Kept>, ToolError> {
    let name = match subject {
        Subject::Relation(all) => all.first().map(|relation| relation.schema.as_str()),
        Subject::Column(_, column) if quarantine::id_in(&column.name).is_some() => Some(column.name.as_str()),
        Subject::Column(table, _) => Some(table.schema.as_str()),
        Subject::Schema(schema, _) => Some(schema.name.as_str()),
    };
    match name.and_then(quarantine::id_in) {
        Some(id) => quarantine::kept(tx, id).await.map(Some),
        None => Ok(None),
    }
}

/// Refuses while anything that stands by itself depends on it.
fn alone(look: &Look) -> Result<(), ToolError> {
    if look.dependents.others.is_empty() {
        return Ok(());
    }
    let named = look.dependents.named().join(", ");
    Err(ToolError::refused(format!("the {} is still needed by {named}", look.subject.shown()))
        .with_next("purge or change those first; nothing is destroyed that was not asked for by its name"))
}

fn statement(subject: &Subject) -> Result<String, ToolError> {
    Ok(match subject {
        Subject::Relation(all) => {
            let relation = all.first().ok_or_else(|| ToolError::changed("it is gone"))?;
            let word = match relation.kind {
                'v' => "VIEW",
                'm' => "MATERIALIZED VIEW",
                'S' => "SEQUENCE",
                'f' => "FOREIGN TABLE",
                _ => "TABLE",
            };
            format!("DROP {word} {} RESTRICT", relation.quoted())
        }
        Subject::Column(table, column) => {
            format!("ALTER TABLE {} DROP COLUMN {} RESTRICT", table.quoted(), quote(&column.name))
        }
        Subject::Schema(schema, _) => format!("DROP SCHEMA {} RESTRICT", quote(&schema.name)),
    })
}

/// Takes the entry off the list, once nothing of it is left.
async fn clear(tx: &Tx<'_>, kept: &Kept, subject: &Subject) -> Result<(), ToolError> {
    let trash = kept.trash();
    match (subject, &kept.way) {
        (Subject::Relation(_), Way::Relations(_)) => {
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
                       ON n.oid = c.relnamespace WHERE n.nspname = $1::text::pg_catalog.name)";
            if tx.value::<bool>(sql, &[(&trash, Type::TEXT)]).await? {
                return Ok(());
            }
            tx.run(&format!("DROP SCHEMA {} RESTRICT", quote(&trash))).await?;
        }
        (Subject::Column(_, column), Way::Column { .. }) if column.name == trash => {}
        (Subject::Schema(..), Way::Schema { .. } | Way::Relations(_)) => {}
        // A part of what lies there: the rest stays on the list.
        _ => return Ok(()),
    }
    quarantine::forget(tx, &kept.id).await
}
