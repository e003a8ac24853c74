//! What became of a call that started and was never seen to finish: looked up, never changed.

use super::trash;
use super::walk::{digest_of, open_file};
use crate::contract::{Digest, Lease, Preflight, Probe, ToolError};
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Kind, Place, Root, work};

/// Unchanged where a new look finds the old state, changed where `done` finds what the call would have left.
pub(crate) async fn find_out<F>(again: Result<Preflight, ToolError>, seen: &Preflight, lease: &Lease, done: F) -> Probe
where
    F: FnOnce(&Root, Option<&str>) -> Result<bool, ToolError> + Send + 'static,
{
    if again.is_ok_and(|again| again.fingerprint == seen.fingerprint) {
        return Probe::Unchanged;
    }
    let uid = seen.targets.first().and_then(|target| target.uid.clone());
    match work(lease, move |root| done(root, uid.as_deref())).await {
        Ok(true) => Probe::Changed,
        Ok(false) | Err(_) => Probe::Unknown,
    }
}

/// The place of a path that the look has already found to be in order.
pub(crate) fn place(root: &Root, path: &str) -> Result<Place, ToolError> {
    root.place(&Rel::parse_inside(path)?)
}

/// Whether nothing is at the path, and what was there is in the trash.
pub(crate) fn is_trashed(root: &Root, path: &str, uid: Option<&str>) -> Result<bool, ToolError> {
    Ok(place(root, path)?.stat()?.is_none() && keeps(root, uid)?)
}

/// Whether the trash keeps the thing of that id.
pub(crate) fn keeps(root: &Root, uid: Option<&str>) -> Result<bool, ToolError> {
    match uid {
        Some(uid) => trash::keeps(root, uid),
        None => Ok(false),
    }
}

/// Whether the file at the path holds this content, and is another file than the one of that id.
pub(crate) fn holds(
    root: &Root,
    path: &str,
    content: Digest,
    bytes: u64,
    old: Option<&str>,
) -> Result<bool, ToolError> {
    let place = place(root, path)?;
    let Some(stat) = place.stat()?.filter(|stat| stat.kind == Kind::File && stat.bytes == bytes) else {
        return Ok(false);
    };
    let digest = open_file(&place, stat).and_then(|mut file| digest_of(root, &mut file, bytes));
    Ok(old != Some(stat.uid().as_str()) && digest.is_ok_and(|digest| digest == Some(content)))
}
