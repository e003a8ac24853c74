//! Rows as they are stored, and what they mean. Every row is sealed: one edited by another program is not believed.

use mollyguard_tools::contract::{Digest, Preflight, Timestamp, UndoPlan};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::schema::failed;
use crate::audit::{ArgsKey, Subject};
use crate::model::{Confirmation, ConfirmationState};
use crate::store::rules::calls;
use crate::store::{Ending, Start, StoreError, StoredCall};

macro_rules! columns {
    ($large:literal) => {
        concat!(
            "c.id, c.stream, c.user, c.tool, c.target, c.subject, c.args_digest, c.preflight, c.pre_image_digest, \
             c.reversibility, c.started_at, c.confirmation, c.undoes, c.claims, c.start_seal, c.finished_at, c.ended, \
             c.note, c.undo, c.undo_args_digest, c.undo_until, c.end_seal, \
             (SELECT u.id FROM calls u WHERE u.claims = c.id AND u.ended = 'succeeded'), \
             (SELECT u.id FROM calls u WHERE u.claims = c.id AND u.ended IS NOT 'succeeded'), \
             (SELECT g.granted FROM granted_calls g WHERE g.call = c.id), ",
            $large
        )
    };
}

/// The columns of [`CallRow`], in order.
pub(super) const CALL: &str = columns!("c.args, c.pre_image, c.undo_args");

/// The same without what can be large, which nothing that lists calls shows.
pub(super) const LISTED: &str = columns!("CASE WHEN octet_length(c.args) <= 65536 THEN c.args END, NULL, NULL");

/// How much of a row was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// All of it: [`CALL`].
    Whole,
    /// What listings show: [`LISTED`].
    Listed,
}

fn digest_of(text: Option<&String>) -> Option<String> {
    text.map(|text| Digest::of_bytes(text.as_bytes()).to_string())
}

/// A value as JSON text.
pub(super) fn text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(format!("a value cannot be written: {error}")))
}

pub(super) fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
}

/// A unit variant as its bare word.
fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => Ok(word),
        _ => Err(StoreError::Failed("a word cannot be written".into())),
    }
}

fn read_word<T: DeserializeOwned>(what: &str, word: &str) -> Result<T, StoreError> {
    serde_json::from_value(Value::from(word)).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
}

pub(super) fn read_id(what: &str, id: &str) -> Result<Uuid, StoreError> {
    id.parse().map_err(|_| StoreError::Corrupt(format!("{what}: `{id}` is not a uuid")))
}

pub(super) fn read_time(what: &str, milliseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
}

/// What a target said it is, in the column of what the look found, which the seal covers.
#[derive(Deserialize)]
struct Whose {
    #[serde(default)]
    identity: Option<String>,
}

/// What the look found, and what the target said it is.
fn looked(preflight: &Preflight, identity: Option<String>) -> Result<String, StoreError> {
    let failed = |error| StoreError::Failed(format!("a value cannot be written: {error}"));
    let mut looked = serde_json::to_value(preflight).map_err(failed)?;
    if let (Some(fields), Some(identity)) = (looked.as_object_mut(), identity) {
        fields.insert("identity".to_owned(), Value::from(identity));
    }
    text(&looked)
}

/// A row of `calls`.
#[derive(Debug)]
pub(super) struct CallRow {
    pub(super) id: String,
    pub(super) stream: String,
    pub(super) user: String,
    pub(super) tool: String,
    pub(super) target: String,
    pub(super) subject: String,
    pub(super) args_digest: String,
    pub(super) preflight: String,
    pub(super) pre_image_digest: Option<String>,
    pub(super) reversibility: String,
    pub(super) started_at: i64,
    pub(super) confirmation: Option<String>,
    pub(super) undoes: Option<String>,
    pub(super) claims: Option<String>,
    pub(super) start_seal: String,
    pub(super) finished_at: Option<i64>,
    pub(super) ended: Option<String>,
    pub(super) note: Option<String>,
    /// The plan without its arguments.
    pub(super) undo: Option<String>,
    pub(super) undo_args_digest: Option<String>,
    pub(super) undo_until: Option<i64>,
    pub(super) end_seal: Option<String>,
    pub(super) undone_by: Option<String>,
    pub(super) claimed_by: Option<String>,
    /// The approval for a while it ran under, from a table of its own.
    pub(super) granted: Option<String>,
    pub(super) args: Option<String>,
    pub(super) pre_image: Option<String>,
    pub(super) undo_args: Option<String>,
}

