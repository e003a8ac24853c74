//! `mollyguard prune`: remove what is older than the configuration says to keep.

use std::path::Path;

use clap::Args;
use mollyguard_record::store::{Pruned, prune_all};
use mollyguard_tools::text::count;

use super::{Done, Failure, open_without_secrets, print, print_json};
use crate::retention;

const ABOUT: &str = "\
How long is `keep_days` of `[retention]` in the configuration; nothing on the command line can make
it shorter. Of each gateway process's records the oldest go, up to the first that something newer
rests on. With them go the calls, questions and approvals they tell of, which can then neither be
listed nor undone. That they went is a record itself, and `mollyguard audit verify` goes on from
there. To keep them elsewhere, export them before: mollyguard audit export > record.jsonl

`mollyguard serve` does the same once a day. The database file does not shrink: what is free in it
is used again.";

/// Arguments of `prune`.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(crate) struct Prune {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Prune {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let gateway = open_without_secrets(config)?;
        let Some(before) = retention::limit(gateway.config.keep) else {
            return Err(Failure::usage(format!(
                "`{}` does not say how long to keep what was recorded, so nothing is pruned: set `keep_days` in `[retention]`",
                gateway.config.path.display()
            )));
        };
        let pruned = prune_all(gateway.store.as_ref(), before).await.map_err(Failure::usage)?;
        gateway.close().await.map_err(Failure::usage)?;
        if self.json { print_json(&pruned) } else { print(&render(&pruned)) }
    }
}

fn render(pruned: &Pruned) -> String {
    let before = pruned.before.strftime("%Y-%m-%d %H:%M UTC");
    if pruned.records == 0 {
        return format!("Nothing is older than {before}, or something newer rests on it: nothing was pruned.\n");
    }
    format!(
        "Pruned what was recorded before {before}: {}, {}, {} and {} for a while.\n",
        count(pruned.records, "record"),
        count(pruned.calls, "call"),
        count(pruned.questions, "question"),
        count(pruned.grants, "approval"),
    )
}
