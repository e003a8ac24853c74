//! Sockets for other users of this machine: made where nobody else can put another in their place, and with the kernel's
//! word for who connects. What is said on them is no matter of this module.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::platform::user_name;

/// How long accepting pauses when the system has no descriptor left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// Why a socket cannot be listened on. Nothing was replaced.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The path names no file in a folder.
    #[error("`{}` is no path of a socket", .0.display())]
    Path(PathBuf),
    /// The folder cannot be made or read.
    #[error("the folder `{}` of the socket cannot be used: {reason}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Others can change what is in the folder.
    #[error(
        "other users could put a socket of theirs into `{}` (owner {owner}, mode {mode:o}): it must belong to this user or \
         to root, and be writable by nobody else",
        folder.display()
    )]
    OpenFolder {
        /// The folder.
        folder: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Its mode.
        mode: u32,
    },
    /// Another gateway listens there.
    #[error("a gateway listens on `{}` already", .0.display())]
    Taken(PathBuf),
    /// Something else is there.
    #[error("`{}` is there and is no socket of this user: it is left as it is", .0.display())]
    Foreign(PathBuf),
    /// The folder's group cannot be given the socket.
    #[error("`{}` cannot be given to the group of its folder (gid {group}): is this user in that group?", path.display())]
    Group {
        /// The socket.
        path: PathBuf,
        /// The folder's group.
        group: u32,
    },
    /// It cannot be made.
    #[error("cannot listen on `{}`: {reason}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// Who connected, by the kernel's word (`SO_PEERCRED`, unix(7)): as which user they were when they did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user id.
    pub uid: u32,
    /// The user's name, or `uid:1000` where the system knows none.
    pub user: String,
}

impl Peer {
    /// Who is at the other end.
    ///
    /// # Errors
    /// The kernel does not say.
    pub async fn of(stream: &UnixStream) -> io::Result<Self> {
        let uid = stream.peer_cred()?.uid();
        // The system may have to ask a directory server.
        let user = tokio::task::spawn_blocking(move || user_name(uid)).await.map_err(io::Error::other)?;
        Ok(Self { uid, user })
    }
}

/// Who may connect to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The group of the folder it lies in (mode 0660).
    Group,
    /// This user alone (mode 0700).
    Nobody,
}

/// A socket that is listened on; gone from the file system when dropped.
#[derive(Debug)]
pub struct Local {
    listener: UnixListener,
    path: PathBuf,
    made: (u64, u64),
    /// Held for as long as it is listened on: two gateways that start at once do not take the other's socket for a stale
    /// one.
    _lock: File,
}

impl Local {
    /// Listens at a path. Its folder is made (0750) where it is missing. A socket that a gateway of this user left behind
    /// is replaced, and nothing else is.
    ///
    /// # Errors
    /// Which part of that cannot be had.
    pub fn bind(path: &Path, share: Share) -> Result<Self, LocalError> {
        let path = &prepare(path)?;
        let lock = lock(path)?;
        clear(path)?;
        let failed = |reason| LocalError::Listen { path: path.to_path_buf(), reason };
        // Until it has its mode and its group nobody else may connect: a socket is made with what the mask leaves.
        let before = umask(Mode::RWXG | Mode::RWXO);
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener.map_err(failed)?;
        let made = fs::symlink_metadata(path).map_err(failed)?;
        let local = Self { listener, path: path.to_path_buf(), made: (made.dev(), made.ino()), _lock: lock };
        if share == Share::Group {
            local.share()?;
        }
        Ok(local)
    }

    /// Lets the group of its folder connect.
    ///
    /// # Errors
    /// The group cannot be given the socket.
    pub fn share(&self) -> Result<(), LocalError> {
        let path = &self.path;
        let failed = |reason| LocalError::Listen { path: path.clone(), reason };
        let folder = path.parent().ok_or_else(|| LocalError::Path(path.clone()))?;
        let group = fs::metadata(folder).map_err(failed)?.gid();
        if fs::symlink_metadata(path).map_err(failed)?.gid() != group {
            chown(path, None, Some(group)).map_err(|_| LocalError::Group { path: path.clone(), group })?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection.
    pub async fn accept(&self) -> UnixStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
            }
        }
    }
}

