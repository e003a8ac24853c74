//! The steps of a call in their order, by a kind that only writes them down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::change as tool;
use crate::{
    Access, Applied, Change, Configured, Digest, Environment, Evidence, Findings, Kind, Lease, Limits, Outcome,
    Preflight, Purpose, Reversibility, Spec, Tier, Tool, ToolError, Unsure, Waiting,
};

type Steps = Arc<Mutex<Vec<String>>>;

fn step(steps: &Steps, what: impl Into<String>) {
    steps.lock().unwrap().push(what.into());
}

/// Whether it has transactions.
struct Paper<const TRANSACTIONS: bool>;

#[async_trait]
impl<const TRANSACTIONS: bool> Kind for Paper<TRANSACTIONS> {
    const NAME: &'static str = "paper";
    const TARGET: &'static str = "The paper.";
    const BLOCKS: bool = false;
    const TRANSACTIONS: bool = TRANSACTIONS;

    type Conn = Steps;
    type Tx<'c> = &'c Steps;

    async fn connect(lease: &Lease, _waiting: Waiting) -> Result<Steps, ToolError> {
        let steps = Arc::clone(lease.settings::<Steps>()?);
        step(&steps, "connect");
        Ok(steps)
    }

    async fn begin<'c>(steps: &'c mut Steps, purpose: Purpose<'_>) -> Result<&'c Steps, ToolError> {
        step(steps, format!("begin {}", word(purpose)));
        Ok(steps)
    }

    fn whereabouts(_tx: &&Steps) -> Evidence {
        Evidence::seen(crate::About::Boundary, "on paper", "the paper")
    }

    async fn roll_back(tx: &Steps) -> Result<(), ToolError> {
        step(tx, "roll back");
        Ok(())
    }

    async fn commit(tx: &Steps) -> Result<(), Unsure> {
        step(tx, "commit");
        Ok(())
    }
}

fn word(purpose: Purpose<'_>) -> &'static str {
    match purpose {
        Purpose::Look => "look",
        Purpose::Trial => "trial",
        Purpose::Probe => "probe",
        Purpose::Change(_) => "change",
    }
}

/// Fails where it is told to.
struct Note<const TRANSACTIONS: bool>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    fails: String,
}

impl Args {
    fn at(&self, place: &str) -> Result<(), ToolError> {
        if self.fails == place { Err(ToolError::failed(place)) } else { Ok(()) }
    }
}

#[derive(Serialize, JsonSchema)]
struct Output {}

#[async_trait]
impl<const TRANSACTIONS: bool> Change for Note<TRANSACTIONS> {
    type Kind = Paper<TRANSACTIONS>;
    type Args = Args;
    type Output = Output;
    type Seen = Digest;
    const SPEC: Spec = Spec::change("paper_note", "Note", "Notes.", Reversibility::Irreversible);

    fn check(args: &Args) -> Result<(), ToolError> {
        args.at("check")
    }

    async fn prepare(args: &Args, purpose: Purpose<'_>, steps: &mut Steps) -> Result<(), ToolError> {
        step(steps, format!("prepare {}", word(purpose)));
        args.at("prepare")
    }

    async fn observe(args: &Args, _tx: &mut &Steps) -> Result<Digest, ToolError> {
        args.at("observe").map(|()| Digest::of(&"paper"))
    }

    async fn describe(args: &Args, _seen: &Digest, _tx: &mut &Steps) -> Result<Findings, ToolError> {
        args.at("describe").map(|()| Findings::on([], "note"))
    }

    async fn apply(
        args: &Args,
        _seen: Digest,
        _agreed: &Preflight,
        _tx: &mut &Steps,
    ) -> Result<Applied<Output>, ToolError> {
        args.at("apply").map(|()| Applied::new(Output {}, None))
    }
}

struct World {
    steps: Steps,
    tool: Arc<dyn Tool>,
}

