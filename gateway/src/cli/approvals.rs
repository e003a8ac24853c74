//! `mollyguard approvals`: what waits for a person, answered at this terminal: in the gateway's own state directory, or at
//! the operators' socket of a gateway that runs as a user of its own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mollyguard_record::model::{Answer, Confirmation, Label};
use uuid::Uuid;

use super::desk::{Desk, Waiting};
use super::paint::Paint;
use super::{Done, Failure, connect, grants, open, print, print_json, quarantine, terminal, watch};
use crate::confirm::clean;
use crate::operator_socket::{self, GivenAnswer};

/// Arguments of `approvals`.
#[derive(Debug, Args)]
pub(crate) struct Approvals {
    /// Ask the gateway behind this operators' socket instead of opening the state directory. Else
    /// $MOLLYGUARD_OPERATORS.
    #[arg(long, global = true, value_name = "PATH")]
    operators: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

/// What to do with the questions.
#[derive(Debug, Subcommand)]
enum What {
    /// List the open questions.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the open questions, then new questions and how they end. Press Ctrl-C to stop.
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
    /// Decline a question, or withdraw an approval that was not used yet.
    Deny {
        /// The confirmation's id.
        confirmation: Uuid,
    },
    /// List the grants. Calls that a grant covers run without a question.
    Grants {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a grant. The calls that it covered need a question again.
    Revoke {
        /// Its id, as `mollyguard approvals grants` names it.
        grant: Uuid,
    },
    /// List the quarantined users. Their calls asked too many questions, so nobody is asked for them.
    Quarantined {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lift the quarantine of a user.
    Lift {
        /// The user, as `mollyguard approvals quarantined` names them.
        user: String,
    },
}

impl Approvals {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let desk = match self.operators.or_else(connect::operators) {
            Some(socket) => Desk::Behind(socket),
            None => Desk::Own(open(config)?),
        };
        let done = act(&desk, self.what).await;
        desk.close().await?;
        done
    }
}

async fn act(desk: &Desk, what: What) -> Done {
    match what {
        What::List { json } => {
            let Waiting { open, left_off, .. } = desk.waiting().await?;
            let open: Vec<_> = open.iter().map(|open| &open.0).collect();
            if json { print_json(&open) } else { print(&listed(&open, left_off)) }
        }
        What::Watch { json } => watch::run(desk, json).await,
        What::Show { confirmation } => {
            let (confirmation, standing) = desk.show(confirmation).await?;
            terminal::show(confirmation.told(), &confirmation.text);
            print(&format!("{}\n", operator_socket::state(&confirmation, &standing)))
        }
        What::Approve { confirmation } => {
            let (confirmation, standing) = desk.show(confirmation).await?;
            operator_socket::answerable(&confirmation, &standing).map_err(Failure::found)?;
            desk.possible(&confirmation.need)?;
            match terminal::ask(confirmation.told(), &confirmation.text, confirmation.need).await? {
                Answer::Accept { typed: Some(typed) } => desk.approve(&confirmation, typed).await,
                Answer::Decline => desk.deny(confirmation.id).await,
                _ => desk.answer(confirmation.id, GivenAnswer::Close {}).await.map(|_| ()),
            }
        }
        What::Deny { confirmation } => desk.deny(confirmation).await,
        What::Grants { json } => grants::list(&desk.grants().await?, json),
        What::Revoke { grant } => desk.revoke(grant).await,
        What::Quarantined { json } => quarantine::list(&desk.quarantined().await?, json),
        What::Lift { user } => desk.lift(user).await,
    }
}

fn listed(open: &[&Confirmation], left_off: usize) -> String {
    if open.is_empty() && left_off == 0 {
        return "Nothing waits for an answer.\n".to_owned();
    }
    let paint = Paint::stdout();
    let mut text = String::new();
    for confirmation in open {
        let what = confirmation.told().and_then(|told| told.first(Label::What)).map(ToString::to_string);
        let what = what.unwrap_or_else(|| confirmation.tool.clone());
        text.push_str(&format!(
            "{} {} · {} · until {}\n    {what}\n",
            paint.bold(&confirmation.id.to_string()),
            confirmation.tool,
            clean(&confirmation.principal.user),
            confirmation.expires_at,
        ));
    }
    if left_off > 0 {
        text.push_str(&format!("and {left_off} older ones\n"));
    }
    text.push_str("\n`mollyguard approvals approve ID` shows the question and takes your answer.\n");
    text
}