impl Local {
    /// Hands every connection over, on a task of its own, until `leave` is cancelled; then what is open gets `patience`. One
    /// that there is no place for comes without.
    pub(crate) async fn serve<F>(
        &self,
        places: &Arc<Places>,
        patience: Duration,
        leave: &CancellationToken,
        each: impl Fn(UnixStream, Option<Place>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut open = JoinSet::new();
        loop {
            let stream = tokio::select! {
                biased;
                () = leave.cancelled() => break,
                _ = open.join_next(), if !open.is_empty() => continue,
                stream = self.accept() => stream,
            };
            // Before anything else of it: a place is taken by the kernel's number for a user, not by a name.
            let place = stream.peer_cred().ok().and_then(|peer| places.take(peer.uid()));
            open.spawn(each(stream, place));
        }
        let _settled = tokio::time::timeout(patience, async { while open.join_next().await.is_some() {} }).await;
        open.shutdown().await;
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let still = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.made);
        if still {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

/// Makes the folder of a socket where there is none; refused where others could change what is in it. The path comes back
/// absolute.
fn prepare(path: &Path) -> Result<PathBuf, LocalError> {
    let absolute = std::path::absolute(path).map_err(|_| LocalError::Path(path.to_path_buf()))?;
    let (Some(folder), Some(_)) = (absolute.parent(), absolute.file_name()) else {
        return Err(LocalError::Path(path.to_path_buf()));
    };
    let unusable = |reason| LocalError::Folder { folder: folder.to_path_buf(), reason };
    match DirBuilder::new().mode(0o750).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
        _ => {}
    }
    let found = fs::metadata(folder).map_err(unusable)?;
    if !found.is_dir() {
        return Err(unusable(io::ErrorKind::NotADirectory.into()));
    }
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    if mode & 0o022 != 0 || (owner != 0 && owner != geteuid().as_raw()) {
        return Err(LocalError::OpenFolder { folder: folder.to_path_buf(), owner, mode });
    }
    Ok(absolute)
}

/// The lock beside a socket.
fn lock(path: &Path) -> Result<File, LocalError> {
    let failed = |reason| LocalError::Listen { path: path.to_path_buf(), reason };
    let name = path.file_name().ok_or_else(|| LocalError::Path(path.to_path_buf()))?;
    let beside = path.with_file_name(format!(".{}.lock", name.to_string_lossy()));
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(LocalError::Taken(path.to_path_buf())),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Removes a socket that was left behind.
fn clear(path: &Path) -> Result<(), LocalError> {
    let failed = |reason| LocalError::Listen { path: path.to_path_buf(), reason };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !found.file_type().is_socket() || found.uid() != geteuid().as_raw() {
        return Err(LocalError::Foreign(path.to_path_buf()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
        Ok(_) => Err(LocalError::Taken(path.to_path_buf())),
    }
}

/// The users who connected, whether or not they still are.
#[derive(Clone, Debug, Default)]
pub struct Connected(Arc<Mutex<BTreeSet<u32>>>);

impl Connected {
    /// Remembers one.
    pub fn add(&self, uid: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid);
    }

    /// Whether this user ever connected.
    #[must_use]
    pub fn has(&self, uid: u32) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&uid)
    }
}

/// Room for connections: so many in all, and so many of one user.
#[derive(Debug)]
pub(crate) struct Places {
    all: usize,
    each: usize,
    taken: Mutex<HashMap<u32, usize>>,
}

/// One connection, counted for as long as it lives.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    uid: u32,
}

impl Places {
    pub(crate) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { all, each, taken: Mutex::default() })
    }

    /// A place for one more connection of this user, if there is one.
    pub(crate) fn take(self: &Arc<Self>, uid: u32) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = taken.get(&uid).copied().unwrap_or_default();
        if of_user >= self.each || taken.values().sum::<usize>() >= self.all {
            return None;
        }
        taken.insert(uid, of_user + 1);
        Some(Place { places: Arc::clone(self), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_user) = taken.get_mut(&self.uid) {
            *of_user -= 1;
            if *of_user == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_one_that_answers_is_not() {
        let folder = folder();
        let path = folder.path().join("agent.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let local = Local::bind(&path, Share::Group).unwrap();
        let found = fs::symlink_metadata(&path).unwrap();
        assert_eq!((found.mode() & 0o777, found.gid()), (0o660, fs::metadata(folder.path()).unwrap().gid()));
        assert!(matches!(Local::bind(&path, Share::Group), Err(LocalError::Taken(_))));
        drop(local);
        assert!(!path.exists());
        // One that answers without our lock is another program's.
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(Local::bind(&path, Share::Group), Err(LocalError::Taken(_))));
        drop(other);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn nothing_else_is_replaced() {
        let folder = folder();
        let path = folder.path().join("agent.sock");
        fs::write(&path, "a letter").unwrap();
        assert!(matches!(Local::bind(&path, Share::Group), Err(LocalError::Foreign(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert!(matches!(Local::bind(&path, Share::Group), Err(LocalError::Foreign(_))));
        fs::remove_file(&path).unwrap();
        // Put there by somebody after we made ours: not ours to remove.
        let local = Local::bind(&path, Share::Nobody).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o077, 0);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        drop(local);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another");
    }

    #[tokio::test]
    async fn a_folder_that_others_can_change_is_refused() {
        let folder = folder();
        let path = folder.path().join("run/agent.sock");
        let local = Local::bind(&path, Share::Group).unwrap();
        assert_eq!(fs::metadata(folder.path().join("run")).unwrap().mode() & 0o777, 0o750);
        drop(local);
        for mode in [0o770, 0o777, 0o1777, 0o752] {
            fs::set_permissions(folder.path().join("run"), fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(Local::bind(&path, Share::Group), Err(LocalError::OpenFolder { .. })), "{mode:o}");
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn who_connects_is_known() {
        let folder = folder();
        let local = Local::bind(&folder.path().join("s"), Share::Group).unwrap();
        let (_stream, accepted) = tokio::join!(UnixStream::connect(local.path()), local.accept());
        let peer = Peer::of(&accepted).await.unwrap();
        assert_eq!(peer.uid, geteuid().as_raw());
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(3_999_999_999), "uid:3999999999");
    }

    #[test]
    fn one_user_does_not_take_all_places() {
        let places = Places::new(3, 2);
        let mut held = vec![places.take(1).unwrap(), places.take(1).unwrap()];
        assert!(places.take(1).is_none());
        held.push(places.take(2).unwrap());
        assert!(places.take(3).is_none());
        held.clear();
        assert!(places.taken.lock().unwrap().is_empty());
        assert!(places.take(3).is_some());
    }
}
