//! What a change of rows is told as: each table with what is done to its rows, the worst first.

use super::layout::Layout;
use super::trial::Effects;
use super::watch::Counts;
use crate::sql::{RowsOf, Verb, Write, changes_of_rows};
use crate::text::shown;

/// Each table with what is done to its rows, the worst first: its name is the one a person types.
pub(crate) fn changes<'a>(write: &Write, effects: &'a Effects) -> Vec<(&'a Layout, RowsOf)> {
    let Effects { named, counts, .. } = effects;
    let is_said = |layout: &Layout| write.rank(&layout.name).is_some();
    // Rows of a partitioned table, or of a view, are counted where they lie.
    let through = match named.iter().find(|layout| is_said(layout) && layout.kind != 'r') {
        Some(layout) => format!("through {}, a cascade or a trigger", layout.shown()),
        None => "by a cascade or trigger".to_owned(),
    };
    let others = counts.iter().map(|(layout, _)| layout).filter(|layout| named.iter().all(|one| one.oid != layout.oid));
    let mut changes: Vec<_> = named
        .iter()
        .map(|layout| (layout, is_said(layout)))
        .chain(others.map(|layout| (layout, false)))
        .map(|(layout, is_said)| {
            let counts = counts.iter().find(|(counted, _)| counted.oid == layout.oid).map(|(_, counts)| *counts);
            let verb = write.rank(&layout.name).and_then(|at| write.changes.get(at)).map(|change| change.verb);
            let through = (!is_said).then(|| through.clone());
            (layout, rows_of(layout, counts.unwrap_or_default(), verb, through))
        })
        .collect();
    changes.sort_by_cached_key(|(_, rows)| rows.weight());
    // What the statement names stands before the parts its rows lie in.
    if let Some(first) = changes.iter().position(|(_, rows)| rows.through.is_some()) {
        let behind = changes.split_off(first);
        let is_whole = |(layout, rows): &(&Layout, RowsOf)| layout.kind != 'r' && rows.through.is_none();
        let (wholes, parts): (Vec<_>, Vec<_>) = behind.into_iter().partition(is_whole);
        changes.extend(wholes.into_iter().chain(parts));
    }
    changes
}

fn rows_of(layout: &Layout, counts: Counts, verb: Option<Verb>, through: Option<String>) -> RowsOf {
    let Counts { inserted, updated, deleted } = counts;
    RowsOf { table: layout.shown(), inserted, updated, deleted, verb, through }
}

/// `delete 3 rows of public.bookings; delete 5 rows of public.payments (by a cascade or trigger)`.
pub(crate) fn summary(write: &Write, effects: &Effects, changes: Vec<(&Layout, RowsOf)>) -> String {
    if effects.untried.is_some() {
        return format!("{}, not tried out", untried(write, &effects.named));
    }
    let is_reached = changes.iter().any(|(_, rows)| rows.through.is_some());
    // What only leads to rows that lie elsewhere is named with those.
    let told = changes.into_iter().filter(|(layout, _)| layout.kind == 'r' || !is_reached);
    changes_of_rows(told.map(|(_, rows)| rows).collect(), false)
}

/// `delete rows of public.payment; update rows of public.staff`: all that the statement's text says, the worst first.
fn untried(write: &Write, named: &[Layout]) -> String {
    let mut said = Vec::new();
    for change in &write.changes {
        let meant = named.iter().filter(|layout| layout.name.eq_ignore_ascii_case(&change.table));
        let mut names: Vec<String> = meant.map(Layout::shown).collect();
        if names.is_empty() {
            names.push(shown(&change.table));
        }
        said.extend(names.into_iter().map(|name| format!("{} rows of {name}", change.verb.as_str())));
    }
    // A view or a rule leads to others, and what it does there the text does not say.
    let others = named.iter().filter(|layout| write.rank(&layout.name).is_none());
    said.extend(others.map(|layout| format!("change rows of {} (through a view or rule)", layout.shown())));
    said.join("; ")
}
