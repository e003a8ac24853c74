//! Verification and export, of a store or of an exported file.
//!
//! What a local verification cannot find: an edit by somebody who holds the installation's key and makes links, heads
//! and seals anew; a stream removed together with its head, its calls and its questions; an older copy of the whole
//! store put back. A checkpoint kept elsewhere finds all three.

mod behind;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};

use mollyguard_tools::text::visible_json;
use serde_json::{Value, json};

use crate::audit::chain::{Report, Verifier, Wrong};
use crate::audit::checkpoint::{AuditKey, Notes, PublicKey, parse_notes};
use crate::audit::{ArgsKey, Ledger, Mark, Signatures};
use crate::state::KeyError;
use crate::store::{Inspection, StoreError};

pub use behind::{Behind, behind};

/// Why there is no answer to whether the audit is sound.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file cannot be read.
    #[error("`{path}` cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What would be signed is not as it was written.
    #[error("the record is not sound, so nothing of it is signed: {what}{}; see `mollyguard audit verify`", more(*others))]
    NotSound {
        /// What was found first.
        what: String,
        /// How many things besides that.
        others: usize,
    },
    /// The export cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[source] io::Error),
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

/// The key that the checkpoints and exports of this state directory are verified with; made when there is none.
///
/// # Errors
/// The store or the key cannot be read.
pub fn public_key(directory: &Path) -> Result<PublicKey, AuditError> {
    Ok(signing_key(directory, &Inspection::open(directory)?)?.public())
}

fn signing_key(directory: &Path, store: &Inspection) -> Result<AuditKey, AuditError> {
    let signed = !store.heads()?.is_empty();
    Ok(AuditKey::open_for(directory, store.installation()?, signed)?)
}

/// Verifies the store in this state directory: the links, the sealed heads, the tables beside them and, where one is
/// given, every checkpoint of a file. It may be in use; SQLite wants to write beside it even to read it.
///
/// # Errors
/// Something cannot be read at all. What can be read and is wrong is in the report.
pub fn verify_store(directory: &Path, checkpoint: Option<&Path>) -> Result<Report, AuditError> {
    let store = Inspection::open(directory)?;
    let installation = store.installation()?;
    let key = AuditKey::existing(directory, installation)?.map(|key| key.public());
    let notes = read_notes(checkpoint, key.as_ref())?;

    let mut verifier = Verifier::new(&notes.checkpoints);
    let (mut ledger, mut signatures) = (Ledger::default(), Signatures::default());
    store.records(|place, text| {
        if let Some(record) = verifier.record(Some(place), text) {
            ledger.record(&record, &mut verifier.report);
            signatures.record(&record);
        }
    })?;
    let seals = ArgsKey::existing(directory)?;
    ends(&store, key.as_ref(), seals.as_ref(), &mut verifier)?;
    hold_against(&mut verifier, notes, checkpoint.is_some());

    let mut report = verifier.finish();
    signatures.finish(&mut report);
    report.signatures = key.is_some();
    if key.is_none() && report.records > 0 {
        report.found(Wrong::Head, None, "the installation's signing key is gone");
    }
    if checkpoint.is_none() {
        report.notes.push(
            "no checkpoint was given: a chain rewritten whole with the installation's own key, or an older copy of the \
             store, would not be found"
                .into(),
        );
    }
    match seals {
        Some(seals) => store.tables(&seals, &mut ledger, &mut report)?,
        None if report.records > 0 => report.found(Wrong::Table, None, "the key the tables are sealed with is gone"),
        None => {}
    }
    ledger.finish(&mut report);
    for what in store.integrity()? {
        report.found(Wrong::Table, None, format!("the database file is damaged: {what}"));
    }
    Ok(report)
}

/// Holds the streams against where each begins and ends, as this installation has sealed it.
fn ends(
    store: &Inspection,
    key: Option<&PublicKey>,
    seals: Option<&ArgsKey>,
    verifier: &mut Verifier,
) -> Result<Vec<Mark>, AuditError> {
    let marks = marks(store, seals, &mut verifier.report)?;
    verifier.begins(&marks);
    verifier.heads(&store.heads()?, |head| key.is_some_and(|key| head.is_sealed(key, seals)));
    Ok(marks)
}

/// Where streams begin that were pruned. A mark that is not sealed by this installation is none.
fn marks(store: &Inspection, seals: Option<&ArgsKey>, report: &mut Report) -> Result<Vec<Mark>, AuditError> {
    let mut believed = Vec::new();
    for (mark, seal) in store.marks()? {
        if seals.is_some_and(|seals| seals.seal(Mark::SEALED, &mark.columns()).to_string() == seal) {
            believed.push(mark);
        } else {
            let place = Some((mark.stream, mark.first));
            report.found(Wrong::Head, place, "where the stream begins is not sealed by this installation's key");
        }
    }
    Ok(believed)
}

