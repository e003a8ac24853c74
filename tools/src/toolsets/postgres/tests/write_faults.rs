//! The server, or the way to it, fails at the worst moments: afterwards the world is as the answer says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::world::{configured, find};
use crate::contract::{Access, Configured, Lease, Limits, Outcome, Preflight, Probe, Secret, ToolError, Toolset as _};
use crate::toolsets::postgres::Postgres;

/// What becomes of a COMMIT on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It arrives, and so does its answer.
    Passes,
    /// The connection breaks before it arrives.
    CutBefore,
    /// It arrives, and the connection breaks before the answer does.
    CutAfter,
    /// It never arrives, and the connection stays open.
    HangsBefore,
    /// It arrives, and the answer never does.
    HangsAfter,
    /// The server crashes before it arrives, and comes back.
    CrashBefore,
    /// The server has kept it, crashes before the answer is through, and comes back.
    CrashAfter,
    /// The server has kept it, crashes, and stays away.
    CrashForGood,
    /// It is on its way until [`Shared::goes_on`] says whether it arrives.
    Stalls,
}

/// A way to the server that hears what passes.
struct Way {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    cluster: Cluster,
    fate: Mutex<Fate>,
    met: AtomicUsize,
    closed: AtomicBool,
    /// What becomes of one that stalls.
    goes_on: Mutex<Option<bool>>,
}

impl Way {
    fn to(cluster: Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fate, met, closed) = (Mutex::new(Fate::Passes), AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { cluster, fate, met, closed, goes_on: Mutex::new(None) });
        let hearing = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if hearing.closed.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&hearing);
                std::thread::spawn(move || shared.carry(client));
            }
        });
        Self { port, shared }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn carry(self: Arc<Self>, mut client: TcpStream) {
        let Ok(mut server) = TcpStream::connect(("127.0.0.1", self.cluster.port)) else { return };
        let (mut answers, mut asker) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let mute = Arc::new(AtomicBool::new(false));
        let muted = Arc::clone(&mute);
        let answered = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&answered);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = answers.read(&mut buffer) {
                counting.fetch_add(1, Ordering::SeqCst);
                if !muted.load(Ordering::SeqCst) && asker.write_all(&buffer[..read]).is_err() {
                    return;
                }
            }
            if !muted.load(Ordering::SeqCst) {
                let _closed = asker.shutdown(Shutdown::Both);
            }
        });
        let mut buffer = [0; 8192];
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            let asked = &buffer[..read];
            let commits = asked.windows(7).any(|window| window == b"COMMIT\0");
            let fate = if commits { *self.fate.lock().unwrap() } else { Fate::Passes };
            if fate == Fate::Passes {
                if server.write_all(asked).is_err() {
                    return;
                }
                continue;
            }
            // Only the first one meets its fate: what comes after is the question what became of it.
            *self.fate.lock().unwrap() = Fate::Passes;
            mute.store(true, Ordering::SeqCst);
            if matches!(fate, Fate::CutAfter | Fate::HangsAfter | Fate::CrashAfter | Fate::CrashForGood) {
                let before = answered.load(Ordering::SeqCst);
                server.write_all(asked).unwrap();
                while answered.load(Ordering::SeqCst) == before {
                    std::thread::yield_now();
                }
            }
            match fate {
                Fate::CrashBefore | Fate::CrashAfter => {
                    self.cluster.crash();
                    self.cluster.restart();
                }
                Fate::CrashForGood => self.cluster.crash(),
                _ => {}
            }
            self.met.fetch_add(1, Ordering::SeqCst);
            if fate == Fate::Stalls {
                let arrives = loop {
                    if let Some(arrives) = self.goes_on.lock().unwrap().take() {
                        break arrives;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                };
                let before = answered.load(Ordering::SeqCst);
                if arrives {
                    server.write_all(asked).unwrap();
                    while answered.load(Ordering::SeqCst) == before {
                        std::thread::yield_now();
                    }
                }
            }
            if matches!(fate, Fate::HangsBefore | Fate::HangsAfter) {
                // Open until the client goes.
                while matches!(client.read(&mut buffer), Ok(1..)) {}
            }
            let _closed = (server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both));
            return;
        }
        let _closed = server.shutdown(Shutdown::Both);
    }
}

/// A database at the end of the way.
struct Far {
    way: Way,
    configured: Arc<Configured>,
}

const UPDATE: &str = "UPDATE t SET note = 'new' WHERE id = 1";

impl Far {
    fn new() -> Self {
        let cluster = Cluster::start("").unwrap();
        cluster.sql("postgres", "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'old')");
        let configured = configured(&["trial_ms"]);
        Self { way: Way::to(cluster), configured }
    }

    fn lend(&self, access: Access) -> Lease {
        self.lend_for(access, Duration::from_secs(5))
    }

    fn lend_for(&self, access: Access, deadline: Duration) -> Lease {
        let url = format!("postgresql://postgres@127.0.0.1:{}/postgres", self.way.port);
        let limits = Limits { deadline, ..Limits::default() };
        Lease::new(access, Arc::clone(&self.configured), Some(Arc::new(Secret::new(url))), limits)
    }

    fn args() -> Value {
        json!({ "target": "orders", "sql": UPDATE })
    }

    async fn call(&self, fate: Fate) -> (Preflight, Result<Outcome, ToolError>) {
        let tool = find("postgres_write");
        let seen = tool.preflight(&Self::args(), &self.lend(Access::Trial)).await.unwrap();
        *self.way.shared.fate.lock().unwrap() = fate;
        let ended = tool.execute(&Self::args(), &seen, &self.lend(Access::Write)).await;
        if fate != Fate::Passes {
            assert_eq!(self.way.shared.met.swap(0, Ordering::SeqCst), 1, "{fate:?} was not met");
        }
        (seen, ended)
    }

