//! `mollyguard targets`: look at the configured targets.

use std::path::Path;

use clap::Subcommand;
use mollyguard_record::verify::{self, Behind};
use mollyguard_tools::contract::{Exposed, Search, TargetReport, Toolset};
use serde::Serialize;

use super::paint::Paint;
use super::{Done, Failure, open, print, print_json};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::targets::exposed::Findings;

/// What to do with the targets.
#[derive(Debug, Subcommand)]
pub(crate) enum Targets {
    /// Check each target: whether it exists, whether its identity is the configured one, and what an operator should know.
    Check {
        /// Only this target.
        name: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Line {
    target: String,
    kind: String,
    environment: String,
    ok: bool,
    report: Option<TargetReport>,
    problems: Vec<String>,
}

impl Targets {
    pub(crate) async fn run(self, config: Option<&Path>) -> Done {
        let Self::Check { name, json } = self;
        let gateway = open(config)?;
        let mut lines = Vec::new();
        for target in gateway.broker.targets().filter(|target| name.as_ref().is_none_or(|name| *name == target.name)) {
            lines.push(check(&gateway, &target.name).await);
        }
        if lines.is_empty() {
            return Err(Failure::usage(match name {
                Some(name) => format!("there is no target `{name}`"),
                None => "the configuration has no targets".to_owned(),
            }));
        }
        same_thing_twice(&gateway, &mut lines);
        search(&gateway, &mut lines).await;
        let behind = behind(&gateway.config);
        let sound = lines.iter().all(|line| line.ok) && behind.is_none();
        if json {
            print_json(&lines)?;
        } else {
            print(&render(&lines))?;
        }
        if let Some(behind) = behind {
            eprintln!("{} {behind}", Paint::stderr().red("checkpoint:"));
        }
        if sound { Ok(()) } else { Err(Failure::found("")) }
    }
}

/// What should stand in the checkpoint file and does not.
fn behind(config: &Config) -> Option<Behind> {
    verify::behind(&config.state, config.checkpoint.as_ref()?).ok().flatten()
}

async fn check(gateway: &Gateway, name: &str) -> Line {
    let mut line = Line {
        target: name.to_owned(),
        kind: String::new(),
        environment: String::new(),
        ok: false,
        report: None,
        problems: Vec::new(),
    };
    let lease = match gateway.broker.lend_read(name) {
        Ok(lease) => lease,
        Err(error) => {
            line.problems.push(error.to_string());
            return line;
        }
    };
    let target = lease.target();
    line.kind.clone_from(&target.kind);
    line.environment = format!("{} ({})", target.environment.name, target.environment.tier.as_str());
    let Some(toolset) = gateway.toolsets.iter().find(|toolset| toolset.name() == target.kind) else { return line };
    let mut report = match toolset.check(&lease).await {
        Ok(report) => report,
        Err(error) => {
            line.problems.push(error.to_string());
            return line;
        }
    };
    if gateway.broker.reads_apart(name)
        && let Some(problem) = check_changes(gateway, toolset.as_ref(), name, &mut report).await
    {
        line.problems.push(problem);
    }
    if let Some(pinned) = gateway.broker.identity(name).filter(|pinned| *pinned != report.identity) {
        line.problems.push(format!("is pinned to `{pinned}`, but `{}` answers", report.identity));
    }
    line.ok = line.problems.is_empty();
    line.report = Some(report);
    line
}

/// Adds what the credential for changes finds to what that for reads found. They must open the same thing.
async fn check_changes(
    gateway: &Gateway,
    toolset: &dyn Toolset,
    name: &str,
    report: &mut TargetReport,
) -> Option<String> {
    let lease = match gateway.broker.lend_trial(name) {
        Ok(lease) => lease,
        Err(error) => return Some(error.to_string()),
    };
    let changes = match toolset.check(&lease).await {
        Ok(changes) => changes,
        Err(error) => return Some(format!("with `secret`, for changes: {error}")),
    };
    if changes.identity != report.identity {
        return Some(format!(
            "`read_secret` opens `{}`, but `secret` opens `{}`: what is looked at would not be what is changed",
            report.identity, changes.identity
        ));
    }
    report.summary = format!("reads: {}; changes: {}", report.summary, changes.summary);
    let more = changes.warnings.into_iter().filter(|warning| !report.warnings.contains(warning));
    report.warnings.extend(more.collect::<Vec<_>>());
    None
}

/// Looks for held secrets in what calls could read of the targets that answered. What a query makes of one cannot be
/// recognized in a reply, so none should be there.
async fn search(gateway: &Gateway, lines: &mut [Line]) {
    let mut findings = Findings::load(&gateway.config.state);
    for line in lines {
        let (Some(report), Ok(lease)) = (&mut line.report, gateway.broker.lend_read(&line.target)) else { continue };
        let toolset = gateway.toolsets.iter().find(|toolset| toolset.name() == line.kind);
        let (Some(toolset), Some(held)) = (toolset, lease.held()) else {
            findings.note(&line.target, Search::default());
            continue;
        };
        match toolset.search(&lease, held).await {
            Ok(mut found) => {
                // A command's words, or a table's name, may hold one as well.
                for exposed in &mut found.found {
                    gateway.broker.redactor().string(&mut exposed.secret);
                    gateway.broker.redactor().string(&mut exposed.place);
                }
                report.warnings.extend(found.found.iter().map(exposed));
                if found.partial {
                    report.warnings.push("not all of it was searched for secrets the gateway holds".to_owned());
                }
                findings.note(&line.target, found);
            }
            Err(error) => {
                let error = gateway.broker.redactor().text(&error.to_string()).into_owned();
                report.warnings.push(format!("it cannot be searched for secrets the gateway holds: {error}"));
            }
        }
    }
    if let Err(error) = findings.save(&gateway.config.state) {
        tracing::warn!(%error, "what was found cannot be kept for `doctor`");
    }
}

fn exposed(found: &Exposed) -> String {
    format!(
        "{} contains the secret `{}`, which only the gateway should have: remove it there, and replace the secret",
        found.place, found.secret
    )
}

/// One thing under two names in two environments: a call on the one would change the other.
fn same_thing_twice(gateway: &Gateway, lines: &mut [Line]) {
    for one in 0..lines.len() {
        for other in 0..lines.len() {
            let (Some(a), Some(b)) = (&lines[one].report, &lines[other].report) else { continue };
            if one != other && a.identity == b.identity && lines[one].environment != lines[other].environment {
                // A file is itself; what is reached over a network can be a copy that answers the same.
                let remote = gateway.broker.lend_trial(&lines[one].target).is_ok_and(|lease| lease.secret().is_some());
                let copy = if remote { ", or a physical copy of it: changes are refused" } else { "" };
                let problem = format!("is the same as `{}` in {}{copy}", lines[other].target, lines[other].environment);
                lines[one].ok = false;
                lines[one].problems.push(problem);
            }
        }
    }
}

fn render(lines: &[Line]) -> String {
    let paint = Paint::stdout();
    let mut text = String::new();
    for line in lines {
        let mark = if line.ok { paint.green("ok  ") } else { paint.red("FAIL") };
        text.push_str(&format!("{mark} {} · {} · {}\n", paint.bold(&line.target), line.kind, line.environment));
        if let Some(report) = &line.report {
            text.push_str(&format!("     {}\n     {}\n", report.summary, paint.dim(&report.identity)));
            for warning in &report.warnings {
                text.push_str(&format!("     {} {warning}\n", paint.yellow("warning:")));
            }
        }
        for problem in &line.problems {
            text.push_str(&format!("     {} {problem}\n", paint.red("error:")));
        }
    }
    text
}