/// Verifies an exported file, anywhere. Without the installation's public key, signatures are not looked at, and the
/// report says so.
///
/// # Errors
/// A file cannot be read.
pub fn verify_export(path: &Path, checkpoint: Option<&Path>, key: Option<&PublicKey>) -> Result<Report, AuditError> {
    let unreadable = |source| AuditError::Read { path: path.to_owned(), source };
    let notes = read_notes(checkpoint, key)?;
    let mut verifier = Verifier::new(&notes.checkpoints);
    let (mut ledger, mut signatures) = (Ledger::default(), Signatures::default());
    let mut closing: Option<String> = None;
    for line in BufReader::new(fs::File::open(path).map_err(unreadable)?).split(b'\n') {
        let line = line.map_err(unreadable)?;
        if closing.is_some() {
            verifier.report.found(Wrong::Misplaced, None, "something follows the export's closing checkpoint");
        }
        let line = String::from_utf8_lossy(&line);
        let this = closing_of(&line);
        if this.is_some() {
            closing = this;
        } else if let Some(record) = verifier.record(None, &line) {
            ledger.record(&record, &mut verifier.report);
            signatures.record(&record);
        }
    }
    close_export(&mut verifier, closing.as_deref(), key);
    hold_against(&mut verifier, notes, checkpoint.is_some());
    let mut report = verifier.finish();
    signatures.finish(&mut report);
    report.signatures = key.is_some();
    if key.is_none() {
        report.notes.push(
            "signatures were not looked at, for want of the installation's public key: whoever could change this file \
             could have made it"
                .into(),
        );
    }
    if checkpoint.is_none() {
        report.notes.push("no checkpoint was given: an export made anew with the same key would not be found".into());
    }
    Ok(report)
}

fn closing_of(line: &str) -> Option<String> {
    let line = serde_json::from_str::<Value>(line).ok()?;
    let fields = line.as_object().filter(|fields| fields.len() == 1)?;
    fields.get("checkpoint")?.as_str().map(str::to_owned)
}

fn close_export(verifier: &mut Verifier, closing: Option<&str>, key: Option<&PublicKey>) {
    let Some(closing) = closing else {
        let what = "the export does not end with its checkpoint: its end may be gone";
        verifier.begins(&[]);
        verifier.report.found(Wrong::CutShort, None, what);
        return;
    };
    let notes = parse_notes(closing, key);
    for what in &notes.wrong {
        verifier.report.found(Wrong::Checkpoint, None, format!("at the export's end: {what}"));
    }
    match notes.checkpoints.as_slice() {
        [one] => {
            verifier.begins(&one.marks);
            verifier.ends(&one.heads);
        }
        _ => {
            verifier.begins(&[]);
            verifier.report.found(Wrong::CutShort, None, "the export's end cannot be told");
        }
    }
}

fn read_notes(path: Option<&Path>, key: Option<&PublicKey>) -> Result<Notes, AuditError> {
    let Some(path) = path else { return Ok(Notes::default()) };
    let bytes = fs::read(path).map_err(|source| AuditError::Read { path: path.to_owned(), source })?;
    Ok(parse_notes(&String::from_utf8_lossy(&bytes), key))
}

fn hold_against(verifier: &mut Verifier, notes: Notes, given: bool) {
    if given && notes.checkpoints.is_empty() {
        verifier.report.found(Wrong::Checkpoint, None, "the checkpoint file holds no checkpoint");
    }
    for what in notes.wrong {
        verifier.report.found(Wrong::Checkpoint, None, what);
    }
    verifier.checkpoints(&notes.checkpoints);
}

/// Writes every record as a line of JSON, in which what cannot be seen is an escape, and as the last line `{"checkpoint": …}`,
/// a signed note that says where each stream begins and ends. Returns how many records were written. What is not as it was
/// written is written out, and not signed.
///
/// # Errors
/// The store or the key cannot be read, the record is not sound, or the writer fails.
pub fn export(directory: &Path, writer: &mut dyn Write) -> Result<u64, AuditError> {
    let store = Inspection::open(directory)?;
    let key = signing_key(directory, &store)?;
    let mut verifier = Verifier::new(&[]);
    let mut written = 0;
    let mut failed = None;
    store.records(|place, text| {
        verifier.record(Some(place), text);
        if failed.is_none() {
            failed = writeln!(writer, "{}", visible_json(text)).err();
            written += 1;
        }
    })?;
    if let Some(error) = failed {
        return Err(AuditError::Write(error));
    }
    let marks = ends(&store, Some(&key.public()), ArgsKey::existing(directory)?.as_ref(), &mut verifier)?;
    let report = verifier.finish();
    if let Some(first) = report.findings.first() {
        let others = report.findings.len() - 1;
        return Err(AuditError::NotSound { what: first.what.clone(), others });
    }
    let heads = store.heads()?.into_iter().map(|sealed| sealed.head).collect();
    let closing = json!({"checkpoint": key.sign_whole(heads, marks)});
    writeln!(writer, "{}", visible_json(&closing.to_string()))
        .and_then(|()| writer.flush())
        .map_err(AuditError::Write)?;
    Ok(written)
}
