//! What became of a call that started and was never seen to finish: looked up, never changed.

use super::trash;
use super::walk::{digest_of, open_file};
use crate::contract::{Digest, Preflight, ToolError};
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Kind, Place, Root};

/// The place of a path that the look has already found to be in order.
pub(crate) fn place(root: &Root, path: &str) -> Result<Place, ToolError> {
    root.place(&Rel::parse_inside(path)?)
}

/// The id of the first thing a call was to change.
pub(crate) fn id_of(agreed: &Preflight) -> Option<&str> {
    agreed.targets.first().and_then(|target| target.uid.as_deref())
}

/// Whether nothing is at the path, and what was there is in the trash.
pub(crate) fn is_trashed(root: &Root, path: &str, agreed: &Preflight) -> Result<bool, ToolError> {
    Ok(place(root, path)?.stat()?.is_none() && keeps(root, id_of(agreed))?)
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
