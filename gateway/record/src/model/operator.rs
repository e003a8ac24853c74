//! The people who may answer questions: enrolled, never implied.

use mollyguard_tools::contract::{Digest, Timestamp};
use mollyguard_tools::text::is_unseen;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::names::{has_letters, is_tellable};
use crate::webauthn::Enrolled;

/// Somebody who may answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Their id, uuid v7.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// The user whose calls are made for them. Who is linked to no user counts as nobody else than anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When they were enrolled.
    pub enrolled_at: Timestamp,
    /// Their passkeys.
    pub passkeys: Vec<Passkey>,
    /// Whether they have a code to show who they are.
    pub has_code: bool,
}

/// A passkey of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The rpId it was made for.
    pub relying_party: String,
    /// The credential, with the signature counter seen last.
    pub credential: Enrolled,
}

impl Passkey {
    /// The credential's id, base64url.
    #[must_use]
    pub fn id(&self) -> String {
        self.credential.credential.to_string()
    }
}

/// Checks the name of somebody to be enrolled, which stands in records and on pages.
///
/// # Errors
/// What a name may be.
pub fn check_name(name: &str) -> Result<&str, String> {
    let name = name.trim();
    let fits = (1..=64).contains(&name.len()) && !name.chars().any(|c| c.is_control() || is_unseen(c));
    if !fits {
        return Err("A name is 1 to 64 printable characters.".to_owned());
    }
    if !is_tellable(name) {
        return Err(
            "A name has a letter or a digit, and its letters are of one alphabet: it is not to be taken for another."
                .to_owned(),
        );
    }
    Ok(name)
}

/// Checks the name of the user somebody is to be linked to: exactly as the configuration has it.
///
/// # Errors
/// What it may be.
pub fn check_user(user: &str) -> Result<&str, String> {
    let fits = (1..=256).contains(&user.len()) && !user.chars().any(|c| c.is_control() || is_unseen(c));
    if fits && has_letters(user) { Ok(user) } else { Err("A user is 1 to 256 printable characters.".to_owned()) }
}

/// What tells an operator that their yes does not count as somebody else's, and what would help.
#[must_use]
pub fn not_linked(name: &str) -> String {
    format!(
        "nobody knows whether {name} is somebody else: they are linked to no user. Whoever runs the gateway links them with \
         `mollyguard operator link {name} --for USER`"
    )
}

/// The most passkeys of one operator.
pub const MOST_PASSKEYS: usize = 10;

/// With what somebody showed who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Means {
    /// A passkey, with user verification.
    Passkey {
        /// The credential's id.
        id: String,
    },
    /// A code only they were told.
    Code,
}

/// Where somebody shows who they are, other than by answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// To open a session of the page.
    SignIn,
    /// To be enrolled, or to have another passkey.
    Enrolment,
}

/// A one-time code to be enrolled with, or to add a passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Its id.
    pub id: Uuid,
    /// The name of the person.
    pub name: String,
    /// The user whose calls are made for them: they are linked to this one once they are enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Who invites them; `None` for the first.
    pub by: Option<Uuid>,
    /// The operator it adds a passkey to; `None` where it enrols a new person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adds_to: Option<Uuid>,
    /// Keyed digest of the code.
    pub code: Digest,
    /// After this it is worth nothing.
    pub expires_at: Timestamp,
}

/// An operator's time at the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Keyed digest of what the browser's cookie holds.
    pub token: Digest,
    /// Whose it is.
    pub operator: Uuid,
    /// What it was opened with.
    pub means: Means,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// After this it is over.
    pub expires_at: Timestamp,
}

/// What makes somebody an operator, or gives an operator another passkey.
#[derive(Clone, Debug)]
pub enum Enrolment {
    /// Of a new person.
    New {
        /// The invitation they use up.
        invitation: Uuid,
        /// The new operator: at least a passkey or a code.
        operator: Operator,
        /// Keyed digest of their code, if they have one.
        code: Option<Digest>,
    },
    /// Of another passkey.
    Another {
        /// The invitation it uses up.
        invitation: Uuid,
        /// Whose.
        operator: Uuid,
        /// The passkey.
        passkey: Passkey,
    },
}
