//! What is said on the operators' socket: one request and one reply a connection, each a line of JSON with the version it is
//! written in. A key or a request nobody knows is refused.

use mollyguard_record::model::{Assurance, Confirmation, ConfirmationState};
use mollyguard_record::store::{Granted, Quarantine};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::operators::TypedCode;

/// The version of what is said. Another one is refused, not guessed at.
pub(super) const VERSION: u32 = 1;
/// The longest request.
pub(super) const REQUEST_BYTES: u64 = 64 * 1024;
/// The longest reply. A list that would be longer leaves off the oldest questions.
pub(super) const REPLY_BYTES: usize = 1024 * 1024;

/// A request as a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskLine {
    pub(super) version: u32,
    pub(super) ask: Ask,
}

/// A reply as a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplyLine {
    pub(super) version: u32,
    pub(super) reply: Reply,
}

/// What an operator asks of the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// The open questions, newest first.
    List {},
    /// One question and what became of it.
    Show {
        /// Its id.
        confirmation: Uuid,
    },
    /// The users nobody is asked for any more.
    Quarantined {},
    /// Has people asked for a user again.
    Lift {
        /// The user.
        user: String,
        /// The operator's code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<TypedCode>,
    },
    /// The approvals for a while that are in force.
    Grants {},
    /// Ends one of them.
    Revoke {
        /// Its id.
        grant: Uuid,
    },
    /// Answers a question.
    Answer {
        /// Its id.
        confirmation: Uuid,
        /// The answer.
        given: GivenAnswer,
    },
}

/// An operator's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GivenAnswer {
    /// A yes, if this is the text that was asked for.
    Approve {
        /// What the operator typed.
        typed: String,
        /// Their code, where they show who they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<TypedCode>,
    },
    /// A no; it also takes back a yes that was not used yet.
    Deny {},
    /// The question was closed without an answer.
    Close {},
}

/// What the desk replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// The open questions.
    Listed {
        /// Newest first, each with the yeses it has so far.
        open: Vec<(Confirmation, ConfirmationState)>,
        /// How many older ones did not fit.
        left_off: usize,
        /// Where the page is, such as `http://localhost:7420`.
        page: Option<String>,
    },
    /// One question.
    Shown {
        /// The question.
        confirmation: Box<Confirmation>,
        /// What became of it.
        standing: ConfirmationState,
    },
    /// The users in quarantine.
    Quarantined(Vec<Quarantine>),
    /// People are asked for the user again.
    Lifted {},
    /// The approvals for a while that are in force.
    Grants(Vec<Granted>),
    /// It is ended.
    Revoked {},
    /// The answer is written down.
    Answered {
        /// Under which name.
        by: String,
        /// What a yes proves.
        assurance: Option<Assurance>,
        /// What became of the question.
        standing: ConfirmationState,
    },
    /// Nothing was done, or nothing was approved.
    Refused {
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_refused() {
        let reads = |line: &str| serde_json::from_str::<AskLine>(line).is_ok();
        let id = "0199a1b2-0000-7000-8000-000000000000";
        assert!(reads(r#"{"version":1,"ask":{"list":{}}}"#));
        assert!(reads(&format!(r#"{{"version":1,"ask":{{"show":{{"confirmation":"{id}"}}}}}}"#)));
        for line in [
            r#"{"version":1,"ask":{"list":{"all":true}}}"#,
            r#"{"version":1,"ask":{"list":{}},"as":"root"}"#,
            r#"{"version":1,"ask":{"approve":{}}}"#,
            r#"{"version":1,"version":1,"ask":{"list":{}}}"#,
            r#"{"ask":{"list":{}}}"#,
            r#"{"version":1,"ask":{"list":{},"show":{}}}"#,
        ] {
            assert!(!reads(line), "{line}");
        }
        let answer = |given: &str| {
            reads(&format!(r#"{{"version":1,"ask":{{"answer":{{"confirmation":"{id}","given":{given}}}}}}}"#))
        };
        assert!(answer(r#"{"approve":{"typed":"bookings"}}"#) && answer(r#"{"deny":{}}"#));
        assert!(!answer(r#"{"approve":{}}"#) && !answer(r#"{"approve":{"typed":"a","assurance":"passkey"}}"#));
    }
}
