//! The store as an auditor reads it: one moment of it, in its own words, whoever else is writing.

use std::path::Path;
use std::time::Duration;

use mollyguard_tools::contract::{Digest, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::rows::{CALL, CallRow, ConfirmationRow, Depth};
use super::schema::{self, failed};
use super::{asking_rows, grant_rows, operator_rows, prune, quarantines};
use crate::audit::chain::{Report, SealedHead, Wrong};
use crate::audit::ledger::{CallRow as Told, Ended};
use crate::audit::{ArgsKey, AuditRecord, Head, Ledger, Mark};
use crate::model::Operator;
use crate::store::StoreError;

/// Who may answer by what this state directory holds: nobody, where there is no store yet. Makes nothing.
///
/// # Errors
/// The store is damaged, of another version, or cannot be read.
pub fn enrolled(directory: &Path) -> Result<Vec<Operator>, StoreError> {
    if !schema::path(directory).exists() {
        return Ok(Vec::new());
    }
    let connection = schema::open_to_read(directory, Duration::from_secs(5))?;
    match ArgsKey::existing(directory).map_err(|error| StoreError::Failed(error.to_string()))? {
        Some(seals) => operator_rows::all(&connection, &seals),
        None => Ok(Vec::new()),
    }
}

/// A reading connection that holds on to one moment.
pub(crate) struct Inspection {
    connection: Connection,
}

impl Inspection {
    /// Opens the store of this state directory. Makes nothing.
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_to_read(directory, Duration::from_secs(5))?;
        connection.execute_batch("BEGIN").map_err(failed)?;
        Ok(Self { connection })
    }

    pub(crate) fn installation(&self) -> Result<Uuid, StoreError> {
        schema::installation(&self.connection)
    }

    /// Every record, by stream and place: where it is stored, and its text.
    pub(crate) fn records(&self, mut each: impl FnMut((Uuid, u64), &str)) -> Result<(), StoreError> {
        let mut query =
            self.connection.prepare("SELECT stream, seq, record FROM records ORDER BY stream, seq").map_err(failed)?;
        let mut rows = query.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let stream: String = row.get(0).map_err(failed)?;
            let seq: i64 = row.get(1).map_err(failed)?;
            let text: String = row.get(2).map_err(failed)?;
            // A stream that is no uuid stands under nil, where no record belongs.
            each((stream.parse().unwrap_or_default(), seq.cast_unsigned()), &text);
        }
        Ok(())
    }

    /// The sealed heads. One that cannot be read is an error: it is a row of ours that no longer is.
    pub(crate) fn heads(&self) -> Result<Vec<SealedHead>, StoreError> {
        let mut query = self
            .connection
            .prepare("SELECT stream, seq, digest, signature FROM heads ORDER BY stream")
            .map_err(failed)?;
        let mut rows = query.query([]).map_err(failed)?;
        let mut heads = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let stream: String = row.get(0).map_err(failed)?;
            let digest: String = row.get(2).map_err(failed)?;
            let seq = row.get::<_, i64>(1).map_err(failed)?.cast_unsigned();
            let (Ok(id), Some(digest)) = (stream.parse(), Digest::parse(&digest)) else {
                return Err(StoreError::Corrupt(format!("the head of stream `{stream}` cannot be read")));
            };
            heads.push(SealedHead { head: Head { stream: id, seq, digest }, seal: row.get(3).map_err(failed)? });
        }
        Ok(heads)
    }

    /// Where streams begin that were pruned, each with its seal.
    pub(crate) fn marks(&self) -> Result<Vec<(Mark, String)>, StoreError> {
        prune::marks(&self.connection)
    }

    /// When the record at a stream's end was made; `None` when it cannot be read, or is another one.
    pub(crate) fn made_at(&self, head: &Head) -> Option<Timestamp> {
        let place = (head.stream.to_string(), head.seq.cast_signed());
        let text: String = self
            .connection
            .prepare_cached("SELECT record FROM records WHERE stream = ?1 AND seq = ?2")
            .and_then(|mut find| find.query_row(place, |row| row.get(0)))
            .ok()?;
        let record: AuditRecord = serde_json::from_str(&text).ok()?;
        (record.digest == head.digest).then_some(record.at)
    }

    /// When the first record at this place of a stream or later was made; `None` where there is none, or it cannot be read.
    pub(crate) fn first_made(&self, stream: Uuid, from: u64) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT record FROM records WHERE stream = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1";
        let text: Option<String> = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut find| find.query_row((stream.to_string(), from.cast_signed()), |row| row.get(0)).optional())
            .map_err(failed)?;
        Ok(text.and_then(|text| serde_json::from_str::<AuditRecord>(&text).ok()).map(|record| record.at))
    }

    /// Compares every call, every question and every approval for a while with what the records say.
    pub(crate) fn tables(&self, seals: &ArgsKey, ledger: &mut Ledger, report: &mut Report) -> Result<(), StoreError> {
        let mut query = self.connection.prepare(&format!("SELECT {CALL} FROM calls c ORDER BY c.n")).map_err(failed)?;
        let mut rows = query.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            match CallRow::read(row).map_err(failed).and_then(|row| told(row, seals)) {
                Ok(row) => ledger.call(&row, report),
                Err(error) => report.found(Wrong::Table, None, error.to_string()),
            }
        }
        let columns = ConfirmationRow::COLUMNS;
        let mut query =
            self.connection.prepare(&format!("SELECT {columns} FROM confirmations ORDER BY n")).map_err(failed)?;
        let mut rows = query.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            match ConfirmationRow::read(row).map_err(failed).and_then(|row| row.confirmation(seals)) {
                Ok((confirmation, standing)) => {
                    if !asking_rows::is_led_to(&self.connection, &confirmation)? {
                        let what = format!("what leads to confirmation `{}` by its aim is gone", confirmation.id);
                        report.found(Wrong::Table, None, what);
                    }
                    ledger.confirmation(&confirmation, &standing, report);
                }
                Err(error) => report.found(Wrong::Table, None, error.to_string()),
            }
        }
        match quarantines::all(&self.connection, seals) {
            Ok(all) => ledger.quarantined(all.into_iter().map(|quarantine| quarantine.user).collect(), report),
            Err(error) => report.found(Wrong::Table, None, error.to_string()),
        }
        for row in grant_rows::every(&self.connection, seals)? {
            match row {
                Ok((grant, end)) => ledger.grant(&grant, end.map(|end| end.how), report),
                Err(error) => report.found(Wrong::Table, None, error.to_string()),
            }
        }
        Ok(())
    }

    /// What SQLite itself finds wrong with the file.
    pub(crate) fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut query = self.connection.prepare("PRAGMA integrity_check(20)").map_err(failed)?;
        let lines = query.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        let lines: Vec<String> = lines.collect::<Result<_, _>>().map_err(failed)?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}

fn told(row: CallRow, seals: &ArgsKey) -> Result<Told, StoreError> {
    let (subject, stream) = (row.subject()?, row.stream.parse().unwrap_or_default());
    let call = row.call(seals, Depth::Whole)?;
    Ok(Told {
        id: call.id,
        stream,
        subject,
        reversibility: call.reversibility,
        blast_radius: call.preflight.blast_radius,
        fingerprint: call.preflight.fingerprint,
        confirmation: call.confirmation,
        grant: call.grant,
        undoes: call.undoes,
        end: call.end.map(|end| Ended { end, undoable: call.undo.is_some(), note: call.note }),
        undone_by: call.undone_by,
    })
}
