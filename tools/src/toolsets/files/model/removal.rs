//! What is to go from its place, and whether it may.

use serde_json::json;

use super::reserved;
use super::tally::Found;
use super::walk::survey;
use crate::contract::{BlastRadius, Digest, Scope, ToolError};
use crate::text::shown_os;
use crate::toolsets::files::connect::platform;
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Kind, Place, Root, beyond_mount};

/// What is to go, if it may: it is there, and nothing is mounted at it or inside it.
pub(crate) fn doomed(root: &Root, path: &str) -> Result<(Place, Found), ToolError> {
    doomed_as(root, path, |place| survey(root, place))
}

/// The same, looked at in a way of its own.
pub(crate) fn doomed_as<F>(root: &Root, path: &str, look: F) -> Result<(Place, Found), ToolError>
where
    F: FnOnce(&Place) -> Result<Option<Found>, ToolError>,
{
    let rel = Rel::parse_inside(path)?;
    let place = root.place(&rel)?;
    reserved::leave(root, &place)?;
    let found = look(&place)?.ok_or_else(|| ToolError::not_found(format!("there is no {}", rel.shown())))?;
    if let Some(mounts) = found.tally.mounts() {
        return Err(beyond_mount(&mounts));
    }
    // Where counting stopped, the system's own list still says what is mounted further down.
    let unseen = || platform::mounts_below(&root.real.join(rel.to_string()));
    match found.tally.truncated.then(unseen).and_then(|mounts| mounts.into_iter().next()) {
        Some(mount) => Err(beyond_mount(&shown_os(mount.as_os_str()))),
        None => Ok((place, found)),
    }
}

/// The digest of what is at a place, and of the folder it lies in.
pub(crate) fn fingerprint(place: &Place, found: &Found) -> Digest {
    Digest::of(&json!({ "folder": place.folder.uid(), "item": found.print }))
}

/// How much a found thing is.
pub(crate) fn radius(found: &Found) -> BlastRadius {
    let tally = &found.tally;
    BlastRadius {
        resources: (tally.files + tally.folders).max(1),
        bytes: Some(tally.bytes),
        truncated: tally.truncated,
        ..BlastRadius::one(match found.stat.kind {
            Kind::Directory => Scope::Group,
            _ => Scope::Resource,
        })
    }
}
