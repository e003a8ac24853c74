//! The end-to-end tests: the real binary, real databases and files, real clients.

mod accidents;
mod apart;
mod asking;
mod attacks;
mod behind;
mod cli;
mod conformance;
mod crash;
mod demo;
mod doctor;
mod examples;
mod harness;
mod inspector;
mod notify;
mod page;
mod policies;
mod postgres;
mod reach;
mod record;
mod retention;
mod sdk;
mod secrets;
mod several_processes;
mod state;
mod targets;
mod tidy;
mod undo;

use mollyguard_tests::{Result, Served};
use tokio::process::Command;

/// The fixture for the protocol's suites, not started yet.
fn fixture() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance_fixture"));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).kill_on_drop(true);
    command
}

/// The fixture over HTTP.
async fn served_fixture() -> Result<Served> {
    Served::start(fixture()).await
}
