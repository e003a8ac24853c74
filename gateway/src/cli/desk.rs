//! Where questions are answered: in the state directory, or with the gateway behind the operators' socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mollyguard_record::model::{Assurance, Channel, Confirmation, ConfirmationState, Need};
use mollyguard_record::state::where_page_is;
use mollyguard_record::store::{Granted, OpenQuestions, Quarantine};
use uuid::Uuid;

use super::{Done, Failure, print, terminal};
use crate::confirm::not_here;
use crate::gateway::Gateway;
use crate::operator_socket::{self, Ask, AtDesk, DeskError, GivenAnswer, Reply};
use crate::operators::TypedCode;

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
    /// Nobody is shown a question whose answer cannot count here.
    pub(super) fn possible(&self, need: &Need) -> Done {
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

    pub(super) async fn show(&self, id: Uuid) -> Result<(Confirmation, ConfirmationState), Failure> {
        match self {
            Self::Own(gateway) => operator_socket::show(gateway, id).await.map_err(failure),
            Self::Behind(socket) => match ask(socket, Ask::Show { confirmation: id }).await? {
                Reply::Shown { confirmation, standing } => Ok((*confirmation, standing)),
                _ => Err(strange()),
            },
        }
    }

    pub(super) async fn approve(&self, confirmation: &Confirmation, typed: String) -> Done {
        let code = match Need::IN_CLIENT.covers(&confirmation.need) {
            true => None,
            false => Some(TypedCode::new(terminal::secret("your code: ").await?)),
        };
        let (by, proven, standing) = self.answer(confirmation.id, GivenAnswer::Approve { typed, code }).await?;
        let proven = proven.map_or("nothing", Assurance::as_str);
        match standing {
            ConfirmationState::Open { approvals, .. } => print(&format!(
                "Approved by {by} ({proven}): {} of {} people. Nothing runs before the others have approved, too.\n",
                approvals.len(),
                confirmation.need.approvers,
            )),
            _ => print(&format!(
                "Approved by {by} ({proven}). The agent may now repeat the call, once, until the question expires.\n"
            )),
        }
    }

    pub(super) async fn deny(&self, id: Uuid) -> Done {
        self.answer(id, GivenAnswer::Deny {}).await?;
        print("Declined. Nothing was changed.\n")
    }

    pub(super) async fn answer(
        &self,
        id: Uuid,
        given: GivenAnswer,
    ) -> Result<(String, Option<Assurance>, ConfirmationState), Failure> {
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

    pub(super) async fn grants(&self) -> Result<Vec<Granted>, Failure> {
        match self {
            Self::Own(gateway) => gateway.store.grants().await.map_err(Failure::usage),
            Self::Behind(socket) => match ask(socket, Ask::Grants {}).await? {
                Reply::Grants(granted) => Ok(granted),
                _ => Err(strange()),
            },
        }
    }

    /// Ending one only makes less possible, so nobody has to show who they are.
    pub(super) async fn revoke(&self, grant: Uuid) -> Done {
        match self {
            Self::Own(gateway) => gateway.store.revoke(grant, None).await.map_err(Failure::found)?,
            Self::Behind(socket) => match ask(socket, Ask::Revoke { grant }).await? {
                Reply::Revoked {} => {}
                _ => return Err(strange()),
            },
        }
        print("Revoked. Calls like that are asked about again.\n")
    }

    pub(super) async fn quarantined(&self) -> Result<Vec<Quarantine>, Failure> {
        match self {
            Self::Own(gateway) => gateway.store.quarantined().await.map_err(Failure::usage),
            Self::Behind(socket) => match ask(socket, Ask::Quarantined {}).await? {
                Reply::Quarantined(quarantined) => Ok(quarantined),
                _ => Err(strange()),
            },
        }
    }

    pub(super) async fn lift(&self, user: String) -> Done {
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

    pub(super) async fn close(&self) -> Done {
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
