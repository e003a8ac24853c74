//! Walks a parsed query or row change and collects everything that decides its class.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, FromTable, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Insert, Merge,
    ObjectName, ObjectNamePart, Query, Select, SetExpr, SqliteOnConflict, Statement, TableAlias, TableFactor,
    TableObject, UnaryOperator, Update, Value, Visit as _, Visitor, XmlTableColumnOption, visit_expressions,
};

use super::functions::{self, Effect};
use super::{Class, Dialect, Refusal, Trust, Verb, Write, first_word, last_part};
use super::{changes, keywords};

/// The class of a statement that is a query or a change of rows.
pub(super) fn class_of(statement: &Statement, trust: Trust) -> Result<Class, Refusal> {
    let mut found = Found {
        trust,
        writes: Vec::new(),
        also: Vec::new(),
        replaces: false,
        volatile: Vec::new(),
        into: false,
        locks: false,
    };
    if let ControlFlow::Break(refusal) = statement.visit(&mut found) {
        return Err(refusal);
    }
    if found.into {
        return Ok(Class::Schema { what: "SELECT INTO", name: None });
    }
    if found.writes.is_empty() {
        return Ok(if found.locks { Class::Other { what: "a row lock".into() } } else { Class::Read });
    }
    let main = outermost(statement);
    let selects = main.is_none();
    if let Some(at) = main.and_then(|main| found.writes.iter().position(|write| *write == main)) {
        let main = found.writes.remove(at);
        found.writes.insert(0, main);
    }
    let verb = found.writes[0].0;
    let changes = changes::worst_first(&found.writes.iter().chain(&found.also).collect::<Vec<_>>());
    let Found { writes, replaces, volatile, .. } = found;
    let mut tables = Vec::new();
    for table in writes.into_iter().map(|(_, table)| table) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    Ok(Class::Write(Write { verb, tables, changes, selects, replaces, volatile }))
}

/// What the statement itself does and to which table, below its common table expressions.
fn outermost(statement: &Statement) -> Option<(Verb, String)> {
    match statement {
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => Some((Verb::Insert, last_part(name)?)),
            _ => None,
        },
        Statement::Update(update) => Some((Verb::Update, table_of(&update.table.relation)?)),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            Some((Verb::Delete, table_of(&from.first()?.relation)?))
        }
        Statement::Merge(merge) => Some((Verb::Merge, table_of(&merge.table)?)),
        Statement::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(inner) | SetExpr::Update(inner) | SetExpr::Delete(inner) | SetExpr::Merge(inner) => {
                outermost(inner)
            }
            _ => None,
        },
        _ => None,
    }
}

struct Found {
    trust: Trust,
    writes: Vec<(Verb, String)>,
    /// What a statement may do beside what its first word says.
    also: Vec<(Verb, String)>,
    replaces: bool,
    volatile: Vec<String>,
    into: bool,
    locks: bool,
}

impl Found {
    fn write(&mut self, verb: Verb, table: Option<String>) -> ControlFlow<Refusal> {
        match table {
            Some(table) => {
                self.writes.push((verb, table));
                ControlFlow::Continue(())
            }
            None => opaque("a target that is not a plain table"),
        }
    }

    fn insert(&mut self, insert: &Insert) -> ControlFlow<Refusal> {
        let odd = insert.overwrite || insert.partitioned.is_some() || insert.multi_table_insert_type.is_some();
        if odd {
            return opaque("an INSERT of another dialect");
        }
        let TableObject::TableName(name) = &insert.table else { return opaque("an INSERT into a function") };
        if self.trust.dialect == Dialect::Postgres {
            if insert.or.is_some() || insert.replace_into {
                return opaque("an INSERT of another dialect");
            }
            keywords::relation(name)?;
        }
        let table = last_part(name);
        let replaces = insert.replace_into || insert.or == Some(SqliteOnConflict::Replace);
        self.replaces |= replaces;
        self.also.extend(table.clone().filter(|_| replaces).map(|table| (Verb::Delete, table)));
        self.also.extend(table.clone().filter(|_| changes::updates(insert)).map(|table| (Verb::Update, table)));
        self.write(Verb::Insert, table)
    }

    fn update(&mut self, update: &Update) -> ControlFlow<Refusal> {
        // `UPDATE replace t` changes the table `replace`, called `t`.
        if self.trust.dialect == Dialect::Postgres && update.or.is_some() {
            return opaque("an UPDATE of another dialect");
        }
        if !update.table.joins.is_empty() {
            return opaque("an UPDATE over several tables");
        }
        let table = table_of(&update.table.relation);
        let replaces = update.or == Some(SqliteOnConflict::Replace);
        self.replaces |= replaces;
        self.also.extend(table.clone().filter(|_| replaces).map(|table| (Verb::Delete, table)));
        self.write(Verb::Update, table)
    }

