//! Telling the people who may answer from one another: by their names, and by the users they are linked to.

use uuid::Uuid;

use crate::model::{Operator, alike};
use crate::store::StoreError;

/// Nobody has a name that can be taken for another's, or for the user another one is linked to; and no two are linked to
/// users that can be taken for one another.
pub(super) fn check_apart(
    enrolled: &[Operator],
    who: Option<Uuid>,
    name: &str,
    user: Option<&str>,
) -> Result<(), StoreError> {
    let others = || enrolled.iter().filter(|operator| Some(operator.id) != who);
    let refuse = |why: String| Err(StoreError::NotEnrolled(why));
    if let Some(other) = others().find(|other| alike(&other.name, name)) {
        let other = &other.name;
        return refuse(if other == name {
            format!("somebody is enrolled as `{name}` already")
        } else {
            format!("`{name}` can be taken for `{other}`, who is enrolled already: choose a name nobody mistakes")
        });
    }
    for other in others() {
        let Some(theirs) = &other.user else { continue };
        if alike(theirs, name) {
            return refuse(format!("`{name}` can be taken for the user `{theirs}`, to whom {} is linked", other.name));
        }
        if user.is_some_and(|user| alike(theirs, user)) {
            return refuse(format!(
                "{} is linked to the user `{theirs}` already, and a user is one person",
                other.name
            ));
        }
    }
    let named = |user: &str| others().find(|other| alike(&other.name, user));
    match user.and_then(|user| named(user).map(|other| (user, other))) {
        Some((user, other)) => {
            refuse(format!("the user `{user}` can be taken for the operator {}, who is somebody else", other.name))
        }
        None => Ok(()),
    }
}
