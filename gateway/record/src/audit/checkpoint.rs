//! Signed statements of how far every stream had come, to be kept where whoever can write the store cannot write.
//!
//! A checkpoint is a signed note (<https://c2sp.org/signed-note>) laid out as <https://c2sp.org/tlog-checkpoint>: origin,
//! size, root, and one extension line `stream <uuid> <seq> <digest>` for each head it names. The root is not of a Merkle
//! tree but the SHA-256 over the canonical JSON of those heads, sorted by stream. The one that closes an export has another
//! line, `pruned <uuid> <first> <digest> <pruning>`, for each stream whose records before `first` were pruned. In a file of checkpoints each names what
//! changed since the one before: only the file as a whole speaks of every stream.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use mollyguard_tools::contract::Digest;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::head::message_of_head;
use super::{Head, Mark};
use crate::state::{KeyError, read, read_or_make_unless};

const FILE: &str = "audit.key";
pub(crate) const ORIGIN: &str = "mollyguard.dev/audit/";
/// The signature type of Ed25519 in signed notes.
const ED25519: u8 = 1;

/// The name an installation signs with: `mollyguard.dev/audit/<installation>`.
fn origin(installation: Uuid) -> String {
    format!("{ORIGIN}{installation}")
}

/// The installation's signing key.
pub struct AuditKey {
    signing: SigningKey,
    installation: Uuid,
}

impl AuditKey {
    /// The key in this state directory; made when there is none, unless heads were `kept` before: then it
    /// must have been there.
    pub(crate) fn open_for(directory: &Path, installation: Uuid, kept: bool) -> Result<Self, KeyError> {
        let key = read_or_make_unless(directory, FILE, kept)?;
        Ok(Self { signing: SigningKey::from_bytes(&key), installation })
    }

    /// The key in this state directory, if there is one.
    pub(crate) fn existing(directory: &Path, installation: Uuid) -> Result<Option<Self>, KeyError> {
        let key = read(&directory.join(FILE))?;
        Ok(key.map(|key| Self { signing: SigningKey::from_bytes(&key), installation }))
    }

    /// The half that may be known.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { installation: self.installation, key: self.signing.verifying_key() }
    }

    /// Signs the end of a stream, as stores written by the first versions have it.
    #[cfg(test)]
    pub(crate) fn sign_head(&self, head: &Head) -> Vec<u8> {
        self.signing.sign(&message_of_head(self.installation, head)).to_bytes().to_vec()
    }

    /// The signed note of these heads.
    pub(crate) fn sign(&self, heads: Vec<Head>) -> String {
        self.sign_whole(heads, Vec::new())
    }

    /// The same with where streams begin that were pruned.
    pub(crate) fn sign_whole(&self, heads: Vec<Head>, marks: Vec<Mark>) -> String {
        let text = Checkpoint::new(self.installation, heads).with(marks).text();
        let mut signature = self.public().id().to_vec();
        signature.extend(self.signing.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", origin(self.installation), STANDARD.encode(signature))
    }
}

