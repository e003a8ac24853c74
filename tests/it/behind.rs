//! Looks behind the gateway's back: its store read by plain SQLite, and locks that keep a change waiting.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use mollyguard_tests::{Result, World, until};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// A call as its row in the store tells it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its id.
    pub(crate) id: String,
    /// The tool.
    pub(crate) tool: String,
    /// How it ended: null while it has not, otherwise `succeeded`, `untouched` or `uncertain`.
    pub(crate) ended: Option<String>,
    /// Whether it left a plan to undo it.
    pub(crate) undoable: bool,
}

/// The store's database, opened by the test.
pub(crate) fn store(state: &Path) -> Result<Connection> {
    let path = state.join("mollyguard.db");
    let store = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    store.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(store)
}

/// Every call in the order they began.
pub(crate) fn calls(world: &World) -> Result<Vec<Row>> {
    if !world.state().join("mollyguard.db").exists() {
        return Ok(Vec::new());
    }
    let store = store(&world.state())?;
    let mut query = store.prepare("SELECT id, tool, ended, undo FROM calls ORDER BY n")?;
    let rows = query.query_map([], |row| {
        let undo: Option<String> = row.get(3)?;
        let ended: Option<String> = row.get(2)?;
        let ended = ended.map(|text| text.trim_matches('"').to_owned());
        let (id, tool) = (row.get(0)?, row.get(1)?);
        Ok(Row { id, tool, ended, undoable: undo.is_some() })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every audit record, by stream and place.
pub(crate) fn records(state: &Path) -> Result<Vec<Value>> {
    let store = store(state)?;
    let mut query = store.prepare("SELECT record FROM records ORDER BY stream, seq")?;
    let texts: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    texts.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
}

/// Waits until `count` calls have been written down as started.
pub(crate) async fn started(world: &World, count: usize) -> Result<Row> {
    let started = || Ok(calls(world)?.into_iter().nth(count - 1));
    until("a call that is written down as started", started).await
}

/// Waits until `count` calls have ended.
pub(crate) async fn ended(world: &World, count: usize) -> Result<Row> {
    let ended = || Ok(calls(world)?.into_iter().filter(|call| call.ended.is_some()).nth(count - 1));
    until("a call that has ended", ended).await
}

/// Keeps changes of a target waiting, after they were looked at and before they take effect, until it is dropped.
pub(crate) enum Held {
    /// The lock that changes of a folder take one after the other.
    Folder { _lock: File },
    /// A reader of a database, which a commit has to wait for (about five seconds).
    Database { _reader: Connection },
}

impl Held {
    /// Of a folder.
    pub(crate) fn folder(world: &World, folder: &str) -> Result<Self> {
        let trash = world.path().join(folder).join(".mollyguard-trash");
        if !trash.exists() {
            DirBuilder::new().mode(0o700).create(&trash)?;
        }
        let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).open(trash.join("lock"))?;
        lock.lock()?;
        Ok(Self::Folder { _lock: lock })
    }

    /// Of a database.
    pub(crate) fn database(world: &World, database: &str) -> Result<Self> {
        let reader = Connection::open(world.path().join(format!("{database}.db")))?;
        reader.execute_batch("BEGIN")?;
        reader.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        Ok(Self::Database { _reader: reader })
    }
}

/// Asserts that `mollyguard audit verify` finds nothing wrong, held against the checkpoints if there are any.
pub(crate) async fn sound(world: &World) -> Result {
    let checkpoint = world.path().join("heads.txt");
    let mut args = vec!["audit", "verify"];
    if checkpoint.exists() {
        args.extend(["--checkpoint", "heads.txt"]);
    }
    let printed = world.run(&args).await?;
    assert_eq!(printed.code, Some(0), "{}{}", printed.stdout, printed.stderr);
    assert!(printed.stdout.starts_with("sound: "), "{}", printed.stdout);
    Ok(())
}

/// Everything below a folder but the trash: path, kind, mode, time of change in nanoseconds, content or where it leads.
pub(crate) fn tree(folder: &Path) -> Result<Vec<String>> {
    fn walk(root: &Path, folder: &Path, lines: &mut Vec<String>) -> Result {
        use std::os::unix::fs::MetadataExt as _;
        let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries.iter().filter(|entry| entry.file_name() != ".mollyguard-trash") {
            let (path, meta) = (entry.path(), entry.path().symlink_metadata()?);
            let name = path.strip_prefix(root)?.display().to_string();
            let content = match meta.file_type() {
                kind if kind.is_symlink() => format!("-> {}", fs::read_link(&path)?.display()),
                kind if kind.is_file() => format!("{:?} {}.{}", fs::read(&path)?, meta.mtime(), meta.mtime_nsec()),
                _ => String::new(),
            };
            lines.push(format!("{name} {:o} {content}", meta.mode()));
            if meta.is_dir() {
                walk(root, &path, lines)?;
            }
        }
        Ok(())
    }
    let mut lines = Vec::new();
    walk(folder, folder, &mut lines)?;
    Ok(lines)
}
