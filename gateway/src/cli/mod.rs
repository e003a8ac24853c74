//! The command line: one file a command. It reads words, calls the library, and shows what came of it.

mod approvals;
mod audit;
mod calls;
mod config;
mod connect;
mod demo;
mod desk;
mod doctor;
mod grants;
mod logging;
mod operator;
mod paint;
mod policy;
mod prune;
mod quarantine;
mod serve;
mod targets;
mod terminal;
mod tools;
mod undo;
mod watch;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use mollyguard_tools::text::visible_json;

use crate::config::{Config, find};
use crate::gateway::Gateway;

const EXAMPLES: &str = "\
Examples:
  mollyguard demo                                    see what it does, on throw-away parts
  mollyguard --config mollyguard.toml targets check  look at every configured target
  claude mcp add mollyguard -- mollyguard --config $PWD/mollyguard.toml serve
  mollyguard undo 0199…                              take a call back

Exit codes: 0 success · 1 a problem was found, or the call was refused · 2 wrong arguments or configuration";

/// An MCP gateway that checks each call first and asks a person before anything irreversible.
#[derive(Debug, Parser)]
#[command(name = "mollyguard", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    /// The configuration file. Else $MOLLYGUARD_CONFIG, ./mollyguard.toml, or the user's configuration directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP over stdio, over streamable HTTP with --http, or to other users with --socket.
    Serve(serve::Serve),
    /// Connect stdin and stdout to a gateway that runs as another user. Editors start this command.
    Connect(connect::Connect),
    /// Play the accident Mollyguard exists for, on throw-away databases and folders.
    Demo(demo::Demo),
    /// Say what an approval here can prove, why, and what would make it stronger.
    Doctor(doctor::Doctor),
    /// Show the configuration in force, or every key with its default.
    Config(config::ShowConfig),
    /// List the tools and what each promises.
    Tools(tools::Tools),
    /// Look at the configured targets.
    #[command(subcommand)]
    Targets(targets::Targets),
    /// Check, test and explain the policies.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// See what waits for a person, and answer it from this terminal.
    Approvals(approvals::Approvals),
    /// Enrol the people who may answer, and see who they are.
    #[command(subcommand)]
    Operator(operator::Operators),
    /// Look back at calls that changed something.
    #[command(subcommand)]
    Calls(calls::Calls),
    /// Take a call back.
    Undo(undo::Undo),
    /// Verify or export the audit record.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Remove what is older, or more, than the configuration says to keep: records, calls, and what was dropped or deleted.
    Prune(prune::Prune),
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The call or the configuration is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// What is wrong.
    pub(crate) fn text(&self) -> &str {
        &self.message
    }

    /// It looked and found something wrong, or was refused.
    pub(crate) fn found(message: impl fmt::Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }
}

type Done = Result<(), Failure>;

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    crate::platform::hide_memory();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ended(Err(Failure::usage(format!("the runtime cannot start: {error}")))),
    };
    let done = runtime.block_on(run(cli));
    // A stuck read of a terminal or a target must not keep the process from ending.
    runtime.shutdown_background();
    ended(done)
}

fn ended(done: Done) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("{} {}", paint::Paint::stderr().red("error:"), failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

async fn run(cli: Cli) -> Done {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Serve(serve) => serve.run(config).await,
        Command::Connect(connect) => connect.run().await,
        Command::Demo(demo) => demo.run().await,
        Command::Doctor(doctor) => doctor.run(config),
        Command::Config(show) => show.run(config),
        Command::Tools(tools) => tools.run(config),
        Command::Targets(targets) => targets.run(config).await,
        Command::Policy(policy) => policy.run(config),
        Command::Approvals(approvals) => approvals.run(config).await,
        Command::Operator(operators) => operators.run(config).await,
        Command::Calls(calls) => calls.run(config).await,
        Command::Undo(undo) => undo.run(config).await,
        Command::Audit(audit) => audit.run(config),
        Command::Prune(prune) => prune.run(config).await,
    }
}

fn load(asked: Option<&Path>) -> Result<Config, Failure> {
    let found = find(asked).map_err(|error| {
        Failure::usage(format!(
            "{error}\nname one with --config FILE, or start from examples/quickstart/mollyguard.toml"
        ))
    })?;
    found.load(&mollyguard_tools::toolsets()).map_err(Failure::usage)
}

fn open(asked: Option<&Path>) -> Result<Arc<Gateway>, Failure> {
    open_for(load(asked)?, false)
}

/// A gateway for a command that reaches no target and takes down nothing that was typed: no secret is fetched, so that it
/// works where only the service has them.
fn open_without_secrets(asked: Option<&Path>) -> Result<Arc<Gateway>, Failure> {
    let mut config = load(asked)?;
    for target in config.targets.values_mut() {
        target.secrets.clear();
    }
    config.notify.webhooks.clear();
    config.redact.clear();
    open_for(config, false)
}

/// A gateway whose agents are other users of the system, or may be this one.
fn open_for(config: Config, apart: bool) -> Result<Arc<Gateway>, Failure> {
    let gateway = Gateway::open_for(config, mollyguard_tools::toolsets(), apart).map_err(Failure::usage)?;
    logging::start(gateway.broker.redactor().clone());
    if let Some(earlier) = gateway.config.own_state.as_ref().and_then(|own| own.earlier.as_ref()) {
        let (earlier, state) = (earlier.display(), gateway.config.state.display());
        tracing::warn!(
            "the state is in `{state}` from now on; what earlier versions wrote is in `{earlier}`, which belongs to another \
             configuration by now: set `gateway.state` to go on with it"
        );
    }
    Ok(Arc::new(gateway))
}

/// A value as JSON for scripts.
fn print_json(value: &impl serde::Serialize) -> Done {
    let text = serde_json::to_string_pretty(value).map_err(Failure::usage)?;
    print(&format!("{}\n", visible_json(&text)))
}

/// Text for standard output. A reader that went away (`| head`) is no error.
fn print(text: &str) -> Done {
    use std::io::Write as _;

    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::usage(error)),
        _ => Ok(()),
    }
}
