//! How a change of rows is taken back: the call that does it, and what tells whether the change took effect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::code::{self, Doing};
use super::put_back::{self, Paths};
use super::rows::Images;
use super::sequences::SequenceImage;
use crate::contract::{Digest, Lease, Preflight, Probe, ToolError, UndoPlan};
use crate::toolsets::postgres::connect::{Mode, Server, Session, Tx};
use serde_json::json;

/// What to put back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The configured database.
    pub(crate) target: String,
    /// The rows as they are to be.
    pub(crate) rows: Images,
    /// Where the sequences stood when the rows were changed: one is put back only where it still stands there.
    pub(crate) left: Vec<SequenceImage>,
}

pub(crate) async fn current(tx: &Tx<'_>, images: &Images) -> Result<Images, ToolError> {
    Paths::of(tx).await?.own(tx).await?;
    code::of_relations(tx, &images.oids(), Doing::Writing).await?.refuse("not put back")?;
    let layouts = put_back::tables(tx, images).await?;
    put_back::now(tx, &layouts, &Images { sequences: Vec::new(), ..images.clone() }).await
}

/// Tells from the images a look kept whether the call they belong to took effect.
pub(crate) async fn probe(seen: &Preflight, lease: &Lease) -> Probe {
    let kept = seen.pre_image.clone().and_then(|kept| serde_json::from_value::<Kept>(kept).ok());
    // Without images there is nothing to compare.
    let Some(kept) = kept else { return Probe::Unknown };
    let Ok(mut session) = Session::open(lease).await else { return Probe::Unknown };
    let Ok(tx) = session.begin(Mode::ReadOnly).await else { return Probe::Unknown };
    let now = current(&tx, &kept.before).await;
    let _ended = tx.rollback().await;
    match now {
        Ok(now) if kept.before.identity() == kept.after.identity() || now.tables.is_empty() => Probe::Unknown,
        Ok(now) if now.identity() == kept.before.identity() => Probe::Unchanged,
        Ok(now) if now.identity() == kept.after.identity() => Probe::Changed,
        Ok(_) | Err(_) => Probe::Unknown,
    }
}

/// What a look keeps with the record of the start.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The rows as they were.
    before: Images,
    /// The rows as the call would leave them.
    after: Images,
}

pub(crate) fn fingerprint(server: &Server, now: &Images) -> Digest {
    // A sequence moves with every draw of anybody: it is no reason to refuse.
    Digest::of(&json!({ "in": server.identity(), "rows": now.identity() }))
}

/// The plan that puts `was` back where things are as `is`.
pub(crate) fn plan(server: &Server, target: &str, was: &Images, is: &Images) -> Result<UndoPlan, ToolError> {
    let args = Args { target: target.to_owned(), rows: was.clone(), left: is.sequences.clone() };
    let args = serde_json::to_value(args).map_err(|error| ToolError::failed(error.to_string()))?;
    let expects = fingerprint(server, is);
    Ok(UndoPlan::exact("postgres_restore_rows", args, expects))
}
