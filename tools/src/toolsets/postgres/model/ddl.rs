//! One change of schema, told from its text: what it adds or alters, and whether its inverse can be derived.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AlterColumnOperation, AlterTableOperation, ColumnDef, ColumnOption, DataType, Expr, Function, ObjectName,
    RenameTableNameKind, SchemaName, Statement, TableConstraint, UserDefinedTypeRepresentation, Value,
    visit_expressions,
};

use super::catalog::quote;
use crate::contract::ToolError;
use crate::sql::{Class, Dialect, Uses, classified, names};
use crate::text::shown;

/// What a statement does to the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It makes a schema of this name.
    Schema(String),
    /// It makes a table, view or sequence, named as SQL. Nothing that exists is locked if `alone`.
    Relation { name: String, word: &'static str, alone: bool },
    /// It makes a type, named as SQL.
    Type(String),
    /// It makes an index on a table, named as SQL.
    Index(String),
    /// It alters a table, named as SQL.
    Table { name: String, fate: Fate, rewrites: bool, adds: Vec<String>, renamed: Option<String> },
}

/// Whether what is done to a table can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Always.
    Exact,
    /// While the table is empty: it computes values for the rows that are there.
    WhileEmpty,
    /// It makes an index into a part of a constraint, which takes the index along when it goes.
    TakesIndex,
    /// No inverse is known.
    Final,
}

impl Change {
    /// Whether a table that exists is locked until it is done.
    pub(crate) const fn locks_a_table(&self) -> bool {
        matches!(self, Self::Index(_) | Self::Table { .. })
    }

    /// Whether it locks nothing that exists, so that trying it out is in nobody's way.
    pub(crate) const fn is_alone(&self) -> bool {
        matches!(self, Self::Schema(_) | Self::Type(_) | Self::Relation { alone: true, .. })
    }

    /// What it locks, for people.
    pub(crate) fn locks(&self) -> String {
        match self {
            Self::Index(_) => "SHARE lock: nobody writes to the table until the index is built".into(),
            Self::Table { rewrites, .. } => {
                let rewrites = if *rewrites { "; it may write the whole table anew" } else { "" };
                format!("ACCESS EXCLUSIVE lock: nobody reads or writes the table meanwhile{rewrites}")
            }
            _ => "it locks nothing that exists".into(),
        }
    }

    /// What it does, for people, to this table where it is about one.
    pub(crate) fn summary(&self, table: &str) -> String {
        match self {
            Self::Schema(name) => format!("create the schema {}", shown(name)),
            Self::Relation { name, word, .. } => format!("create the {} {}", word.to_ascii_lowercase(), shown(name)),
            Self::Type(name) => format!("create the type {}", shown(name)),
            Self::Index(_) => format!("create an index on {table}"),
            Self::Table { .. } => format!("alter the table {table}"),
        }
    }
}

/// A statement that was read: its text is parsed once a call.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Its text.
    pub sql: String,
    /// What it does.
    pub change: Change,
    /// What it names, as far as that runs.
    pub uses: Uses,
    /// `nextval` stands only in defaults.
    pub draws_in_defaults: bool,
}

/// Reads a statement, or says why it is not run.
pub(crate) fn read(sql: &str) -> Result<Asked, ToolError> {
    let refused = |reason: String| ToolError::refused(reason);
    let (class, statement) = classified(sql, Dialect::Postgres).map_err(|refusal| refused(refusal.to_string()))?;
    match class {
        Class::Read => return Err(refused("it only reads".into()).with_next("use `postgres_query`")),
        Class::Write(_) => return Err(refused("it changes rows".into()).with_next("use `postgres_write`")),
        Class::Schema { .. } | Class::Other { .. } => {}
    }
    let uses = names(sql).map_err(|refusal| refused(refusal.to_string()))?;
    if let Some(name) = uses.names.iter().find(|name| name.starts_with("mollyguard_")) {
        return Err(refused(format!("{} belongs to the quarantine, or could be taken for it", shown(name))));
    }
    // `nextval('mollyguard_trash.t_id_seq')` names it in a text.
    if sql.to_ascii_lowercase().contains("mollyguard_trash") {
        return Err(refused("it speaks of `mollyguard_trash`, which belongs to the quarantine".into()));
    }
    if uses.names.contains("pg_temp") {
        return Err(refused("what is made in `pg_temp` is gone with the connection".into()));
    }
    let draws_in_defaults = in_defaults(&statement) == uses.draws;
    Ok(Asked { sql: sql.to_owned(), change: change(&statement)?, uses, draws_in_defaults })
}

