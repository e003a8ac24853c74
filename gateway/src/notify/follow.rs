//! What became of questions that were open.

use std::fmt;

use mollyguard_record::model::{Approval, Confirmation, ConfirmationState};
use mollyguard_record::store::{OpenQuestions, Store, StoreError};
use mollyguard_tools::contract::{Timestamp, now};
use uuid::Uuid;

use crate::confirm::clean;

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As many people as were needed said yes.
    Approved {
        /// Who, where it is still known.
        by: Vec<String>,
    },
    /// Somebody did anything else.
    Declined {
        /// What.
        how: String,
        /// Who.
        by: String,
    },
    /// Nobody answered in time.
    Expired,
}

impl Ended {
    /// `approved`, `declined` or `expired`.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Approved { .. } => "approved",
            Self::Declined { .. } => "declined",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approved { by } if by.is_empty() => f.write_str("approved"),
            Self::Approved { by } => write!(f, "approved by {}", by.join(", ")),
            Self::Declined { how, by } => write!(f, "{how}, by {by}"),
            Self::Expired => f.write_str("expired: nobody answered in time"),
        }
    }
}

/// How it ended, if it did.
pub(crate) fn end_of(confirmation: &Confirmation, standing: &ConfirmationState, now: Timestamp) -> Option<Ended> {
    match standing {
        ConfirmationState::Open { .. } if now < confirmation.expires_at => None,
        ConfirmationState::Open { .. } => Some(Ended::Expired),
        ConfirmationState::Approved { approvals } => Some(Ended::Approved { by: approvers(approvals) }),
        ConfirmationState::Spent { .. } => Some(Ended::Approved { by: Vec::new() }),
        ConfirmationState::Refused { how, .. } if how == "timeout" => Some(Ended::Expired),
        ConfirmationState::Refused { how, by, .. } => Some(Ended::Declined { how: clean(how), by: clean(by) }),
    }
}

/// Those who said yes, as they are shown.
pub(crate) fn approvers(approvals: &[Approval]) -> Vec<String> {
    approvals.iter().map(|approval| clean(&approval.approver)).collect()
}

/// How those of these questions ended that are not among the open ones.
///
/// # Errors
/// The store failed.
pub(crate) async fn ended(
    store: &dyn Store,
    followed: &[Uuid],
    open: &OpenQuestions,
) -> Result<Vec<(Uuid, Ended)>, StoreError> {
    let mut found = Vec::new();
    for id in followed.iter().filter(|id| !open.iter().any(|open| open.0.id == **id)) {
        // One that is not there any more cannot be answered either.
        let end = match store.confirmation(*id).await? {
            Some((confirmation, standing)) => end_of(&confirmation, &standing, now()),
            None => Some(Ended::Expired),
        };
        found.extend(end.map(|end| (*id, end)));
    }
    Ok(found)
}
