//! `mollyguard doctor`: what this installation can prove, why, and what would make it stronger.

use std::path::{Path, PathBuf};

use clap::Args;

use super::paint::Paint;
use super::{Done, Failure, connect, print, print_json, serve};
use crate::config::{Config, ConfigError, find};
use crate::doctor::{Ground, Report, State, examine};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Where a gateway for other users listens. Else $MOLLYGUARD_SOCKET, else /run/mollyguard/agent.sock.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Where it listens for operators. Else $MOLLYGUARD_OPERATORS; with a socket DIR/NAME, else
    /// DIR-operators/operators.sock.
    #[arg(long, value_name = "PATH")]
    operators: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(self, config: Option<&Path>) -> Done {
        let socket = self.socket.unwrap_or_else(connect::socket);
        let ground = Ground {
            config: load(config, &socket)?,
            operators: self.operators.or_else(connect::operators).unwrap_or_else(|| serve::beside(&socket)),
            socket,
            home: std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute()),
            folder: std::env::current_dir().map_err(Failure::usage)?,
            environment: std::env::vars_os()
                .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
                .collect(),
        };
        let report = examine(&ground);
        if self.json {
            print_json(&report)?;
        } else {
            print(&render(&report))?;
        }
        if report.is_well() { Ok(()) } else { Err(Failure::found("")) }
    }
}

/// The configuration. Where another user's gateway listens, this user need not have one.
fn load(asked: Option<&Path>, socket: &Path) -> Result<Option<Config>, Failure> {
    let loaded = find(asked).and_then(|found| found.load(&mollyguard_tools::toolsets()));
    match loaded {
        Ok(config) => Ok(Some(config)),
        Err(ConfigError::Missing(_)) if asked.is_none() && socket.exists() => Ok(None),
        Err(ConfigError::Unreadable { reason, .. })
            if socket.exists() && reason.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Ok(None)
        }
        Err(error) => Err(Failure::usage(error)),
    }
}

fn render(report: &Report) -> String {
    let paint = Paint::stdout();
    let mut text = String::new();
    for finding in &report.findings {
        let state = match finding.state {
            State::Ok => paint.green("ok     "),
            State::Weak => paint.yellow("weak   "),
            State::Wrong => paint.red("wrong  "),
            State::Unknown => paint.dim("unknown"),
        };
        let mend = finding.mend.as_ref().map(|mend| format!(". Mend: {mend}")).unwrap_or_default();
        text.push_str(&format!("{state} {}: {}{mend}\n", paint.bold(finding.id), finding.what));
    }
    text.push_str(&match &report.ceiling {
        Some(ceiling) => format!("An approval here proves at most {ceiling}.\n"),
        None => "What an approval here proves at most, `mollyguard doctor` tells the gateway's own user.\n".to_owned(),
    });
    text
}
