//! What PostgreSQL says when something goes wrong, in the contract's words. Only for work that is not committed yet.
//!
//! The codes are those of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity};

use super::Site;
use super::metered::MOST_READ;
use super::written::most_written;
use crate::contract::{Access, ToolError};
use crate::text::{shown_sentence, size};

/// The server stopped the call, or did not answer in time.
pub(crate) fn too_long(site: &Site) -> ToolError {
    let seconds = site.limits.deadline.as_secs_f32();
    ToolError::unavailable(format!("stopped on `{}`: it took longer than {seconds} s", site.name))
        .with_next("narrow it down: a condition on an indexed column, a limit")
}

/// A try held locks for as long as it may. It was rolled back.
pub(crate) fn tried_too_long(site: &Site) -> ToolError {
    ToolError::unavailable(format!("given up on `{}`: trying it out {}", site.name, held(site)))
        .with_next("change fewer rows at a time; `trial_ms` of the target is how long a try may hold locks")
}

/// A change that nobody need have been asked about locked a table for as long as it may. It was rolled back.
pub(crate) fn locked_too_long(site: &Site) -> ToolError {
    ToolError::unavailable(format!("taken back on `{}`: {}", site.name, locked(site))).with_next(
        "make the same call again: from now on a person is asked about it, and their yes gives it the time it takes",
    )
}

/// A try wrote as much as it may. It was rolled back.
pub(crate) fn tried_too_much(site: &Site) -> ToolError {
    ToolError::unavailable(format!("given up on `{}`: trying it out {}", site.name, written(site)))
        .with_next("change fewer rows at a time")
}

/// That a try held locks for as long as it may, for people.
pub(crate) fn held(site: &Site) -> String {
    format!("would hold locks for longer than {} s", site.trial.as_secs_f32())
}

/// That a change locked a table for as long as it may, for people.
pub(crate) fn locked(site: &Site) -> String {
    format!("it locked the table for longer than {} s", site.lock.as_secs_f32())
}

/// That a try wrote as much as it may, for people.
pub(crate) fn written(site: &Site) -> String {
    format!("would write more than {}", size(most_written(&site.limits)))
}

/// The server's answer is larger than a call may read.
pub(crate) fn too_much(site: &Site) -> ToolError {
    ToolError::unavailable(format!("stopped on `{}`: its answer is larger than {}", site.name, size(MOST_READ)))
        .with_next("ask for fewer columns or rows; `length(column)` and `left(column, 100)` keep values short")
}

/// Whether the server itself answered, and goes on: then it rolled back, and nothing was kept.
pub(crate) fn is_an_answer(error: &Error) -> bool {
    error.as_db_error().is_some_and(|said| {
        let goes_on = said.parsed_severity() == Some(Severity::Error) || said.severity() == "ERROR";
        // 08: connection exceptions, 57P: the server goes down, 58 and XX: it does not know itself any more.
        let code = said.code().code();
        goes_on && !["08", "57P", "58", "XX"].iter().any(|class| code.starts_with(class))
    })
}

/// The server's words, or the connection's. Never the detail: it repeats rows.
pub(crate) fn words(error: &Error) -> String {
    use std::error::Error as _;
    match error.as_db_error() {
        Some(said) => shown_sentence(said.message()),
        None => error.source().map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// The error of something that is not committed: nothing was changed.
pub(crate) fn explain(site: &Site, error: &Error) -> ToolError {
    let name = &site.name;
    let Some(said) = error.as_db_error() else {
        return ToolError::unavailable(format!("the connection to `{name}` failed: {}", words(error)));
    };
    let text = words(error);
    let code = said.code().code();
    match code {
        "57014" => too_long(site),
        "55P03" | "40P01" => ToolError::unavailable(format!("`{name}` is locked by another session: {text}"))
            .with_next("try again in a moment; `postgres_activity` shows who holds the lock"),
        // On a replica a read can end so as well, and then nothing was looked at before.
        "40001" if site.access == Access::Write => {
            ToolError::changed(format!("somebody else changed `{name}` meanwhile: {text}")).with_next("try again")
        }
        "40001" => ToolError::unavailable(format!("`{name}` moved on meanwhile: {text}")).with_next("try again"),
        "25006" => ToolError::refused(format!("not a read: `{name}` says: {text}")),
        "42501" => ToolError::failed(format!("the role may not do that on `{name}`: {text}"))
            .with_next("a person who administers the database can grant it"),
        "53400" if text.contains("temp_file_limit") => {
            ToolError::refused(format!("it writes more temporary files than a read may on `{name}`: {text}"))
                .with_next("sort, join or group fewer rows: filter first, or add a LIMIT to what is read")
        }
        "53300" => ToolError::unavailable(format!("`{name}` has no connection left: {text}")),
        _ if ["08", "57P", "58", "XX", "53"].iter().any(|class| code.starts_with(class)) => {
            ToolError::unavailable(format!("`{name}` failed: {text}"))
        }
        _ => hinted(ToolError::failed(format!("`{name}` says: {text}")), said),
    }
}

fn hinted(error: ToolError, said: &DbError) -> ToolError {
    match (said.hint(), said.code().code()) {
        (Some(hint), _) => error.with_next(shown_sentence(hint)),
        (None, "42P01" | "42703" | "3F000") => error.with_next("`postgres_describe` lists what there is"),
        (None, _) => error,
    }
}
