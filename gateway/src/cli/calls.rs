//! `mollyguard calls`: look back at calls that changed something, or may have.

use std::path::Path;

use clap::Subcommand;
use mollyguard_record::store::{CallFilter, StoredCall};
use mollyguard_tools::text::name;
use uuid::Uuid;

use super::paint::Paint;
use super::{Done, Failure, open_without_secrets, print, print_json};
use crate::call::ended;
use crate::confirm::{arguments, clean};
use crate::gateway::Gateway;
use crate::retention;

/// Which calls.
#[derive(Debug, Subcommand)]
pub(crate) enum Calls {
    /// List calls, newest first.
    List {
        /// Only on this target.
        #[arg(long)]
        target: Option<String>,
        /// Only this user's.
        #[arg(long)]
        user: Option<String>,
        /// Only those that can still be undone.
        #[arg(long)]
        undoable: bool,
        /// At most this many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one call: what was looked at, how it ended, how to take it back.
    Show {
        /// Its id.
        call: Uuid,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Calls {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let gateway = open_without_secrets(config)?;
        match self {
            Self::List { target, user, undoable, limit, json } => {
                let filter = CallFilter { user, target, undoable, limit, before: None };
                let calls = gateway.store.calls(filter).await.map_err(Failure::usage)?;
                let calls: Vec<_> = calls.into_iter().map(without_image).collect();
                if json {
                    print_json(&calls.into_iter().map(|call| with_end(&gateway, call)).collect::<Vec<_>>())
                } else {
                    print(&render(&gateway, &calls))
                }
            }
            Self::Show { call, json } => {
                let found = gateway.store.call(call).await.map_err(Failure::usage)?.map(without_image);
                let found = found.ok_or_else(|| Failure::found(format!("there is no call `{call}`")))?;
                if json { print_json(&with_end(&gateway, found)) } else { print(&show(&gateway, &found)) }
            }
        }
    }
}

/// Without the rows and files kept for undoing: they are data of the target, and no list shows those.
fn without_image(mut call: StoredCall) -> StoredCall {
    call.preflight.pre_image = None;
    if let Some(plan) = &mut call.undo {
        plan.args = serde_json::json!({"target": call.target});
    }
    call
}

/// With the moment until which it can be taken back, at the latest.
fn with_end(gateway: &Gateway, mut call: StoredCall) -> StoredCall {
    let until = retention::of_call(gateway, &call);
    if let Some(plan) = &mut call.undo {
        plan.until = until;
    }
    call
}

fn render(gateway: &Gateway, calls: &[StoredCall]) -> String {
    if calls.is_empty() {
        return "No call has changed anything yet.\n".to_owned();
    }
    let paint = Paint::stdout();
    let mut text = String::new();
    for call in calls {
        let end = match ended(call) {
            "succeeded" => paint.green("succeeded"),
            "uncertain" => paint.red("uncertain"),
            other => paint.yellow(other),
        };
        let undo = match (call.undone_by, call.claimed_by) {
            (Some(by), _) => format!("taken back by {by}"),
            (None, Some(by)) => format!("being taken back by {by}"),
            (None, None) if call.is_undoable() => match retention::of_call(gateway, call) {
                Some(until) => format!("can be undone {}", retention::at_the_latest(until)),
                None => "can be undone".to_owned(),
            },
            (None, None) => "cannot be undone".to_owned(),
        };
        text.push_str(&format!(
            "{} {} {end} · {} · {}\n    {} · {} · {undo}\n",
            paint.bold(&call.id.to_string()),
            paint.dim(&call.started_at.to_string()),
            call.tool,
            clean(&call.principal.user),
            clean(&call.preflight.summary),
            call.reversibility.as_str(),
        ));
    }
    text
}

fn show(gateway: &Gateway, call: &StoredCall) -> String {
    let mut text = render(gateway, std::slice::from_ref(call));
    for target in &call.preflight.targets {
        let tier = target.environment.tier.as_str();
        text.push_str(&format!(
            "    target    {} {} ({}, {tier})\n",
            target.kind,
            name(target.path.shown()),
            clean(&target.environment.name)
        ));
    }
    for evidence in &call.preflight.evidence {
        text.push_str(&format!("    evidence  {} (seen in {})\n", clean(&evidence.what), clean(&evidence.source)));
    }
    if let Some(note) = &call.note {
        text.push_str(&format!("    note      {}\n", clean(note)));
    }
    if let Some(confirmation) = call.confirmation {
        text.push_str(&format!("    approved  by confirmation {confirmation}\n"));
    }
    if let Some(grant) = call.grant {
        text.push_str(&format!("    approved  for a while, as {grant}\n"));
    }
    if let Some(undoes) = call.undoes {
        text.push_str(&format!("    undoes    {undoes}\n"));
    }
    text.push_str("    arguments\n");
    text.extend(arguments(&call.tool, &call.args).to_string().lines().map(|line| format!("    {line}\n")));
    text
}
