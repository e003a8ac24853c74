//! An exported record, verified with the installation's public key. The input is a file, or, where it begins with `!`,
//! what is done to the lines of a real one: a choice and two places each.
#![expect(clippy::expect_used, reason = "without the real export there is nothing to do harm to")]

use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::{Mutex, OnceLock};

use mollyguard_record::audit::chain::{digest, genesis};
use mollyguard_record::audit::{AuditRecord, PublicKey};
use mollyguard_record::verify::verify_export;
use serde_json::Value;
use tempfile::NamedTempFile;

/// The record of a demonstration, exported, and the key it is signed with.
const EXPORT: &str = include_str!("../audit/export.jsonl");
const KEY: &str = include_str!("../audit/key.txt");

/// No bytes break the verification, and only what was exported is sound.
pub fn audit(input: &[u8]) {
    let bytes = match input.strip_prefix(b"!") {
        Some(edits) => edited(edits).into_bytes(),
        None => input.to_vec(),
    };
    // The last line may end or not.
    let is_real = bytes.strip_suffix(b"\n").unwrap_or(&bytes) == EXPORT.trim_end().as_bytes();
    assert_eq!(is_sound(&bytes), is_real, "{}", String::from_utf8_lossy(&bytes));
}

fn is_sound(bytes: &[u8]) -> bool {
    static FILE: OnceLock<(Mutex<NamedTempFile>, PublicKey)> = OnceLock::new();
    let (file, key) = FILE.get_or_init(|| {
        let file = NamedTempFile::new().expect("there is room for a file");
        (Mutex::new(file), PublicKey::parse(KEY).expect("the key is a key"))
    });
    let mut file = file.lock().expect("no law was broken before");
    let path = file.path().to_owned();
    let open = file.as_file_mut();
    let written = open.set_len(0).and_then(|()| open.seek(SeekFrom::Start(0))).and_then(|_| open.write_all(bytes));
    written.expect("there is room for the export");
    let held = verify_export(&path, None, Some(key)).expect("the file can be read").is_sound();
    let unsigned = verify_export(&path, None, None).expect("the file can be read").is_sound();
    assert!(unsigned || !held, "the key makes sound what is not");
    held
}

fn edited(edits: &[u8]) -> String {
    let mut lines: Vec<String> = EXPORT.lines().map(str::to_owned).collect();
    for edit in edits.chunks_exact(3) {
        if lines.is_empty() {
            break;
        }
        let (one, two) = (usize::from(edit[1]) % lines.len(), usize::from(edit[2]) % lines.len());
        match edit[0] % 6 {
            0 => lines.swap(one, two),
            1 => drop(lines.remove(one)),
            2 => lines.insert(one, lines[two].clone()),
            3 => lines.truncate(one),
            4 => edit_field(&mut lines[one], edit[2]),
            _ => relink(&mut lines),
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// Changes one field of the record, whichever the choice falls on.
fn edit_field(line: &mut String, choice: u8) {
    let Ok(mut value) = serde_json::from_str::<Value>(line) else { return };
    let Some(fields) = value.as_object_mut() else { return };
    let count = fields.len();
    let chosen = fields.iter_mut().nth(usize::from(choice) % count);
    match chosen {
        Some((_, Value::String(text))) => text.push('x'),
        Some((_, Value::Number(number))) => *number = (number.as_u64().unwrap_or_default() + 1).into(),
        Some((_, Value::Object(fields))) => drop(fields.insert("more".into(), Value::Null)),
        Some((_, other)) => *other = Value::from(1),
        None => {}
    }
    *line = value.to_string();
}

/// Makes all places, links and digests anew, as somebody without the key can.
fn relink(lines: &mut [String]) {
    let mut ends = std::collections::HashMap::new();
    for line in lines {
        let Ok(mut record) = serde_json::from_str::<AuditRecord>(line) else { continue };
        let (seq, previous) = ends.get(&record.stream).copied().unwrap_or((0, genesis(record.stream)));
        (record.seq, record.previous) = (seq, previous);
        record.digest = digest(&record);
        ends.insert(record.stream, (seq + 1, record.digest));
        *line = serde_json::to_string(&record).unwrap_or_default();
    }
}
