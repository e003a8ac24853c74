//! An operator's end of the operators' socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::wire::{Ask, AskLine, REPLY_BYTES, Reply, ReplyLine, VERSION};

/// How long a gateway may take over one request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the desk could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error("no gateway listens on `{}`: is the service running, and is this its operators' socket?", .0.display())]
    Nobody(PathBuf),
    /// This user may not.
    #[error(
        "this user may not open `{}`: only the gateway's operators may (with the shipped service: group \
         `mollyguard-operators`, after a new login)",
        .0.display()
    )]
    Denied(PathBuf),
    /// The connection failed.
    #[error("the gateway at `{}` cannot be asked: {reason}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It says something else than a reply.
    #[error("what listens on `{}` is no operators' desk of this version", .0.display())]
    Foreign(PathBuf),
}

/// Asks the desk behind a socket once.
///
/// # Errors
/// It cannot be asked. A refusal is a reply.
pub async fn ask(path: &Path, ask: Ask) -> Result<Reply, ClientError> {
    let broken = |reason: io::Error| ClientError::Broken { path: path.to_path_buf(), reason };
    let mut request = serde_json::to_vec(&AskLine { version: VERSION, ask }).map_err(|e| broken(e.into()))?;
    request.push(b'\n');
    let exchange = async {
        let (input, mut output) = UnixStream::connect(path).await?.into_split();
        output.write_all(&request).await?;
        let mut line = String::new();
        // A little above what a desk sends: the line around its list.
        let limit = REPLY_BYTES as u64 + 4096;
        BufReader::new(input).take(limit).read_line(&mut line).await?;
        io::Result::Ok(line)
    };
    let line = timeout(TIMEOUT, exchange).await.map_err(|late| broken(late.into()))?;
    let line = line.map_err(|reason| match reason.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::Nobody(path.to_path_buf()),
        io::ErrorKind::PermissionDenied => ClientError::Denied(path.to_path_buf()),
        _ => broken(reason),
    })?;
    let reply: ReplyLine = serde_json::from_str(&line).map_err(|_| ClientError::Foreign(path.to_path_buf()))?;
    if reply.version == VERSION { Ok(reply.reply) } else { Err(ClientError::Foreign(path.to_path_buf())) }
}
