//! The desk's end of the operators' socket. Who answers is the operating system's user the kernel names, whatever the
//! request says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::model::{Channel, Confirmation};
use mollyguard_record::state::where_page_is;
use rustix::process::geteuid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::wire::{Ask, AskLine, GivenAnswer, REPLY_BYTES, REQUEST_BYTES, Reply, ReplyLine, VERSION};
use super::{AtDesk, DeskError, answer, lift, show};
use crate::gateway::Gateway;
use crate::local::{Connected, Local, Peer, Place, Places};

/// How long a request may take to arrive, and its reply to leave.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many requests are worked on at a time, and how many of one user. More are hung up on.
const PLACES: (usize, usize) = (64, 16);

/// The desk of one gateway.
#[derive(Clone)]
pub struct Desk {
    /// The gateway whose questions it answers.
    pub gateway: Arc<Gateway>,
    /// The users who connected as agents.
    pub agents: Connected,
}

/// Answers operators until `leave` is cancelled.
pub async fn serve_desk(local: &Local, desk: Desk, leave: CancellationToken) {
    let each = |stream, place: Option<Place>| {
        let desk = desk.clone();
        async move {
            let Some(_place) = place else {
                tracing::warn!("an operator's connection was refused: too many are open");
                return;
            };
            if let Err(error) = desk.serve(stream).await {
                tracing::warn!(%error, "an operator's connection ended early");
            }
        }
    };
    local.serve(&Places::new(PLACES.0, PLACES.1), TIMEOUT, &leave, each).await;
}

impl Desk {
    /// One request and its reply.
    async fn serve(&self, stream: UnixStream) -> io::Result<()> {
        let peer = Peer::of(&stream).await?;
        let (input, mut output) = stream.into_split();
        let mut line = String::new();
        let mut input = BufReader::new(input).take(REQUEST_BYTES);
        timeout(TIMEOUT, input.read_line(&mut line)).await??;
        // An operator who only looks whether the desk is there.
        if line.is_empty() {
            return Ok(());
        }
        let reply = match read(&line) {
            Ok(ask) => self.reply(ask, &peer).await,
            Err(reason) => Reply::Refused { reason },
        };
        let mut line = serde_json::to_vec(&ReplyLine { version: VERSION, reply }).map_err(io::Error::other)?;
        line.push(b'\n');
        timeout(TIMEOUT, output.write_all(&line)).await?
    }

    async fn reply(&self, ask: Ask, peer: &Peer) -> Reply {
        let done = match ask {
            Ask::List {} => self.list().await,
            Ask::Show { confirmation } => show(&self.gateway, confirmation)
                .await
                .map(|(confirmation, standing)| Reply::Shown { confirmation: Box::new(confirmation), standing }),
            Ask::Quarantined {} => {
                self.gateway.store.quarantined().await.map(Reply::Quarantined).map_err(DeskError::from)
            }
            Ask::Grants {} => self.gateway.store.grants().await.map(Reply::Grants).map_err(DeskError::from),
            Ask::Revoke { grant } => {
                self.gateway.store.revoke(grant, None).await.map(|()| Reply::Revoked {}).map_err(DeskError::from)
            }
            Ask::Lift { user, code } => {
                lift(&self.gateway, user, code, &self.at_desk(peer, None)).await.map(|()| Reply::Lifted {})
            }
            Ask::Answer { confirmation, given } => self.answer(confirmation, given, peer).await,
        };
        done.unwrap_or_else(|error| Reply::Refused { reason: error.to_string() })
    }

    async fn list(&self) -> Result<Reply, DeskError> {
        let open = self.gateway.store.open_questions().await?;
        let all = open.len();
        let mut room = REPLY_BYTES;
        let fitting = open.iter().take_while(|question| {
            let taken = serde_json::to_vec(&***question).map_or(usize::MAX, |text| text.len());
            let fits = taken < room;
            room = room.saturating_sub(taken + 1);
            fits
        });
        let kept = fitting.count();
        let open = open.iter().take(kept).map(|open| (**open).clone()).collect();
        Ok(Reply::Listed { open, left_off: all - kept, page: where_page_is(&self.gateway.config.state) })
    }

    async fn answer(&self, id: Uuid, given: GivenAnswer, peer: &Peer) -> Result<Reply, DeskError> {
        let (confirmation, _) = show(&self.gateway, id).await?;
        let at = self.at_desk(peer, Some(&confirmation));
        let (by, assurance) = answer(&self.gateway, id, given, &at).await?;
        let (_, standing) = show(&self.gateway, id).await?;
        Ok(Reply::Answered { by, assurance, standing })
    }

    fn at_desk(&self, peer: &Peer, confirmation: Option<&Confirmation>) -> AtDesk {
        // Whoever is the gateway's own user holds its files, and might be anything that runs as it.
        let asked_for = confirmation.is_some_and(|confirmation| confirmation.principal.user == peer.user);
        let is_agent = self.agents.has(peer.uid) || asked_for || peer.uid == geteuid().as_raw();
        AtDesk { user: peer.user.clone(), channel: Channel::Desk, is_agent }
    }
}

/// A request, or why it is none.
fn read(line: &str) -> Result<Ask, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    if !line.ends_with('\n') {
        return Err(format!("a request is one line of at most {REQUEST_BYTES} bytes"));
    }
    match serde_json::from_str::<Version>(line) {
        Ok(Version { version }) if version != VERSION => {
            Err(format!("this gateway speaks version {VERSION} on the operators' socket, not {version}"))
        }
        // What is wrong with it is not said in serde's words: they may quote what was typed.
        _ => serde_json::from_str::<AskLine>(line)
            .map(|line| line.ask)
            .map_err(|error| format!("this is no request for the operators' desk (column {})", error.column())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_request_is_told_apart() {
        assert_eq!(read("{\"version\":1,\"ask\":{\"list\":{}}}\n"), Ok(Ask::List {}));
        let said = |line: &str| read(line).unwrap_err();
        assert!(said("{\"version\":2,\"request\":\"list\"}\n").contains("version 1"));
        assert!(said("{\"version\":1,\"ask\":{\"list\":{}}}").contains("65536 bytes"));
        assert!(!said("{\"version\":1,\"ask\":\"orders-db\"}\n").contains("orders-db"));
    }
}
