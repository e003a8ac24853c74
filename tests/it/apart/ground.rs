//! A gateway as one user of the system, agents as others, operators as yet another: the accounts every Debian has from the
//! start, told apart by the kernel like any others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use mollyguard_tests::{Agent, Era, Person, Result, mollyguard, within};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// A user of the system with the groups they act in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    groups: &'static str,
}

/// Whom the gateway runs as. It is in the groups that may open its sockets.
pub(crate) const GATEWAY: User = User { name: "daemon", groups: "games,man" };
/// Whom an agent runs as.
pub(crate) const AGENT: User = User { name: "games", groups: "games" };
/// Whom another one runs as.
pub(crate) const OTHER: User = User { name: "irc", groups: "games" };
/// Who answers.
pub(crate) const OPERATOR: User = User { name: "man", groups: "man" };
/// Somebody who may nothing.
pub(crate) const STRANGER: User = User { name: "bin", groups: "bin" };

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The rights to become somebody else. Where this is not root, `sudo` gives them without asking, or the test fails.
fn privileged(program: &str) -> Command {
    static ROOT: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let is_root = *ROOT.get_or_init(|| {
        std::process::Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
    });
    let mut command = Command::new(if is_root { program } else { "sudo" });
    if !is_root {
        command.args(["-n", program]);
    }
    command.kill_on_drop(true).current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(mut command: Command) -> Result<Ran> {
    let output = within(&format!("{command:?}"), command.output()).await??;
    Ok(Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The folders and files of a gateway of its own user, with the modes the documentation asks for.
pub(crate) struct Ground {
    dir: TempDir,
}

impl Ground {
    pub(crate) async fn new() -> Result<Self> {
        Self::with("wait_s = 0\npage_port = 0\n", "").await
    }

    /// The same with more keys of `[confirm]`, and more policies.
    pub(crate) async fn with(confirm: &str, policies: &str) -> Result<Self> {
        let ground = Self { dir: TempDir::with_prefix("mollyguard-apart-")? };
        let path = ground.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        // Where tests are built others may not look.
        fs::copy(mollyguard()?, path.join("mollyguard"))?;
        for folder in ["etc", "etc/policies", "data", "run", "run-operators"] {
            fs::create_dir(path.join(folder))?;
        }
        let rental = include_str!("../../src/rental.sql");
        Connection::open(path.join("data/fleet.db"))?.execute_batch(rental)?;
        fs::write(path.join("etc/secret"), "canary-5ecb1d")?;
        let own = "@id(\"developers-only\")\n@reason(\"Only developers read here.\")\n\
             forbid (principal, action in Action::\"sqlite\", resource) unless { principal in Role::\"developer\" };\n";
        fs::write(path.join("etc/policies/own.cedar"), format!("{own}{policies}"))?;
        fs::write(
            path.join("etc/policies/in-client.cedar"),
            include_str!("../../../examples/in-client/policies/in-client.cedar"),
        )?;
        let config = format!(
            "[gateway]\nstate = \"../state\"\n[policies]\ndefaults = false\ndirectories = [\"policies\"]\n\
             [confirm]\ndenial_s = 0\n{confirm}[redact]\nsecrets = [\"file:secret\"]\n[socket]\nconnections_each = 4\n\
             [socket.users.games]\nroles = [\"developer\"]\n[environments.production]\ntier = \"production\"\n\
             [targets.fleet]\nkind = \"sqlite\"\nenvironment = \"production\"\npath = \"../data/fleet.db\"\n"
        );
        fs::write(path.join("etc/mollyguard.toml"), config)?;
        let shell = "set -e; cd \"$1\"; mkdir state; chown -R daemon:daemon etc data state; chmod -R go= etc data state; \
                     chown daemon:games run; chown daemon:man run-operators; chmod 2750 run run-operators";
        let mut command = privileged("sh");
        command.args(["-c", shell, "sh"]).arg(path);
        let made = run(command).await?;
        assert_eq!(made.code, Some(0), "{made:?}: this test becomes other users, as root or with sudo");
        Ok(ground)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("run/agent.sock")
    }

    pub(crate) fn operators(&self) -> PathBuf {
        self.path().join("run-operators/operators.sock")
    }

    /// A program as this user, not started yet.
    pub(crate) fn command(&self, user: User, program: impl AsRef<Path>) -> Command {
        let mut command = privileged("setpriv");
        command.arg(format!("--reuid={}", user.name)).arg(format!("--regid={}", user.name));
        command.arg(format!("--groups={}", user.groups)).arg("--inh-caps=-all").arg("--bounding-set=-all");
        command.args(["env", "-i", "PATH=/usr/bin:/bin", "HOME=/nonexistent", "NO_COLOR=1"]);
        command.arg(program.as_ref());
        command
    }

    pub(crate) async fn run(&self, user: User, program: &str, args: &[&str]) -> Result<Ran> {
        let mut command = self.command(user, program);
        command.args(args);
        run(command).await
    }

    /// A command of the gateway as this user.
    pub(crate) fn mollyguard(&self, user: User, args: &[&str]) -> Command {
        let mut command = self.command(user, self.path().join("mollyguard"));
        command.args(args);
        command
    }

    pub(crate) async fn run_mollyguard(&self, user: User, args: &[&str]) -> Result<Ran> {
        run(self.mollyguard(user, args)).await
    }

    /// What the gateway's own user sees in the state directory.
    pub(crate) async fn kept(&self, args: &[&str]) -> Result<String> {
        let config = self.path().join("etc/mollyguard.toml").display().to_string();
        let ran = self.run_mollyguard(GATEWAY, &[&["--config", &config], args].concat()).await?;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        Ok(ran.out)
    }

    /// How many bookings there are; none where the table is gone.
    pub(crate) async fn bookings(&self) -> Result<Option<u64>> {
        let copy = self.path().join("copy.db");
        let mut command = privileged("cp");
        command.arg("--no-preserve=all").arg(self.path().join("data/fleet.db")).arg(&copy);
        assert_eq!(run(command).await?.code, Some(0));
        let count = Connection::open(&copy)?.query_row("SELECT count(*) FROM bookings", [], |row| row.get::<_, i64>(0));
        Ok(count.ok().map(u64::try_from).transpose()?)
    }

    pub(crate) async fn serve(&self) -> Result<Running> {
        let mut command = self.command(GATEWAY, "sh");
        command.args(["-c", "echo $$; exec \"$0\" \"$@\""]).arg(self.path().join("mollyguard"));
        command.arg("--config").arg(self.path().join("etc/mollyguard.toml"));
        command.arg("serve").arg("--socket").arg(self.socket());
        let running = Running::start(command).await?;
        assert!(running.said.contains(&self.operators().display().to_string()), "{}", running.said);
        Ok(running)
    }

    /// A client of this user behind `mollyguard connect`.
    pub(crate) async fn agent(&self, user: User, era: Era, person: Person) -> Result<Agent> {
        let socket = self.socket().display().to_string();
        Agent::over_stdio(self.mollyguard(user, &["connect", "--socket", &socket]), era, person).await
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // What belongs to others goes with their rights; the rest the folder removes itself.
        let mut command = privileged("rm").into_std();
        let _ = command.arg("-rf").arg(self.path().join("state")).arg(self.path().join("etc")).status();
        let mut command = privileged("rm").into_std();
        let more = ["data", "run", "run-operators"].map(|folder| self.path().join(folder));
        let _ = command.arg("-rf").args(more).status();
    }
}

/// A gateway that listens on a socket.
pub(crate) struct Running {
    child: Child,
    pub(crate) pid: u32,
    /// The line with which it said so.
    pub(crate) said: String,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// Starts a command that prints its process id first.
    pub(crate) async fn start(mut command: Command) -> Result<Self> {
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let pid = within("a process id", lines.next_line()).await??.ok_or("no process id")?.trim().parse()?;
        let mut stderr = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
        let mut before = String::new();
        loop {
            let line = within("the word that it listens", stderr.next_line()).await??;
            let line = line.ok_or_else(|| format!("it ended:\n{before}"))?;
            if line.contains("listens on") {
                return Ok(Self { child, pid, said: line, stderr });
            }
            before.push_str(&line);
        }
    }

    async fn signal(&self, signal: &str) -> Result {
        let mut command = privileged("kill");
        command.args([signal, &self.pid.to_string()]);
        assert_eq!(run(command).await?.code, Some(0));
        Ok(())
    }

    /// Ends it as a service manager does; what it wrote meanwhile.
    pub(crate) async fn terminate(mut self) -> Result<(ExitStatus, String)> {
        self.signal("-TERM").await?;
        let mut wrote = String::new();
        within("the last words", self.stderr.get_mut().read_to_string(&mut wrote)).await??;
        Ok((within("the end of a terminated gateway", self.child.wait()).await??, wrote))
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(mut self) -> Result {
        self.signal("-KILL").await?;
        within("the end of a killed gateway", self.child.wait()).await??;
        Ok(())
    }
}
