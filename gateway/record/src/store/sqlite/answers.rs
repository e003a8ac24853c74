//! What people answer, as it is read for the rules and written down.

use mollyguard_tools::contract::Timestamp;
use uuid::Uuid;

use super::applied::apply;
use super::rows::ConfirmationRow;
use super::writing::Writing;
use super::{operator_rows, quarantines};
use crate::audit::Subject;
use crate::model::{Channel, Moment};
use crate::store::rules::confirmations::{self, Answered, Spending};
use crate::store::{AnswerSubmission, Start, StoreError};

/// See [`crate::store::Questions::answer`].
pub(super) fn answer(writing: &mut Writing<'_>, subject: Subject, given: AnswerSubmission) -> Result<(), StoreError> {
    let (connection, seals) = (writing.connection, writing.seals);
    let found = ConfirmationRow::find(connection, given.confirmation, seals)?;
    let (confirmation, state) = found.ok_or(StoreError::NotFound("confirmation", given.confirmation))?;
    let operators = operator_rows::those(writing, &confirmations::concerned(&state, Some(&given)))?;
    let user = &confirmation.principal.user;
    let quarantine = given.lasts.map(|_| quarantines::find(connection, user, seals)).transpose()?.flatten();
    let answered = Answered {
        confirmation: &confirmation,
        state,
        given,
        operators: &operators,
        is_quarantined: quarantine.is_some(),
        at: Moment::now(),
        grant: Uuid::now_v7(),
    };
    apply(writing, confirmations::answer(answered, subject)?)
}

/// Uses the approval a call starts with.
pub(super) fn spend(writing: &mut Writing<'_>, id: Uuid, start: &Start, at: Timestamp) -> Result<(), StoreError> {
    let (connection, seals) = (writing.connection, writing.seals);
    let found = ConfirmationRow::find(connection, id, seals)?;
    let (mut operators, mut is_quarantined) = (Vec::new(), false);
    if let Some((confirmation, state)) = &found {
        operators = operator_rows::those(writing, &confirmations::concerned(state, None))?;
        is_quarantined = quarantines::find(connection, &confirmation.principal.user, seals)?.is_some();
    }
    let spending = Spending { id, found, operators: &operators, is_quarantined, at };
    apply(writing, confirmations::spend(spending, start)?)
}

/// See [`crate::store::Questions::reject`].
pub(super) fn reject(
    writing: &mut Writing<'_>,
    id: Uuid,
    channel: Channel,
    operator: Option<Uuid>,
    why: String,
) -> Result<(), StoreError> {
    let found = ConfirmationRow::find(writing.connection, id, writing.seals)?;
    let question = found.as_ref().map(|(question, _)| question);
    apply(writing, confirmations::reject(id, question, (channel, operator, why))?)
}
