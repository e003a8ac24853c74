//! What every tool must obey, checked on the real system by every tool's own tests.
//!
//! A [`World`] is one real target in one state; a test makes worlds in generated states and asks [`obeys`] for each tool
//! and call. A broken law is returned as a sentence, so that a property test can shrink towards it.

mod suite;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    Access, Audience, Cause, Configured, Declaration, Lease, Limits, Outcome, Preflight, Probe, Reversibility, Secret,
    Tool, ToolError, Toolset,
};

pub use suite::{all, tries_every_tool};

pub use crate::suite;

/// A real target in some state.
#[async_trait]
pub trait World: Send + Sync {
    /// The configured target.
    fn target(&self) -> Arc<Configured>;

    /// The secret that opens it for this access, where it has one.
    fn secret(&self, _access: Access) -> Option<Arc<Secret>> {
        None
    }

    /// How much one call may take in this world.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Everything a user could observe, read by other means than the tools under test. What the tools keep for undoing
    /// (a trash, a quarantine) is not part of it.
    async fn state(&self) -> Value;

    /// Changes what `args` talk about behind the tool's back, so that their fingerprint must move. `false` where this
    /// world cannot do that for these arguments.
    async fn disturb(&self, args: &Value) -> bool;
}

/// A law that did not hold, as a sentence.
pub type Broken = String;

fn lend(world: &dyn World, access: Access) -> Lease {
    Lease::new(access, world.target(), world.secret(access), world.limits())
}

/// What a look is lent: a call that changes something may try it with the credential it would use.
fn lend_look(world: &dyn World, tool: &dyn Tool) -> Lease {
    lend(world, if tool.declaration().mutates() { Access::Trial } else { Access::Read })
}

fn find(toolset: &dyn Toolset, name: &str) -> Result<Arc<dyn Tool>, Broken> {
    let found = toolset.tools().into_iter().find(|tool| tool.declaration().name == name);
    found.ok_or_else(|| format!("there is no tool `{name}`"))
}

fn hold(law: bool, broken: impl FnOnce() -> Broken) -> Result<(), Broken> {
    if law { Ok(()) } else { Err(broken()) }
}

/// What a declaration must say about itself, for every tool of a toolset.
///
/// # Errors
/// The first law that does not hold.
pub fn declares_well(toolset: &dyn Toolset) -> Result<(), Broken> {
    let tools = toolset.tools();
    let mut names: Vec<&str> = tools.iter().map(|tool| tool.declaration().name.as_ref()).collect();
    names.sort_unstable();
    let listed = names.len();
    names.dedup();
    hold(names.len() == listed, || "two tools share a name".into())?;
    for tool in &tools {
        well_declared(toolset.name(), tool.declaration())?;
    }
    Ok(())
}

fn well_declared(toolset: &str, declaration: &Declaration) -> Result<(), Broken> {
    let name = &declaration.name;
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    hold(plain && name.starts_with(&format!("{toolset}_")) && name.len() <= 48, || {
        format!("`{name}` is no tool name")
    })?;
    hold(declaration.kind == toolset, || format!("`{name}` is of kind `{}`", declaration.kind))?;
    hold(!declaration.title.is_empty() && declaration.description.len() >= 40, || {
        format!("`{name}` explains nothing")
    })?;
    let input = &declaration.input_schema;
    hold(input["type"] == "object" && declaration.output_schema["type"] == "object", || {
        format!("`{name}` takes or gives something else than an object")
    })?;
    hold(input["additionalProperties"] == false, || format!("`{name}` ignores unknown arguments"))?;
    let required = input["required"].as_array().is_some_and(|keys| keys.iter().any(|key| key == "target"));
    hold(required && input["properties"]["target"]["type"] == "string", || format!("`{name}` requires no `target`"))?;
    for condition in &declaration.softened_by {
        hold(condition.to < declaration.reversibility, || format!("`{}` softens nothing in `{name}`", condition.name))?;
    }
    hold(declaration.mutates() || declaration.audience == Audience::Agents, || format!("`{name}` undoes nothing"))
}

