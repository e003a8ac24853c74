//! What a store is asked for, by those who ask: each needs a part of it, and whoever keeps it has them all.
//!
//! What gives many rows leaves out those that are damaged, and reports them to the log.

use async_trait::async_trait;
use mollyguard_tools::contract::{Digest, Timestamp};
use uuid::Uuid;

use super::{
    AnswerSubmission, Asking, Bounds, CallFilter, Changes, Ending, Granted, Health, Intent, Like, NoEnd, NotHere,
    OpenQuestions, Pruned, Quarantine, Showing, Start, StoreError, StoredCall, Unfinished,
};
use crate::audit::{AuditEvent, AuditRecord, Subject};
use crate::model::{
    Channel, Confirmation, ConfirmationState, Enrolment, Entry, Grant, Invitation, Operator, Principal, Session,
};

/// Calls, from before they run until their end is on record, and how to take them back.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Writes down, in ONE durable transaction, that a call is about to run: the `Started` record, its pre-image, the
    /// approval it spends (Approved → Spent, unexpired, sufficient, and given to this very request, state, declaration and
    /// policies; else `NotApproved`) or the one for a while it runs under (neither ended nor run out, and about these targets,
    /// this declaration and these policies; else `NotGranted`), the call it undoes
    /// (claimed; else `AlreadyUndone`). A change of a target on which something is [`Calls::unsettled`] is `Unsettled`. A
    /// call for which there is no room is `NoRoom`: on the disk, or in what is kept of the user's calls on the target unless it
    /// spends an approval. If this fails, nothing may run.
    async fn begin(&self, start: Start) -> Result<Intent, StoreError>;

    /// Writes down, in ONE durable transaction, how the call ended: the `Finished` record, its undo plan, and for a
    /// succeeded undo the `Undone` record of the call it took back (an undo that ended untouched, or uncertain
    /// where a look found nothing changed, releases its claim).
    /// What could not be written comes back whole, to be tried again; `AlreadyEnded` is not worth another try.
    async fn finish(&self, intent: Intent, ending: Ending) -> Result<(), Box<Unfinished>>;

    /// Keeps other changes off the target of a call that has no end yet and with which nothing goes on, in every process,
    /// until its end is written down.
    async fn hold_open(&self, call: Uuid);

    /// One call, complete.
    async fn call(&self, id: Uuid) -> Result<Option<StoredCall>, StoreError>;

    /// Calls, newest first, without what can be large: no pre-images, no arguments of undo plans (`Null`), and of the
    /// calls' own arguments only those up to 64 KiB (else `Null`).
    async fn calls(&self, filter: CallFilter) -> Result<Vec<StoredCall>, StoreError>;

    /// Calls that started, have no end, and whose process is gone (its stream's lease has lapsed): what recovery settles.
    async fn unfinished(&self) -> Result<Vec<StoredCall>, StoreError>;

    /// A call on this configured target, of this or any other process, that has no end on record and does not simply run:
    /// its end could not be written, or its process is gone. No change of the target begins before its end is on record.
    async fn unsettled(&self, target: &str) -> Result<Option<(Uuid, NoEnd)>, StoreError>;

    /// Ends a call that `unfinished` gave, in one transaction, unless somebody else did meanwhile (then `false`).
    async fn recover(&self, call: Uuid, ending: Ending) -> Result<bool, StoreError>;
}

/// What people are asked, what they answer, and whom nobody is asked for.
#[async_trait]
pub trait Questions: Send + Sync {
    /// Writes down a question and its `Asked` record, in one transaction; or, with a `Denied` record, that it was one too
    /// many. The same question is not written down twice while it can still be answered or used, and neither is one about
    /// the same effect in other words; but one whose answer could not be enough any more is closed, and asked anew.
    async fn ask(
        &self,
        subject: Subject,
        confirmation: Confirmation,
        channel: Option<Channel>,
        bounds: Bounds,
    ) -> Result<Asking, StoreError>;

