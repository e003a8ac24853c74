//! What this installation can prove, and why: looks at users, processes, files, editors and the environment, changes nothing,
//! and repeats no secret. One file a family of checks.

mod editors;
mod environment;
mod files;
mod jsonc;
mod operators;
mod place;
mod process;

use std::path::PathBuf;

use serde::Serialize;

use crate::config::Config;
use crate::operators::{Facts, Separation, ceiling};
use crate::platform::is_dumpable;
use crate::policy::Ceiling;

pub use place::{is_apart, is_served_apart};

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// It could be stronger.
    Weak,
    /// It must not be so.
    Wrong,
    /// It could not be looked at.
    Unknown,
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub id: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub what: String,
    /// How to make it stronger.
    pub mend: Option<String>,
}

impl Finding {
    fn ok(id: &'static str, what: impl Into<String>) -> Self {
        Self { id, state: State::Ok, what: what.into(), mend: None }
    }

    fn unknown(id: &'static str, what: impl Into<String>) -> Self {
        Self { id, state: State::Unknown, what: what.into(), mend: None }
    }

    fn weak(id: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { id, state: State::Weak, what: what.into(), mend: Some(mend.into()) }
    }

    fn wrong(id: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { id, state: State::Wrong, what: what.into(), mend: Some(mend.into()) }
    }
}

/// Where to look.
#[derive(Debug)]
pub struct Ground {
    /// The configuration, where this user can read one.
    pub config: Option<Config>,
    /// Where a gateway for other users would listen.
    pub socket: PathBuf,
    /// Where it would listen for operators.
    pub operators: PathBuf,
    /// This user's home directory.
    pub home: Option<PathBuf>,
    /// The folder an editor would be opened in.
    pub folder: PathBuf,
    /// The names of environment variables, each with its value for those whose value tells that it holds a password.
    pub environment: Vec<(String, String)>,
}

/// What the doctor has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What the best approval here can prove; absent where only the gateway's own user can know.
    pub ceiling: Option<Ceiling>,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is weak or wrong.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.findings.iter().all(|finding| matches!(finding.state, State::Ok | State::Unknown))
    }
}

/// Looks at everything.
#[must_use]
pub fn examine(ground: &Ground) -> Report {
    let (place, apart) = place::check(ground);
    let (people, enrolled) = operators::finding(ground.config.as_ref());
    let separation = Separation::of(apart);
    let facts = Facts { separation, dumpable: is_dumpable(), people };
    let mut findings = vec![place];
    findings.extend(process::check());
    findings.extend(files::check(ground, apart));
    findings.push(enrolled);
    findings.extend(editors::check(ground));
    findings.push(environment::check(&ground.environment));
    let is_known = ground.config.is_some() || !apart;
    Report { ceiling: is_known.then(|| ceiling(&facts)), findings }
}