    fn merge(&mut self, merge: &Merge) -> ControlFlow<Refusal> {
        let table = table_of(&merge.table);
        for verb in changes::branches(merge) {
            self.also.extend(table.clone().map(|table| (verb, table)));
        }
        self.write(Verb::Merge, table)
    }

    fn call(&mut self, name: &ObjectName, args: Args<'_>) -> ControlFlow<Refusal> {
        let shown = name.to_string();
        let Some(plain) = function_name(name, self.trust.dialect) else {
            return if self.trust.functions {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(Refusal::Function(shown))
            };
        };
        let effect = if self.trust.catalogue { functions::extended } else { functions::effect };
        match effect(&plain, self.trust.dialect) {
            Some(Effect::Steady) => {}
            Some(Effect::Volatile) => self.volatile.push(format!("{plain}()")),
            Some(Effect::Clock { time_at }) => {
                if args.reads_the_clock(time_at) {
                    self.volatile.push(format!("{plain}('now')"));
                }
            }
            None if self.trust.functions => {}
            None => return ControlFlow::Break(Refusal::Function(shown)),
        }
        ControlFlow::Continue(())
    }

    /// Built-in operators change nothing; which ones are built in is for the catalogue to say. `OPERATOR(schema.=)` of another
    /// schema than PostgreSQL's own is refused before.
    fn operator(&self, operator: &BinaryOperator) -> ControlFlow<Refusal> {
        match operator {
            BinaryOperator::Custom(_) if !self.trust.catalogue => opaque("an operator by name"),
            BinaryOperator::Assignment => opaque("an assignment in an expression"),
            // REGEXP and MATCH call functions that only an extension or a full-text table defines; SQLite then refuses
            // them itself, and neither changes anything.
            _ => ControlFlow::Continue(()),
        }
    }

    /// `AS t (a int, b other)` behind a function converts to the types it names.
    fn columns(&self, alias: Option<&TableAlias>) -> ControlFlow<Refusal> {
        let mut types =
            alias.into_iter().flat_map(|alias| &alias.columns).filter_map(|column| column.data_type.as_ref());
        types.try_for_each(|data_type| cast(&data_type.to_string(), self.trust))
    }

    fn function(&mut self, function: &Function) -> ControlFlow<Refusal> {
        if function.uses_odbc_syntax || !matches!(function.parameters, FunctionArguments::None) {
            return opaque("a function call of another dialect");
        }
        let args = match &function.args {
            FunctionArguments::List(list) => Args(&list.args),
            FunctionArguments::None | FunctionArguments::Subquery(_) => Args(&[]),
        };
        self.call(&function.name, args)
    }
}

/// The arguments of a call, as far as they can be told from the text.
#[derive(Clone, Copy)]
struct Args<'a>(&'a [FunctionArg]);

impl Args<'_> {
    /// SQLite's date functions read the clock without a time value, with `'now'`, and the time zone with `'localtime'`.
    fn reads_the_clock(&self, time_at: usize) -> bool {
        let says_now = |arg: &FunctionArg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                    ["now", "localtime", "utc"].contains(&text.trim().to_ascii_lowercase().as_str())
                }
                _ => false,
            },
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(ident))) => {
                // SQLite reads a quoted name that is no column as a string.
                ident.value.eq_ignore_ascii_case("now")
            }
            _ => false,
        };
        // What is computed from constants may come to 'now' however it is written: nobody writes a time like that.
        let is_computed = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if computed_from_constants(expr));
        let times = self.0.get(time_at..).unwrap_or_default();
        times.is_empty() || self.0.iter().any(says_now) || times.iter().any(is_computed)
    }
}