/// How often `nextval` stands in a default of a column: whoever inserts a row draws then, and not the statement.
fn in_defaults(statement: &Statement) -> usize {
    let of = |value: &Expr| {
        let mut count = 0;
        let _whole = visit_expressions(value, |expr| {
            let is_draw = |function: &Function| {
                let name = function.name.0.last().and_then(|part| part.as_ident());
                name.is_some_and(|name| folded(&name.value, name.quote_style.is_some()) == "nextval")
            };
            count += usize::from(matches!(expr, Expr::Function(function) if is_draw(function)));
            ControlFlow::<()>::Continue(())
        });
        count
    };
    let of_column = |column: &ColumnDef| -> usize {
        let defaults = column.options.iter().filter_map(|option| match &option.option {
            ColumnOption::Default(value) => Some(of(value)),
            _ => None,
        });
        defaults.sum()
    };
    match statement {
        Statement::CreateTable(table) => table.columns.iter().map(of_column).sum(),
        Statement::AlterTable(alter) => {
            let operations = alter.operations.iter().map(|operation| match operation {
                AlterTableOperation::AddColumn { column_def, .. } => of_column(column_def),
                AlterTableOperation::AlterColumn { op: AlterColumnOperation::SetDefault { value }, .. } => of(value),
                _ => 0,
            });
            operations.sum()
        }
        _ => 0,
    }
}

fn change(statement: &Statement) -> Result<Change, ToolError> {
    let not_offered = || {
        ToolError::refused("this change of schema is not offered").with_next(
            "there are CREATE SCHEMA, TABLE, VIEW, SEQUENCE, TYPE, INDEX (without OR REPLACE, IF NOT EXISTS, TEMPORARY, AS \
             SELECT) and ALTER TABLE",
        )
    };
    Ok(match statement {
        Statement::Drop { .. } | Statement::DropTrigger(_) | Statement::DropFunction(_) => return Err(drop_instead()),
        Statement::Truncate(_) => {
            return Err(ToolError::refused("it empties a table").with_next("use `postgres_truncate`"));
        }
        Statement::CreateSchema {
            schema_name: SchemaName::Simple(name),
            if_not_exists: false,
            or_replace: false,
            ..
        } => Change::Schema(plain(name).ok_or_else(not_offered)?),
        Statement::CreateTable(table) => {
            let odd = table.or_replace || table.temporary || table.if_not_exists || table.query.is_some();
            if odd || table.like.is_some() || table.external {
                return Err(not_offered());
            }
            let text = statement.to_string().to_ascii_lowercase();
            let alone = table.inherits.is_none() && table.partition_of.is_none() && !text.contains("references");
            Change::Relation { name: named(&table.name).ok_or_else(not_offered)?, word: "TABLE", alone }
        }
        Statement::CreateView(view) => {
            if view.or_replace || view.materialized || view.temporary || view.if_not_exists {
                return Err(not_offered());
            }
            Change::Relation { name: named(&view.name).ok_or_else(not_offered)?, word: "VIEW", alone: true }
        }
        Statement::CreateSequence { temporary: false, if_not_exists: false, name, owned_by: None, .. } => {
            Change::Relation { name: named(name).ok_or_else(not_offered)?, word: "SEQUENCE", alone: true }
        }
        Statement::CreateType {
            name,
            representation:
                Some(UserDefinedTypeRepresentation::Enum { .. } | UserDefinedTypeRepresentation::Composite { .. }),
        } => Change::Type(named(name).ok_or_else(not_offered)?),
        Statement::CreateIndex(index) => {
            if index.concurrently {
                return Err(ToolError::refused("CONCURRENTLY cannot be taken back half way, so it is not offered")
                    .with_next("leave CONCURRENTLY out; writes to the table then wait until the index is built"));
            }
            if index.if_not_exists {
                return Err(not_offered());
            }
            Change::Index(named(&index.table_name).ok_or_else(not_offered)?)
        }
        Statement::AlterTable(alter) => {
            let name = named(&alter.name).ok_or_else(not_offered)?;
            let (mut fate, mut rewrites) = (Fate::Exact, false);
            let (mut adds, mut renamed) = (Vec::new(), None);
            for operation in &alter.operations {
                let (one, rewriting) = operation_of(operation)?;
                rewrites |= rewriting;
                fate = fate.max(one);
                adds.extend(added_type(operation));
                if let AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(to) } = operation {
                    renamed = named(to);
                }
            }
            Change::Table { name, fate, rewrites, adds, renamed }
        }
        _ => return Err(not_offered()),
    })
}

