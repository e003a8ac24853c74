//! A throw-away PostgreSQL cluster: started on first use by an unprivileged user in a temporary folder, one for the test
//! process, and gone with it, however that ends.
//!
//! The toolset's own tests include this file by its path: it uses nothing but the standard library.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A running cluster.
pub struct Cluster {
    /// The folder of its socket, and of nothing that a test may touch.
    pub folder: PathBuf,
    /// The port it listens on, on loopback and as the socket's number.
    pub port: u16,
    /// The server's programs.
    pub programs: PathBuf,
    state: Mutex<State>,
}

struct State {
    next: u32,
    _keeper: Child,
    keeper: ChildStdin,
}

/// Starts a server, waits for a word on standard input, and stops it at the latest when that ends: with the test process.
const KEEPER: &str = r#"
set -u
folder="$1" port="$2" bin="$3" settings="$4"
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
export LC_ALL=C HOME="$folder" PGTZ=UTC TZ=UTC
start() { as "$bin/pg_ctl" -s -w -t 120 -D "$folder/data" -l "$folder/log" -o "-c listen_addresses=127.0.0.1 -p $port -k $folder $settings" start; }
stop() { as "$bin/pg_ctl" -s -w -m "$1" -D "$folder/data" stop; }
trap '' INT TERM
{ as "$bin/initdb" -D "$folder/data" -U postgres -A trust --no-sync --no-locale -E UTF8 >"$folder/initdb.log" 2>&1 && start; } || {
    echo "failed"; cat "$folder/initdb.log" "$folder/log" >&2; rm -rf "$folder"; exit 1
}
echo "ready"
while read -r word; do
    case "$word" in
        crash) stop immediate ;;
        start) start ;;
    esac
    echo "done"
done
stop immediate
rm -rf "$folder"
"#;

impl Cluster {
    /// The test process's cluster.
    ///
    /// # Panics
    /// There is no PostgreSQL, or it does not start: a test that cannot run is a failure.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("").unwrap_or_else(|error| panic!("PostgreSQL does not start: {error}")))
    }

    /// A cluster of its own, for tests that stop it or need other settings (`-c name=value …`).
    ///
    /// # Errors
    /// There is no PostgreSQL, or it does not start.
    pub fn start(settings: &str) -> io::Result<Self> {
        Self::start_with_locales(settings, None)
    }

    /// The same with locales of its own, as `localedef` made them in a folder.
    ///
    /// # Errors
    /// There is no PostgreSQL, or it does not start.
    pub fn start_with_locales(settings: &str, locales: Option<&Path>) -> io::Result<Self> {
        let programs = programs().ok_or_else(|| {
            io::Error::other("no PostgreSQL server below /usr/lib/postgresql: `tests/run --install` installs it")
        })?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("mollyguard-pg-{}-{port}", std::process::id()));
        std::fs::create_dir(&folder)?;
        hand_over(&folder)?;
        let defaults = "-c fsync=off -c max_connections=60 -c shared_buffers=16MB -c max_prepared_transactions=4 \
                        -c track_functions=all -c max_wal_size=64MB -c autovacuum=off";
        let mut keeper = Command::new("bash");
        if let Some(locales) = locales {
            keeper.env("LOCPATH", locales);
        }
        let mut keeper = keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .arg(port.to_string())
            .arg(&programs)
            .arg(format!("{defaults} {settings}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A runner that ends a test ends its whole process group; the keeper is to outlive it and stop the server.
            .process_group(0)
            .spawn()?;
        let (stdin, stdout) = (keeper.stdin.take(), keeper.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err(io::Error::other("no pipes")) };
        let mut words = BufReader::new(stdout);
        let mut word = String::new();
        words.read_line(&mut word)?;
        if word.trim() != "ready" {
            let mut said = String::new();
            if let Some(mut errors) = keeper.stderr.take() {
                errors.read_to_string(&mut said)?;
            }
            return Err(io::Error::other(said));
        }
        keeper.stdout = Some(words.into_inner());
        Ok(Self { folder, port, programs, state: Mutex::new(State { next: 0, _keeper: keeper, keeper: stdin }) })
    }

    /// The connection URL of a database for a role, over TCP. Every local role is trusted.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgresql://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// A name that no other test of this process uses, for a database or a role.
    pub fn name(&self, stem: &str) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.next += 1;
        format!("{stem}_{}", state.next)
    }

    /// A fresh database, owned by `postgres`; its name.
    ///
    /// # Panics
    /// The server refused.
    pub fn database(&self) -> String {
        let name = self.name("db");
        self.sql("postgres", &format!("CREATE DATABASE {name} STRATEGY file_copy"));
        name
    }

    /// Runs statements as the superuser with `psql`, by other means than the code under test, and gives what they print:
    /// rows unaligned, columns separated by `|`.
    ///
    /// # Panics
    /// `psql` failed.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql("postgres", database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same for any role, with what `psql` complained about.
    ///
    /// # Errors
    /// What `psql` printed when a statement failed.
    pub fn try_sql(&self, role: &str, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", database, "-f", "-"])
            .arg("-h")
            .arg(&self.folder)
            .arg("-p")
            .arg(self.port.to_string())
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdin = psql.stdin.take().ok_or("no pipe")?;
        let sql = sql.to_owned();
        let feeder = std::thread::spawn(move || stdin.write_all(sql.as_bytes()));
        let output = psql.wait_with_output().map_err(|error| error.to_string())?;
        let _fed = feeder.join();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Stops the server at once, as a crash would, or starts it again.
    ///
    /// # Panics
    /// The keeper is gone.
    pub fn crash(&self) {
        self.tell("crash");
    }

    /// Starts the server after [`Cluster::crash`].
    ///
    /// # Panics
    /// The keeper is gone.
    pub fn restart(&self) {
        self.tell("start");
    }

    fn tell(&self, word: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let told = writeln!(state.keeper, "{word}");
        let mut answer = [0; 5];
        let done = state._keeper.stdout.as_mut().map(|stdout| stdout.read_exact(&mut answer));
        assert!(told.is_ok() && matches!(done, Some(Ok(()))), "the keeper of the server is gone");
    }
}

/// The newest installed server, or the one named by `MOLLYGUARD_TEST_POSTGRES`.
fn programs() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("MOLLYGUARD_TEST_POSTGRES") {
        return Some(named.into());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("postgres").exists().then_some((version, programs))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs)
}

/// PostgreSQL does not run as root: the folder belongs to the user it runs as.
fn hand_over(folder: &Path) -> io::Result<()> {
    let root = Command::new("id").arg("-u").output()?.stdout == b"0\n";
    if root {
        let status = Command::new("chown").arg("nobody:nogroup").arg(folder).status()?;
        if !status.success() {
            return Err(io::Error::other("the folder cannot be handed over"));
        }
    }
    Ok(())
}
