//! Whether the file of checkpoints names what is recorded. A checkpoint that cannot be written stops no call, so somebody
//! has to be told.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mollyguard_tools::contract::{Timestamp, now};
use mollyguard_tools::text::count;
use uuid::Uuid;

use super::AuditError;
use crate::audit::AuditKey;
use crate::audit::checkpoint::parse_notes;
use crate::store::Inspection;

/// How long a record may be in no checkpoint: they are written some seconds after a change, and tried again after 30.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The end of the file that is read: what is named before it is long past.
const TAIL: u64 = 64 << 20;

/// Records that no checkpoint names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The file of checkpoints.
    pub file: PathBuf,
    /// Of how many streams.
    pub streams: u64,
    /// When the oldest of them was made.
    pub since: Timestamp,
}

impl std::fmt::Display for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.since.strftime("%Y-%m-%d %H:%M UTC");
        write!(
            f,
            "`{}` is behind: it names nothing that was recorded since {since} in {}",
            self.file.display(),
            count(self.streams, "stream")
        )
    }
}

/// What the checkpoints of this file should name by now and do not.
///
/// # Errors
/// The store cannot be read.
pub fn behind(directory: &Path, checkpoint: &Path) -> Result<Option<Behind>, AuditError> {
    older_than(directory, checkpoint, TIMEOUT)
}

fn older_than(directory: &Path, checkpoint: &Path, patience: Duration) -> Result<Option<Behind>, AuditError> {
    if !directory.join("mollyguard.db").exists() {
        return Ok(None);
    }
    let store = Inspection::open(directory)?;
    let key = AuditKey::existing(directory, store.installation()?)?.map(|key| key.public());
    let mut named: HashMap<Uuid, u64> = HashMap::new();
    for head in parse_notes(&tail(checkpoint), key.as_ref()).checkpoints.iter().flat_map(|note| &note.heads) {
        let seq = named.entry(head.stream).or_default();
        *seq = (*seq).max(head.seq);
    }
    let mut behind: Option<Behind> = None;
    for sealed in store.heads()? {
        let head = sealed.head;
        let next = named.get(&head.stream).map_or(0, |seq| seq.saturating_add(1));
        // What was pruned is in no need of one any more.
        let Some(since) = store.first_made(head.stream, next)?.filter(|_| next <= head.seq) else { continue };
        if since < now() - patience {
            let one = behind.get_or_insert_with(|| Behind { file: checkpoint.to_owned(), streams: 0, since });
            (one.streams, one.since) = (one.streams + 1, one.since.min(since));
        }
    }
    Ok(behind)
}

fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // A file that is not there, or cannot be read, names nothing.
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::End;
    use crate::store::harness::options;
    use crate::store::laws::{ran, start};
    use crate::store::{OpenStore, Records as _, SqliteStore, Store as _};

    #[tokio::test]
    async fn tells_what_no_checkpoint_names() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("heads");
        let behind = || older_than(place.path(), &path, Duration::ZERO).unwrap().map(|behind| behind.streams);
        let patient = || super::behind(place.path(), &path).unwrap();
        assert_eq!(behind(), None, "there is no store");
        let with = || OpenStore { checkpoint: Some(path.clone()), ..options(place.path()) };
        let one = SqliteStore::open(with()).unwrap();
        ran(&one, start(), End::Succeeded).await;
        one.close().await.unwrap();
        assert_eq!(behind(), None, "all of it is named");

        // Of a gateway that does not write checkpoints, as one that cannot.
        let two = SqliteStore::open(options(place.path())).unwrap();
        ran(&two, start(), End::Succeeded).await;
        let past = now();
        while now() <= past {}
        assert_eq!(behind(), Some(1));
        assert_eq!(patient(), None, "it may be about to be written");
        std::fs::write(&path, "").unwrap();
        assert_eq!(behind(), Some(2), "none is left");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(behind(), Some(2));
        two.prune(crate::store::laws::pruning::long_after()).await.unwrap();
        while now() <= two.records(None, 9).await.unwrap()[0].at {}
        assert_eq!(behind(), Some(1), "what was pruned needs none");
    }
}