/// Whether an expression is neither a plain value nor made from a column of some row.
fn computed_from_constants(expr: &Expr) -> bool {
    let number = |expr: &Expr| matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(..)));
    match expr {
        Expr::Value(_) => false,
        Expr::UnaryOp { expr, .. } if number(expr) => false,
        _ => visit_expressions(expr, |part: &Expr| match part {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .is_continue(),
    }
}

impl Visitor for Found {
    type Break = Refusal;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Refusal> {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                if !delete.tables.is_empty() || from.len() != 1 {
                    return opaque("a DELETE over several tables");
                }
                self.write(Verb::Delete, table_of(&from[0].relation))
            }
            Statement::Merge(merge) => self.merge(merge),
            other => opaque(&format!("{} inside another statement", first_word(&other.to_string()))),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refusal> {
        self.locks |= !query.locks.is_empty();
        if self.trust.dialect == Dialect::Postgres {
            keywords::query(query)?;
        }
        if query.for_clause.is_some() || query.settings.is_some() || !query.pipe_operators.is_empty() {
            return opaque("a query of another dialect");
        }
        if query.format_clause.is_some() {
            return opaque("an output format");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_ident(&mut self, ident: &Ident) -> ControlFlow<Refusal> {
        // PostgreSQL reads `evil 'x'` as a literal of the type `evil`, the parser as a column with an alias.
        if self.trust.dialect == Dialect::Postgres && ident.quote_style == Some('\'') {
            return opaque("a name in single quotes");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refusal> {
        self.into |= select.into.is_some();
        if !select.optimizer_hints.is_empty() {
            return opaque("an optimizer hint");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Refusal> {
        if self.trust.dialect == Dialect::Postgres {
            keywords::factor(factor)?;
        }
        match factor {
            TableFactor::Table { name, args: Some(args), alias, .. } => {
                self.columns(alias.as_ref())?;
                self.call(name, Args(&args.args))
            }
            TableFactor::Table { name, args: None, .. } => plain_table(name, self.trust.dialect),
            TableFactor::Function { name, args, alias, .. } => {
                self.columns(alias.as_ref())?;
                self.call(name, Args(args))
            }
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } | TableFactor::UNNEST { .. } => {
                ControlFlow::Continue(())
            }
            // The expression itself is visited, and a function in it judged.
            TableFactor::TableFunction { .. } => ControlFlow::Continue(()),
            TableFactor::XmlTable { columns, .. } if self.trust.dialect == Dialect::Postgres => {
                columns.iter().try_for_each(|column| match &column.option {
                    XmlTableColumnOption::NamedInfo { r#type, .. } => cast(&r#type.to_string(), self.trust),
                    XmlTableColumnOption::ForOrdinality => ControlFlow::Continue(()),
                })
            }
            _ => opaque("a kind of table that is not known"),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::BinaryOp { op, .. } => self.operator(op),
            Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => self.operator(compare_op),
            Expr::UnaryOp { op, .. } => match op {
                UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not | UnaryOperator::BitwiseNot => {
                    ControlFlow::Continue(())
                }
                _ if self.trust.dialect == Dialect::Postgres => ControlFlow::Continue(()),
                _ => opaque("an operator that is not known"),
            },
            Expr::Convert { .. } if self.trust.dialect == Dialect::Postgres => {
                opaque("an expression of another dialect")
            }
            Expr::Cast { data_type, .. } | Expr::Convert { data_type: Some(data_type), .. } => {
                cast(&data_type.to_string(), self.trust)
            }
            Expr::TypedString(typed) => cast(&typed.data_type.to_string(), self.trust),
            Expr::Lambda(_) | Expr::Struct { .. } | Expr::Dictionary(_) | Expr::Map(_) | Expr::Prior(_) => {
                opaque("an expression of another dialect")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// A cast runs the type's input function, so only built-in types are casts whose effect is known. SQLite has no types of
/// that sort: any name is an affinity.
fn cast(data_type: &str, trust: Trust) -> ControlFlow<Refusal> {
    if trust.catalogue || trust.dialect != Dialect::Postgres || functions::built_in_type(data_type) {
        return ControlFlow::Continue(());
    }
    opaque("a cast to a type that is not built in")
}

/// A table-valued function may be named without parentheses in SQLite: `FROM pragma_database_list`.
fn plain_table(name: &ObjectName, dialect: Dialect) -> ControlFlow<Refusal> {
    let Some(table) = last_part(name) else { return opaque("a table whose name is computed") };
    let table = table.to_ascii_lowercase();
    let pragma = dialect == Dialect::Sqlite && table.starts_with("pragma_");
    if pragma && functions::effect(&table, dialect).is_none() {
        return ControlFlow::Break(Refusal::Function(table));
    }
    ControlFlow::Continue(())
}

fn table_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, args: None, .. } => last_part(name),
        _ => None,
    }
}

/// A function's name in lower case, if it is a plain one or lies in the system's own schema. A quoted name keeps its case
/// where quotes do, so that `"PG_SLEEP"` is not taken for the built-in of that name.
fn function_name(name: &ObjectName, dialect: Dialect) -> Option<String> {
    let parts: Option<Vec<_>> = name
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) if dialect == Dialect::Postgres && ident.quote_style.is_some() => {
                Some(ident.value.clone())
            }
            ObjectNamePart::Identifier(ident) => Some(ident.value.to_ascii_lowercase()),
            ObjectNamePart::Function(_) => None,
        })
        .collect();
    match parts?.as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if dialect == Dialect::Postgres && schema == "pg_catalog" => Some(name.clone()),
        _ => None,
    }
}

fn opaque(what: &str) -> ControlFlow<Refusal> {
    ControlFlow::Break(Refusal::Opaque(what.into()))
}
