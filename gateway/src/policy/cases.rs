//! Cases: calls that were never made, and what policy should say to them. They stand beside the policies in
//! `*.test.toml` and are what `mollyguard policy test` runs.

use std::ops::Range;

use mollyguard_record::model::{Assurance, Because, Need, Principal};
use mollyguard_tools::contract::Declaration;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::situation::Situation;
use super::{LoadError, Policies, Problem, SourceFile};

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseOutcome {
    /// The file it stands in.
    pub file: String,
    /// The line its name is on.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// The tool it was tried with; of a case for every tool, the first that failed it.
    pub tool: Option<String>,
    /// Whether policy said what was expected.
    pub passed: bool,
    /// What was expected: `allow`, `confirm …` or `deny`.
    pub expected: String,
    /// What policy said.
    pub got: String,
    /// The policies expected, where the case names them.
    pub expected_because: Option<Vec<String>>,
    /// The policies that decided.
    pub because: Vec<Because>,
}

/// Runs the cases in these files. A case that names no tool has to come out the same for every tool.
///
/// # Errors
/// Cases that cannot be read or that name a tool there is none of, with the place.
pub fn run_cases<'a>(
    policies: &Policies,
    declarations: impl IntoIterator<Item = &'a Declaration>,
    files: &[SourceFile],
) -> Result<Vec<CaseOutcome>, LoadError> {
    let declarations: Vec<_> = declarations.into_iter().collect();
    let mut problems = Vec::new();
    let mut outcomes = Vec::new();
    for file in files {
        for case in parse(file, &mut problems) {
            match tools(&case, &declarations) {
                Ok(tools) => outcomes.push(run(policies, file, &case, &tools)),
                Err((span, message)) => problems.push(Problem::at(file, span.start, message)),
            }
        }
    }
    if problems.is_empty() { Ok(outcomes) } else { Err(LoadError::Problems(problems)) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Spanned<String>,
    #[serde(default)]
    principal: Caller,
    tool: Option<Spanned<String>>,
    #[serde(default)]
    call: Situation,
    approval: Option<GivenApproval>,
    expect: Spanned<String>,
    because: Option<Vec<String>>,
}

/// For whom the call is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Caller {
    user: String,
    roles: Vec<String>,
}

impl Default for Caller {
    fn default() -> Self {
        Self { user: "someone".to_owned(), roles: Vec::new() }
    }
}

/// The approval that came along.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenApproval {
    assurance: Assurance,
    #[serde(default = "one")]
    approvers: u32,
    /// One of several approvers may be the person asked for, unless this says otherwise.
    others: Option<u32>,
}

impl GivenApproval {
    fn need(&self) -> Need {
        let usual = Need::of(self.assurance, self.approvers);
        Need { others: self.others.unwrap_or(usual.others).min(self.approvers), ..usual }
    }
}

const fn one() -> u32 {
    1
}

fn parse(file: &SourceFile, problems: &mut Vec<Problem>) -> Vec<Case> {
    let cases = match toml::from_str::<Cases>(&file.text) {
        Ok(cases) => cases.case,
        Err(error) => {
            let at = error.span().unwrap_or_default().start;
            problems.push(Problem::at(file, at, error.message().to_owned()));
            return Vec::new();
        }
    };
    for case in &cases {
        let expect = case.expect.get_ref();
        if !expectations().contains(expect) {
            let message = format!("`{expect}` cannot be expected: it is one of {}", expectations().join(", "));
            problems.push(Problem::at(file, case.expect.span().start, message));
        }
    }
    cases
}

/// What a decision can come to, as [`Policies::told`] words it.
fn expectations() -> Vec<String> {
    let asks = super::LADDER.iter().map(|need| format!("confirm {need}"));
    std::iter::once("allow".to_owned()).chain(asks).chain(["deny".to_owned()]).collect()
}

fn tools<'a>(case: &Case, declarations: &[&'a Declaration]) -> Result<Vec<&'a Declaration>, (Range<usize>, String)> {
    match &case.tool {
        Some(tool) => match declarations.iter().find(|declaration| declaration.name == tool.get_ref().as_str()) {
            Some(declaration) => Ok(vec![declaration]),
            None => Err((tool.span(), format!("there is no tool `{}`", tool.get_ref()))),
        },
        None if case.call.reversibility.is_none() => {
            let message = "a case without `tool` is for every tool, so it needs `call.reversibility`".to_owned();
            Err((case.name.span(), message))
        }
        None => Ok(declarations.to_vec()),
    }
}

fn run(policies: &Policies, file: &SourceFile, case: &Case, tools: &[&Declaration]) -> CaseOutcome {
    let principal = Principal { user: case.principal.user.clone(), client: None, roles: case.principal.roles.clone() };
    let approval = case.approval.as_ref().map(GivenApproval::need);
    let expected = case.expect.get_ref().clone();
    let mut outcome = CaseOutcome {
        file: file.name.clone(),
        line: Problem::at(file, case.name.span().start, String::new()).line,
        name: case.name.get_ref().clone(),
        tool: case.tool.as_ref().map(|tool| tool.get_ref().clone()),
        passed: true,
        // A case for every tool holds where there is none.
        got: expected.clone(),
        expected,
        expected_because: case.because.clone(),
        because: Vec::new(),
    };
    for declaration in tools {
        let imagined = case.call.imagine(declaration);
        let decision = policies.decide(&imagined.facts(&principal, declaration, approval));
        (outcome.got, outcome.because) = policies.told(&decision);
        outcome.passed = outcome.got == outcome.expected && same_policies(case.because.as_deref(), &outcome.because);
        if !outcome.passed {
            outcome.tool = Some(declaration.name.to_string());
            break;
        }
    }
    outcome
}

fn same_policies(expected: Option<&[String]>, because: &[Because]) -> bool {
    let Some(expected) = expected else { return true };
    let mut expected: Vec<_> = expected.iter().map(String::as_str).collect();
    let mut got: Vec<_> = because.iter().map(|because| because.policy.as_str()).collect();
    expected.sort_unstable();
    got.sort_unstable();
    expected == got
}