impl CallRow {
    /// The row of a call about to start; takes its pre-image out.
    pub(super) fn of(start: &mut Start, stream: Uuid, at: Timestamp, seals: &ArgsKey) -> Result<Self, StoreError> {
        let missing = || StoreError::Failed("a call needs an id, a principal and a tool".into());
        let call = start.subject.call.ok_or_else(missing)?;
        let user = start.subject.principal.as_ref().ok_or_else(missing)?.user.clone();
        let tool = start.subject.tool.clone().ok_or_else(missing)?;
        let pre_image = start.preflight.pre_image.take().map(|image| text(&image)).transpose()?;
        let args = text(&start.args)?;
        let mut row = Self {
            id: call.to_string(),
            stream: stream.to_string(),
            user,
            tool,
            target: start.target.clone(),
            subject: text(&start.subject)?,
            args_digest: Digest::of_bytes(args.as_bytes()).to_string(),
            preflight: looked(&start.preflight, start.identity.clone())?,
            pre_image_digest: digest_of(pre_image.as_ref()),
            reversibility: word(&start.reversibility)?,
            started_at: at.as_millisecond(),
            confirmation: start.confirmation.map(|id| id.to_string()),
            undoes: start.undoes.map(|id| id.to_string()),
            claims: start.undoes.map(|id| id.to_string()),
            start_seal: String::new(),
            finished_at: None,
            ended: None,
            note: None,
            undo: None,
            undo_args_digest: None,
            undo_until: None,
            end_seal: None,
            undone_by: None,
            claimed_by: None,
            granted: start.grant.map(|id| id.to_string()),
            args: Some(args),
            pre_image,
            undo_args: None,
        };
        row.start_seal = row.seal_start(seals);
        Ok(row)
    }

    /// Writes down the end.
    pub(super) fn end(&mut self, ending: &Ending, at: Timestamp, seals: &ArgsKey) -> Result<(), StoreError> {
        self.finished_at = Some(at.as_millisecond());
        self.ended = Some(word(&ending.end)?);
        self.note.clone_from(&ending.note);
        self.undo = ending.undo.as_ref().map(|plan| text(&without_args(plan))).transpose()?;
        self.undo_args = ending.undo.as_ref().map(|plan| text(&plan.args)).transpose()?;
        self.undo_args_digest = digest_of(self.undo_args.as_ref());
        self.undo_until = ending.undo.as_ref().and_then(|plan| plan.until).map(Timestamp::as_millisecond);
        let kept = calls::kept(ending);
        self.pre_image = self.pre_image.take().filter(|_| kept.pre_image);
        self.claims = self.claims.take().filter(|_| kept.claim);
        self.end_seal = Some(self.seal_end(seals));
        Ok(())
    }

    fn seal_start(&self, seals: &ArgsKey) -> String {
        let columns = json!([
            self.id,
            self.stream,
            self.user,
            self.tool,
            self.target,
            self.subject,
            self.args_digest,
            self.preflight,
            self.pre_image_digest,
            self.reversibility,
            self.started_at,
            self.confirmation,
            self.undoes
        ]);
        match &self.granted {
            None => seals.seal("start of call", &columns).to_string(),
            Some(granted) => seals.seal("start of call approved for a while", &json!([columns, granted])).to_string(),
        }
    }

    fn seal_end(&self, seals: &ArgsKey) -> String {
        let columns = json!([
            self.id,
            self.start_seal,
            self.finished_at,
            self.ended,
            self.note,
            self.undo,
            self.undo_args_digest,
            self.undo_until,
            self.claims
        ]);
        seals.seal("end of call", &columns).to_string()
    }