    /// Writes down, with a `Shown` record, that a call has a question shown once more, and counts it as one more that its user
    /// asked; where that is one too many, they are in quarantine, and a `Denied` record says so. Nothing is counted or written
    /// where another living process shows it.
    async fn shown(&self, call: Uuid, question: Uuid, channel: Channel, flood: u32) -> Result<Showing, StoreError>;

    /// The dialog in which this process showed a question is over, whatever it came to: whoever wants its answer next may show
    /// it. That is no fact about a call, and has no record.
    async fn shown_no_more(&self, question: Uuid) -> Result<(), StoreError>;

    /// Writes down an answer and its `Answered` record, in one transaction. Where one person is enough, the first answer
    /// stands; where several are needed, each may say yes once, and the confirmation is approved when their yeses together
    /// are what it needs. One no ends it. Answering a confirmation that is not open is `NotApproved`; but anything else than
    /// a yes takes back an approval that is not spent. A yes may stand for a while, an hour at most: written down with its
    /// `Granted` record in the same transaction, or the whole answer is `NotApproved`. A no ends what stands about the same.
    async fn answer(&self, subject: Subject, given: AnswerSubmission) -> Result<(), StoreError>;

    /// Writes down that somebody tried to answer and that what they showed does not hold.
    async fn reject(
        &self,
        confirmation: Uuid,
        channel: Channel,
        operator: Option<Uuid>,
        why: String,
    ) -> Result<(), StoreError>;

    /// A confirmation and what became of it.
    async fn confirmation(&self, id: Uuid) -> Result<Option<(Confirmation, ConfirmationState)>, StoreError>;

    /// The newest 32 confirmations about this request or effect, newest first, whatever was found then and became of them;
    /// and behind those the newest 32 that were declined and have such an aim.
    async fn asked_before(&self, like: Like) -> Result<Vec<(Confirmation, ConfirmationState)>, StoreError>;

    /// The questions that are open and unexpired, with the yeses they have so far, newest first, among the newest 1,000 that
    /// are open.
    async fn open_questions(&self) -> Result<OpenQuestions, StoreError>;

    /// Puts a user in quarantine: nobody is asked for them any more, and what was approved for them for a while ends. One
    /// who is there already stays as they are.
    async fn quarantine(&self, principal: Principal, why: String) -> Result<Quarantine, StoreError>;

    /// Ends a user's quarantine; they begin with a clean slate. `by` is the operator who does it; `None` for the owner of
    /// the gateway.
    async fn lift(&self, user: String, by: Option<Uuid>) -> Result<(), StoreError>;

    /// The users in quarantine, by name.
    async fn quarantined(&self) -> Result<Vec<Quarantine>, StoreError>;
}

/// Approvals that stand for a while. They are given with an answer: see [`Questions::answer`].
#[async_trait]
pub trait Grants: Send + Sync {
    /// The approvals for a while about exactly this (see [`Grant::about`]) that are in force, newest first. One whose time
    /// is over is written down as ended.
    async fn granted(&self, about: Digest) -> Result<Vec<Grant>, StoreError>;

    /// All approvals for a while that are in force, newest first.
    async fn grants(&self) -> Result<Vec<Granted>, StoreError>;

    /// Ends an approval for a while: no call begins under it any more. `by` is the operator who does it; `None` for the
    /// owner of the gateway.
    async fn revoke(&self, grant: Uuid, by: Option<Uuid>) -> Result<(), StoreError>;
}

/// Those who may answer, and how they come to.
#[async_trait]
pub trait People: Send + Sync {
    /// Those who may answer, by name.
    async fn operators(&self) -> Result<Vec<Operator>, StoreError>;

    /// Writes down an invitation. One by nobody is `NotEnrolled` once somebody is enrolled, and replaces the one before;
    /// one by an operator is, when they are not enrolled. For a new person a name or a user that is taken, or can be taken
    /// for somebody else's, is refused, for another passkey a name that is not that operator's.
    async fn invite(&self, invitation: Invitation) -> Result<(), StoreError>;