fn drop_instead() -> ToolError {
    ToolError::refused("it drops something")
        .with_next("use `postgres_drop`, which can be undone, or `postgres_purge` to destroy it for good")
}

/// What one operation means, and whether it may write the whole table anew.
fn operation_of(operation: &AlterTableOperation) -> Result<(Fate, bool), ToolError> {
    use AlterTableOperation as Op;
    if operation.to_string().to_ascii_uppercase().starts_with("DROP") {
        return Err(drop_instead());
    }
    Ok(match operation {
        Op::AddColumn { if_not_exists: false, column_def, .. } => {
            let computes = column_def.options.iter().any(|option| match &option.option {
                ColumnOption::Null | ColumnOption::NotNull | ColumnOption::Comment(_) | ColumnOption::Check(_) => false,
                ColumnOption::Default(value) => !is_null(value),
                ColumnOption::Unique(_) | ColumnOption::PrimaryKey(_) | ColumnOption::ForeignKey(_) => false,
                _ => true,
            });
            let serial = column_def.data_type.to_string().to_ascii_lowercase().contains("serial");
            (if computes || serial { Fate::WhileEmpty } else { Fate::Exact }, computes || serial)
        }
        Op::AddConstraint {
            constraint: TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_),
            ..
        } => (Fate::TakesIndex, false),
        Op::AddConstraint { .. } | Op::RenameColumn { .. } | Op::RenameTable { .. } | Op::RenameConstraint { .. } => {
            (Fate::Exact, false)
        }
        Op::AlterColumn { op, .. } => match op {
            AlterColumnOperation::SetNotNull | AlterColumnOperation::DropNotNull => (Fate::Exact, false),
            AlterColumnOperation::SetDefault { .. } | AlterColumnOperation::DropDefault => (Fate::Exact, false),
            _ => (Fate::Final, true),
        },
        _ => (Fate::Final, true),
    })
}

/// The type of a column that is added without a default of its own, where that is somebody's: it may have one.
fn added_type(operation: &AlterTableOperation) -> Option<String> {
    let AlterTableOperation::AddColumn { column_def, .. } = operation else { return None };
    let sets = column_def.options.iter().any(|option| matches!(option.option, ColumnOption::Default(_)));
    match &column_def.data_type {
        DataType::Custom(name, _) if !sets => named(name),
        _ => None,
    }
}

fn is_null(value: &Expr) -> bool {
    matches!(value, Expr::Value(value) if value.value == Value::Null)
}

/// A dotted name as SQL, each part quoted.
fn named(name: &ObjectName) -> Option<String> {
    let parts: Option<Vec<String>> = name
        .0
        .iter()
        .map(|part| {
            let ident = part.as_ident()?;
            Some(quote(&folded(&ident.value, ident.quote_style.is_some())))
        })
        .collect();
    parts.map(|parts| parts.join("."))
}

/// The only part of a name, without quotes.
fn plain(name: &ObjectName) -> Option<String> {
    let [part] = name.0.as_slice() else { return None };
    let ident = part.as_ident()?;
    Some(folded(&ident.value, ident.quote_style.is_some()))
}

/// PostgreSQL folds the letters of ASCII in a name without quotes, and no others where the encoding is UTF-8.
fn folded(name: &str, quoted: bool) -> String {
    if quoted { name.to_owned() } else { name.to_ascii_lowercase() }
}
