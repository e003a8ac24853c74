//! `mollyguard prune`: remove what is older, or more, than the configuration says to keep.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use mollyguard_record::store::{Pruned, prune_all};
use mollyguard_tools::text::{count, name, size};
use serde::Serialize;

use super::serve::LAST_CALLS;
use super::{Done, Failure, load, open, open_without_secrets, print, print_json};
use crate::confirm::clean;
use crate::pruning::{Fate, Removal, Unread, principal, put_away, would_go};
use crate::retention;

const ABOUT: &str = "\
`[retention]` in the configuration says for how long things are kept. Nothing on the command line
can make that shorter, and what it does not speak of is kept.

`keep_days`: of each gateway process's records the oldest go, up to the first that something newer
rests on. With them go the calls, questions and approvals they tell of, which can then neither be
listed nor undone. That they went is a record itself, and `mollyguard audit verify` goes on from
there. To keep them elsewhere, export them before: mollyguard audit export > record.jsonl

`quarantine_days` and `quarantine_bytes`: what was dropped or deleted, and lies in the quarantine
of a database or the trash of a folder, is removed from there for good, and cannot be undone then.
What is older goes, and while a target keeps more in all, the oldest that has been there for 7 days.
Each removal is a call of its own, made for the configured user: the policies decide it, and nobody
is asked. What they refuse stays, the refusal is on record, and the exit code is 1.

`mollyguard serve` does the same once a day. The database file does not shrink: what is free in it
is used again.";

/// Arguments of `prune`.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(crate) struct Prune {
    /// Show what would be removed, and remove nothing. Policies are not asked.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was removed, or would be.
#[derive(Serialize)]
struct Printed {
    dry_run: bool,
    #[serde(flatten)]
    records: Option<Pruned>,
    quarantines: Vec<Removal>,
    unread: Vec<Unread>,
}

impl Prune {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        // What lies in the targets is reached with their secrets; the records are not.
        let bounded = load(config)?.quarantine.is_bounded();
        let gateway = if bounded { open(config)? } else { open_without_secrets(config)? };
        let before = retention::limit(gateway.config.keep);
        if before.is_none() && !bounded {
            return Err(Failure::usage(format!(
                "`{}` does not say how long to keep what was recorded or put away, so nothing is pruned: set `keep_days` in \
                 `[retention]`, or `quarantine_days` or `quarantine_bytes`",
                gateway.config.path.display()
            )));
        }
        let records = match before {
            Some(before) if self.dry_run => Some(gateway.store.prunable(before).await.map_err(Failure::usage)?),
            Some(before) => Some(prune_all(gateway.store.as_ref(), before).await.map_err(Failure::usage)?),
            None => None,
        };
        let (quarantines, unread) = match self.dry_run {
            true => would_go(&gateway).await,
            false => put_away(&gateway, &principal(&gateway, "mollyguard prune")).await,
        };
        gateway.finish_calls(LAST_CALLS).await;
        gateway.close().await.map_err(Failure::usage)?;
        let printed = Printed { dry_run: self.dry_run, records, quarantines, unread };
        let shown = if self.json { print_json(&printed) } else { print(&render(&printed, bounded)) };
        shown?;
        let stays = printed.quarantines.iter().any(|removal| matches!(removal.fate, Fate::Stays { .. }));
        if stays || !printed.unread.is_empty() { Err(Failure::found("")) } else { Ok(()) }
    }
}

fn render(printed: &Printed, bounded: bool) -> String {
    let mut text = printed.records.as_ref().map(|records| of_records(records, printed.dry_run)).unwrap_or_default();
    if bounded && printed.quarantines.is_empty() && printed.unread.is_empty() {
        text.push_str("Nothing in a quarantine has been kept for long enough.\n");
    }
    for removal in &printed.quarantines {
        text.push_str(&of_quarantine(removal));
    }
    for Unread { target, why } in &printed.unread {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "Cannot look at what is kept of {}: {}", name(target), clean(why));
    }
    text
}

fn of_records(pruned: &Pruned, dry_run: bool) -> String {
    let before = pruned.before.strftime("%Y-%m-%d %H:%M UTC");
    if pruned.records == 0 {
        let word = if dry_run { "nothing would be" } else { "nothing was" };
        return format!("No record is older than {before}, or something newer rests on it: {word} pruned.\n");
    }
    let word = if dry_run { "Would prune" } else { "Pruned" };
    format!(
        "{word} what was recorded before {before}: {}, {}, {} and {} for a while.\n",
        count(pruned.records, "record"),
        count(pruned.calls, "call"),
        count(pruned.questions, "question"),
        count(pruned.grants, "approval"),
    )
}

fn of_quarantine(removal: &Removal) -> String {
    let word = match &removal.fate {
        Fate::WouldGo => "Would remove",
        Fate::Removed { .. } => "Removed",
        Fate::Stays { .. } => "Could not remove",
    };
    let room = removal.bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
    let why = match (removal.over_age, removal.over_size) {
        (true, _) => "older than `quarantine_days`",
        (false, _) => "more is kept than `quarantine_bytes`",
    };
    let (since, days) = (removal.since.strftime("%Y-%m-%d"), count(removal.age_days.into(), "day"));
    let (target, what) = (name(&removal.target), clean(&removal.what));
    let mut line = format!("{word} for good from {target}: {what}, kept since {since} ({days}{room}; {why})\n");
    if let Fate::Stays { why } = &removal.fate {
        line.extend(why.lines().map(|why| format!("    {}\n", clean(why))));
    }
    line
}
