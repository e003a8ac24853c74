//! What the rules give, as it is written down: one statement or record for each, in their order.

use mollyguard_tools::contract::now;

use super::operator_rows::{OperatorRow, forget, put_passkey};
use super::writing::Writing;
use super::{asking_rows, dialogs, grant_rows, invitation_rows, quarantines, questions};
use crate::store::StoreError;
use crate::store::rules::{self, Transition, Write};

/// Writes all of it.
pub(super) fn apply<T>(writing: &mut Writing<'_>, transition: Transition<T>) -> Result<T, StoreError> {
    for write in transition.writes {
        one(writing, write)?;
    }
    Ok(transition.told)
}

fn one(writing: &mut Writing<'_>, write: Write) -> Result<(), StoreError> {
    match write {
        Write::Record(subject, event) => writing.append(subject, event),
        Write::Question(question) => questions::put(writing, &question),
        Write::State(question, state) => questions::stand(writing, &question, &state),
        Write::Shown { question, until } => dialogs::open(writing, question, until, now()),
        Write::ShownNoMore { question } => dialogs::close(writing, question),
        Write::Counted { user, at, question } => asking_rows::counted(writing.connection, &user, at, question),
        Write::CountsForgotten { user } => forget(writing, "DELETE FROM askings WHERE user = ?1", [user]),
        Write::Quarantine(quarantine) => quarantines::put(writing, &quarantine),
        Write::QuarantineLifted { user } => forget(writing, "DELETE FROM quarantines WHERE user = ?1", [user]),
        Write::Grant(grant) => {
            grant_rows::put(writing, &grant)?;
            let (subject, event) = rules::grants::given(&grant);
            writing.append(subject, event)
        }
        Write::GrantEnd(grant, end) => {
            grant_rows::put_end(writing, &grant, &end)?;
            let (subject, event) = rules::grants::end_of(&grant, &end);
            writing.append(subject, event)
        }
        Write::GrantEnds(ends) => {
            let standing = grant_rows::standing(writing.connection, writing.seals)?;
            let writes = rules::grants::ended(standing, &ends, now());
            apply(writing, Transition { told: (), writes })
        }
        Write::Invitation(invitation) => invitation_rows::put(writing, &invitation),
        Write::InvitationUsed(id) => forget(writing, "DELETE FROM invitations WHERE id = ?1", [id.to_string()]),
        Write::FirstInvitationsVoid => {
            forget(writing, "DELETE FROM invitations WHERE json_extract(invitation, '$.by') IS NULL", [])
        }
        Write::Operator(operator, code) => OperatorRow::of(&operator, code).put(writing),
        Write::Linked(operator, user) => OperatorRow::link(writing, operator, user),
        Write::OperatorRemoved(operator, at) => {
            let id = operator.id.to_string();
            let removed_at = Some(at.as_millisecond());
            OperatorRow { removed_at, ..OperatorRow::of(&operator, None) }.put(writing)?;
            forget(writing, "DELETE FROM passkeys WHERE operator = ?1", [&id])?;
            forget(writing, "DELETE FROM sessions WHERE operator = ?1", [&id])
        }
        Write::NewPasskey(operator, passkey) => put_passkey(writing, operator, &passkey, true),
        Write::Passkey(operator, passkey) => put_passkey(writing, operator, &passkey, false),
    }
}