    fn check(&self, seals: &ArgsKey, depth: Depth) -> Result<(), StoreError> {
        let end = self.ended.as_ref().map(|_| self.seal_end(seals));
        let sealed = self.start_seal == self.seal_start(seals)
            && self.end_seal == end
            && (self.ended.is_some() || self.claims == self.undoes);
        let args = digest_of(self.args.as_ref());
        let args_fit = args.as_ref() == Some(&self.args_digest);
        let image = digest_of(self.pre_image.as_ref());
        let fits = match depth {
            Depth::Listed => args.is_none() || args_fit,
            Depth::Whole => {
                args_fit
                    && digest_of(self.undo_args.as_ref()) == self.undo_args_digest
                    && (image == self.pre_image_digest || (image.is_none() && self.ended.is_some()))
            }
        };
        if sealed && fits {
            Ok(())
        } else {
            Err(StoreError::Corrupt(format!("call `{}` was edited in the database", self.id)))
        }
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            stream: row.get(1)?,
            user: row.get(2)?,
            tool: row.get(3)?,
            target: row.get(4)?,
            subject: row.get(5)?,
            args_digest: row.get(6)?,
            preflight: row.get(7)?,
            pre_image_digest: row.get(8)?,
            reversibility: row.get(9)?,
            started_at: row.get(10)?,
            confirmation: row.get(11)?,
            undoes: row.get(12)?,
            claims: row.get(13)?,
            start_seal: row.get(14)?,
            finished_at: row.get(15)?,
            ended: row.get(16)?,
            note: row.get(17)?,
            undo: row.get(18)?,
            undo_args_digest: row.get(19)?,
            undo_until: row.get(20)?,
            end_seal: row.get(21)?,
            undone_by: row.get(22)?,
            claimed_by: row.get(23)?,
            granted: row.get(24)?,
            args: row.get(25)?,
            pre_image: row.get(26)?,
            undo_args: row.get(27)?,
        })
    }

    /// The row of a call, believed.
    pub(super) fn find(connection: &Connection, id: Uuid, seals: &ArgsKey) -> Result<Option<Self>, StoreError> {
        let row = connection
            .prepare_cached(&format!("SELECT {CALL} FROM calls c WHERE c.id = ?1"))
            .and_then(|mut find| find.query_row([id.to_string()], Self::read).optional())
            .map_err(failed)?;
        row.map(|row| row.check(seals, Depth::Whole).map(|()| row)).transpose()
    }

    pub(super) fn subject(&self) -> Result<Subject, StoreError> {
        read(&format!("subject of call `{}`", self.id), &self.subject)
    }

    /// The call, where its seals hold.
    pub(super) fn call(self, seals: &ArgsKey, depth: Depth) -> Result<StoredCall, StoreError> {
        self.check(seals, depth)?;
        let what = format!("call `{}`", self.id);
        let subject = self.subject()?;
        let mut preflight: Preflight = read(&what, &self.preflight)?;
        let Whose { identity } = read(&what, &self.preflight)?;
        preflight.pre_image = self.pre_image.as_deref().map(|image| read(&what, image)).transpose()?;
        let mut undo: Option<UndoPlan> = self.undo.as_deref().map(|undo| read(&what, undo)).transpose()?;
        if let (Some(plan), Some(args)) = (&mut undo, &self.undo_args) {
            plan.args = read(&what, args)?;
        }
        let id = |id: Option<String>| id.map(|id| read_id(&what, &id)).transpose();
        Ok(StoredCall {
            id: read_id(&what, &self.id)?,
            principal: subject.principal.ok_or_else(|| StoreError::Corrupt(format!("{what} has no principal")))?,
            tool: self.tool,
            target: self.target,
            args: self.args.as_deref().map_or(Ok(Value::Null), |args| read(&what, args))?,
            identity,
            preflight,
            reversibility: read_word(&what, &self.reversibility)?,
            started_at: read_time(&what, self.started_at)?,
            finished_at: self.finished_at.map(|at| read_time(&what, at)).transpose()?,
            end: self.ended.as_deref().map(|end| read_word(&what, end)).transpose()?,
            note: self.note,
            undo,
            undoes: id(self.undoes)?,
            undone_by: id(self.undone_by)?,
            claimed_by: id(self.claimed_by)?,
            confirmation: id(self.confirmation)?,
            grant: id(self.granted)?,
        })
    }
}

