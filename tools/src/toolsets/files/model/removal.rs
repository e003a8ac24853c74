//! What is to go from its place, and whether it may.

use serde_json::json;

use super::reserved;
use super::tally::Found;
use super::walk::survey;
use crate::contract::{BlastRadius, Digest, Findings, Fingerprint, Scope, ToolError};
use crate::text::shown_os;
use crate::toolsets::files::connect::platform;
use crate::toolsets::files::connect::rel::Rel;
use crate::toolsets::files::connect::{Kind, Place, Root, beyond_mount};

/// What is to go from its place, which may: it is there, and nothing is mounted at it or inside it.
pub(crate) struct Removal {
    pub(crate) place: Place,
    pub(crate) found: Found,
}

impl Removal {
    pub(crate) fn of(root: &Root, path: &str) -> Result<Self, ToolError> {
        Self::looked_at(root, path, |place| survey(root, place))
    }

    /// The same, looked at in a way of its own.
    pub(crate) fn looked_at<F>(root: &Root, path: &str, look: F) -> Result<Self, ToolError>
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
            None => Ok(Self { place, found }),
        }
    }

    /// What its look found.
    pub(crate) fn findings(&self, root: &Root, summary: String) -> Findings {
        let target = root.target(self.found.stat.kind.as_str(), &self.place.rel, Some(self.found.stat.uid()));
        Findings::on([target], summary).radius(radius(&self.found)).facts(self.found.evidence())
    }
}

impl Fingerprint for Removal {
    fn fingerprint(&self) -> Digest {
        print_of(&self.place, &self.found)
    }

    fn moved(&self) -> String {
        moved(&self.place.rel.shown())
    }
}

/// The digest of what is at a place, and of the folder it lies in.
pub(crate) fn print_of(place: &Place, found: &Found) -> Digest {
    Digest::of(&json!({ "folder": place.folder.uid(), "item": found.print }))
}

/// What is said of a place that holds something else by now.
pub(crate) fn moved(shown: &str) -> String {
    format!("{shown} is not what was looked at any more")
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
