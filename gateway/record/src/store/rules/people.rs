//! Who may invite, enrol, link and remove whom, and whose passkey counts.

use mollyguard_tools::contract::{Digest, Timestamp};
use uuid::Uuid;

use super::{EndGrants, Transition, Which, Write, enrolled};
use crate::audit::{AuditEvent, Subject};
use crate::model::{Ended, Enrolment, Invitation, MOST_PASSKEYS, Means, Operator, Session, alike};
use crate::store::{AnswerSubmission, StoreError};

/// The subject of a record that is about the gateway itself.
pub(crate) const NOBODY: Subject =
    Subject { call: None, principal: None, tool: None, targets: Vec::new(), arguments: None };

fn refuse<T>(why: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::NotEnrolled(why.into()))
}

/// Somebody who is enrolled.
pub(crate) fn still_enrolled(operators: &[Operator], id: Uuid) -> Result<&Operator, StoreError> {
    enrolled(operators, id).ok_or_else(|| StoreError::NotEnrolled(format!("operator `{id}` is not enrolled any more")))
}

/// Whether who answers is enrolled still; with a passkey, its counter moves along.
pub(crate) fn answering(given: &AnswerSubmission, operators: &[Operator]) -> Result<Option<Write>, StoreError> {
    let Some(operator) = given.operator else { return Ok(None) };
    let operator = still_enrolled(operators, operator)?;
    let Some((assertion, new)) = &given.signed else { return Ok(None) };
    count(operator, &assertion.credential.to_string(), *new).map(Some)
}

/// Moves a passkey's counter along. One that went back shows a copy of the key, or an assertion shown a second time.
fn count(operator: &Operator, id: &str, new: u32) -> Result<Write, StoreError> {
    let Some(passkey) = operator.passkeys.iter().find(|passkey| passkey.id() == id) else {
        return refuse("the passkey is not enrolled any more");
    };
    let known = passkey.credential.count;
    if (new, known) != (0, 0) && new <= known {
        return refuse("the passkey's counter went back: it may have been copied");
    }
    let mut passkey = passkey.clone();
    passkey.credential.count = new;
    Ok(Write::Passkey(operator.id, Box::new(passkey)))
}

/// Whether somebody may open a session with what they showed; a passkey's counter moves along.
pub(crate) fn sign_in(
    session: &Session,
    new: Option<u32>,
    operators: &[Operator],
) -> Result<Option<Write>, StoreError> {
    let operator = still_enrolled(operators, session.operator)?;
    match (&session.means, new) {
        (Means::Passkey { id }, Some(new)) => count(operator, id, new).map(Some),
        _ => Ok(None),
    }
}

/// Whether this is the session of that token, and open.
pub(crate) fn is_open(session: &Session, token: Digest, at: Timestamp) -> bool {
    session.token == token && session.opened_at <= at && at < session.expires_at
}

/// Makes an invitation. `is_fresh` is whether nobody has ever been enrolled: whoever could remove everybody must not become
/// the first anew.
pub(crate) fn invite(
    invitation: Invitation,
    operators: &[Operator],
    is_fresh: bool,
) -> Result<Transition<()>, StoreError> {
    let mut writes = Vec::new();
    match invitation.by {
        Some(by) => drop(still_enrolled(operators, by)?),
        None if is_fresh => writes.push(Write::FirstInvitationsVoid),
        None => return refuse("somebody has been enrolled here already, so only an operator can invite another"),
    }
    let named = operators.iter().find(|operator| operator.name == invitation.name);
    match (invitation.adds_to, named) {
        (None, _) => are_apart(operators, None, &invitation.name, invitation.user.as_deref())?,
        (Some(_), _) if invitation.user.is_some() => {
            return refuse("a passkey is added to somebody, and links them to no user");
        }
        (Some(id), Some(operator)) if operator.id == id => has_room(operator)?,
        (Some(_), _) => return refuse(format!("nobody is enrolled as `{}` any more", invitation.name)),
    }
    let Invitation { id, ref name, ref user, by, adds_to, .. } = invitation;
    let event = AuditEvent::Invited { invitation: id, name: name.clone(), by, adds_to, user: user.clone() };
    writes.extend([Write::Invitation(Box::new(invitation)), Write::Record(NOBODY, event)]);
    Ok(Transition { told: (), writes })
}

fn has_room(operator: &Operator) -> Result<(), StoreError> {
    if operator.passkeys.len() < MOST_PASSKEYS {
        return Ok(());
    }
    refuse(format!("{} has {MOST_PASSKEYS} passkeys, and nobody may have more", operator.name))
}

