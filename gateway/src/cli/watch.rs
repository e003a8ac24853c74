//! `mollyguard approvals watch`: what waits, as it comes and goes.

use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::time::Duration;

use mollyguard_record::model::{Confirmation, ConfirmationState, Fact, Label};
use mollyguard_record::store::OpenQuestions;
use mollyguard_tools::contract::now;
use mollyguard_tools::text::visible_json;
use serde_json::json;
use uuid::Uuid;

use super::desk::{Desk, Waiting};
use super::paint::Paint;
use super::{Done, Failure};
use crate::confirm::clean;
use crate::mcp::told_to_leave;
use crate::notify::{Ended, approvers, end_of};

/// At most this often is the store read.
const SETTLE: Duration = Duration::from_millis(25);
/// How long a failed read is waited out, and the most that lies between two.
const RETRY: Duration = Duration::from_secs(1);

/// Shows what waits until interrupted, or until nobody reads it any more.
pub(super) async fn run(desk: &Desk, json: bool) -> Done {
    let leave = told_to_leave().map_err(Failure::usage)?;
    let mut changes = match desk {
        Desk::Own(gateway) => Some(gateway.store.changes()),
        Desk::Behind(_) => None,
    };
    let mut watch = Watch::new(json);
    loop {
        let mut patience = RETRY * 60;
        match look(desk, &mut watch).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Ok(Err(error)) => return Err(Failure::usage(error)),
            // Nobody has been told anything yet: what is wrong is told instead.
            Err(failure) if !watch.begun => return Err(failure),
            Err(failure) => {
                tracing::warn!(error = %failure.text(), "what waits cannot be read; it is tried again");
                patience = RETRY;
            }
        }
        // A question that runs out is a change that nobody writes.
        let expires = watch.waiting.values().map(|(confirmation, _)| confirmation.expires_at).min();
        let runs_out = expires.map(|at| Duration::try_from(at.duration_since(now())).unwrap_or_default());
        let patience = runs_out.map_or(patience, |runs_out| runs_out.min(patience));
        let changed = async {
            match &mut changes {
                Some(changes) => {
                    changes.changed().await;
                    tokio::time::sleep(SETTLE).await;
                }
                // The desk is asked, and does not call.
                None => tokio::time::sleep(RETRY).await,
            }
        };
        tokio::select! {
            () = leave.cancelled() => return Ok(()),
            () = changed => {}
            () = tokio::time::sleep(patience.max(SETTLE)) => {}
        }
    }
}

/// Reads what waits, and shows what is new and what has gone.
async fn look(desk: &Desk, watch: &mut Watch) -> Result<std::io::Result<()>, Failure> {
    let Waiting { open, page, .. } = desk.waiting().await?;
    let mut gone = Vec::new();
    for id in watch.waiting.keys().filter(|id| !open.iter().any(|open| open.0.id == **id)) {
        let (confirmation, standing) = desk.show(*id).await?;
        // One that was only left off a long list is open still.
        if let Some(end) = end_of(&confirmation, &standing, now()) {
            gone.push((*id, end));
        }
    }
    Ok(watch.show(&open, gone, page.as_deref()))
}

/// What was shown so far.
struct Watch {
    json: bool,
    /// Rings with each question, where there is somebody to hear it.
    bell: &'static str,
    paint: Paint,
    begun: bool,
    /// The questions that wait, with how many said yes so far.
    waiting: BTreeMap<Uuid, (Confirmation, usize)>,
}

impl Watch {
    fn new(json: bool) -> Self {
        let bell = if !json && std::io::stdout().is_terminal() { "\x07" } else { "" };
        Self { json, bell, paint: Paint::stdout(), begun: false, waiting: BTreeMap::new() }
    }

    fn show(&mut self, open: &OpenQuestions, gone: Vec<(Uuid, Ended)>, page: Option<&str>) -> std::io::Result<()> {
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) && !self.json {
            let so_far = if open.is_empty() { "Nothing waits for an answer. " } else { "" };
            text.push_str(&format!("{so_far}Questions show here as they come, until you press Ctrl-C.\n\n"));
        }
        for (id, end) in gone {
            if let Some((confirmation, _)) = self.waiting.remove(&id) {
                text.push_str(&self.end(&confirmation, &end));
            }
        }
        for (confirmation, standing) in open.iter().rev().map(|open| &**open) {
            let yeses = if let ConfirmationState::Open { approvals, .. } = standing {
                approvers(approvals)
            } else {
                Vec::new()
            };
            match self.waiting.get(&confirmation.id).map(|(_, so_far)| *so_far) {
                None => text.push_str(&self.question(confirmation, &yeses, page)),
                Some(so_far) if so_far < yeses.len() => text.push_str(&self.partly(confirmation, &yeses)),
                Some(_) => {}
            }
            let waiting = self.waiting.entry(confirmation.id).or_insert_with(|| (confirmation.clone(), 0));
            waiting.1 = yeses.len();
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    fn question(&self, confirmation: &Confirmation, yeses: &[String], page: Option<&str>) -> String {
        let id = confirmation.id;
        let page = page.map(|origin| format!("{origin}/questions/{id}"));
        if self.json {
            let asked = json!({"event": "asked", "confirmation": confirmation, "page": page});
            return format!("{}\n", visible_json(&asked.to_string()));
        }
        let what: String = match confirmation.told() {
            Some(told) => told.facts.iter().filter(|fact| is_told(fact)).map(|fact| format!("    {fact}\n")).collect(),
            None => confirmation.text.lines().map(|line| format!("    {line}\n")).collect(),
        };
        let so_far =
            if yeses.is_empty() { String::new() } else { format!(", approved so far by {}", yeses.join(", ")) };
        format!(
            "{}{} {} · {} · for {} · needs {}{so_far} · until {}\n{what}    answer with `mollyguard approvals approve {id}`{}\n",
            self.bell,
            self.paint.yellow("waits"),
            self.paint.bold(&id.to_string()),
            confirmation.tool,
            clean(&confirmation.principal.user),
            confirmation.need,
            confirmation.expires_at.strftime("%H:%M:%S UTC"),
            page.map(|page| format!(", or at {page}")).unwrap_or_default(),
        )
    }

    fn partly(&self, confirmation: &Confirmation, yeses: &[String]) -> String {
        let id = confirmation.id;
        if self.json {
            return format!("{}\n", json!({"event": "approved_in_part", "confirmation": {"id": id}, "by": yeses}));
        }
        format!("{} {id} · approved so far by {}\n", self.paint.yellow("waits"), yeses.join(", "))
    }

    fn end(&self, confirmation: &Confirmation, end: &Ended) -> String {
        let id = confirmation.id;
        if self.json {
            return format!("{}\n", json!({"event": end.as_str(), "confirmation": {"id": id}, "how": end.to_string()}));
        }
        let word = match end {
            Ended::Approved { .. } => self.paint.green("ended"),
            Ended::Declined { .. } | Ended::Expired => self.paint.red("ended"),
        };
        format!("{word} {id} · {} · {end}\n", confirmation.tool)
    }
}

/// The lines of a question that say what it is about; all of it is shown with the answer.
fn is_told(fact: &Fact) -> bool {
    use Label::{HowMuch, TakesBack, Undo, What, Where};
    !fact.is_rest && [What, TakesBack, Where, HowMuch, Undo].contains(&fact.label)
}
