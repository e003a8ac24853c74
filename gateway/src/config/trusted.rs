//! What the gateway opens or runs because its configuration says so. Each key that names a path, a secret or a program is
//! noted here while it is read, so that what no target may reach is one list. Whether one does is `overlap`'s to say.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::secret_source::SecretSource;

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
    /// A folder of which these names in it are gone by, and what lies in them.
    Folder(PathBuf, Names),
    /// A program with its arguments, which may name files as well, and whatever it finds its code and its settings by.
    Program(Vec<String>),
    /// Where a configuration would be found instead of the one that is in force.
    LookedBefore(PathBuf),
}

/// Some of the names in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Those that begin with a dot, and the one folder that has their part on macOS.
    Settings,
    /// All but these.
    AllBut(&'static [&'static str]),
    /// Those that begin with one of these.
    Beginning(&'static [&'static str]),
}

impl Names {
    /// Whether a name is one of them.
    #[must_use]
    pub fn has(self, name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        match self {
            Self::Settings => name.starts_with('.') || name == "Library",
            Self::AllBut(others) => !others.iter().any(|other| *other == name),
            Self::Beginning(all) => all.iter().any(|begins| name.starts_with(begins)),
        }
    }
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

    /// A place that is looked into for a configuration before the one in force is found.
    pub(crate) fn looked_before(path: &Path) -> Self {
        Self { what: "configuration", key: "--config".to_owned(), place: Place::LookedBefore(path.to_path_buf()) }
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
        list.extend(SYSTEM.iter().map(|(folder, names)| Trusted {
            what: "programs, libraries and settings",
            key: "the system's".to_owned(),
            place: Place::Folder(PathBuf::from(folder), *names),
        }));
        list
    }
}

/// Where the gateway's own program and those it runs are loaded from, and what the system tells them by: libraries,
/// interpreters' modules, who is who. What an operator keeps in such a folder besides is ordinary: sites, data, the settings
/// of other services.
const SYSTEM: &[(&str, Names)] = &[
    ("/bin", Names::AllBut(&[])),
    ("/sbin", Names::AllBut(&[])),
    ("/lib", Names::AllBut(&[])),
    ("/lib32", Names::AllBut(&[])),
    ("/lib64", Names::AllBut(&[])),
    ("/libx32", Names::AllBut(&[])),
    ("/usr", Names::AllBut(&["local", "share", "src", "home"])),
    ("/usr/local", Names::AllBut(&["src", "var", "www"])),
    ("/usr/share", Names::AllBut(&["httpd", "nginx"])),
    ("/etc", Names::Beginning(SETTINGS)),
    ("/nix/store", Names::AllBut(&[])),
    ("/gnu/store", Names::AllBut(&[])),
    ("/System", Names::AllBut(&["Volumes"])),
    ("/Library", Names::AllBut(&["WebServer"])),
    ("/opt/homebrew", Names::AllBut(&["var"])),
    ("/opt/etc/ssl", Names::AllBut(&[])),
    // A process can be read and written there.
    ("/proc", Names::AllBut(&[])),
    ("/sys", Names::AllBut(&[])),
    ("/dev", Names::AllBut(&["shm"])),
];

/// What begins the names in `/etc` that the C library, the loader, interpreters, shells and the service's own manager go by.
const SETTINGS: &[&str] = &[
    "alternatives",
    "bash",
    "ca-certificates",
    "certs",
    "crypto-policies",
    "curlrc",
    "dbus",
    "environment",
    "gai.conf",
    "gitconfig",
    "gnupg",
    "group",
    "gshadow",
    "host",
    "java",
    "krb5",
    "ld.so",
    "locale",
    "localtime",
    "machine-id",
    "node",
    "npm",
    "nsswitch",
    "openssl",
    "pam",
    "passwd",
    "perl",
    "php",
    "pki",
    "profile",
    "python",
    "resolv.conf",
    "ruby",
    "security",
    "shadow",
    "ssh",
    "ssl",
    "sub",
    "sudo",
    "systemd",
    "timezone",
    "wgetrc",
    "xdg",
    "zsh",
];

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
