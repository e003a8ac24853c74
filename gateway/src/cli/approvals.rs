//! `mollyguard approvals`: what waits for a person, answered at this terminal. It proves that the name was typed, no more.

use std::path::Path;

use clap::Subcommand;
use mollyguard_tools::contract::now;
use uuid::Uuid;

use super::paint::Paint;
use super::{Done, Failure, grants, open, print, print_json, quarantine, terminal, watch};
use crate::approval::{meant, not_here, verdict};
use crate::audit::Subject;
use crate::confirm::{Answer, Approval, Channel, Confirmation, Need, Standing};
use crate::gateway::Gateway;
use crate::store::Given;

/// What to do with the questions.
#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List the open questions.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what waits, then each question as it comes and what became of it, until interrupted.
    Watch {
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one question and what became of it.
    Show {
        /// The confirmation's id, as the refused call told it.
        confirmation: Uuid,
    },
    /// Show one question and take the answer from this terminal.
    Approve {
        /// The confirmation's id.
        confirmation: Uuid,
    },
    /// Say no to one question, or take back a yes that was not used yet.
    Deny {
        /// The confirmation's id.
        confirmation: Uuid,
    },
    /// List what is approved for a while: calls like that are not asked about.
    Grants {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End an approval for a while: calls like that are asked about again.
    Revoke {
        /// Its id, as `mollyguard approvals grants` names it.
        grant: Uuid,
    },
    /// List the users nobody is asked for any more, because they asked too much.
    Quarantined {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have people asked for a user again.
    Lift {
        /// The user, as `mollyguard approvals quarantined` names them.
        user: String,
    },
}

impl Approvals {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let gateway = open(config)?;
        match self {
            Self::List { json } => {
                let open = gateway.store.open_confirmations().await.map_err(Failure::usage)?;
                if json { print_json(&open) } else { print(&list(&open)) }
            }
            Self::Watch { json } => watch::run(&gateway, json).await,
            Self::Show { confirmation } => {
                let (confirmation, standing) = find(&gateway, confirmation).await?;
                terminal::show(&confirmation.text);
                print(&format!("{}\n", state(&confirmation, &standing)))
            }
            Self::Approve { confirmation } => {
                let (confirmation, _) = still_open(&gateway, confirmation).await?;
                if !Need::IN_CLIENT.covers(&confirmation.need) {
                    return Err(Failure::found(not_here(&confirmation.need)));
                }
                let answer = terminal::ask(&confirmation.text, confirmation.need).await?;
                answered(&gateway, &confirmation, answer).await
            }
            Self::Deny { confirmation } => {
                let (confirmation, standing) = find(&gateway, confirmation).await?;
                // A yes that was not used yet can be taken back.
                if !matches!(standing, Standing::Approved { .. }) {
                    still_open(&gateway, confirmation.id).await?;
                }
                answered(&gateway, &confirmation, Answer::Decline).await
            }
            Self::Grants { json } => grants::list(&gateway, json).await,
            Self::Revoke { grant } => grants::revoke(&gateway, grant).await,
            Self::Quarantined { json } => quarantine::list(&gateway, json).await,
            Self::Lift { user } => quarantine::lift(&gateway, user).await,
        }
    }
}

async fn find(gateway: &Gateway, id: Uuid) -> Result<(Confirmation, Standing), Failure> {
    let found = gateway.store.confirmation(id).await.map_err(Failure::usage)?;
    found.ok_or_else(|| Failure::found(format!("there is no confirmation `{id}`")))
}

async fn still_open(gateway: &Gateway, id: Uuid) -> Result<(Confirmation, Standing), Failure> {
    let (confirmation, standing) = find(gateway, id).await?;
    if matches!(standing, Standing::Open { .. }) && confirmation.expires_at > now() {
        return Ok((confirmation, standing));
    }
    Err(Failure::found(format!("it cannot be answered any more: {}", state(&confirmation, &standing))))
}

async fn answered(gateway: &Gateway, confirmation: &Confirmation, answer: Answer) -> Done {
    let answer = meant(confirmation, &answer);
    let verdict = verdict(confirmation, &answer, &gateway.config.user, Channel::Terminal);
    let subject = Subject {
        call: None,
        principal: Some(confirmation.principal.clone()),
        tool: Some(confirmation.tool.clone()),
        targets: Vec::new(),
        arguments: None,
    };
    let (approval, outcome) = match verdict {
        Ok(approval) => (Some(approval), Ok(())),
        Err((code, why)) => (None, Err((code, why))),
    };
    let by = gateway.config.user.clone();
    let given = Given::by(by, confirmation.id, answer.clone(), Channel::Terminal, approval);
    let written = gateway.store.answer(subject, given).await;
    written.map_err(Failure::found)?;
    gateway.close().await.map_err(Failure::usage)?;
    match (outcome, answer) {
        (Ok(()), _) => print("Approved. The agent may now repeat the call, once, until the question expires.\n"),
        (Err(_), Answer::Decline) => print("Declined. Nothing was changed.\n"),
        (Err((_, why)), _) => Err(Failure::found(format!("not approved: {why}. Nothing was changed"))),
    }
}

fn state(confirmation: &Confirmation, standing: &Standing) -> String {
    match standing {
        Standing::Spent { call } => format!("used by call {call}"),
        Standing::Refused { how, by, .. } => format!("answered: {how}, by {by}"),
        Standing::Open { .. } | Standing::Approved { .. } if confirmation.expires_at <= now() => {
            format!("expired at {}", confirmation.expires_at)
        }
        Standing::Open { approvals } if approvals.is_empty() => format!("open until {}", confirmation.expires_at),
        Standing::Open { approvals } => {
            format!("open until {}; approved so far by {}", confirmation.expires_at, approvers(approvals))
        }
        Standing::Approved { approvals } => format!("approved by {}, not used yet", approvers(approvals)),
    }
}

fn approvers(approvals: &[Approval]) -> String {
    let each = approvals.iter().map(|approval| format!("{} at {}", approval.approver, approval.at));
    each.collect::<Vec<_>>().join(", ")
}

fn list(open: &[Confirmation]) -> String {
    if open.is_empty() {
        return "Nothing waits for an answer.\n".to_owned();
    }
    let paint = Paint::stdout();
    let mut text = String::new();
    for confirmation in open {
        let what = confirmation.text.lines().next().unwrap_or_default();
        text.push_str(&format!(
            "{} {} · {} · until {}\n    {what}\n",
            paint.bold(&confirmation.id.to_string()),
            confirmation.tool,
            confirmation.principal.user,
            confirmation.expires_at,
        ));
    }
    text.push_str("\n`mollyguard approvals approve ID` shows the question and takes your answer.\n");
    text
}
