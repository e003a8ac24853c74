//! `mollyguard policy`: are the policies sound, do their cases hold, and why does policy say what it says?

use std::path::Path;

use clap::{Subcommand, ValueEnum};
use mollyguard_record::model::{Need, Principal};
use mollyguard_tools::contract::{Declaration, Reversibility, Tier};

use super::paint::Paint;
use super::{Done, Failure, connect, load, print, print_json};
use crate::config::Config;
use crate::operators::{Facts, Separation};
use crate::platform::is_dumpable;
use crate::policy::{self, CaseOutcome, Ceiling, Explanation, Policies, Situation, Sources};
use crate::{doctor, operators};

/// What to do with the policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Load the policies strictly and try every tool in every kind of situation.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the cases beside the policies (`*.test.toml`).
    Test {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what the policies decide about a call, with each possible approval, and which policies decide it.
    Explain(Box<Explain>),
}

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The tool.
    tool: String,
    /// The tier of the environment it would act in.
    #[arg(long, value_enum, default_value = "production")]
    tier: TierArg,
    /// What a look would find; the tool's declared worst unless told.
    #[arg(long, value_enum)]
    reversibility: Option<ReversibilityArg>,
    /// The call would destroy what others rely on for recovery.
    #[arg(long)]
    destroys_recovery: bool,
    /// Rows it would touch.
    #[arg(long)]
    rows: Option<u64>,
    /// For this user; else the configured one.
    #[arg(long)]
    user: Option<String>,
    /// With this role; may be repeated.
    #[arg(long = "role")]
    roles: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TierArg {
    Development,
    Staging,
    Production,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ReversibilityArg {
    ReadOnly,
    Reversible,
    Compensable,
    Irreversible,
}

impl Policy {
    pub(crate) fn run(self, config: Option<&Path>) -> Done {
        let config = load(config)?;
        let declarations = crate::gateway::declarations(&mollyguard_tools::toolsets());
        let sources = Sources { defaults: config.default_policies, directories: config.policy_directories.clone() };
        match self {
            Self::Check { json } => check(&config, &sources, &declarations, json),
            Self::Test { json } => test(&sources, &declarations, json),
            Self::Explain(explain) => explain.run(&config, &sources, &declarations),
        }
    }
}

/// What an approval can prove: for the agents of a gateway that listens for other users, else for those that run as this one.
fn ceiling(config: &Config) -> Result<Ceiling, Failure> {
    let apart = doctor::is_served_apart(&connect::socket(), config);
    let separation = Separation::of(apart);
    let people = operators::people(config).map_err(Failure::usage)?;
    Ok(operators::ceiling(&Facts { separation, dumpable: is_dumpable(), people }))
}

/// The principal of calls made here.
fn principal(config: &Config) -> Principal {
    Principal { user: config.user.clone(), client: None, roles: config.roles.clone() }
}

fn check(config: &Config, sources: &Sources, declarations: &[Declaration], json: bool) -> Done {
    let ceiling = ceiling(config)?;
    let check = policy::check(sources, declarations, ceiling.clone()).map_err(Failure::usage)?;
    if json {
        print_json(&check)?;
    } else {
        let paint = Paint::stdout();
        for problem in &check.problems {
            print(&format!("{} {problem}\n", paint.red("error:")))?;
        }
        if let (true, Some(digest)) = (check.problems.is_empty(), check.digest) {
            let tools = declarations.len();
            print(&format!("{} {} policies, {tools} tools, {digest}\n", paint.green("sound"), check.policies))?;
            let policies = Policies::load(sources, declarations, ceiling.clone()).map_err(Failure::usage)?;
            let beyond = policy::out_of_reach(&policies, declarations, &principal(config));
            let word = paint.yellow("refused");
            for (policy, need) in &beyond {
                print(&format!("{word} {policy}: what it guards needs {need} at least\n"))?;
            }
            if !beyond.is_empty() {
                print(&format!("This installation can prove at most {ceiling}. `mollyguard doctor` says more.\n"))?;
            }
        }
    }
    if check.problems.is_empty() { Ok(()) } else { Err(Failure::found("")) }
}

fn test(sources: &Sources, declarations: &[Declaration], json: bool) -> Done {
    let run = |policies: &Sources, cases: &Sources| -> Result<Vec<CaseOutcome>, Failure> {
        let (policies, cases) = (policies.read().map_err(Failure::usage)?, cases.read().map_err(Failure::usage)?);
        let policies = Policies::from_files(&policies.policies, declarations, Need::MOST);
        policy::run_cases(&policies.map_err(Failure::usage)?, declarations, &cases.cases).map_err(Failure::usage)
    };
    // Cases tell what policies ask for, wherever they are in force: not what can be proved here.
    // The shipped cases tell what the shipped policies say by themselves: a policy beside them is there to change that.
    let shipped = Sources { defaults: sources.defaults, directories: Vec::new() };
    let own = Sources { defaults: false, directories: sources.directories.clone() };
    let mut outcomes = if shipped.defaults { run(&shipped, &shipped)? } else { Vec::new() };
    outcomes.extend(run(sources, &own)?);
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if json {
        print_json(&outcomes)?;
    } else {
        for outcome in outcomes.iter().filter(|outcome| !outcome.passed) {
            print(&failure(outcome))?;
        }
        print(&format!("{} passed, {failed} failed\n", outcomes.len() - failed))?;
    }
    if failed == 0 { Ok(()) } else { Err(Failure::found("")) }
}

fn failure(outcome: &CaseOutcome) -> String {
    let tool = outcome.tool.as_deref().map(|tool| format!(" ({tool})")).unwrap_or_default();
    let because: Vec<&str> = outcome.because.iter().map(|because| because.policy.as_str()).collect();
    format!(
        "{} {}:{}: {}{tool}\n     expected {}, got {} because {}\n",
        Paint::stdout().red("FAIL"),
        outcome.file,
        outcome.line,
        outcome.name,
        outcome.expected,
        outcome.got,
        because.join(", "),
    )
}

impl Explain {
    fn run(self, config: &Config, sources: &Sources, declarations: &[Declaration]) -> Done {
        let policies = Policies::load(sources, declarations, ceiling(config)?).map_err(Failure::usage)?;
        let declaration = declarations.iter().find(|declaration| declaration.name == self.tool);
        let declaration = declaration.ok_or_else(|| {
            Failure::usage(format!("there is no tool `{}`; `mollyguard tools` lists them", self.tool))
        })?;
        let roles = if self.roles.is_empty() { config.roles.clone() } else { self.roles.clone() };
        let user = self.user.clone().unwrap_or_else(|| config.user.clone());
        let principal = Principal { user, client: None, roles };
        let explanation = policy::explain(&policies, &principal, declaration, &self.situation(), None);
        if self.json { print_json(&explanation) } else { print(&render(&explanation)) }
    }

    fn situation(&self) -> Situation {
        let tier = match self.tier {
            TierArg::Development => Tier::Development,
            TierArg::Staging => Tier::Staging,
            TierArg::Production => Tier::Production,
        };
        let reversibility = self.reversibility.map(|reversibility| match reversibility {
            ReversibilityArg::ReadOnly => Reversibility::ReadOnly,
            ReversibilityArg::Reversible => Reversibility::Reversible,
            ReversibilityArg::Compensable => Reversibility::Compensable,
            ReversibilityArg::Irreversible => Reversibility::Irreversible,
        });
        Situation {
            tier,
            reversibility,
            destroys_recovery: self.destroys_recovery,
            rows: self.rows,
            ..Situation::default()
        }
    }
}

fn render(explanation: &Explanation) -> String {
    let paint = Paint::stdout();
    let mut text = format!("{}: {}\n", paint.bold(&explanation.tool), explanation.decision);
    for because in &explanation.because {
        text.push_str(&format!("  {}: {}\n", because.policy, because.reason));
    }
    text.push_str(&format!("With each approval (this installation can prove at most {}):\n", explanation.ceiling));
    let width = explanation.rungs.iter().map(|rung| rung.approval.len()).max().unwrap_or_default();
    for rung in &explanation.rungs {
        let verdict = if rung.passes { paint.green("passes") } else { paint.red("refused") };
        let reach = if rung.within_reach { "" } else { ", out of reach" };
        let policies: Vec<&str> =
            rung.refused_by.iter().chain(&rung.permitted_by).map(|because| because.policy.as_str()).collect();
        text.push_str(&format!("  {:<width$} {verdict}{reach} ({})\n", rung.approval, policies.join(", ")));
    }
    text
}