/// Makes one call in this world and checks every law that applies to it: the preflight changes nothing and names what lies
/// in the configured target, the class is never milder than declared without the named evidence, the scope never wider, an
/// idempotent repeat is still, a read changes nothing, the output is what its schema says, a look after a lost reply tells
/// nothing untrue, and undoing (and undoing the undo) restores exactly.
///
/// The world is back in its first state afterwards when the call was reversible. Returns how the call ended, so that a
/// test can require that enough of its generated calls really ran.
///
/// # Errors
/// The first law that does not hold.
pub async fn obeys(world: &dyn World, toolset: &dyn Toolset, tool: &str, args: &Value) -> Result<Ended, Broken> {
    let tool = find(toolset, tool)?;
    let before = world.state().await;
    let seen = match look(world, tool.as_ref(), args).await? {
        Ok(seen) => seen,
        Err(error) => return Ok(Ended::Refused(error)),
    };
    if !tool.declaration().mutates() {
        return reads(world, tool.as_ref(), args, &seen, &before).await;
    }
    probes(world, tool.as_ref(), args, &seen, Probe::Changed, "before it ran").await?;
    let class = seen.class(tool.declaration());
    let outcome = match tool.execute(args, &seen, &lend(world, Access::Write)).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let ended = untouched(world, &before, error).await;
            probes(world, tool.as_ref(), args, &seen, Probe::Changed, "after it was refused").await?;
            return ended;
        }
    };
    let after = world.state().await;
    fits(tool.as_ref(), &outcome)?;
    if before != after {
        // As if the reply had been lost.
        probes(world, tool.as_ref(), args, &seen, Probe::Unchanged, "after it took effect").await?;
    }
    if tool.declaration().idempotent {
        repeats_still(world, tool.as_ref(), args, &after).await?;
    }
    if class == Reversibility::Reversible {
        undoes(world, toolset, &outcome, &before, &after).await?;
    }
    Ok(Ended::Done { class, outcome })
}

/// How a call ended under [`obeys`].
#[derive(Debug)]
pub enum Ended {
    /// Refused by the look or the call, with nothing changed.
    Refused(ToolError),
    /// It ran.
    Done {
        /// The reversibility it settled on.
        class: Reversibility,
        /// What came of it.
        outcome: Outcome,
    },
}

async fn look(world: &dyn World, tool: &dyn Tool, args: &Value) -> Result<Result<Preflight, ToolError>, Broken> {
    let name = &tool.declaration().name;
    let before = world.state().await;
    let seen = tool.preflight(args, &lend_look(world, tool)).await;
    let after = world.state().await;
    hold(before == after, || format!("the preflight of `{name}` changed {before} to {after}"))?;
    if let Err(ToolError::Uncertain { reason }) = &seen {
        return Err(format!("the preflight of `{name}` left it uncertain: {reason}"));
    }
    let Ok(preflight) = &seen else { return Ok(seen) };
    let declaration = tool.declaration();
    if declaration.mutates() {
        hold(!preflight.targets.is_empty(), || format!("`{name}` would change something but names no target"))?;
    }
    stands(world, declaration, preflight)?;
    let class = preflight.class(declaration);
    hold(class == preflight.reversibility, || {
        format!("`{name}` looked {:?} but its evidence proves {class:?}", preflight.reversibility)
    })?;
    let again = tool.preflight(args, &lend_look(world, tool)).await.map_err(|error| error.to_string())?;
    hold(again.fingerprint == preflight.fingerprint, || format!("two looks of `{name}` at one state differ"))?;
    Ok(seen)
}

/// What a look says about where the call acts, and how far it reaches.
fn stands(world: &dyn World, declaration: &Declaration, seen: &Preflight) -> Result<(), Broken> {
    let (name, target) = (&declaration.name, world.target());
    for found in &seen.targets {
        let path = &found.path;
        hold(path.configured() == target.name, || {
            format!("`{name}` names `{path}`, which is not in `{}`", target.name)
        })?;
        hold(found.environment == target.environment, || format!("`{name}` finds `{path}` in another environment"))?;
    }
    let (found, declared) = (seen.blast_radius.scope, declaration.scope);
    hold(found <= declared, || {
        format!("`{name}` reaches a whole {}, and declares {}", found.as_str(), declared.as_str())
    })
}

