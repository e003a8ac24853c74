//! What every tool does, written once: the arguments, the write check, the second observation before a change, the undo that
//! was promised, the commit and what a lost one means, and looking after what was never seen to finish.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;
use serde_json::{Value, json};

use super::change::{Applied, Change, Fingerprint, Read, Softening, Spec};
use super::kind::{Kind, Purpose, Unsure, Waiting};
use super::schema::{schema_of, schema_of_output};
use super::thread::blocking_until;
use super::{Declaration, Lease, Outcome, Preflight, Probe, Tool, ToolError, UndoPlan};

/// A read as a [`Tool`].
#[must_use]
pub fn read<T: Read>() -> Arc<dyn Tool> {
    Arc::new(Reads::<T> { declaration: declare::<T::Kind, T::Args, T::Output>(&T::SPEC), tool: PhantomData })
}

/// A change as a [`Tool`].
#[must_use]
pub fn change<T: Change>() -> Arc<dyn Tool> {
    Arc::new(Changes::<T> { declaration: declare::<T::Kind, T::Args, T::Output>(&T::SPEC), tool: PhantomData })
}

/// Looks at a target as a whole, outside of any tool.
///
/// # Errors
/// It cannot be reached, or what the look says.
pub async fn on_target<K, T>(
    lease: &Lease,
    look: impl FnOnce(&mut K::Conn) -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError>
where
    K: Kind,
    T: Send + 'static,
{
    work::<K, _, _>(lease, |lease, waiting| async move { look(&mut K::connect(&lease, waiting).await?) }.boxed()).await
}

struct Reads<T> {
    declaration: Declaration,
    tool: PhantomData<fn() -> T>,
}

struct Changes<T> {
    declaration: Declaration,
    tool: PhantomData<fn() -> T>,
}

#[async_trait]
impl<T: Read> Tool for Reads<T> {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn blocks(&self) -> bool {
        T::Kind::BLOCKS
    }

    async fn preflight(&self, args: &Value, lease: &Lease) -> Result<Preflight, ToolError> {
        let args: T::Args = own(args, &self.declaration)?;
        T::check(&args)?;
        work::<T::Kind, _, _>(lease, |lease, waiting| {
            async move {
                let mut conn = T::Kind::connect(&lease, waiting).await?;
                let mut tx = T::Kind::begin(&mut conn, Purpose::Look).await?;
                let seen = T::observe(&args, &mut tx).await?;
                let (findings, whereabouts) = (T::describe(&args, &seen, &tx), T::Kind::whereabouts(&tx));
                let target = &lease.target().name;
                let preflight = findings.complete(T::SPEC.reversibility, target, whereabouts, seen.fingerprint());
                drop(seen);
                T::Kind::roll_back(tx).await?;
                preflight
            }
            .boxed()
        })
        .await
    }

    async fn execute(&self, args: &Value, seen: &Preflight, lease: &Lease) -> Result<Outcome, ToolError> {
        let (args, agreed): (T::Args, _) = (own(args, &self.declaration)?, seen.fingerprint);
        T::check(&args)?;
        work::<T::Kind, _, _>(lease, move |lease, waiting| {
            async move {
                let mut conn = T::Kind::connect(&lease, waiting).await?;
                let mut tx = T::Kind::begin(&mut conn, Purpose::Look).await?;
                let seen = T::observe(&args, &mut tx).await?;
                if seen.fingerprint() != agreed {
                    return Err(ToolError::changed(seen.moved()));
                }
                let output = T::read(&args, seen, &mut tx).await?;
                T::Kind::roll_back(tx).await?;
                let output = serde_json::to_value(output)
                    .map_err(|error| ToolError::failed(format!("what was read cannot be shown: {error}")))?;
                Ok(Outcome { output, undo: None })
            }
            .boxed()
        })
        .await
    }

    fn aim(&self, args: &Value, seen: &Preflight) -> Vec<Value> {
        match own(args, &self.declaration) {
            Ok(args) => T::aim(&args, seen),
            Err(_) => T::Kind::aim(seen),
        }
    }
}

#[async_trait]
impl<T: Change> Tool for Changes<T> {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn blocks(&self) -> bool {
        T::Kind::BLOCKS
    }

    async fn preflight(&self, args: &Value, lease: &Lease) -> Result<Preflight, ToolError> {
        let args: T::Args = own(args, &self.declaration)?;
        T::check(&args)?;
        work::<T::Kind, _, _>(lease, move |lease, waiting| {
            async move { looked::<T>(&args, &lease, waiting).await }.boxed()
        })
        .await
    }

    async fn execute(&self, args: &Value, seen: &Preflight, lease: &Lease) -> Result<Outcome, ToolError> {
        lease.require_write()?;
        let (args, agreed): (T::Args, _) = (own(args, &self.declaration)?, seen.clone());
        T::check(&args)?;
        work::<T::Kind, _, _>(lease, move |lease, waiting| {
            async move { changed::<T>(&args, &agreed, &lease, waiting).await }.boxed()
        })
        .await
    }

    fn effect(&self, args: &Value, seen: &Preflight) -> Value {
        match own(args, &self.declaration) {
            Ok(args) => T::effect(&args, seen),
            Err(_) => T::Kind::effect(seen),
        }
    }

    fn aim(&self, args: &Value, seen: &Preflight) -> Vec<Value> {
        match own(args, &self.declaration) {
            Ok(args) => T::aim(&args, seen),
            Err(_) => T::Kind::aim(seen),
        }
    }

    async fn probe(&self, args: &Value, seen: &Preflight, lease: &Lease) -> Probe {
        let Ok(args) = own::<T::Args>(args, &self.declaration) else { return Probe::Unknown };
        let agreed = seen.clone();
        let found = work::<T::Kind, _, _>(lease, move |lease, waiting| {
            async move {
                let mut conn = T::Kind::connect(&lease, waiting).await?;
                T::prepare(&args, Purpose::Probe, &mut conn).await?;
                let mut tx = T::Kind::begin(&mut conn, Purpose::Probe).await?;
                let found = T::probe(&args, &agreed, &mut tx).await?;
                T::Kind::roll_back(tx).await?;
                Ok(found)
            }
            .boxed()
        });
        found.await.unwrap_or(Probe::Unknown)
    }
}

/// Looks at what a change would do. Whatever was tried is taken back before anybody is told of it, or why it failed.
async fn looked<T: Change>(args: &T::Args, lease: &Lease, waiting: Waiting) -> Result<Preflight, ToolError> {
    let mut conn = T::Kind::connect(lease, waiting).await?;
    T::prepare(args, Purpose::Trial, &mut conn).await?;
    let mut tx = T::Kind::begin(&mut conn, Purpose::Trial).await?;
    let found = found::<T>(args, lease, &mut tx).await;
    let ended = T::Kind::roll_back(tx).await;
    let preflight = found?;
    ended.map(|()| preflight)
}

async fn found<T: Change>(
    args: &T::Args,
    lease: &Lease,
    tx: &mut <T::Kind as Kind>::Tx<'_>,
) -> Result<Preflight, ToolError> {
    let seen = T::observe(args, tx).await?;
    let findings = T::describe(args, &seen, tx).await?;
    findings.complete(T::SPEC.reversibility, &lease.target().name, T::Kind::whereabouts(tx), seen.fingerprint())
}

/// Makes a change that was decided on.
async fn changed<T: Change>(
    args: &T::Args,
    agreed: &Preflight,
    lease: &Lease,
    waiting: Waiting,
) -> Result<Outcome, ToolError> {
    let target = &lease.target().name;
    let mut conn = T::Kind::connect(lease, waiting).await?;
    T::prepare(args, Purpose::Change(agreed), &mut conn).await?;
    let mut tx = T::Kind::begin(&mut conn, Purpose::Change(agreed)).await?;
    let (output, undo) = match applied::<T>(args, agreed, target, &mut tx).await {
        Ok(applied) => applied,
        Err(error) => {
            // What cannot be taken back in so many words goes with the connection.
            let _ended = T::Kind::roll_back(tx).await;
            return Err(error);
        }
    };
    let committed = T::Kind::commit(tx).await;
    ended::<T::Kind>(&mut conn, target, committed).await?;
    // The change is made: an output that cannot be written must not read as "nothing happened".
    let output = serde_json::to_value(output)
        .map_err(|error| ToolError::uncertain(format!("done, but the output cannot be shown: {error}")))?;
    Ok(Outcome { output, undo })
}

/// Applies it, not yet for good: only where everything is as it was looked at, and only with the undo that was promised.
async fn applied<T: Change>(
    args: &T::Args,
    agreed: &Preflight,
    target: &str,
    tx: &mut <T::Kind as Kind>::Tx<'_>,
) -> Result<(T::Output, Option<UndoPlan>), ToolError> {
    let seen = T::observe(args, tx).await?;
    if seen.fingerprint() != agreed.fingerprint {
        return Err(ToolError::changed(seen.moved()));
    }
    let Applied { output, undo } = T::apply(args, seen, agreed, tx).await?;
    let promised = || {
        let undo = undo.map(|undo| undo.plan(target)).transpose()?;
        // It was decided as reversible, so nobody may have been asked: it does not last without its undo.
        agreed.keeps_its_undo(undo.is_some())?;
        Ok(undo)
    };
    match promised() {
        Ok(undo) => Ok((output, undo)),
        Err(error) if T::Kind::TRANSACTIONS => Err(error),
        Err(error) => Err(ToolError::uncertain(format!("done, but without the undo that was promised: {error}"))),
    }
}

/// What a commit's end means, after asking the target where its answer was lost.
async fn ended<K: Kind>(conn: &mut K::Conn, target: &str, committed: Result<(), Unsure>) -> Result<(), ToolError> {
    let (receipt, reason) = match committed {
        Ok(()) => return Ok(()),
        Err(Unsure::No(error)) => return Err(error),
        Err(Unsure::Lost { receipt, reason }) => (receipt, reason),
    };
    match K::was_committed(conn, &receipt).await {
        Some(true) => Ok(()),
        Some(false) => Err(ToolError::unavailable(format!(
            "the connection to `{target}` broke ({reason}), and the server says the change was not kept"
        ))),
        None => Err(ToolError::uncertain(format!(
            "the connection to `{target}` broke after COMMIT was sent ({reason}), and the server cannot be asked"
        ))),
    }
}

/// Runs work on a target: on a thread of its own where the kind blocks. When this future is dropped, the work is told.
async fn work<K, T, F>(lease: &Lease, job: F) -> Result<T, ToolError>
where
    K: Kind,
    T: Send + 'static,
    F: FnOnce(Lease, Waiting) -> BoxFuture<'static, Result<T, ToolError>> + Send + 'static,
{
    let (lease, waiting) = (lease.shared(), Waiting::default());
    if !K::BLOCKS {
        return job(lease, waiting).await;
    }
    let waits = waiting.clone();
    let all = move || {
        let ended = job(lease, waiting).now_or_never();
        ended.unwrap_or_else(|| Err(ToolError::uncertain("work that is to block awaited something instead")))
    };
    blocking_until(move || waits.end(), all).await
}

fn declare<K: Kind, A: JsonSchema, O: JsonSchema>(spec: &Spec) -> Declaration {
    let mut input_schema = schema_of::<A>();
    name_target(&mut input_schema, K::TARGET);
    Declaration {
        name: Cow::Borrowed(spec.name),
        kind: Cow::Borrowed(K::NAME),
        title: Cow::Borrowed(spec.title),
        description: Cow::Borrowed(spec.description),
        reversibility: spec.reversibility,
        softened_by: spec.softened_by.iter().map(Softening::condition).collect(),
        scope: spec.scope,
        idempotent: spec.idempotent,
        open_world: spec.open_world,
        credential: K::CREDENTIAL.map(Cow::Borrowed),
        audience: spec.audience,
        input_schema,
        output_schema: schema_of_output::<O>(),
    }
}

/// Adds the argument that names the configured target, before all others.
fn name_target(schema: &mut Value, what: &str) {
    let Some(schema) = schema.as_object_mut() else { return };
    let target = json!({ "description": what, "type": "string" });
    if let Some(properties) = schema.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
        properties.insert("target".to_owned(), target);
    }
    if let Some(required) = schema.entry("required").or_insert_with(|| json!([])).as_array_mut() {
        required.insert(0, Value::from("target"));
    }
}

/// A tool's own arguments: what a call names without its target, which the lease is for.
fn own<A: DeserializeOwned>(args: &Value, declaration: &Declaration) -> Result<A, ToolError> {
    let fields = args.as_object().into_iter().flatten().filter(|(name, _)| *name != "target");
    A::deserialize(MapDeserializer::new(fields.map(|(name, value)| (name.as_str(), value))))
        .map_err(|error: serde_json::Error| ToolError::refused(format!("arguments of `{}`: {error}", declaration.name)))
}

#[cfg(test)]
mod tests;
