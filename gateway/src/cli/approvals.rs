//! `mollyguard approvals`: what waits for a person, answered at this terminal: in the gateway's own state directory, or at
//! the operators' socket of a gateway that runs as a user of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use mollyguard_record::model::{Answer, Assurance, Channel, Confirmation, Need, Standing};
use mollyguard_record::state::where_page_is;
use mollyguard_record::store::{Granted, OpenQuestions, Quarantine};
use uuid::Uuid;

use super::paint::Paint;
use super::{Done, Failure, connect, grants, open, print, print_json, quarantine, terminal, watch};
use crate::call::approval::not_here;
use crate::confirm::clean;
use crate::gateway::Gateway;
use crate::operator_socket;
use crate::operator_socket::{Ask, AtDesk, DeskError, Given, Reply};
use crate::operators::TypedCode;

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
        let desk = match self.operators.or_else(connect::operators) {
            Some(socket) => Desk::Behind(socket),
            None => Desk::Own(open(config)?),
        };
        let done = desk.run(self.what).await;
        desk.close().await?;
        done
    }
}

/// Where the questions are.
pub(super) enum Desk {
    /// In the state directory, which this process opens itself.
    Own(Arc<Gateway>),
    /// With the gateway behind this socket.
    Behind(PathBuf),
}

/// What waits.
pub(super) struct Waiting {
    /// Newest first, each with the yeses it has so far.
    pub(super) open: OpenQuestions,
    /// How many older ones did not fit.
    pub(super) left_off: usize,
    /// Where the page is.
    pub(super) page: Option<String>,
}

impl Desk {
    async fn run(&self, what: What) -> Done {
        match what {
            What::List { json } => {
                let Waiting { open, left_off, .. } = self.waiting().await?;
                let open: Vec<_> = open.iter().map(|open| &open.0).collect();
                if json { print_json(&open) } else { print(&listed(&open, left_off)) }
            }
            What::Watch { json } => watch::run(self, json).await,
            What::Show { confirmation } => {
                let (confirmation, standing) = self.show(confirmation).await?;
                terminal::show(&confirmation.text);
                print(&format!("{}\n", operator_socket::state(&confirmation, &standing)))
            }
            What::Approve { confirmation } => {
                let (confirmation, standing) = self.show(confirmation).await?;
                operator_socket::answerable(&confirmation, &standing).map_err(Failure::found)?;
                self.possible(&confirmation.need)?;
                match terminal::ask(&confirmation.text, confirmation.need).await? {
                    Answer::Accept { typed: Some(typed) } => self.approve(&confirmation, typed).await,
                    Answer::Decline => self.deny(confirmation.id).await,
                    _ => self.answer(confirmation.id, Given::Close {}).await.map(|_| ()),
                }
            }
            What::Deny { confirmation } => self.deny(confirmation).await,
            What::Grants { json } => grants::list(&self.grants().await?, json),
            What::Revoke { grant } => self.revoke(grant).await,
            What::Quarantined { json } => quarantine::list(&self.quarantined().await?, json),
            What::Lift { user } => self.lift(user).await,
        }
    }

    /// Nobody is shown a question whose answer cannot count here.
    fn possible(&self, need: &Need) -> Done {
        let here = match self {
            Self::Own(_) => Assurance::Typed,
            Self::Behind(_) => Assurance::OutOfBand,
        };
        if need.assurance <= here { Ok(()) } else { Err(Failure::found(not_here(need))) }
    }

    pub(super) async fn waiting(&self) -> Result<Waiting, Failure> {
        match self {
            Self::Own(gateway) => {
                let open = gateway.store.open_questions().await.map_err(Failure::usage)?;
                Ok(Waiting { open, left_off: 0, page: where_page_is(&gateway.config.state) })
            }
            Self::Behind(socket) => match ask(socket, Ask::List {}).await? {
                Reply::Listed { open, left_off, page } => {
                    Ok(Waiting { open: open.into_iter().map(Arc::new).collect(), left_off, page })
                }
                _ => Err(strange()),
            },
        }
    }

    pub(super) async fn show(&self, id: Uuid) -> Result<(Confirmation, Standing), Failure> {
        match self {
            Self::Own(gateway) => operator_socket::show(gateway, id).await.map_err(failure),
            Self::Behind(socket) => match ask(socket, Ask::Show { confirmation: id }).await? {
                Reply::Shown { confirmation, standing } => Ok((*confirmation, standing)),
                _ => Err(strange()),
            },
        }
    }