/// The invitation, unless it was used, has expired, or whoever made it has been removed meanwhile.
fn usable(
    found: Option<Invitation>,
    operators: &[Operator],
    is_fresh: bool,
    at: Timestamp,
) -> Result<Invitation, StoreError> {
    let Some(invitation) = found.filter(|invitation| is_usable(invitation, at)) else {
        return refuse("the invitation was used already, or has expired");
    };
    match invitation.by {
        Some(by) => drop(still_enrolled(operators, by)?),
        None if is_fresh => {}
        None => return refuse("somebody else was enrolled first"),
    }
    Ok(invitation)
}

/// Whether an invitation has not expired.
pub(crate) fn is_usable(invitation: &Invitation, at: Timestamp) -> bool {
    invitation.expires_at > at
}

/// Enrols somebody, or another passkey of theirs, and uses up the invitation.
pub(crate) fn enroll(
    enrolment: Enrolment,
    found: Option<Invitation>,
    operators: &[Operator],
    is_fresh: bool,
    at: Timestamp,
) -> Result<Transition<()>, StoreError> {
    const FOR_ANOTHER: &str = "the invitation is for somebody or something else";
    let invited = usable(found, operators, is_fresh, at)?;
    let invitation = invited.id;
    let (mut writes, operator, passkey) = match enrolment {
        Enrolment::Another { operator, passkey, .. } => {
            let operator = still_enrolled(operators, operator)?;
            if invited.adds_to != Some(operator.id) {
                return refuse(FOR_ANOTHER);
            }
            has_room(operator)?;
            (vec![Write::NewPasskey(operator.id, Box::new(passkey.clone()))], operator.clone(), Some(passkey))
        }
        Enrolment::New { operator, code, .. } => {
            if invited.adds_to.is_some() || invited.name != operator.name || invited.user != operator.user {
                return refuse(FOR_ANOTHER);
            }
            // Somebody else may have been enrolled since they were invited.
            are_apart(operators, None, &operator.name, operator.user.as_deref())?;
            if operator.passkeys.is_empty() && code.is_none() {
                return refuse("an operator needs a passkey or a code");
            }
            let passkeys = operator.passkeys.iter().map(|own| Write::NewPasskey(operator.id, Box::new(own.clone())));
            let writes = std::iter::once(Write::Operator(Box::new(operator.clone()), code)).chain(passkeys).collect();
            let first = operator.passkeys.first().cloned();
            (writes, operator, first)
        }
    };
    let Operator { id: operator, name, user, .. } = operator;
    let event = AuditEvent::Enrolled { operator, name, invitation, passkey: passkey.map(Box::new), user };
    writes.extend([Write::InvitationUsed(invitation), Write::Record(NOBODY, event)]);
    Ok(Transition { told: (), writes })
}

/// Links an operator who is linked to nobody to a user nobody else is linked to.
pub(crate) fn link(id: Uuid, user: String, operators: &[Operator]) -> Result<Transition<()>, StoreError> {
    let operator = still_enrolled(operators, id)?;
    if let Some(already) = &operator.user {
        return refuse(format!(
            "{} is linked to the user `{already}`, and that stays: remove them and enrol them anew to change it",
            operator.name
        ));
    }
    are_apart(operators, Some(id), &operator.name, Some(&user))?;
    let record = Write::Record(NOBODY, AuditEvent::Linked { operator: id, user: user.clone() });
    Ok(Transition { told: (), writes: vec![Write::Linked(id, user), record] })
}

/// Takes somebody off the list, unless they are the last.
pub(crate) fn remove(
    id: Uuid,
    by: Option<Uuid>,
    operators: &[Operator],
    at: Timestamp,
) -> Result<Transition<()>, StoreError> {
    let operator = still_enrolled(operators, id)?;
    if let Some(by) = by {
        still_enrolled(operators, by)?;
    }
    if operators.len() < 2 {
        return refuse(format!(
            "{} is the last person who may answer, and nobody else could invite another: enrol another person first. Who has \
             lost every passkey and code begins anew with a new state directory",
            operator.name
        ));
    }
    let writes = vec![
        Write::OperatorRemoved(Box::new(operator.clone()), at),
        Write::GrantEnds(EndGrants { how: Ended::Removed, by, which: Which::GivenBy(id) }),
        Write::Record(NOBODY, AuditEvent::Removed { operator: id, by }),
    ];
    Ok(Transition { told: (), writes })
}

/// Nobody has a name that can be taken for another's, or for the user another one is linked to; and no two are linked to
/// users that can be taken for one another.
fn are_apart(enrolled: &[Operator], who: Option<Uuid>, name: &str, user: Option<&str>) -> Result<(), StoreError> {
    let others = || enrolled.iter().filter(|operator| Some(operator.id) != who);
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