/// Whether an output is what its schema says.
fn fits(tool: &dyn Tool, outcome: &Outcome) -> Result<(), Broken> {
    let declaration = tool.declaration();
    let schema = jsonschema::validator_for(&declaration.output_schema);
    let schema = schema.map_err(|error| format!("the output schema of `{}` is none: {error}", declaration.name))?;
    schema.validate(&outcome.output).map_err(|error| {
        format!(
            "the output of `{}` is not what its schema says: {error} at `{}`",
            declaration.name,
            error.instance_path()
        )
    })
}

/// A look after a call whose reply is lost may not know, but it does not tell what is not so.
async fn probes(
    world: &dyn World,
    tool: &dyn Tool,
    args: &Value,
    seen: &Preflight,
    untrue: Probe,
    when: &str,
) -> Result<(), Broken> {
    let before = world.state().await;
    let found = tool.probe(args, seen, &lend_look(world, tool)).await;
    let name = &tool.declaration().name;
    hold(found != untrue, || format!("`{name}` is said to be {found:?} {when}"))?;
    let after = world.state().await;
    hold(before == after, || format!("looking after `{name}` changed {before} to {after}"))
}

async fn reads(
    world: &dyn World,
    tool: &dyn Tool,
    args: &Value,
    seen: &Preflight,
    before: &Value,
) -> Result<Ended, Broken> {
    let result = tool.execute(args, seen, &lend(world, Access::Read)).await;
    let after = world.state().await;
    hold(*before == after, || format!("`{}` reads, but changed {before} to {after}", tool.declaration().name))?;
    match result {
        Ok(outcome) => {
            hold(outcome.undo.is_none(), || "a read offers to be undone".into())?;
            fits(tool, &outcome)?;
            Ok(Ended::Done { class: Reversibility::ReadOnly, outcome })
        }
        Err(error) => Ok(Ended::Refused(error)),
    }
}

async fn untouched(world: &dyn World, before: &Value, error: ToolError) -> Result<Ended, Broken> {
    let after = world.state().await;
    match &error {
        ToolError::Untouched { reason, .. } => {
            hold(*before == after, || format!("said untouched ({reason}) but changed {before} to {after}"))?;
            Ok(Ended::Refused(error))
        }
        ToolError::Uncertain { reason } => Err(format!("uncertain without a fault: {reason}")),
    }
}

async fn repeats_still(world: &dyn World, tool: &dyn Tool, args: &Value, after: &Value) -> Result<(), Broken> {
    if let Ok(seen) = tool.preflight(args, &lend_look(world, tool)).await {
        let _ended = tool.execute(args, &seen, &lend(world, Access::Write)).await;
    }
    let repeated = world.state().await;
    hold(*after == repeated, || format!("repeating `{}` changed {after} to {repeated}", tool.declaration().name))
}

async fn undoes(
    world: &dyn World,
    toolset: &dyn Toolset,
    outcome: &Outcome,
    before: &Value,
    after: &Value,
) -> Result<(), Broken> {
    let undone = take_back(world, toolset, outcome).await?;
    let restored = world.state().await;
    hold(*before == restored, || format!("undoing gave {restored} and not {before}"))?;
    let redo = take_back(world, toolset, &undone).await.map_err(|broken| format!("undoing the undo: {broken}"))?;
    let redone = world.state().await;
    hold(*after == redone, || format!("undoing the undo gave {redone} and not {after}"))?;
    // Once more, so that the caller has the first state again.
    take_back(world, toolset, &redo).await.map_err(|broken| format!("undoing it a second time: {broken}"))?;
    let last = world.state().await;
    hold(*before == last, || format!("the second undo gave {last} and not {before}"))
}

