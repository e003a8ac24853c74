//! Paths below a root, as agents write them: names only, none that leads upwards or into the trash.

use std::ffi::OsStr;
use std::fmt;

use crate::contract::ToolError;
use crate::text::shown;

/// The folder inside the root where what is taken away is kept; no call can name it.
pub(crate) const TRASH: &str = ".mollyguard-trash";
/// How deep paths and walks go: one open handle a level.
pub(crate) const DEEPEST: usize = 100;
const LONGEST_PATH: usize = 4096;

/// A path relative to the root: its names, none of them empty, `.`, `..` or the trash's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rel(Vec<String>);

impl Rel {
    /// Reads a path as an agent wrote it.
    pub(crate) fn parse(text: &str) -> Result<Self, ToolError> {
        let refuse = |why: &str| {
            let next = "give a path relative to the target's root, such as `uploads/2025`";
            Err(ToolError::refused(format!("the path {} {why}", shown(text))).with_next(next))
        };
        if text.contains('\0') {
            return refuse("holds a NUL character");
        }
        if text.starts_with('/') {
            return refuse("is absolute");
        }
        let names: Vec<String> =
            text.split('/').filter(|name| !matches!(*name, "" | ".")).map(ToOwned::to_owned).collect();
        if names.iter().any(|name| name == "..") {
            return refuse("leads upwards (`..`)");
        }
        if names.iter().any(|name| is_trash(OsStr::new(name))) {
            return refuse("leads into the trash, which is not for calls to reach");
        }
        if text.len() > LONGEST_PATH || names.len() > DEEPEST {
            return refuse("is too long");
        }
        Ok(Self(names))
    }

    /// The same, for a call that changes what is there: that is never the root itself.
    pub(crate) fn parse_inside(text: &str) -> Result<Self, ToolError> {
        let rel = Self::parse(text)?;
        if rel.0.is_empty() {
            return Err(ToolError::refused("the root itself is not for calls to change")
                .with_next("name a file or folder inside it; what becomes of the root is its operator's to decide"));
        }
        Ok(rel)
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The folder it lies in; the root's is the root.
    pub(crate) fn parent(&self) -> Self {
        self.first(self.0.len().saturating_sub(1))
    }

    /// The path of a name in it.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// Its first names.
    pub(crate) fn first(&self, names: usize) -> Self {
        Self(self.0[..names].to_vec())
    }

    /// The path for a sentence.
    pub(crate) fn shown(&self) -> String {
        if self.0.is_empty() { "the root".into() } else { shown(&self.to_string()) }
    }
}

impl fmt::Display for Rel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Whether a name is the trash's, on file systems that ignore letter case too.
pub(crate) fn is_trash(name: &OsStr) -> bool {
    name.eq_ignore_ascii_case(TRASH)
}