/// The key an installation's checkpoints are verified with. Written as a signed-note verifier key:
/// `<name>+<key id, hexadecimal>+<base64 of 1 and the key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    installation: Uuid,
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads a verifier key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let installation = name.strip_prefix(ORIGIN)?.parse().ok()?;
        let bytes = STANDARD.decode(key).ok()?;
        let (&kind, key) = bytes.split_first()?;
        let key = Self { installation, key: VerifyingKey::from_bytes(key.try_into().ok()?).ok()? };
        (kind == ED25519 && hex::encode(key.id()) == id).then_some(key)
    }

    /// The installation it belongs to.
    #[must_use]
    pub const fn installation(&self) -> Uuid {
        self.installation
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The first four bytes of SHA-256 over name, line feed, signature type and key.
    fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(origin(self.installation).as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(self.key.as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Whether this is how the first versions wrote a stream's end: signed rather than sealed.
    pub(crate) fn verifies_head(&self, head: &Head, signature: &[u8]) -> bool {
        self.verifies(&message_of_head(self.installation, head), signature)
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend(self.key.as_bytes());
        write!(f, "{}+{}+{}", origin(self.installation), hex::encode(self.id()), STANDARD.encode(key))
    }
}

/// How far streams of an installation had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The installation.
    pub installation: Uuid,
    /// How many records there were in them.
    pub size: u64,
    /// SHA-256 over the canonical JSON of the heads.
    pub root: Digest,
    /// The heads, by stream.
    pub heads: Vec<Head>,
    /// Where streams begin whose first records were pruned, by stream. Only the closing checkpoint of an export says so.
    pub marks: Vec<Mark>,
}

impl Checkpoint {
    /// The checkpoint of these heads.
    #[must_use]
    pub fn new(installation: Uuid, mut heads: Vec<Head>) -> Self {
        heads.sort_by_key(|head| head.stream);
        let size = heads.iter().fold(0_u64, |sum, head| sum.saturating_add(head.seq).saturating_add(1));
        Self { installation, size, root: Digest::of(&heads), heads, marks: Vec::new() }
    }

    fn with(self, mut marks: Vec<Mark>) -> Self {
        marks.sort();
        Self { marks, ..self }
    }

    /// The text that is signed.
    fn text(&self) -> String {
        let mut text =
            format!("{}\n{}\n{}\n", origin(self.installation), self.size, STANDARD.encode(self.root.as_bytes()));
        for head in &self.heads {
            text.push_str(&format!("stream {} {} {}\n", head.stream, head.seq, head.digest));
        }
        for Mark { stream, first, previous, pruning } in &self.marks {
            text.push_str(&format!("pruned {stream} {first} {previous} {pruning}\n"));
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let installation = lines.next()?.strip_prefix(ORIGIN)?.parse().ok()?;
        // Size and root are derived; they are compared as text below.
        let (_size, _root) = (lines.next()?, lines.next()?);
        let (pruned, lines): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("pruned "));
        let heads = lines.into_iter().map(parse_head).collect::<Option<Vec<Head>>>()?;
        let marks = pruned.into_iter().map(parse_mark).collect::<Option<Vec<Mark>>>()?;
        let checkpoint = Self::new(installation, heads).with(marks);
        // One checkpoint, one text: what is signed is what was read.
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

fn parse_head(line: &str) -> Option<Head> {
    let mut parts = line.strip_prefix("stream ")?.split(' ');
    let head = Head {
        stream: parts.next()?.parse().ok()?,
        seq: parts.next()?.parse().ok()?,
        digest: Digest::parse(parts.next()?)?,
    };
    parts.next().is_none().then_some(head)
}

fn parse_mark(line: &str) -> Option<Mark> {
    let mut parts = line.strip_prefix("pruned ")?.split(' ');
    let mark = Mark {
        stream: parts.next()?.parse().ok()?,
        first: parts.next()?.parse().ok()?,
        previous: Digest::parse(parts.next()?)?,
        pruning: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(mark)
}

/// The checkpoints of a file of notes, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// Those that are whole and, where there is a key, signed with it.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// What is wrong with the others.
    pub(crate) wrong: Vec<String>,
}

/// Reads a file of checkpoints. Without a key, signatures are not looked at.
pub(crate) fn parse_notes(text: &str, key: Option<&PublicKey>) -> Notes {
    let mut notes = Notes::default();
    let mut body = String::new();
    let mut signatures: Vec<&str> = Vec::new();
    let mut in_signatures = false;
    for line in text.lines() {
        // An origin line begins a note wherever it stands: one that was cut off does not take the next with it.
        if line.starts_with(ORIGIN) || (in_signatures && !line.starts_with('\u{2014}') && !line.is_empty()) {
            notes.take(&mut body, &mut signatures, key);
            in_signatures = false;
        }
        if line.is_empty() {
            in_signatures = !body.is_empty();
        } else if in_signatures {
            signatures.push(line);
        } else {
            body.push_str(line);
            body.push('\n');
        }
    }
    notes.take(&mut body, &mut signatures, key);
    notes
}

impl Notes {
    fn take(&mut self, body: &mut String, signatures: &mut Vec<&str>, key: Option<&PublicKey>) {
        let (text, lines) = (std::mem::take(body), std::mem::take(signatures));
        if text.is_empty() && lines.is_empty() {
            return;
        }
        let number = self.checkpoints.len() + self.wrong.len() + 1;
        if lines.is_empty() {
            self.wrong.push(format!("checkpoint {number} has no signature: it was cut off, or is none of ours"));
            return;
        }
        let Some(checkpoint) = Checkpoint::parse(&text) else {
            self.wrong.push(format!("checkpoint {number} is not one, or was edited"));
            return;
        };
        if let Some(key) = key {
            if key.installation != checkpoint.installation {
                self.wrong.push(format!("checkpoint {number} is of another installation, {}", checkpoint.installation));
            } else if !lines.iter().any(|line| signed(line, &text, key)) {
                self.wrong.push(format!("checkpoint {number} is not signed with this installation's key"));
            }
        }
        // Held against the chain even where the signature does not fit: that says what else is wrong.
        self.checkpoints.push(checkpoint);
    }
}

fn signed(line: &str, text: &str, key: &PublicKey) -> bool {
    let name = origin(key.installation);
    let Some(signature) = line.strip_prefix("\u{2014} ").and_then(|line| line.strip_prefix(name.as_str())) else {
        return false;
    };
    STANDARD
        .decode(signature.trim_ascii())
        .is_ok_and(|bytes| bytes.strip_prefix(&key.id()).is_some_and(|bytes| key.verifies(text.as_bytes(), bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AuditKey {
        AuditKey { signing: SigningKey::from_bytes(&[7; 32]), installation: Uuid::from_u128(1) }
    }

    fn heads() -> Vec<Head> {
        (0..3_u8)
            .rev()
            .map(|n| Head { stream: Uuid::from_u128(n.into()), seq: n.into(), digest: Digest::of_bytes(&[n]) })
            .collect()
    }

    #[test]
    fn is_a_signed_note() {
        let note = key().sign(heads());
        let lines: Vec<&str> = note.lines().collect();
        assert_eq!(lines[0], "mollyguard.dev/audit/00000000-0000-0000-0000-000000000001");
        assert_eq!(lines[1], "6");
        assert_eq!(STANDARD.decode(lines[2]).unwrap().len(), 32);
        assert!(lines[3].starts_with("stream 00000000-0000-0000-0000-000000000000 0 sha256:"), "sorted by stream");
        assert_eq!(lines[6], "");
        assert!(lines[7].starts_with("\u{2014} mollyguard.dev/audit/00000000-0000-0000-0000-000000000001 "));
        assert_eq!(STANDARD.decode(lines[7].rsplit(' ').next().unwrap()).unwrap().len(), 4 + 64);
    }

    #[test]
    fn reads_back_what_it_signs() {
        let public = PublicKey::parse(&key().public().to_string()).unwrap();
        assert_eq!(public, key().public());
        let notes = parse_notes(&format!("{}{}", key().sign(heads()), key().sign(Vec::new())), Some(&public));
        assert_eq!(notes.wrong, Vec::<String>::new());
        assert_eq!(notes.checkpoints.len(), 2);
        assert_eq!(notes.checkpoints[0], Checkpoint::new(Uuid::from_u128(1), heads()));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let note = key().sign(heads());
        let public = key().public();
        for place in 0..note.len() - 1 {
            let mut bytes = note.clone().into_bytes();
            bytes[place] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert_ne!(parse_notes(&text, Some(&public)).wrong.len(), 0, "byte {place}: {text}");
        }
    }

    #[test]
    fn a_note_cut_off_does_not_take_the_next_with_it() {
        let whole = key().sign(heads());
        for length in 1..whole.len() - 1 {
            let Some(half) = whole.get(..length) else { continue };
            let notes = parse_notes(&format!("{half}\n{whole}"), Some(&key().public()));
            assert_eq!(notes.checkpoints.last(), Some(&Checkpoint::new(Uuid::from_u128(1), heads())), "{half}");
            assert_eq!(notes.wrong.len(), 1, "{half}");
        }
    }
}
