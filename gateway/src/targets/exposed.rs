//! What `targets check` found of held secrets in what targets hold, kept in the state directory for `doctor`. It names
//! references and places, and no secret.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use mollyguard_tools::contract::{Search, Timestamp, now};
use serde::{Deserialize, Serialize};

const FILE: &str = "exposed.json";
/// A longer file is none of ours.
const LONGEST: u64 = 4 << 20;

/// What the last look at each target found, by its name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings(BTreeMap<String, Looked>);

/// One look at one target.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Looked {
    /// When.
    pub(crate) at: Timestamp,
    /// What it found.
    pub(crate) search: Search,
}

impl Findings {
    /// What was found so far; nothing where nobody looked, or what was kept cannot be read.
    pub(crate) fn load(state: &Path) -> Self {
        let path = state.join(FILE);
        let is_ours = path.metadata().is_ok_and(|found| found.len() <= LONGEST);
        let text = is_ours.then(|| fs::read_to_string(path).ok()).flatten();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Takes note of a look.
    pub(crate) fn note(&mut self, target: &str, search: Search) {
        self.0.insert(target.to_owned(), Looked { at: now(), search });
    }

    /// The last look at a target.
    pub(crate) fn of(&self, target: &str) -> Option<&Looked> {
        self.0.get(target)
    }

    /// Keeps them for the next who asks.
    pub(crate) fn save(&self, state: &Path) -> io::Result<()> {
        let new = state.join(format!("{FILE}.{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        fs::rename(new, state.join(FILE))
    }
}
