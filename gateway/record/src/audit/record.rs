//! One link of the chain.

use mollyguard_tools::contract::{BlastRadius, Digest, Probe, Reversibility, Target, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::pruned::Enrolled;
use crate::model::{Answer, Because, Channel, Confirmation, Ended, Entry, Means, Need, Passkey, Principal};
use crate::webauthn::Assertion;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It ran.
    Succeeded,
    /// It changed nothing.
    Untouched,
    /// It may or may not have changed something.
    Uncertain,
}

/// What a record is about: the call, for whom, with which tool, on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The call; `None` for records about the gateway itself.
    pub call: Option<Uuid>,
    /// For whom; `None` for records about the gateway itself.
    pub principal: Option<Principal>,
    /// The tool.
    pub tool: Option<String>,
    /// What it acts on, as far as it is known.
    pub targets: Vec<Target>,
    /// Keyed digest of the arguments (HMAC-SHA256 with a key of this installation): equal arguments can be told, the
    /// arguments cannot be guessed.
    pub arguments: Option<Digest>,
}

impl From<&Confirmation> for Subject {
    /// Of what is done with a question rather than with the call it is about.
    fn from(confirmation: &Confirmation) -> Self {
        let (principal, tool) = (Some(confirmation.principal.clone()), Some(confirmation.tool.clone()));
        Self { call: None, principal, tool, targets: Vec::new(), arguments: None }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum AuditEvent {
    /// A read was answered (or failed, with the reason).
    Read {
        /// The policies that permit it.
        policies: Vec<String>,
        /// Why it failed, if it did.
        failed: Option<String>,
    },
    /// A call was refused before it ran.
    Denied {
        /// The refusal's `reason_code`.
        reason_code: String,
        /// Who says so.
        because: Vec<Because>,
        /// How many refusals of this principal before it were too many to be written down one by one.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: u64,
    },
    /// A person was asked.
    Asked {
        /// The confirmation.
        confirmation: Uuid,
        /// What is needed.
        need: Need,
        /// Digest of the text shown.
        text: Digest,
        /// Digest of the whole call: what a yes is bound to, and the challenge a passkey signs.
        call: Digest,
        /// The way it was asked; `None` when the client has none.
        channel: Option<Channel>,
    },
    /// An answer came.
    Answered {
        /// The confirmation.
        confirmation: Uuid,
        /// The answer. What was typed is kept: it is a target's name or a failed guess at it.
        answer: Answer,
        /// Whether it is a yes as strong as was asked for. Where several people are needed, one of theirs.
        sufficient: bool,
        /// The way it came.
        channel: Channel,
        /// Who answered, as far as the channel proves it.
        by: String,
        /// The enrolled person that is, where the channel knows one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operator: Option<Uuid>,
        /// What their passkey signed: proves offline which call it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assertion: Option<Box<Assertion>>,
        /// For how many seconds the yes was to stand for other calls as well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasts_s: Option<u64>,
    },
    /// A yes stands for a while: for calls of this tool on these targets that can be undone.
    Granted {
        /// The approval for a while.
        grant: Uuid,
        /// The confirmation whose answer gave it.
        confirmation: Uuid,
        /// The operator who gave it.
        operator: Uuid,
        /// What it proves.
        strength: Need,
        /// Digest of what it is about: tool, declaration, principal, targets, policies.
        about: Digest,
        /// After this it is worth nothing.
        until: Timestamp,
    },
    /// It stands no longer.
    GrantEnded {
        /// The approval for a while.
        grant: Uuid,
        /// Why.
        how: Ended,
        /// The operator by whose act; `None` for the owner of the gateway, or where it is nobody's.
        by: Option<Uuid>,
    },
    /// A question that was asked before was shown once more, in another dialog.
    Shown {
        /// The confirmation.
        confirmation: Uuid,
    },
    /// Somebody tried to answer, and what they showed does not hold. The question stays open.
    Rejected {
        /// The confirmation.
        confirmation: Uuid,
        /// The way it came.
        channel: Channel,
        /// Who it claims to be, where it claims that.
        operator: Option<Uuid>,
        /// What is wrong with it.
        why: String,
    },
    /// A passkey was shown to sign in or to be enrolled, and what it showed does not hold. So many a minute are written down.
    NotLetIn {
        /// Whose passkey it is, or was to be; `None` where it is nobody's.
        operator: Option<Uuid>,
        /// Where.
        entry: Entry,
        /// What is wrong with it.
        why: String,
    },
    /// A one-time code for enrolling somebody, or another passkey of theirs, was made.
    Invited {
        /// The invitation.
        invitation: Uuid,
        /// The name they will have, or have.
        name: String,
        /// Who invites them; `None` for the first, whom the owner of the gateway invites.
        by: Option<Uuid>,
        /// The operator it adds a passkey to; `None` for a new person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adds_to: Option<Uuid>,
        /// The user they will be linked to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// Somebody who may answer was enrolled, or has another passkey.
    Enrolled {
        /// Who.
        operator: Uuid,
        /// Their name.
        name: String,
        /// The invitation they used.
        invitation: Uuid,
        /// The passkey; `None` for somebody who answers with a code.
        passkey: Option<Box<Passkey>>,
        /// The user they are linked to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// An operator was linked to the user whose calls are made for them.
    Linked {
        /// Who.
        operator: Uuid,
        /// To whom.
        user: String,
    },
    /// Somebody may not answer any more.
    Removed {
        /// Who.
        operator: Uuid,
        /// Who removed them; `None` for the owner of the gateway.
        by: Option<Uuid>,
    },
    /// An enrolled person opened a session of the page.
    SignedIn {
        /// Who.
        operator: Uuid,
        /// With what.
        means: Means,
    },
    /// They closed it.
    SignedOut {
        /// Who.
        operator: Uuid,
    },
    /// Nobody is asked for this principal any more.
    Quarantined {
        /// Why.
        why: String,
    },
    /// People are asked for this principal again.
    Lifted {
        /// The operator who decided that; `None` for the owner of the gateway.
        by: Option<Uuid>,
    },
    /// The call is about to run.
    Started {
        /// The settled reversibility.
        reversibility: Reversibility,
        /// How much it would touch.
        blast_radius: BlastRadius,
        /// Digest of the observed state.
        fingerprint: Digest,
        /// The policies that permit it.
        policies: Vec<String>,
        /// The confirmation whose approval it spends.
        confirmation: Option<Uuid>,
        /// The approval for a while it runs under.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<Uuid>,
        /// The call it takes back, for an undo.
        undoes: Option<Uuid>,
    },
    /// The call ended.
    Finished {
        /// How.
        end: End,
        /// Whether it can be undone.
        undoable: bool,
        /// What happened, where it did not succeed.
        note: Option<String>,
        /// What a look found, where the end is uncertain.
        probe: Option<Probe>,
    },
    /// A call was taken back by another.
    Undone {
        /// The call that took it back.
        by: Uuid,
    },
    /// Old records were removed, with the calls, questions and approvals they tell of.
    Pruned {
        /// The number of this pruning; the first is 1.
        pruning: u64,
        /// What was made before then was removed, as far as nothing newer rests on it.
        before: Timestamp,
        /// How many records went.
        records: u64,
        /// How many calls.
        calls: u64,
        /// How many questions.
        questions: u64,
        /// How many approvals for a while.
        grants: u64,
        /// Digest of where each stream begins that is not whole any more.
        marks: Digest,
        /// The passkeys that are enrolled.
        passkeys: Vec<Enrolled>,
    },
    /// A gateway process opened its stream with this configuration.
    Configured {
        /// The gateway's version.
        version: String,
        /// Digest of the configuration file.
        configuration: Digest,
        /// Digest of the policies in force.
        policies: Digest,
    },
}

/// One link: what happened, and the digest of the link before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The chain it belongs to: one per gateway process.
    pub stream: Uuid,
    /// Its place in the stream, from 0.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// What happened.
    pub event: AuditEvent,
    /// The digest of the record before it; for the first, of the stream's id.
    pub previous: Digest,
    /// SHA-256 over the canonical JSON of all the other fields.
    pub digest: Digest,
}
