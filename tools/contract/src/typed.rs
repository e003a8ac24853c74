//! Tools with typed arguments and output: the schemas come from the types, and a tool's own code never sees raw JSON.

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::schema::{schema_of, schema_of_output};
use super::{
    Audience, Condition, Declaration, Lease, Outcome, Preflight, Probe, Reversibility, Scope, Tool, ToolError,
    UndoPlan, tool::effect_on,
};

/// A declaration without its schemas, which come from the types.
#[derive(Clone, Debug)]
pub struct Promise {
    /// See [`Declaration::name`].
    pub name: &'static str,
    /// See [`Declaration::kind`].
    pub kind: &'static str,
    /// See [`Declaration::title`].
    pub title: &'static str,
    /// See [`Declaration::description`].
    pub description: &'static str,
    /// See [`Declaration::reversibility`].
    pub reversibility: Reversibility,
    /// See [`Declaration::softened_by`].
    pub softened_by: Vec<Condition>,
    /// See [`Declaration::scope`].
    pub scope: Scope,
    /// See [`Declaration::idempotent`].
    pub idempotent: bool,
    /// See [`Declaration::open_world`].
    pub open_world: bool,
    /// See [`Declaration::credential`].
    pub credential: Option<&'static str>,
    /// See [`Declaration::audience`].
    pub audience: Audience,
}

/// What came of a typed call.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// The output.
    pub output: T,
    /// How to take it back.
    pub undo: Option<UndoPlan>,
}

impl<T> Done<T> {
    /// An outcome with nothing to take back.
    pub const fn read(output: T) -> Self {
        Self { output, undo: None }
    }
}

/// A [`Tool`] with typed arguments and output.
#[async_trait]
pub trait TypedTool: Send + Sync + 'static {
    /// The arguments. Derive `serde(deny_unknown_fields)`: an unknown argument is an error, not ignored.
    type Args: DeserializeOwned + JsonSchema + Send + Sync;
    /// The output.
    type Output: Serialize + JsonSchema + Send;

    /// What it promises of every call.
    fn promise(&self) -> Promise;
    /// See [`Tool::preflight`].
    async fn look(&self, args: &Self::Args, lease: &Lease) -> Result<Preflight, ToolError>;
    /// See [`Tool::execute`].
    async fn run(&self, args: &Self::Args, seen: &Preflight, lease: &Lease) -> Result<Done<Self::Output>, ToolError>;
    /// See [`Tool::blocks`].
    fn blocks(&self) -> bool {
        false
    }
    /// See [`Tool::effect`].
    fn effect(&self, _args: &Self::Args, seen: &Preflight) -> Value {
        effect_on(seen)
    }
    /// See [`Tool::aim`].
    fn aim(&self, _args: &Self::Args, seen: &Preflight) -> Vec<Value> {
        seen.aim()
    }
    /// See [`Tool::probe`].
    async fn probe(&self, args: &Self::Args, seen: &Preflight, lease: &Lease) -> Probe {
        match self.look(args, lease).await {
            Ok(again) if again.fingerprint == seen.fingerprint => Probe::Unchanged,
            Ok(_) | Err(_) => Probe::Unknown,
        }
    }
}

/// A typed tool as a [`Tool`].
pub struct Typed<T> {
    tool: T,
    declaration: Declaration,
}

impl<T: TypedTool> Typed<T> {
    /// Derives the schemas and completes the declaration.
    #[must_use]
    pub fn new(tool: T) -> Self {
        let promise = tool.promise();
        let declaration = Declaration {
            name: Cow::Borrowed(promise.name),
            kind: Cow::Borrowed(promise.kind),
            title: Cow::Borrowed(promise.title),
            description: Cow::Borrowed(promise.description),
            reversibility: promise.reversibility,
            softened_by: promise.softened_by,
            scope: promise.scope,
            idempotent: promise.idempotent,
            open_world: promise.open_world,
            credential: promise.credential.map(Cow::Borrowed),
            audience: promise.audience,
            input_schema: schema_of::<T::Args>(),
            output_schema: schema_of_output::<T::Output>(),
        };
        Self { tool, declaration }
    }

    fn args(&self, args: &Value) -> Result<T::Args, ToolError> {
        T::Args::deserialize(args)
            .map_err(|error| ToolError::refused(format!("arguments of `{}`: {error}", self.declaration.name)))
    }
}

#[async_trait]
impl<T: TypedTool> Tool for Typed<T> {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    async fn preflight(&self, args: &Value, lease: &Lease) -> Result<Preflight, ToolError> {
        self.tool.look(&self.args(args)?, lease).await
    }

    async fn execute(&self, args: &Value, seen: &Preflight, lease: &Lease) -> Result<Outcome, ToolError> {
        if self.declaration.mutates() {
            lease.require_write()?;
        }
        let args = self.args(args)?;
        let done = self.tool.run(&args, seen, lease).await?;
        // It was decided as reversible, so nobody may have been asked: this must not read as all went well.
        if done.undo.is_none() && seen.settle(&self.declaration) == Reversibility::Reversible {
            return Err(ToolError::uncertain("done, but without the undo that the look had promised"));
        }
        outcome(done)
    }

    fn blocks(&self) -> bool {
        self.tool.blocks()
    }

    fn effect(&self, args: &Value, seen: &Preflight) -> Value {
        match self.args(args) {
            Ok(args) => self.tool.effect(&args, seen),
            Err(_) => effect_on(seen),
        }
    }

    fn aim(&self, args: &Value, seen: &Preflight) -> Vec<Value> {
        match self.args(args) {
            Ok(args) => self.tool.aim(&args, seen),
            Err(_) => seen.aim(),
        }
    }

    async fn probe(&self, args: &Value, seen: &Preflight, lease: &Lease) -> Probe {
        match self.args(args) {
            Ok(args) => self.tool.probe(&args, seen, lease).await,
            Err(_) => Probe::Unknown,
        }
    }
}

fn outcome<T: Serialize>(done: Done<T>) -> Result<Outcome, ToolError> {
    // The change is made: an output that cannot be written must not read as "nothing happened".
    let output = serde_json::to_value(done.output)
        .map_err(|error| ToolError::uncertain(format!("done, but the output cannot be shown: {error}")))?;
    Ok(Outcome { output, undo: done.undo })
}