/// A plan as it is listed.
fn without_args(plan: &UndoPlan) -> UndoPlan {
    UndoPlan {
        tool: plan.tool.clone(),
        args: Value::Null,
        expects: plan.expects,
        until: plan.until,
        lossy: plan.lossy.clone(),
    }
}

/// A row of `confirmations`.
#[derive(Debug)]
pub(super) struct ConfirmationRow {
    pub(super) id: String,
    pub(super) request: String,
    pub(super) state: String,
    pub(super) confirmation: String,
    pub(super) standing: String,
    pub(super) seal: String,
    /// What it is found by, taken from the above.
    pub(super) effect: Option<String>,
    pub(super) stands: String,
}

impl ConfirmationRow {
    /// The columns, in order.
    pub(super) const COLUMNS: &str = "id, request, state, confirmation, standing, seal, effect, stands";

    pub(super) fn of(
        confirmation: &Confirmation,
        standing: &ConfirmationState,
        seals: &ArgsKey,
    ) -> Result<Self, StoreError> {
        let mut row = Self {
            id: confirmation.id.to_string(),
            request: confirmation.request.to_string(),
            state: confirmation.state.to_string(),
            confirmation: text(confirmation)?,
            standing: text(standing)?,
            seal: String::new(),
            effect: confirmation.effect.map(|effect| effect.to_string()),
            stands: standing.as_str().to_owned(),
        };
        row.seal = row.sealed(seals);
        Ok(row)
    }

    fn sealed(&self, seals: &ArgsKey) -> String {
        let columns = json!([self.id, self.request, self.state, self.confirmation, self.standing]);
        seals.seal("confirmation", &columns).to_string()
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            request: row.get(1)?,
            state: row.get(2)?,
            confirmation: row.get(3)?,
            standing: row.get(4)?,
            seal: row.get(5)?,
            effect: row.get(6)?,
            stands: row.get(7)?,
        })
    }

    /// Whether a row that was read for its columns is this one, unchanged.
    pub(super) fn is(&self, row: &Row<'_>) -> bool {
        let kept = [&self.id, &self.request, &self.state, &self.confirmation, &self.standing, &self.seal].map(Some);
        let columns = kept.into_iter().chain([self.effect.as_ref(), Some(&self.stands)]);
        let holds = |at, kept: Option<&String>| {
            row.get_ref(at).is_ok_and(|value| value.as_str_or_null() == Ok(kept.map(String::as_str)))
        };
        columns.enumerate().all(|(at, kept)| holds(at, kept))
    }

    pub(super) fn find(
        connection: &Connection,
        id: Uuid,
        seals: &ArgsKey,
    ) -> Result<Option<(Confirmation, ConfirmationState)>, StoreError> {
        let row = connection
            .prepare_cached(&format!("SELECT {} FROM confirmations WHERE id = ?1", Self::COLUMNS))
            .and_then(|mut find| find.query_row([id.to_string()], Self::read).optional())
            .map_err(failed)?;
        row.map(|row| row.confirmation(seals)).transpose()
    }

    /// The confirmation and its standing, where the seal holds.
    pub(super) fn confirmation(&self, seals: &ArgsKey) -> Result<(Confirmation, ConfirmationState), StoreError> {
        let what = format!("confirmation `{}`", self.id);
        if self.seal != self.sealed(seals) {
            return Err(StoreError::Corrupt(format!("{what} was edited in the database")));
        }
        let (confirmation, standing): (Confirmation, ConfirmationState) =
            (read(&what, &self.confirmation)?, read(&what, &self.standing)?);
        let effect = confirmation.effect.map(|effect| effect.to_string());
        if (&effect, standing.as_str()) != (&self.effect, self.stands.as_str()) {
            return Err(StoreError::Corrupt(format!("what {what} is found by was edited in the database")));
        }
        Ok((confirmation, standing))
    }
}
