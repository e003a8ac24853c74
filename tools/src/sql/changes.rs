//! What a statement does to rows, table by table and the worst first: told from its text, and in words for people.

use serde_json::{Value, json};
use sqlparser::ast::{Insert, Merge, MergeAction, OnConflictAction, OnInsert};

use super::{Verb, Write};
use crate::text::{count, grouped};

/// One thing a statement's text says it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it does.
    pub verb: Verb,
    /// To the rows of which table, as written but without its quotes.
    pub table: String,
}

impl Write {
    /// Whether its text inserts rows anywhere.
    #[must_use]
    pub fn inserts(&self) -> bool {
        self.changes.iter().any(|change| matches!(change.verb, Verb::Insert | Verb::Merge))
    }

    /// What its text says it may do, each to a table by every name the table has: its words, values and conditions can be
    /// varied without end and mean the same.
    #[must_use]
    pub fn aim(&self, names: impl Fn(&str) -> Vec<Value>) -> Vec<Value> {
        let each = |change: &Change| {
            let verb = change.verb.as_str();
            names(&change.table).into_iter().map(move |name| json!({ "verb": verb, "table": name }))
        };
        self.changes.iter().flat_map(each).collect()
    }

    /// How bad what it may do to this table is, 0 for the worst of the statement; `None` for a table it does not name.
    #[must_use]
    pub fn rank(&self, table: &str) -> Option<usize> {
        self.changes.iter().position(|change| change.table.eq_ignore_ascii_case(table))
    }
}

/// Deleted rows weigh more than changed ones, and those more than new ones.
const fn severity(verb: Verb) -> u8 {
    match verb {
        Verb::Delete | Verb::Merge => 0,
        Verb::Update => 1,
        Verb::Insert => 2,
    }
}

/// Each change once, the worst first; a merge is told by its branches.
pub(super) fn worst_first(found: &[&(Verb, String)]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let branches = |table: &str| found.iter().any(|(verb, other)| *verb != Verb::Merge && other == table);
    for (verb, table) in found {
        let change = Change { verb: *verb, table: table.clone() };
        let is_told = changes.contains(&change) || *verb == Verb::Merge && branches(table);
        if !is_told {
            changes.push(change);
        }
    }
    changes.sort_by_key(|change| severity(change.verb));
    changes
}

/// Whether rows in the way of an INSERT are changed.
pub(super) fn updates(insert: &Insert) -> bool {
    match &insert.on {
        Some(OnInsert::OnConflict(conflict)) => !matches!(conflict.action, OnConflictAction::DoNothing),
        Some(_) => true,
        None => false,
    }
}

/// What the branches of a MERGE do.
pub(super) fn branches(merge: &Merge) -> impl Iterator<Item = Verb> {
    merge.clauses.iter().filter_map(|clause| match clause.action {
        MergeAction::Insert(_) => Some(Verb::Insert),
        MergeAction::Update(_) => Some(Verb::Update),
        MergeAction::Delete { .. } => Some(Verb::Delete),
        MergeAction::DoNothing { .. } => None,
    })
}

/// What was done to the rows of one table, as it was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsOf {
    /// The table, as it is shown.
    pub table: String,
    /// How many rows are new.
    pub inserted: u64,
    /// How many are changed.
    pub updated: u64,
    /// How many are gone.
    pub deleted: u64,
    /// What the statement says of the table, for when nothing is counted.
    pub verb: Option<Verb>,
    /// How its rows are reached where the statement does not name it: `by a cascade or trigger`.
    pub through: Option<String>,
}

impl RowsOf {
    /// What sorts the worst first: deleted rows before changed ones before new ones, then the most.
    #[must_use]
    pub fn weight(&self) -> impl Ord + use<> {
        let said = self.verb.map_or(u8::MAX, severity);
        std::cmp::Reverse((self.deleted, self.updated, self.inserted, u8::MAX - said, self.through.is_none()))
    }

    /// `delete 1,685 rows of payment`, `insert 2 and update 3 rows of t`.
    fn said(&self, at_least: &str) -> String {
        let counts = [("insert", self.inserted), ("update", self.updated), ("delete", self.deleted)];
        let mut said: Vec<_> = counts.into_iter().filter(|(_, rows)| *rows > 0).collect();
        if said.is_empty() {
            said.push((self.verb.map_or("change", Verb::as_str), 0));
        }
        let parts: Vec<_> = said.iter().map(|(verb, rows)| format!("{verb} {at_least}{}", grouped(*rows))).collect();
        let noun = if said.iter().all(|(_, rows)| *rows == 1) && said.len() == 1 { "row" } else { "rows" };
        let through = self.through.as_ref().map(|through| format!(" ({through})")).unwrap_or_default();
        format!("{} {noun} of {}{through}", parts.join(" and "), self.table)
    }
}

/// Every table with its own verb and count, the worst first: `delete 1,685 rows of payment; update 1 row of staff`.
#[must_use]
pub fn changes_of_rows(mut tables: Vec<RowsOf>, truncated: bool) -> String {
    /// The tables that are named; what comes after them is counted.
    const NAMED: usize = 12;
    tables.sort_by_key(RowsOf::weight);
    let at_least = if truncated { "at least " } else { "" };
    let named = tables.len().min(NAMED);
    let (named, rest) = tables.split_at(named);
    let mut said: Vec<_> = named.iter().map(|rows| rows.said(at_least)).collect();
    if !rest.is_empty() {
        said.push(format!("and {}", together(rest).said(at_least)));
    }
    said.join("; ")
}

/// What is done to the rows of several tables, all of it: none of it is milder for not being named.
fn together(tables: &[RowsOf]) -> RowsOf {
    let mut all = RowsOf { table: count(tables.len() as u64, "more table"), ..RowsOf::default() };
    for rows in tables {
        all.inserted = all.inserted.saturating_add(rows.inserted);
        all.updated = all.updated.saturating_add(rows.updated);
        all.deleted = all.deleted.saturating_add(rows.deleted);
    }
    all.verb = tables.iter().filter_map(|rows| rows.verb).min_by_key(|verb| severity(*verb));
    all
}
