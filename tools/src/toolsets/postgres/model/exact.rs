//! Whether the inverse of a change of schema is exact, as far as that can be told before the change is made.

use tokio_postgres::types::Type;

use super::catalog::Relation;
use super::ddl::{Change, Fate};
use crate::contract::ToolError;
use crate::toolsets::postgres::connect::Tx;

/// Whether a change can be taken back exactly, or why not.
pub(crate) type Verdict = Result<(), &'static str>;

/// Whether the inverse is exact: `kin` are partitions and tables that inherit, `fills` says that a new column has values.
pub(crate) fn inverse(change: &Change, kin: bool, empty: bool, fills: bool) -> Verdict {
    match change {
        Change::Table { fate: Fate::Final, .. } => Err("no exact inverse of it is known"),
        Change::Table { fate: Fate::TakesIndex, .. } => {
            Err("the index becomes a part of the constraint, and would go along with it")
        }
        Change::Table { fate: Fate::WhileEmpty, .. } if !empty => Err("it computes values for the rows that are there"),
        Change::Table { .. } if fills && !empty => Err("a default of the type fills the rows that are there"),
        Change::Table { .. } | Change::Index(_) if kin => Err("it reaches into partitions or tables that inherit"),
        _ => Ok(()),
    }
}

/// What a statement's names mean under the role's own search path.
pub(crate) struct Meant {
    /// Where something without a schema is made.
    schema: Option<String>,
    /// The types of the columns that are added.
    added: Vec<u32>,
}

impl Meant {
    /// Under the role's own search path, so nothing here may look up an operator.
    pub(crate) async fn of(tx: &Tx<'_>, change: &Change) -> Result<Self, ToolError> {
        let schema = tx.value("SELECT pg_catalog.current_schema()::pg_catalog.text", &[]).await?;
        let mut added = Vec::new();
        if let Change::Table { adds, .. } = change {
            for name in adds {
                let sql = "SELECT pg_catalog.to_regtype($1)::pg_catalog.oid";
                added.extend(tx.value::<Option<u32>>(sql, &[(name, Type::TEXT)]).await?);
            }
        }
        Ok(Self { schema, added })
    }

    /// A name that PostgreSQL gave to an array type is free for the taking: that type is then called otherwise, for good.
    pub(crate) async fn displaces(
        &self,
        tx: &Tx<'_>,
        change: &Change,
        altered: Option<&Relation>,
    ) -> Result<Verdict, ToolError> {
        let name = match change {
            Change::Relation { name, .. } | Change::Type(name) => name,
            Change::Table { renamed: Some(name), .. } => name,
            _ => return Ok(Ok(())),
        };
        let schema = altered.map_or_else(|| self.schema.clone(), |altered| Some(altered.schema.clone()));
        let sql = "SELECT EXISTS (SELECT FROM parse_ident($1) AS p, pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
            WHERE t.typname = p[cardinality(p)]::name AND EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) \
            AND n.nspname = CASE WHEN cardinality(p) > 1 THEN p[1] ELSE $2 END)";
        match tx.value::<bool>(sql, &[(name, Type::TEXT), (&schema, Type::TEXT)]).await? {
            true => Ok(Err("an array type has this name, and would be renamed for good")),
            false => Ok(Ok(())),
        }
    }

    /// What has the name of what is to be made, by its number: made meanwhile, by somebody or by this very change.
    pub(crate) async fn there(&self, tx: &Tx<'_>, change: &Change) -> Result<Option<u32>, ToolError> {
        let (name, sql) = match change {
            Change::Schema(name) => (
                name,
                "SELECT (SELECT n.oid FROM parse_ident($1) AS p, pg_namespace n WHERE n.nspname = p[cardinality(p)]::name)",
            ),
            Change::Relation { name, .. } => (
                name,
                "SELECT (SELECT c.oid FROM parse_ident($1) AS p, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relname = p[cardinality(p)]::name \
                 AND n.nspname = CASE WHEN cardinality(p) > 1 THEN p[1] ELSE $2 END)",
            ),
            Change::Type(name) => (
                name,
                "SELECT (SELECT t.oid FROM parse_ident($1) AS p, pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
                 WHERE t.typname = p[cardinality(p)]::name \
                 AND n.nspname = CASE WHEN cardinality(p) > 1 THEN p[1] ELSE $2 END)",
            ),
            Change::Index(_) | Change::Table { .. } => return Ok(None),
        };
        tx.value(sql, &[(name, Type::TEXT), (&self.schema, Type::TEXT)]).await
    }

    /// Whether a column that is added has a value in every row because its type has a default.
    pub(crate) async fn fills(&self, tx: &Tx<'_>) -> Result<bool, ToolError> {
        let sql = "SELECT EXISTS (SELECT FROM pg_type t WHERE t.oid = ANY ($1) AND t.typdefault IS NOT NULL)";
        tx.value(sql, &[(&self.added, Type::OID_ARRAY)]).await
    }
}
