//! The call that takes another one back, as a tool says it: the other half's own arguments, typed.

use serde::Serialize;
use serde_json::Value;

use super::{Digest, ToolError, UndoPlan};

/// The arguments of a tool that takes back what another one did. They lie where both tools see them.
pub trait TakesBack: Serialize {
    /// The tool's name.
    const TOOL: &'static str;
}

/// How to take a change back: exactly, and for as long as the journal keeps it. The adapter adds the target.
#[derive(Clone, Debug)]
pub struct Undo {
    tool: &'static str,
    args: Value,
    expects: Digest,
}

impl Undo {
    /// By a call with these arguments, which `expects` the state that its own look will find: what the change left.
    ///
    /// # Errors
    /// `Untouched`: the arguments cannot be written down, so the change is not to be made.
    pub fn with<A: TakesBack>(args: &A, expects: Digest) -> Result<Self, ToolError> {
        let args = serde_json::to_value(args)
            .map_err(|error| ToolError::failed(format!("how to take this back cannot be written down: {error}")))?;
        Ok(Self { tool: A::TOOL, args, expects })
    }

    pub(crate) fn plan(self, target: &str) -> Result<UndoPlan, ToolError> {
        Ok(UndoPlan::exact(self.tool, with_target(self.args, target)?, self.expects))
    }
}

/// Arguments of a tool's own, as the gateway takes them: with the configured target.
pub(crate) fn with_target(args: Value, target: &str) -> Result<Value, ToolError> {
    let Value::Object(mut all) = args else {
        return Err(ToolError::failed("the arguments of a call are an object"));
    };
    all.insert("target".to_owned(), Value::from(target));
    Ok(Value::Object(all))
}
