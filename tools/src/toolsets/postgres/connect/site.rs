//! What a call works on, as the configuration and the lease have it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::vouched::Vouched;
use crate::contract::{Access, Environment, Limits, Target, TargetPath, ToolError};

/// What a call works on and how much it may take.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The configured target's name.
    pub name: String,
    /// Where that stands.
    pub environment: Environment,
    /// What the lease allows.
    pub access: Access,
    /// How much the call may take.
    pub limits: Limits,
    /// Functions that an operator takes for harmless.
    pub vouched: Arc<[Vouched]>,
    /// How long a try may hold locks, all in all.
    pub trial: Duration,
    /// How long a change that nobody need be asked about may lock a whole table.
    pub lock: Duration,
}

impl Site {
    /// A thing in the database as a target: `name` as it is in there, of more than one part by [`dotted`], and none for the
    /// database itself; `uid` the server's own id.
    pub(crate) fn target(&self, kind: &str, name: &str, uid: String) -> Target {
        let path = TargetPath::of(&self.name);
        let path = if name.is_empty() { path } else { path.below(name) };
        Target { kind: kind.into(), path, uid: Some(uid), environment: self.environment.clone() }
    }

    pub(super) fn require_write(&self) -> Result<(), ToolError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read | Access::Trial => {
                Err(ToolError::refused(format!("the lease on `{}` is for looking only", self.name)))
            }
        }
    }
}

/// The name of a thing within others, `public.bookings`. A part with a point or a quote in it is quoted, so that two things never
/// come to the same name.
pub(crate) fn dotted(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| dotted_part(part)).collect();
    parts.join(".")
}

/// A part of that.
pub(crate) fn dotted_part(part: &str) -> Cow<'_, str> {
    let is_plain = !part.is_empty() && !part.contains(['.', '"']);
    if is_plain { Cow::Borrowed(part) } else { Cow::Owned(format!("\"{}\"", part.replace('"', "\"\""))) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_usual_name_is_as_it_is() {
        assert_eq!(dotted(&["public", "Bookings 2025"]), "public.Bookings 2025");
        assert_eq!(dotted(&["public", "a.b"]), "public.\"a.b\"");
    }

    proptest! {
        #[test]
        fn two_things_have_two_names(
            one in prop::collection::vec(r#"[a."]{0,4}"#, 1..4),
            two in prop::collection::vec(r#"[a."]{0,4}"#, 1..4),
        ) {
            let name = |parts: &[String]| dotted(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(name(&one) == name(&two), one == two);
        }
    }
}
