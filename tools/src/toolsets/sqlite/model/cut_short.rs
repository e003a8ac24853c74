//! How a run of a change ends, and what cannot be followed to its end: what is known of a statement that was stopped, and
//! running one that was approved all the same.

use rusqlite::Connection;

use super::effect::Effects;
use super::recorder::{Record, Recorder};
use super::trial::{self, Ran, Trial};
use crate::contract::{Digest, ToolError};
use crate::toolsets::sqlite::connect::Site;
use crate::toolsets::sqlite::connect::room::Size;

/// A run that was stopped.
pub(crate) struct Cut {
    /// What the hooks had heard by then.
    pub heard: Record,
    /// How many rows SQLite had counted, where the statement itself had come to its end.
    pub ran: Option<u64>,
    /// Why it was stopped.
    pub why: String,
    /// Only a value's length stood in the way.
    pub hurried: bool,
}

/// How one run ended.
pub(crate) enum Ended {
    Whole(Box<(Connection, Effects)>),
    /// It is to be run again with more memory.
    ForMoreRoom,
    /// It is to be run again with `LIKE` and `GLOB` of our own.
    ForOwnPatterns,
}

impl Ended {
    pub(crate) fn whole(ran: (Connection, Effects)) -> Self {
        Self::Whole(Box::new(ran))
    }

    /// Whether, and how, a statement that failed is to be run again.
    pub(crate) fn again(
        recorder: &Recorder,
        error: &rusqlite::Error,
        statement: &str,
        own_patterns: bool,
    ) -> Option<Self> {
        if recorder.weight.wants_room(error, statement, own_patterns) {
            return Some(Self::ForMoreRoom);
        }
        (!own_patterns && recorder.weight.wants_own_patterns(error)).then_some(Self::ForOwnPatterns)
    }
}

/// What was approved although it could not be followed, on a database that nobody has changed since: its rows are counted
/// and not kept, and its pages go where SQLite likes.
pub(crate) fn unfollowed(
    site: &Site,
    mut conn: Connection,
    statement: &str,
    approved: Digest,
    (size, own_patterns): (Size, bool),
) -> Result<Ended, ToolError> {
    let recorder = Recorder::new(statement, 0);
    recorder.weight.unhurried();
    recorder.weight.within(size);
    let ran = trial::perform(site, &mut conn, statement, &recorder, own_patterns);
    if let Some(again) = ran.as_ref().err().and_then(|error| Ended::again(&recorder, error, statement, own_patterns)) {
        return Ok(again);
    }
    let Ran { changed, returned } = ran.map_err(|error| trial::refusal(site, &conn, &recorder, &error))?;
    let counts = recorder.take().counts;
    Ok(Ended::whole((conn, Effects { counts, changed, returned, fingerprint: Some(approved), ..Effects::default() })))
}

/// All that is known of a statement that was stopped. Its rows so far are no more than a lower bound, and which they will
/// be in the end nobody knows, so the fingerprint is the whole database's.
pub(crate) fn stopped(
    site: &Site,
    trial: Trial,
    statement: &str,
    Cut { heard, ran, why, hurried }: Cut,
) -> Result<(Connection, Effects), ToolError> {
    let changed = heard.counts.values().map(|counts| counts.all()).sum::<u64>().max(ran.unwrap_or_default());
    // What takes too long in its first row takes longer in all of them; a value that is too long says nothing of the rest.
    if changed == 0 && ran.is_none() && !hurried {
        let reason = format!("not run: {why} before a row had changed, so nobody can say how many would");
        return Err(ToolError::refused(reason).with_next("narrow it down: a condition on an indexed column"));
    }
    let (conn, fingerprint) = trial.abandon(site, statement)?;
    let effects = Effects {
        counts: heard.counts,
        writable: heard.writable.into_iter().collect(),
        changed,
        obstacles: vec!["not every row it changes is known".into()],
        stopped: Some(why),
        truncated: true,
        fingerprint: Some(fingerprint),
        ..Effects::default()
    };
    Ok((conn, effects))
}