    /// With nothing in it but the table.
    fn anew(&self) {
        let made = r"SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
            WHERE nspname = 'public' OR nspname LIKE 'mollyguard%' \gexec
            CREATE SCHEMA public; CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'old')";
        self.way.shared.cluster.sql("postgres", made);
    }

    fn note(&self) -> String {
        self.way.shared.cluster.sql("postgres", "SELECT note FROM t").trim().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_never_guessed() {
    let far = Far::new();
    // What the world must be, and whether the answer may be that nobody knows.
    let cases = [
        (Fate::Passes, "new", false),
        (Fate::CutBefore, "old", false),
        (Fate::CutAfter, "new", false),
        (Fate::HangsAfter, "new", false),
        (Fate::CrashBefore, "old", false),
        (Fate::HangsBefore, "old", false),
        // After a crash the same number may be another transaction's.
        (Fate::CrashAfter, "new", true),
        (Fate::CrashForGood, "new", true),
    ];
    for (fate, note, may_be_unknown) in cases {
        far.way.shared.cluster.sql("postgres", "UPDATE t SET note = 'old'");
        let (seen, ended) = far.call(fate).await;
        if fate == Fate::CrashForGood {
            far.way.shared.cluster.restart();
        }
        match &ended {
            Ok(outcome) => {
                assert_eq!((note, outcome.undo.is_some()), ("new", true), "{fate:?}");
            }
            Err(ToolError::Untouched { reason, .. }) => assert_eq!(note, "old", "{fate:?}: {reason}"),
            Err(ToolError::Uncertain { reason }) => assert!(may_be_unknown, "{fate:?}: {reason}"),
        }
        if fate == Fate::CrashForGood {
            assert!(matches!(ended, Err(ToolError::Uncertain { .. })), "{ended:?}");
        }
        assert_eq!(far.note(), note, "{fate:?}: {ended:?}");
        let found = find("postgres_write").probe(&Far::args(), &seen, &far.lend(Access::Read)).await;
        let expected = if note == "new" { Probe::Changed } else { Probe::Unchanged };
        assert_eq!(found, expected, "{fate:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_before_the_change_leaves_it_untouched() {
    let far = Far::new();
    let tool = find("postgres_write");
    let seen = tool.preflight(&Far::args(), &far.lend(Access::Trial)).await.unwrap();
    far.way.shared.cluster.crash();
    let ended = tool.execute(&Far::args(), &seen, &far.lend(Access::Write)).await;
    assert!(matches!(ended, Err(ToolError::Untouched { .. })), "{ended:?}");
    far.way.shared.cluster.restart();
    assert_eq!(far.note(), "old");
    let ended = tool.execute(&Far::args(), &seen, &far.lend(Access::Write)).await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(far.note(), "new");
}

/// Every kind of change.
fn changes() -> Vec<(&'static str, Value)> {
    vec![
        ("postgres_write", Far::args()),
        ("postgres_alter", json!({"target": "orders", "sql": "ALTER TABLE t ADD COLUMN w int"})),
        ("postgres_truncate", json!({"target": "orders", "table": "t"})),
        ("postgres_drop", json!({"target": "orders", "object": "table", "name": "t"})),
        ("postgres_purge", json!({"target": "orders", "object": "table", "name": "t"})),
    ]
}

/// Everything that is not PostgreSQL's own, and every row of the table.
const WORLD: &str = "SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.oid >= 16384 AND n.nspname <> 'pg_toast' ORDER BY 1; SELECT attrelid, attname FROM pg_attribute \
    WHERE attrelid >= 16384 AND attnum > 0 ORDER BY 1, attnum; SELECT query_to_xml('SELECT * FROM ' || c.oid::regclass, \
    true, false, '') FROM pg_class c WHERE relname = 't'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_on_its_way_is_not_over_until_the_server_says_so() {
    let far = Far::new();
    let world = || far.way.shared.cluster.sql("postgres", WORLD);
    for (tool, args) in changes() {
        // One that never arrives is the same for all of them.
        let ends: &[bool] = if tool == "postgres_write" { &[true, false] } else { &[true] };
        for arrives in ends.iter().copied() {
            far.anew();
            let before = world();
            let long = Duration::from_secs(60);
            let seen = find(tool).preflight(&args, &far.lend_for(Access::Trial, long)).await.unwrap();
            *far.way.shared.fate.lock().unwrap() = Fate::Stalls;
            let (lease, given, looked) = (far.lend_for(Access::Write, long), args.clone(), seen.clone());
            let execution = tokio::spawn(async move { find(tool).execute(&given, &looked, &lease).await });
            while far.way.shared.met.swap(0, Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // The gateway that made the call is gone: its COMMIT is not.
            execution.abort();
            let postgres = Postgres::new();
            let looking = far.lend_for(Access::Trial, long);
            assert!(!postgres.is_over(&seen, &looking).await, "{tool} {args}: it can still take effect");
            // What a look finds until then proves nothing.
            let early = find(tool).probe(&args, &seen, &looking).await;
            assert_ne!(early, Probe::Changed, "{tool} {args}");
            *far.way.shared.goes_on.lock().unwrap() = Some(arrives);
            while !postgres.is_over(&seen, &looking).await {}
            assert_eq!(world() != before, arrives, "{tool} {args}");
            let found = find(tool).probe(&args, &seen, &looking).await;
            let untrue = if arrives { Probe::Unchanged } else { Probe::Changed };
            assert_ne!(found, untrue, "{tool} {args}");
            if tool != "postgres_alter" {
                assert_eq!(found == Probe::Changed, arrives, "{tool} {args}: {found:?}");
            }
        }
    }
}