    /// The invitation whose code has this digest, if it has not expired.
    async fn invitation(&self, code: Digest) -> Result<Option<Invitation>, StoreError>;

    /// Enrols somebody, or another passkey of theirs, and uses up the invitation, in one transaction.
    async fn enroll(&self, enrolment: Enrolment) -> Result<(), StoreError>;

    /// Links an operator who is linked to nobody to the user whose calls are made for them. One who is linked already, or a
    /// user another is linked to, or can be taken for, is `NotEnrolled`.
    async fn link(&self, operator: Uuid, user: String) -> Result<(), StoreError>;

    /// Takes an operator off the list, with their passkeys, code, sessions and what they approved for a while. `by` is who
    /// does it; `None` for the owner of the gateway. The last one stays: that is `NotEnrolled`.
    async fn remove(&self, operator: Uuid, by: Option<Uuid>) -> Result<(), StoreError>;

    /// Writes down that a passkey was shown at this entry, and that what it showed does not hold.
    async fn not_let_in(&self, operator: Option<Uuid>, entry: Entry, why: String) -> Result<(), StoreError>;

    /// The operator whose code has this digest.
    async fn with_code(&self, code: Digest) -> Result<Option<Operator>, StoreError>;
}

/// The sessions of the page.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session of the page, and forgets those that have expired. A passkey's counter is moved along.
    async fn sign_in(&self, session: Session, count: Option<u32>) -> Result<(), StoreError>;

    /// A session that has not expired, and whose it is.
    async fn session(&self, token: Digest) -> Result<Option<(Session, Operator)>, StoreError>;

    /// Ends a session.
    async fn sign_out(&self, token: Digest) -> Result<(), StoreError>;
}

/// The audit chain itself.
#[async_trait]
pub trait Records: Send + Sync {
    /// Appends one record that belongs to no transaction of its own: `Read`, `Denied`. Group-committed: returns when it
    /// is written to the database, which for reads may be before it is on disk.
    async fn record(&self, subject: Subject, event: AuditEvent) -> Result<(), StoreError>;

    /// As [`Records::record`], but on the caller's thread, which may block, and only where nobody else is writing: one call
    /// at a time need not wait for another thread.
    ///
    /// # Errors
    /// Somebody else is writing, or the store failed.
    fn record_here(&self, record: (Subject, AuditEvent)) -> Result<(), NotHere>;

    /// The records of all streams, by stream and place, `limit` at a time, after the given place.
    async fn records(&self, after: Option<(Uuid, u64)>, limit: u32) -> Result<Vec<AuditRecord>, StoreError>;

    /// Removes what was recorded before a moment, up to a bounded number of records at a time, and writes down in the same
    /// transaction what went. Of each stream the first records go, up to the first that was made later or that speaks of
    /// something still in use: a call that runs, a question that can be answered, an approval in force. The call, the
    /// question or the approval a record tells of goes with it. A record that is not as it was written goes nowhere: that
    /// is `Corrupt`.
    async fn prune(&self, before: Timestamp) -> Result<Pruned, StoreError>;

    /// What [`prune_all`](super::prune_all) would remove now. Nothing is; where `more` is set it is that much at least.
    async fn prunable(&self, before: Timestamp) -> Result<Pruned, StoreError>;
}

/// Where calls, questions, undo entries and the audit chain are kept.
#[async_trait]
pub trait Store: Calls + Questions + Grants + People + Sessions + Records {
    /// How the store fares. A checkpoint that cannot be written shows here.
    fn health(&self) -> Health;

    /// Tells of changes to what is stored, by this process or another.
    fn changes(&self) -> Changes;

    /// Writes what is waiting and the last checkpoint, and leaves. Later calls fail.
    async fn close(&self) -> Result<(), StoreError>;
}
