//! What the gateway opens or runs because its configuration says so. Each key that names a path, a secret or a program is
//! noted here while it is read, so that what no target may reach is one list. Whether one does is `overlap`'s to say.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::credentials::SecretSource;

/// One thing the gateway opens or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// What it is: `secret`, `policies`.
    pub what: &'static str,
    /// The key that names it, such as `targets.db.secret`.
    pub key: String,
    /// Where it is.
    pub place: Place,
}

/// Where something trusted is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file or a folder with everything in it.
    Path(PathBuf),
    /// A program with its arguments, which may name files as well.
    Program(Vec<String>),
}

impl Trusted {
    /// A file or a folder.
    pub(crate) fn path(what: &'static str, key: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { what, key: key.into(), place: Place::Path(path.into()) }
    }

    /// A program.
    pub(crate) fn program(key: impl Into<String>, words: &[String]) -> Self {
        Self { what: "program", key: key.into(), place: Place::Program(words.to_vec()) }
    }

    /// What fetching a secret opens or runs.
    pub(crate) fn secret(key: &str, source: &SecretSource) -> Option<Self> {
        match source {
            SecretSource::File(path) => Some(Self::path("secret", key, path)),
            SecretSource::Command(words) => Some(Self::program(key, words)),
            SecretSource::Env(_) => None,
        }
    }
}

/// The list while the configuration is read.
#[derive(Debug, Default)]
pub(super) struct List(RefCell<Vec<Trusted>>);

impl List {
    pub(super) fn add(&self, trusted: impl IntoIterator<Item = Trusted>) {
        self.0.borrow_mut().extend(trusted);
    }

    /// What was noted, and the files without a key.
    pub(super) fn whole(self, configuration: &Path) -> Vec<Trusted> {
        let mut list = self.0.into_inner();
        list.push(Trusted::path("configuration", "--config", configuration));
        list.extend(std::env::current_exe().ok().map(|path| Trusted::path("program", "mollyguard itself", path)));
        list.extend(roots());
        list
    }
}

/// Where the certificate authorities of the system are read from.
fn roots() -> impl Iterator<Item = Trusted> {
    const USUAL: [&str; 4] = ["/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/pki/tls/certs", "/etc/pki/ca-trust"];
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().flat_map(|name| {
        let paths: Vec<PathBuf> = std::env::var_os(name).iter().flat_map(std::env::split_paths).collect();
        paths.into_iter().filter(|path| !path.as_os_str().is_empty()).map(move |path| (name, path))
    });
    let usual = USUAL.iter().map(|path| ("the system's", PathBuf::from(path))).filter(|(_, path)| path.exists());
    named.chain(usual).map(|(key, path)| Trusted::path("certificates", key, path))
}
