//! `mollyguard connect`: standard input and output for an editor, and a gateway that runs as another user behind them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncWriteExt as _, copy, stdin, stdout};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Done, Failure};

/// Where the shipped service listens.
pub(super) const SOCKET: &str = "/run/mollyguard/agent.sock";

/// How long the last replies may take once the client has said all it had to say.
const LAST_REPLIES: Duration = Duration::from_secs(10);

/// Arguments of `connect`.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The gateway's socket. Else $MOLLYGUARD_SOCKET, else /run/mollyguard/agent.sock.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Connect {
    pub(crate) async fn run(self) -> Done {
        let path = self.socket.unwrap_or_else(socket);
        let stream = UnixStream::connect(&path).await.map_err(|error| Failure::usage(why(&path, &error)))?;
        let (mut from, mut to) = stream.into_split();
        let all_said = CancellationToken::new();
        let saying = all_said.clone();
        let sending = tokio::spawn(async move {
            let sent = copy(&mut stdin(), &mut to).await;
            // Told before the gateway can see it and end the session in turn.
            saying.cancel();
            let _closed = to.shutdown().await;
            sent
        });
        let mut out = stdout();
        let receiving = copy(&mut from, &mut out);
        tokio::pin!(receiving);
        let over = tokio::select! {
            over = &mut receiving => over.map(|_| ()),
            () = all_said.cancelled() => timeout(LAST_REPLIES, &mut receiving).await.map_or(Ok(()), |over| over.map(|_| ())),
        };
        if all_said.is_cancelled() {
            return match sending.await {
                Ok(Err(error)) if !is_hang_up(&error) => Err(Failure::usage(format!("the input failed: {error}"))),
                _ => Ok(()),
            };
        }
        match over {
            Err(error) if !is_hang_up(&error) => Err(Failure::usage(format!("the connection failed: {error}"))),
            _ => Err(Failure::found(format!(
                "the gateway at `{}` closed the connection; it is unknown whether the last request ran",
                path.display()
            ))),
        }
    }
}

/// The socket where none is named.
pub(super) fn socket() -> PathBuf {
    let named = std::env::var_os("MOLLYGUARD_SOCKET").filter(|path| !path.is_empty());
    named.map_or_else(|| PathBuf::from(SOCKET), PathBuf::from)
}

/// The operators' socket, where one is named.
pub(super) fn operators() -> Option<PathBuf> {
    std::env::var_os("MOLLYGUARD_OPERATORS").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn why(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "there is no socket `{path}`: is the gateway running (`systemctl status mollyguard`), and is this where it \
             listens?"
        ),
        io::ErrorKind::ConnectionRefused => {
            format!("nobody listens on `{path}`: the gateway is not running (`systemctl status mollyguard`)")
        }
        io::ErrorKind::PermissionDenied => format!(
            "this user may not open `{path}`: with the shipped service only the group `mollyguard-agents` may, after a \
             new login"
        ),
        _ => format!("cannot connect to `{path}`: {error}"),
    }
}
