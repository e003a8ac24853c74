//! What a store is asked for, handed to whoever reads or writes it.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use mollyguard_tools::contract::{Digest, Timestamp};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::prune::{Look, Step};
use super::pulse::Health;
use super::rows::{CallRow, ConfirmationRow, Depth};
use super::unsettled::{self, Looker};
use super::work::Task;
use super::writer::Message;
use super::writing::{Writing, by_itself};
use super::{
    Changes, SqliteStore, answers, askings, begun, closed, grants, operator_rows, operators, prune, quarantines, reads,
    sessions,
};
use crate::audit::{AuditEvent, AuditRecord, Subject};
use crate::model::{
    Channel, Confirmation, ConfirmationState, Enrolment, Entry, Grant, Invitation, Operator, Principal, Session,
};
use crate::store::{
    AnswerSubmission, Asking, Bounds, CallFilter, Calls, Ending, Granted, Grants, Intent, Like, NoEnd, NotHere,
    OpenQuestions, People, Pruned, Quarantine, Questions, Records, Sessions, Showing, Start, Store, StoreError,
    StoredCall, Unfinished,
};

#[async_trait]
impl Calls for SqliteStore {
    async fn begin(&self, start: Start) -> Result<Intent, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            durable: true,
            run: Some(Box::new(move |writing: &mut Writing<'_>| begun::begin(writing, start))),
            result: None,
            reply: Some(reply),
            lost: Some(Box::new(begun::never_ran)),
        };
        self.send(Box::new(task), answer).await.map(Intent::written)
    }

    async fn finish(&self, intent: Intent, ending: Ending) -> Result<(), Box<Unfinished>> {
        let call = intent.call;
        let ending = Arc::new(ending);
        let given = Arc::clone(&ending);
        let error = match self.write(true, move |writing| begun::end(writing, call, &given)).await {
            Ok(true) => {
                self.unwritten.remove(call);
                return Ok(());
            }
            Ok(false) => {
                self.unwritten.remove(call);
                StoreError::AlreadyEnded(call)
            }
            Err(error) => {
                self.tell_unwritten(call).await;
                error
            }
        };
        Err(Box::new(Unfinished { intent, ending: Arc::unwrap_or_clone(ending), error }))
    }

    async fn hold_open(&self, call: Uuid) {
        self.tell_unwritten(call).await;
    }

    async fn call(&self, id: Uuid) -> Result<Option<StoredCall>, StoreError> {
        self.read(move |connection, seals| {
            CallRow::find(connection, id, seals)?.map(|row| row.call(seals, Depth::Whole)).transpose()
        })
        .await
    }

    async fn calls(&self, filter: CallFilter) -> Result<Vec<StoredCall>, StoreError> {
        self.read(move |connection, seals| reads::calls(connection, &filter, seals)).await
    }

    async fn unfinished(&self) -> Result<Vec<StoredCall>, StoreError> {
        let (directory, own) = (self.directory.clone(), self.stream);
        self.read(move |connection, seals| reads::unfinished(connection, &directory, own, seals)).await
    }

    async fn unsettled(&self, target: &str) -> Result<Option<(Uuid, NoEnd)>, StoreError> {
        let (directory, own, target) = (self.directory.clone(), self.stream, target.to_owned());
        let unwritten = Arc::clone(&self.unwritten);
        self.read(move |connection, seals| {
            let looker = Looker { directory: &directory, own, unwritten: &unwritten, seals };
            unsettled::on(connection, &target, &looker)
        })
        .await
    }

    async fn recover(&self, call: Uuid, ending: Ending) -> Result<bool, StoreError> {
        let ended = self.write(true, move |writing| begun::end(writing, call, &ending)).await?;
        self.unwritten.remove(call);
        Ok(ended)
    }
}

#[async_trait]
impl Questions for SqliteStore {
    async fn ask(
        &self,
        subject: Subject,
        confirmation: Confirmation,
        channel: Option<Channel>,
        bounds: Bounds,
    ) -> Result<Asking, StoreError> {
        self.write(true, move |writing| askings::ask(writing, subject, &confirmation, channel, bounds)).await
    }

    async fn shown(&self, call: Uuid, question: Uuid, channel: Channel, flood: u32) -> Result<Showing, StoreError> {
        self.write(true, move |writing| askings::shown(writing, call, question, channel, flood)).await
    }

    async fn shown_no_more(&self, question: Uuid) -> Result<(), StoreError> {
        self.write(false, move |writing| askings::shown_no_more(writing, question)).await
    }

    async fn answer(&self, subject: Subject, given: AnswerSubmission) -> Result<(), StoreError> {
        self.write(true, move |writing| answers::answer(writing, subject, given)).await
    }

    async fn reject(&self, id: Uuid, channel: Channel, operator: Option<Uuid>, why: String) -> Result<(), StoreError> {
        self.write(true, move |writing| answers::reject(writing, id, channel, operator, why)).await
    }

    async fn confirmation(&self, id: Uuid) -> Result<Option<(Confirmation, ConfirmationState)>, StoreError> {
        self.read(move |connection, seals| ConfirmationRow::find(connection, id, seals)).await
    }

    async fn asked_before(&self, like: Like) -> Result<Vec<(Confirmation, ConfirmationState)>, StoreError> {
        self.read(move |connection, seals| reads::asked_before(connection, &like, seals)).await
    }