impl World {
    fn new() -> Self {
        Self { steps: Steps::default(), tool: tool::<Note<true>>() }
    }

    fn lease(&self, access: Access) -> Lease {
        let environment = Environment { name: "dev".into(), tier: Tier::Development };
        let settings = Arc::new(Arc::clone(&self.steps));
        let (name, kind, environments) = ("paper".into(), "paper".into(), BTreeMap::new());
        let target = Configured { name, kind, environment, environments, settings };
        Lease::new(access, Arc::new(target), None, Limits::default())
    }

    fn look(&self, fails: &str) -> Result<Preflight, ToolError> {
        self.tool.preflight(&args(fails), &self.lease(Access::Trial)).now_or_never().unwrap()
    }

    fn change(&self, fails: &str, agreed: &Preflight) -> Result<Outcome, ToolError> {
        self.tool.execute(&args(fails), agreed, &self.lease(Access::Write)).now_or_never().unwrap()
    }

    /// The steps since this was asked last.
    fn steps(&self) -> Vec<String> {
        std::mem::take(&mut *self.steps.lock().unwrap())
    }
}

fn args(fails: &str) -> Value {
    json!({ "target": "paper", "fails": fails })
}

#[test]
fn what_the_arguments_rule_out_is_refused_before_anything_is_reached() {
    let world = World::new();
    let agreed = world.look("").unwrap();
    world.steps();
    world.look("check").unwrap_err();
    world.change("check", &agreed).unwrap_err();
    assert!(world.steps().is_empty());
}

#[test]
fn a_transaction_is_prepared_before_it_begins_and_none_begins_where_that_fails() {
    let world = World::new();
    let agreed = world.look("").unwrap();
    assert_eq!(world.steps(), ["connect", "prepare trial", "begin trial", "roll back"]);
    world.change("", &agreed).unwrap();
    assert_eq!(world.steps(), ["connect", "prepare change", "begin change", "commit"]);
    let probed = world.tool.probe(&args(""), &agreed, &world.lease(Access::Trial)).now_or_never();
    assert_eq!(probed, Some(crate::Probe::Unchanged));
    assert_eq!(world.steps(), ["connect", "prepare probe", "begin probe", "roll back"]);
    world.change("prepare", &agreed).unwrap_err();
    assert_eq!(world.steps(), ["connect", "prepare change"]);
}

#[test]
fn what_fails_is_rolled_back_before_anybody_is_told_of_it() {
    let world = World::new();
    let agreed = world.look("").unwrap();
    for fails in ["observe", "describe"] {
        world.steps();
        assert_eq!(world.look(fails).unwrap_err(), ToolError::failed(fails));
        assert_eq!(world.steps().last().unwrap(), "roll back", "a look whose {fails} fails");
    }
    let moved = Preflight { fingerprint: Digest::of(&"another"), ..agreed.clone() };
    let promised = Preflight { reversibility: Reversibility::Reversible, ..agreed.clone() };
    for (fails, agreed) in [("observe", &agreed), ("apply", &agreed), ("", &moved), ("", &promised)] {
        world.steps();
        world.change(fails, agreed).unwrap_err();
        let steps = world.steps();
        assert_eq!(steps.last().unwrap(), "roll back", "a change that fails: {steps:?}");
        assert!(!steps.contains(&"commit".to_owned()));
    }
}

#[test]
fn what_lasts_at_once_and_has_no_undo_is_not_told_as_nothing() {
    let world = World { steps: Steps::default(), tool: tool::<Note<false>>() };
    let agreed = world.look("").unwrap();
    let promised = Preflight { reversibility: Reversibility::Reversible, ..agreed.clone() };
    assert!(matches!(world.change("", &promised), Err(ToolError::Uncertain { .. })));
    // Before it was applied nothing was done, and where nothing was promised nothing is missing.
    assert_eq!(world.change("observe", &promised), Err(ToolError::failed("observe")));
    world.change("", &agreed).unwrap();
}
