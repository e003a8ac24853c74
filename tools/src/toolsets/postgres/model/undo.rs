//! How a change of rows is taken back: the call that does it, and what tells whether the change took effect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::code::{self, Doing};
use super::layout::Layout;
use super::put_back::{self, Paths};
use super::rows::Images;
use super::sequences::SequenceImage;
use crate::contract::{Digest, Preflight, Probe, TakesBack, ToolError, Undo};
use crate::toolsets::postgres::connect::{Server, Tx};

/// What to put back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The rows as they are to be.
    pub(crate) rows: Images,
    /// Where the sequences stood when the rows were changed: one is put back only where it still stands there.
    pub(crate) left: Vec<SequenceImage>,
}

impl TakesBack for Args {
    const TOOL: &'static str = "postgres_restore_rows";
}

/// The tables of some images, and their rows as they are now.
pub(crate) struct Current {
    pub(crate) paths: Paths,
    pub(crate) layouts: Vec<Layout>,
    /// Without the sequences.
    pub(crate) now: Images,
}

impl Current {
    /// The tables, before their rows are read.
    pub(crate) async fn tables(tx: &Tx<'_>, images: &Images) -> Result<Self, ToolError> {
        let paths = Paths::of(tx).await?;
        paths.own(tx).await?;
        code::of_relations(tx, &images.oids(), Doing::Writing).await?.refuse("not put back")?;
        let layouts = put_back::tables(tx, images).await?;
        Ok(Self { paths, layouts, now: Images::default() })
    }

    /// The same with their rows.
    pub(crate) async fn rows(self, tx: &Tx<'_>, images: &Images) -> Result<Self, ToolError> {
        let images = Images { sequences: Vec::new(), ..images.clone() };
        let now = put_back::now(tx, &self.layouts, &images).await?;
        Ok(Self { now, ..self })
    }
}

/// Tells from the images a look kept whether the call they belong to took effect.
pub(crate) async fn probe(seen: &Preflight, tx: &Tx<'_>) -> Probe {
    let kept = seen.pre_image.as_ref().and_then(|kept| Kept::deserialize(kept).ok());
    // Without images there is nothing to compare.
    let Some(kept) = kept else { return Probe::Unknown };
    let now =
        async { Current::tables(tx, &kept.before).await?.rows(tx, &kept.before).await.map(|current| current.now) };
    match now.await {
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

/// The call that puts `was` back where things are as `is`.
pub(crate) fn undo(server: &Server, was: &Images, is: &Images) -> Result<Undo, ToolError> {
    Undo::with(&Args { rows: was.clone(), left: is.sequences.clone() }, fingerprint(server, is))
}