    async fn open_questions(&self) -> Result<OpenQuestions, StoreError> {
        let open = Arc::clone(&self.open);
        self.read(move |connection, seals| {
            open.lock().unwrap_or_else(PoisonError::into_inner).open_questions(connection, seals)
        })
        .await
    }

    async fn quarantine(&self, principal: Principal, why: String) -> Result<Quarantine, StoreError> {
        self.write(true, move |writing| askings::quarantine(writing, &principal, why)).await
    }

    async fn lift(&self, user: String, by: Option<Uuid>) -> Result<(), StoreError> {
        self.write(true, move |writing| askings::lift(writing, &user, by)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantine>, StoreError> {
        self.read(quarantines::all).await
    }
}

#[async_trait]
impl Grants for SqliteStore {
    async fn granted(&self, about: Digest) -> Result<Vec<Grant>, StoreError> {
        let (good, over) = self.read(move |connection, seals| grants::granted(connection, about, seals)).await?;
        if !over.is_empty() {
            self.write(true, move |writing| grants::run_out(writing, &over)).await?;
        }
        Ok(good)
    }

    async fn grants(&self) -> Result<Vec<Granted>, StoreError> {
        self.read(grants::in_force).await
    }

    async fn revoke(&self, grant: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
        self.write(true, move |writing| grants::revoke(writing, grant, by)).await
    }
}

#[async_trait]
impl People for SqliteStore {
    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.read(operator_rows::all).await
    }

    async fn invite(&self, invitation: Invitation) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::invite(writing, invitation)).await
    }

    async fn invitation(&self, code: Digest) -> Result<Option<Invitation>, StoreError> {
        self.read(move |connection, seals| operators::invitation(connection, code, seals)).await
    }

    async fn enroll(&self, enrolment: Enrolment) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::enroll(writing, enrolment)).await
    }

    async fn link(&self, operator: Uuid, user: String) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::link(writing, operator, user)).await
    }

    async fn remove(&self, operator: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::remove(writing, operator, by)).await
    }

    async fn not_let_in(&self, operator: Option<Uuid>, entry: Entry, why: String) -> Result<(), StoreError> {
        self.write(true, move |writing| operators::not_let_in(writing, operator, entry, why)).await
    }

    async fn with_code(&self, code: Digest) -> Result<Option<Operator>, StoreError> {
        self.read(move |connection, seals| operator_rows::with_code(connection, code, seals)).await
    }
}

#[async_trait]
impl Sessions for SqliteStore {
    async fn sign_in(&self, session: Session, count: Option<u32>) -> Result<(), StoreError> {
        self.write(true, move |writing| sessions::sign_in(writing, session, count)).await
    }

    async fn session(&self, token: Digest) -> Result<Option<(Session, Operator)>, StoreError> {
        self.read(move |connection, seals| sessions::session(connection, token, seals)).await
    }

    async fn sign_out(&self, token: Digest) -> Result<(), StoreError> {
        self.write(true, move |writing| sessions::sign_out(writing, token)).await
    }
}

impl SqliteStore {
    /// Reads on until something is found that can go, or nothing can. Others read and write between the steps.
    async fn look_further(&self, mut look: Look) -> Result<(Look, Step), StoreError> {
        loop {
            let step;
            (look, step) =
                self.read(move |connection, seals| look.step(connection, seals).map(|step| (look, step))).await?;
            if step != Step::Further {
                return Ok((look, step));
            }
        }
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn record(&self, subject: Subject, event: AuditEvent) -> Result<(), StoreError> {
        let durable = by_itself(&event)?;
        self.write(durable, move |writing| writing.append(subject, event)).await
    }

    fn record_here(&self, record: (Subject, AuditEvent)) -> Result<(), NotHere> {
        self.record_on_this_thread(record)
    }

    async fn records(&self, after: Option<(Uuid, u64)>, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(move |connection, _| reads::records(connection, after, limit)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<Pruned, StoreError> {
        loop {
            let (look, more) = match self.look_further(Look::new(before)).await? {
                (look, Step::Found { all }) => (look, !all),
                (_, Step::Nothing | Step::Further) => return Ok(Pruned::none(before)),
            };
            let pruned = self.write(true, move |writing| prune::prune(writing, before, look, more)).await?;
            // Else somebody else has pruned it, or begun something that rests on it.
            if let Some(pruned) = pruned {
                return Ok(pruned);
            }
        }
    }

    async fn prunable(&self, before: Timestamp) -> Result<Pruned, StoreError> {
        let (mut look, mut pruned) = (Look::new(before), Pruned::none(before));
        loop {
            let step;
            (look, step) = self.look_further(look).await?;
            let Step::Found { all } = step else { return Ok(Pruned { more: false, ..pruned }) };
            let found = prune::would_go(&mut look, before);
            pruned = pruned.and(found);
            if all || !found.more {
                return Ok(Pruned { more: !all, ..pruned });
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn health(&self) -> Health {
        self.pulse.health()
    }

    fn changes(&self) -> Changes {
        self.pulse.change_notifier.changes(&self.reader)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        let (done, closing) = oneshot::channel();
        queue.send(Message::Close(done)).await.map_err(|_| closed())?;
        closing.await.unwrap_or_else(|_| Err(closed()))
    }
}
