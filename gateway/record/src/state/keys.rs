//! The installation's secret keys: one file each in the state directory, 32 random bytes, readable by their owner alone.
//! Made when first needed; two processes that race for it get the same key.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::directory;

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The state directory cannot be used.
    #[error("{0}")]
    Directory(String),
    /// Others can read it: it is no longer a secret.
    #[error("the key `{path}` can be read by other users (mode {mode:o}): it must be 600, and may have to be replaced")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It was there before: what it has signed or sealed would no longer fit a new one.
    #[error("the key `{0}` is gone: put it back from a backup, or begin with a new state directory")]
    Gone(PathBuf),
    /// It is not 32 bytes in base64.
    #[error("the key `{0}` is not 32 bytes in base64")]
    Malformed(PathBuf),
    /// It cannot be read or made.
    #[error("the key `{path}` cannot be {verb}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `made`.
        verb: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// The key that seals state handed to clients (`requestState`), made when first needed.
///
/// # Errors
/// The file cannot be read or made, or others can read it.
pub fn seal_key(directory: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    read_or_make(directory, "seal.key")
}

/// The key of this name, made when there is none.
pub(crate) fn read_or_make(directory: &Path, name: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    directory::prepare(directory).map_err(KeyError::Directory)?;
    let path = directory.join(name);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    make(directory, &path).map_err(|source| KeyError::Io { path: path.clone(), verb: "made", source })?;
    // Ours or that of whoever was quicker.
    read(&path)?.ok_or_else(|| KeyError::Io { path, verb: "read", source: io::ErrorKind::NotFound.into() })
}

/// The key of this name; made when there is none, unless it must have been there before.
pub(crate) fn read_or_make_unless(directory: &Path, name: &str, used: bool) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    if !used {
        return read_or_make(directory, name);
    }
    let path = directory.join(name);
    read(&path)?.ok_or(KeyError::Gone(path))
}

/// The key in this file, if there is one.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_owned(), verb: "read", source };
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new([0_u8; 64]);
    let mut length = 0;
    while length < text.len() {
        match file.read(&mut text[length..]).map_err(failed)? {
            0 => break,
            n => length += n,
        }
    }
    let malformed = || KeyError::Malformed(path.to_owned());
    let decoded = Zeroizing::new(STANDARD.decode(text[..length].trim_ascii()).map_err(|_| malformed())?);
    let mut key = Zeroizing::new([0_u8; 32]);
    if decoded.len() != key.len() {
        return Err(malformed());
    }
    key.copy_from_slice(&decoded);
    Ok(Some(key))
}

/// Writes a fresh key beside its place and links it there: a reader sees a whole key or none, and the first one stays.
fn make(directory: &Path, path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(io::Error::other)?;
    let mut text = Zeroizing::new(STANDARD.encode(key.as_slice()));
    text.push('\n');
    let draft = directory.join(format!(".key-{}", Uuid::now_v7()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let removed = fs::remove_file(&draft);
    written.and(removed)?;
    directory::sync(directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn processes_that_race_get_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| *seal_key(directory.path()).unwrap())).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_ne!(keys[0], [0; 32]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no drafts are left behind");
    }

    #[test]
    fn a_key_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        seal_key(directory.path()).unwrap();
        let path = directory.path().join("seal.key");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(seal_key(directory.path()), Err(KeyError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        seal_key(directory.path()).unwrap();
        fs::write(directory.path().join("seal.key"), "short").unwrap();
        assert!(matches!(seal_key(directory.path()), Err(KeyError::Malformed(_))));
    }

    #[test]
    fn a_directory_others_can_write_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let error = seal_key(directory.path()).unwrap_err().to_string();
        assert!(error.contains("can be changed by other users (mode 770)"), "{error}");
    }
}
