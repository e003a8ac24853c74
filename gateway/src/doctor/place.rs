//! Does the gateway run as another user than the agents?

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::{getegid, geteuid};

use super::{Finding, Ground};
use crate::config::Config;
use crate::platform::user_name;

const SEPARATE: &str = "run it as a user of its own: examples/separate-user";

/// Whether what connects to this socket of ours is somebody else: its folder is open to another group than this process's
/// own, and this process's user is not among the users who are given roles. Told before anything is listened on.
#[must_use]
pub fn is_apart(socket: &Path, config: &Config) -> bool {
    let own = user_name(geteuid().as_raw());
    let folder = socket.parent().and_then(|folder| fs::metadata(folder).ok());
    folder.is_some_and(|folder| folder.gid() != getegid().as_raw()) && !config.socket.roles.contains_key(&own)
}

/// Whether a gateway of this user (or, for root, of anybody) listens there for others.
#[must_use]
pub fn is_served_apart(socket: &Path, config: &Config) -> bool {
    let me = geteuid();
    let owner = fs::symlink_metadata(socket).map(|found| found.uid());
    owner.is_ok_and(|owner| me.is_root() || owner == me.as_raw()) && is_apart(socket, config)
}

/// What is found, and whether agents and the gateway are different users.
pub(super) fn check(ground: &Ground) -> (Finding, bool) {
    let (id, me, socket) = ("separate-user", geteuid().as_raw(), ground.socket.display());
    let found = fs::symlink_metadata(&ground.socket).ok().filter(|found| found.file_type().is_socket());
    let Some(found) = found else {
        let what = format!(
            "an editor starts it as its own user, `{}`: what the agent runs can reach whatever the gateway can (no \
             gateway for other users at `{socket}`)",
            user_name(me)
        );
        return (Finding::weak(id, what, SEPARATE), false);
    };
    if let Err(error) = UnixStream::connect(&ground.socket)
        && error.kind() == std::io::ErrorKind::ConnectionRefused
    {
        let what = format!("nobody listens on `{socket}`");
        return (Finding::weak(id, what, "start the service, or remove the socket that was left behind"), false);
    }
    let gateway = user_name(found.uid());
    if found.uid() != me {
        let what = format!("the gateway at `{socket}` runs as `{gateway}`, and this user is `{}`", user_name(me));
        return (Finding::ok(id, what), true);
    }
    if ground.config.as_ref().is_some_and(|config| is_apart(&ground.socket, config)) {
        let what = format!("the gateway at `{socket}` runs as `{gateway}`, and another group may connect to it");
        return (Finding::ok(id, what), true);
    }
    let what = format!("the gateway at `{socket}` runs as `{gateway}`, and so does what connects to it");
    (Finding::weak(id, what, SEPARATE), false)
}
