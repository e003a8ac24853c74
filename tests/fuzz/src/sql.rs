//! SQL in every dialect, held against itself and, for SQLite, against what SQLite says of it.
#![expect(clippy::expect_used, reason = "without a database there is nothing to hold the classifier against")]

use std::sync::{Arc, Mutex, OnceLock, mpsc};

use mollyguard_tools::sql::{Class, Dialect, Refusal, classify};
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Batch, Connection};

/// Tables, views and triggers whose names the kept inputs use, so that SQLite does not merely find nothing.
const SCHEMA: &str = include_str!("../schema.sql");

/// Nothing exhausts the stack of a thread of ordinary size, and what is classed as a read reads.
pub fn sql(input: &[u8]) {
    static WORKER: OnceLock<Mutex<Worker>> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(input) else { return };
    // libFuzzer's own thread has four times the stack that the gateway's have.
    let worker = WORKER.get_or_init(|| Mutex::new(Worker::start()));
    worker.lock().expect("no law was broken before").check(text);
}

struct Worker {
    send: mpsc::Sender<String>,
    checked: mpsc::Receiver<()>,
}

impl Worker {
    fn start() -> Self {
        let (send, texts) = mpsc::channel::<String>();
        let (done, checked) = mpsc::channel();
        std::thread::spawn(move || {
            let sqlite = Sqlite::open();
            for text in texts {
                for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
                    agrees_with_itself(&text, dialect);
                }
                sqlite.agrees(&text);
                if done.send(()).is_err() {
                    return;
                }
            }
        });
        Self { send, checked }
    }

    fn check(&self, text: &str) {
        self.send.send(text.to_owned()).expect("the thread that checks is gone");
        self.checked.recv().expect("a law was broken");
    }
}

fn is_read(text: &str, dialect: Dialect) -> bool {
    classify(text, dialect) == Ok(Class::Read)
}

fn agrees_with_itself(text: &str, dialect: Dialect) {
    let class = classify(text, dialect);
    if let Err(refusal) = &class {
        let told = refusal.to_string();
        let quotes = matches!(refusal, Refusal::Function(_));
        assert!(quotes || told.len() < 1_000, "{} bytes about {} bytes", told.len(), text.len());
    }
    for write in ["DELETE FROM t", "DROP TABLE t", "COMMIT"] {
        for several in [format!("{text}\n;{write}"), format!("{write}\n;{text}")] {
            assert!(!is_read(&several, dialect), "{dialect:?} reads {several:?}");
        }
    }
    let spaced = format!("\n\t {text}");
    assert_eq!(classify(&spaced, dialect).is_ok(), class.is_ok(), "{dialect:?} with space before {text:?}");
    assert_eq!(is_read(&spaced, dialect), class == Ok(Class::Read), "{dialect:?} with space before {text:?}");
    let commented = format!("/* SELECT 1; */ -- SELECT 1\n{text}");
    assert_eq!(is_read(&commented, dialect), class == Ok(Class::Read), "{dialect:?} with a comment before {text:?}");
    if class != Ok(Class::Read) && is_plain(text) {
        let variants = [
            text.to_ascii_lowercase(),
            text.to_ascii_uppercase(),
            text.replace(' ', "\n"),
            text.replace(' ', " /* */ "),
            text.replace('\n', " "),
            format!("{text} -- SELECT 1"),
            format!("{text} /* ; */ "),
        ];
        for variant in variants {
            assert!(!is_read(&variant, dialect), "{dialect:?} refuses {text:?} and reads {variant:?}");
        }
    }
}

/// Whether no character of it may begin a quotation or a comment, where case and space would matter.
fn is_plain(text: &str) -> bool {
    // `0x1F` is one number, `0X1F` a number and a name.
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" \n,.;()_=<>+".contains(&byte))
        && !text.to_ascii_lowercase().contains("0x")
}

struct Sqlite {
    connection: Connection,
    /// What SQLite has asked leave for.
    asked: Arc<Mutex<Asked>>,
}

#[derive(Default)]
struct Asked {
    rows: bool,
    /// What neither a read nor a change of rows needs leave for.
    more: Vec<String>,
}

impl Asked {
    fn take_down(&mut self, action: AuthAction<'_>) {
        match action {
            AuthAction::Select | AuthAction::Read { .. } | AuthAction::Function { .. } | AuthAction::Recursive => {}
            AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => self.rows = true,
            other => self.more.push(format!("{other:?}")),
        }
    }
}

impl Sqlite {
    fn open() -> Self {
        let mut connection = Connection::open_in_memory().expect("memory holds a database");
        connection.execute_batch(SCHEMA).expect("the schema is SQL");
        let asked = Arc::new(Mutex::new(Asked::default()));
        let hear = Arc::clone(&asked);
        let listen = move |context: AuthContext<'_>| {
            hear.lock().expect("no law was broken before").take_down(context.action);
            Authorization::Allow
        };
        connection.authorizer(Some(listen)).expect("SQLite asks whom it is told to");
        Self { connection, asked }
    }

    /// What SQLite would change by preparing and running it is no read.
    fn agrees(&self, text: &str) {
        let class = classify(text, Dialect::Sqlite);
        let Ok(Class::Read | Class::Write(_)) = class else { return };
        let reads = class == Ok(Class::Read);
        let mut batch = Batch::new(&self.connection, text);
        let mut statements = 0;
        while let Ok(Some(statement)) = batch.next() {
            statements += 1;
            // While it parses, it asks for what it then refuses, too: so this counts only now.
            let asked = std::mem::take(&mut *self.asked.lock().expect("no law was broken before"));
            assert!(asked.more.is_empty(), "{class:?} asks for {:?}: {text:?}", asked.more);
            assert!(!reads || (statement.readonly() && !asked.rows), "a read that writes: {text:?}");
        }
        drop(std::mem::take(&mut *self.asked.lock().expect("no law was broken before")));
        assert!(statements <= 1, "{statements} statements classed as one: {text:?}");
    }
}
