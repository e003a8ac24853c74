//! `mollyguard approvals`: what waits for a person, answered at this terminal: in the gateway's own state directory, or at
//! the operators' socket of a gateway that runs as a user of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::paint::Paint;
use super::{Done, Failure, open, print, print_json, terminal};
use crate::confirm::{Answer, Assurance, Channel, Confirmation, Standing};
use crate::desk::{self, Ask, DeskError, Given, Operator, Reply};
use crate::gateway::Gateway;

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
}

impl Approvals {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let named = std::env::var_os("MOLLYGUARD_OPERATORS").filter(|path| !path.is_empty());
        let desk = match self.operators.or_else(|| named.map(PathBuf::from)) {
            Some(socket) => Desk::Behind(socket),
            None => Desk::Own(open(config)?),
        };
        let done = desk.run(self.what).await;
        desk.close().await?;
        done
    }
}

/// Where the questions are.
enum Desk {
    /// In the state directory, which this process opens itself.
    Own(Arc<Gateway>),
    /// With the gateway behind this socket.
    Behind(PathBuf),
}

impl Desk {
    async fn run(&self, what: What) -> Done {
        match what {
            What::List { json } => {
                let (open, left_off) = self.list().await?;
                if json { print_json(&open) } else { print(&listed(&open, left_off)) }
            }
            What::Show { confirmation } => {
                let (confirmation, standing) = self.show(confirmation).await?;
                terminal::show(&confirmation.text);
                print(&format!("{}\n", desk::state(&confirmation, &standing)))
            }
            What::Approve { confirmation } => {
                let (confirmation, standing) = self.show(confirmation).await?;
                desk::answerable(&confirmation, &standing).map_err(Failure::found)?;
                match terminal::ask(&confirmation.text, confirmation.need).await? {
                    Answer::Accept { typed: Some(typed) } => self.approve(&confirmation, typed).await,
                    Answer::Decline => self.deny(confirmation.id).await,
                    _ => self.answer(confirmation.id, Given::Close {}).await.map(|_| ()),
                }
            }
            What::Deny { confirmation } => self.deny(confirmation).await,
        }
    }

    async fn list(&self) -> Result<(Vec<Confirmation>, usize), Failure> {
        match self {
            Self::Own(gateway) => Ok((gateway.store.open_confirmations().await.map_err(Failure::usage)?, 0)),
            Self::Behind(socket) => match ask(socket, Ask::List {}).await? {
                Reply::Listed { open, left_off } => Ok((open, left_off)),
                _ => Err(strange()),
            },
        }
    }

    async fn show(&self, id: Uuid) -> Result<(Confirmation, Standing), Failure> {
        match self {
            Self::Own(gateway) => desk::show(gateway, id).await.map_err(failure),
            Self::Behind(socket) => match ask(socket, Ask::Show { confirmation: id }).await? {
                Reply::Shown { confirmation, standing } => Ok((*confirmation, standing)),
                _ => Err(strange()),
            },
        }
    }

    async fn approve(&self, confirmation: &Confirmation, typed: String) -> Done {
        let (by, assurance) = self.answer(confirmation.id, Given::Approve { typed }).await?;
        // An approval that proves less than was asked for is written down, and the call is asked about again.
        if assurance < confirmation.need.assurance {
            let (proven, need) = (assurance.as_str(), confirmation.need.assurance.as_str());
            return Err(Failure::found(format!(
                "the answer is written down as {proven} by {by}, and the call needs {need}: it is not enough"
            )));
        }
        print("Approved. The agent may now repeat the call, once, until the question expires.\n")
    }

    async fn deny(&self, id: Uuid) -> Done {
        self.answer(id, Given::Deny {}).await?;
        print("Declined. Nothing was changed.\n")
    }

    async fn answer(&self, id: Uuid, given: Given) -> Result<(String, Assurance), Failure> {
        match self {
            Self::Own(gateway) => {
                let operator =
                    Operator { user: gateway.config.user.clone(), channel: Channel::Terminal, is_agent: true };
                let assurance = desk::answer(gateway, id, given, &operator).await.map_err(failure)?;
                Ok((operator.user, assurance))
            }
            Self::Behind(socket) => match ask(socket, Ask::Answer { confirmation: id, given }).await? {
                Reply::Answered { by, assurance } => Ok((by, assurance)),
                _ => Err(strange()),
            },
        }
    }

    async fn close(&self) -> Done {
        match self {
            Self::Own(gateway) => gateway.close().await.map_err(Failure::usage),
            Self::Behind(_) => Ok(()),
        }
    }
}

fn failure(error: DeskError) -> Failure {
    match error {
        DeskError::Store(error) => Failure::usage(error),
        other => Failure::found(other),
    }
}

async fn ask(socket: &Path, what: Ask) -> Result<Reply, Failure> {
    match desk::ask(socket, what).await.map_err(Failure::usage)? {
        Reply::Refused { reason } => Err(Failure::found(reason)),
        reply => Ok(reply),
    }
}

fn strange() -> Failure {
    Failure::usage("the gateway replied to another request than this")
}

fn listed(open: &[Confirmation], left_off: usize) -> String {
    if open.is_empty() && left_off == 0 {
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
    if left_off > 0 {
        text.push_str(&format!("and {left_off} older ones\n"));
    }
    text.push_str("\n`mollyguard approvals approve ID` shows the question and takes your answer.\n");
    text
}