async fn take_back(world: &dyn World, toolset: &dyn Toolset, outcome: &Outcome) -> Result<Outcome, Broken> {
    let plan = outcome.undo.as_ref().ok_or("a reversible call gave no undo plan")?;
    hold(plan.lossy.is_empty(), || format!("a reversible call loses {:?}", plan.lossy))?;
    let tool = find(toolset, &plan.tool)?;
    let seen = tool
        .preflight(&plan.args, &lend_look(world, tool.as_ref()))
        .await
        .map_err(|error| format!("`{}` cannot look: {error}", plan.tool))?;
    hold(seen.fingerprint == plan.expects, || format!("`{}` finds another state than was left", plan.tool))?;
    tool.execute(&plan.args, &seen, &lend(world, Access::Write))
        .await
        .map_err(|error| format!("`{}` cannot undo: {error}", plan.tool))
}

/// Looks, lets the world move, and requires that the call is then refused with nothing changed, and that a no to it holds
/// still: it is aimed at the same.
///
/// Returns `false` where the call or the disturbance does not apply to this world.
///
/// # Errors
/// The law, when the call ran on a state nobody looked at.
pub async fn refuses_when_moved(
    world: &dyn World,
    toolset: &dyn Toolset,
    tool: &str,
    args: &Value,
) -> Result<bool, Broken> {
    let tool = find(toolset, tool)?;
    let Ok(seen) = tool.preflight(args, &lend_look(world, tool.as_ref())).await else { return Ok(false) };
    if !world.disturb(args).await {
        return Ok(false);
    }
    if let Ok(again) = tool.preflight(args, &lend_look(world, tool.as_ref())).await {
        let (was, is) = (tool.aim(args, &seen), tool.aim(args, &again));
        let name = &tool.declaration().name;
        hold(was.iter().any(|one| is.contains(one)), || {
            format!("a no to `{name}` {args} is lost: {was:?}, now {is:?}")
        })?;
    }
    let moved = world.state().await;
    let result = tool.execute(args, &seen, &lend(world, Access::Write)).await;
    let after = world.state().await;
    hold(moved == after, || format!("`{}` ran on a moved state: {moved} became {after}", tool.declaration().name))?;
    match result {
        Err(ToolError::Untouched { cause: Cause::Changed | Cause::NotFound, .. }) => Ok(true),
        other => Err(format!("`{}` on a moved state ended as {other:?}", tool.declaration().name)),
    }
}

/// Makes the first of these calls and then each of the others, with a change by somebody else in between, and requires that a
/// no to the first holds for each: all are aimed at the same. Returns how many of the others could be looked at.
///
/// # Errors
/// The law, when a change or another spelling gets past a no.
pub async fn a_no_holds(
    world: &dyn World,
    toolset: &dyn Toolset,
    tool: &str,
    calls: &[Value],
    mut change: impl FnMut(usize),
) -> Result<usize, Broken> {
    let tool = find(toolset, tool)?;
    let (mut declined, mut looked) = (None, 0);
    for (n, args) in calls.iter().enumerate() {
        // What cannot be looked at asks nobody.
        if let Ok(seen) = tool.preflight(args, &lend_look(world, tool.as_ref())).await {
            let aim = tool.aim(args, &seen);
            let held = declined.get_or_insert_with(|| aim.clone());
            let name = &tool.declaration().name;
            hold(aim.iter().any(|one| held.contains(one)), || {
                format!("a no to `{name}` {} does not hold for {args}: {held:?} is not {aim:?}", calls[0])
            })?;
            looked += 1;
        }
        change(n);
    }
    Ok(looked)
}

/// A lease for looking must not be enough to change anything.
///
/// # Errors
/// The law, when the call ran or changed something.
pub async fn needs_a_write_lease(
    world: &dyn World,
    toolset: &dyn Toolset,
    tool: &str,
    args: &Value,
) -> Result<(), Broken> {
    let tool = find(toolset, tool)?;
    let Ok(seen) = tool.preflight(args, &lend_look(world, tool.as_ref())).await else { return Ok(()) };
    let before = world.state().await;
    for access in [Access::Read, Access::Trial] {
        let result = tool.execute(args, &seen, &lend(world, access)).await;
        let after = world.state().await;
        let name = &tool.declaration().name;
        hold(result.is_err() && before == after, || format!("`{name}` changed something on a lease for looking"))?;
    }
    Ok(())
}