    async fn approve(&self, confirmation: &Confirmation, typed: String) -> Done {
        let code = match Need::IN_CLIENT.covers(&confirmation.need) {
            true => None,
            false => Some(TypedCode::new(terminal::secret("your code: ").await?)),
        };
        let (by, proven, standing) = self.answer(confirmation.id, Given::Approve { typed, code }).await?;
        let proven = proven.map_or("nothing", Assurance::as_str);
        match standing {
            Standing::Open { approvals, .. } => print(&format!(
                "Approved by {by} ({proven}): {} of {} people. Nothing runs before the others have approved, too.\n",
                approvals.len(),
                confirmation.need.approvers,
            )),
            _ => print(&format!(
                "Approved by {by} ({proven}). The agent may now repeat the call, once, until the question expires.\n"
            )),
        }
    }

    async fn deny(&self, id: Uuid) -> Done {
        self.answer(id, Given::Deny {}).await?;
        print("Declined. Nothing was changed.\n")
    }

    async fn answer(&self, id: Uuid, given: Given) -> Result<(String, Option<Assurance>, Standing), Failure> {
        match self {
            Self::Own(gateway) => {
                let (by, assurance) =
                    operator_socket::answer(gateway, id, given, &here(gateway)).await.map_err(failure)?;
                let (_, standing) = self.show(id).await?;
                Ok((by, assurance, standing))
            }
            Self::Behind(socket) => match ask(socket, Ask::Answer { confirmation: id, given }).await? {
                Reply::Answered { by, assurance, standing } => Ok((by, assurance, standing)),
                _ => Err(strange()),
            },
        }
    }

    async fn grants(&self) -> Result<Vec<Granted>, Failure> {
        match self {
            Self::Own(gateway) => gateway.store.grants().await.map_err(Failure::usage),
            Self::Behind(socket) => match ask(socket, Ask::Grants {}).await? {
                Reply::Grants(granted) => Ok(granted),
                _ => Err(strange()),
            },
        }
    }

    /// Ending one only makes less possible, so nobody has to show who they are.
    async fn revoke(&self, grant: Uuid) -> Done {
        match self {
            Self::Own(gateway) => gateway.store.revoke(grant, None).await.map_err(Failure::found)?,
            Self::Behind(socket) => match ask(socket, Ask::Revoke { grant }).await? {
                Reply::Revoked {} => {}
                _ => return Err(strange()),
            },
        }
        print("Revoked. Calls like that are asked about again.\n")
    }

    async fn quarantined(&self) -> Result<Vec<Quarantine>, Failure> {
        match self {
            Self::Own(gateway) => gateway.store.quarantined().await.map_err(Failure::usage),
            Self::Behind(socket) => match ask(socket, Ask::Quarantined {}).await? {
                Reply::Quarantined(quarantined) => Ok(quarantined),
                _ => Err(strange()),
            },
        }
    }

    async fn lift(&self, user: String) -> Done {
        if terminal::channel().is_none() {
            return Err(Failure::usage("this must be done by a person at a terminal"));
        }
        let somebody = match self {
            Self::Own(gateway) => !gateway.store.operators().await.map_err(Failure::usage)?.is_empty(),
            Self::Behind(_) => true,
        };
        let code = match somebody {
            true => Some(terminal::secret("your code: ").await?).filter(|typed| !typed.trim().is_empty()),
            false => None,
        };
        let code = code.map(TypedCode::new);
        match self {
            // At its own terminal whoever is there is as good as anybody, until somebody is enrolled.
            Self::Own(gateway) => {
                let at = AtDesk { is_agent: false, ..here(gateway) };
                operator_socket::lift(gateway, user.clone(), code, &at).await.map_err(failure)?;
            }
            Self::Behind(socket) => match ask(socket, Ask::Lift { user: user.clone(), code }).await? {
                Reply::Lifted {} => {}
                _ => return Err(strange()),
            },
        }
        print(&format!("People are asked for `{user}` again.\n"))
    }

    async fn close(&self) -> Done {
        match self {
            Self::Own(gateway) => gateway.close().await.map_err(Failure::usage),
            Self::Behind(_) => Ok(()),
        }
    }
}

/// Whoever is at the gateway's own terminal.
fn here(gateway: &Gateway) -> AtDesk {
    AtDesk { user: gateway.config.user.clone(), channel: Channel::Terminal, is_agent: true }
}

fn failure(error: DeskError) -> Failure {
    match error {
        DeskError::Store(error) => Failure::usage(error),
        other => Failure::found(other),
    }
}

async fn ask(socket: &Path, what: Ask) -> Result<Reply, Failure> {
    match operator_socket::ask(socket, what).await.map_err(Failure::usage)? {
        Reply::Refused { reason } => Err(Failure::found(reason)),
        reply => Ok(reply),
    }
}

fn strange() -> Failure {
    Failure::usage("the gateway replied to another request than this")
}

fn listed(open: &[&Confirmation], left_off: usize) -> String {
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
