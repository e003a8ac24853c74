//! MCP on a socket for other users of this machine. Each connection is a session as on standard input and output, made for
//! the operating system's user at its other end, whom the kernel names: nothing a client says changes that.

use std::io;
use std::time::Duration;

use mollyguard_record::model::Principal;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Wire;
use super::server::{Caller, Server};
use super::stdio::session;
use crate::config;
use crate::local::{Connected, Local, Peer, Place, Places};

/// The longest message of a client. Each connection may hold one in memory.
const LINE_BYTES: usize = 4 * 1024 * 1024;
/// How long open calls and their replies may take after the server was told to leave.
const LEAVE: Duration = Duration::from_secs(5);
/// What a connection is told that there is no room for. JSON-RPC 2.0, section 5: an error that answers no request.
const NO_ROOM: &str = concat!(
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"this user has too many connections to "#,
    r#"mollyguard open; close one and connect again"}}"#,
    "\n"
);

/// A socket's settings.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Who gets which roles, and how many connections.
    pub configured: config::Socket,
    /// Where the users who connect are remembered.
    pub agents: Connected,
}

/// Serves MCP on a socket until `leave` is cancelled; then open calls get a moment. Calls that are written down run on:
/// waiting for those is the caller's part.
pub async fn serve_socket(local: &Local, wire: Wire, socket: Socket, leave: CancellationToken) {
    let server = Server::new(wire, Caller::Authenticated, leave.clone());
    let places = Places::new(socket.configured.connections, socket.configured.connections_each);
    let each = |stream, place| {
        let (server, socket, leave) = (server.clone(), socket.clone(), leave.clone());
        async move {
            let Some(place) = place else { return refuse(stream).await };
            if let Err(error) = serve(stream, place, &server, &socket, &leave).await {
                tracing::warn!(%error, "a connection ended early");
            }
        }
    };
    local.serve(&places, LEAVE, &leave, each).await;
}

async fn refuse(mut stream: UnixStream) {
    tracing::warn!("a connection was refused: too many are open");
    let _told = timeout(LEAVE, stream.write_all(NO_ROOM.as_bytes())).await;
}

async fn serve(
    stream: UnixStream,
    place: Place,
    server: &Server,
    socket: &Socket,
    leave: &CancellationToken,
) -> io::Result<()> {
    let peer = Peer::of(&stream).await?;
    socket.agents.add(peer.uid);
    let principal = principal(&peer, &socket.configured);
    let (input, output) = stream.into_split();
    let server = |gone| server.for_connection(principal, gone);
    session(server, input, output, LINE_BYTES, leave).await.map_err(io::Error::other)?;
    drop(place);
    Ok(())
}

fn principal(peer: &Peer, configured: &config::Socket) -> Principal {
    let roles = configured.roles.get(&peer.user).cloned().unwrap_or_default();
    Principal { user: peer.user.clone(), client: None, roles }
}
