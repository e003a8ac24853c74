//! Where a stream ends.

use mollyguard_tools::contract::Digest;
use serde::Serialize;
use uuid::Uuid;

/// The last record of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The stream.
    pub stream: Uuid,
    /// The place of its last record.
    pub seq: u64,
    /// That record's digest.
    pub digest: Digest,
}

/// What is sealed, or signed, of a head.
pub(super) fn message_of_head(installation: Uuid, head: &Head) -> Vec<u8> {
    format!("mollyguard head v1\n{installation}\n{} {} {}\n", head.stream, head.seq, head.digest).into_bytes()
}
