//! Every tool by name: the native ones whose kind has a configured target, and the gateway's own.

mod args;
mod builtin;

use std::collections::BTreeMap;
use std::sync::Arc;

use mollyguard_tools::contract::{Audience, Configured, Declaration, Digest, Tool, Toolset};
use serde_json::{Value, json};

pub use args::ArgsSchema;
pub use builtin::{BuiltinTool, CallsArgs, ConfirmationArgs, PreviewArgs, UndoArgs};

/// A tool with what is worked out once: its declaration for this configuration, its digest and its compiled schema.
pub struct Registered {
    /// The tool.
    pub tool: Arc<dyn Tool>,
    /// Its promise, with the configured targets named in the input schema.
    pub declaration: Declaration,
    /// What an approval is bound to.
    pub digest: Digest,
    /// Its arguments.
    pub schema: ArgsSchema,
}

/// What a name in a call stands for.
#[derive(Clone)]
pub enum Entry {
    /// A native tool.
    Native(Arc<Registered>),
    /// One of the gateway's own.
    Builtin(BuiltinTool),
}

/// The tool is not known: JSON-RPC error -32602, as the protocol wants it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no tool `{name}`{}", .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
pub struct UnknownTool {
    /// The name as it came.
    pub name: String,
    /// The known name nearest to it, if one is near.
    pub nearest: Option<String>,
}

/// Why the tools cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Two tools of one name.
    #[error("two tools are named `{0}`")]
    Duplicate(String),
    /// A schema that is none.
    #[error("the input schema of `{0}` is not a JSON Schema: {1}")]
    Schema(String, String),
}

/// Every tool by name.
pub struct Registry {
    tools: BTreeMap<String, Arc<Registered>>,
    order: Vec<Arc<Registered>>,
    own: Vec<(BuiltinTool, Declaration, ArgsSchema)>,
}

impl Registry {
    /// The tools for these targets.
    ///
    /// # Errors
    /// Two tools share a name, or a schema is none.
    pub fn new<'a>(
        toolsets: &[Arc<dyn Toolset>],
        targets: impl Iterator<Item = &'a Configured>,
    ) -> Result<Self, RegistryError> {
        let mut registry = Self { tools: BTreeMap::new(), order: Vec::new(), own: Vec::new() };
        let all: Vec<_> = targets.collect();
        for toolset in toolsets {
            let targets: Vec<_> = all.iter().copied().filter(|target| target.kind == toolset.name()).collect();
            if targets.is_empty() {
                continue;
            }
            for tool in toolset.tools() {
                registry.add(tool, &targets)?;
            }
        }
        for own in BuiltinTool::ALL {
            let declaration = own.declaration();
            let name = declaration.name.to_string();
            if registry.tools.contains_key(&name) {
                return Err(RegistryError::Duplicate(name));
            }
            let schema = ArgsSchema::new(&declaration.input_schema).map_err(|e| RegistryError::Schema(name, e))?;
            registry.own.push((own, declaration, schema));
        }
        Ok(registry)
    }

    fn add(&mut self, tool: Arc<dyn Tool>, targets: &[&Configured]) -> Result<(), RegistryError> {
        let mut declaration = tool.declaration().clone();
        name_targets(&mut declaration.input_schema, targets);
        let name = declaration.name.to_string();
        let schema =
            ArgsSchema::new(&declaration.input_schema).map_err(|error| RegistryError::Schema(name.clone(), error))?;
        let digest = declaration.digest();
        let registered = Arc::new(Registered { tool, declaration, digest, schema });
        if self.tools.insert(name.clone(), Arc::clone(&registered)).is_some() {
            return Err(RegistryError::Duplicate(name));
        }
        self.order.push(registered);
        Ok(())
    }

    /// What a name in a client's call stands for. Tools that only undo are not found by it.
    ///
    /// # Errors
    /// Nothing a client may call has that name.
    pub fn find(&self, name: &str) -> Result<Entry, UnknownTool> {
        if let Some(registered) = self.tools.get(name).filter(|tool| tool.declaration.audience == Audience::Agents) {
            return Ok(Entry::Native(Arc::clone(registered)));
        }
        if let Some((own, ..)) = self.own.iter().find(|(_, declaration, _)| declaration.name == name) {
            return Ok(Entry::Builtin(*own));
        }
        Err(UnknownTool { name: name.to_owned(), nearest: self.nearest(name) })
    }

    /// A native tool by name, for the journal: tools that only undo are found too.
    #[must_use]
    pub fn native(&self, name: &str) -> Option<&Arc<Registered>> {
        self.tools.get(name)
    }

    /// What clients are shown, in a stable order: the native tools for agents, then the gateway's own.
    pub fn listing(&self) -> impl Iterator<Item = &Declaration> {
        let native = self.order.iter().map(|tool| &tool.declaration).filter(|it| it.audience == Audience::Agents);
        native.chain(self.own.iter().map(|(_, declaration, _)| declaration))
    }

    /// Every declaration there is, those that only undo included: what policies can speak of.
    pub fn declarations(&self) -> impl Iterator<Item = &Declaration> {
        self.order.iter().map(|tool| &tool.declaration)
    }

    /// The declaration of a listed tool.
    #[must_use]
    pub fn declaration(&self, name: &str) -> Option<&Declaration> {
        self.listing().find(|declaration| declaration.name == name)
    }

    /// Checks arguments against the schema of what a name stands for.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, entry: &Entry, args: &Value) -> Result<(), Vec<String>> {
        match entry {
            Entry::Native(tool) => tool.schema.check(args),
            Entry::Builtin(own) => {
                let found = self.own.iter().find(|(known, ..)| known == own);
                found.map_or_else(|| Err(vec!["this tool has no schema".to_owned()]), |(.., schema)| schema.check(args))
            }
        }
    }

    /// The known name that is meant, perhaps. Comparing takes as long as the name: what is longer than any is not compared.
    fn nearest(&self, name: &str) -> Option<String> {
        const LONGEST: usize = 128;
        if name.len() > LONGEST {
            return None;
        }
        let known = self.listing().map(|declaration| declaration.name.as_ref());
        let (distance, nearest) = known.map(|known| (strsim::damerau_levenshtein(known, name), known)).min()?;
        (distance <= name.len().max(3) / 3).then(|| nearest.to_owned())
    }
}

/// Says in the schema which targets there are and where they stand, so that an agent need not guess.
fn name_targets(schema: &mut Value, targets: &[&Configured]) {
    let Some(target) = schema.pointer_mut("/properties/target").and_then(Value::as_object_mut) else { return };
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let places: Vec<String> = targets
        .iter()
        .map(|target| {
            format!("`{}` in {} ({})", target.name, target.environment.name, target.environment.tier.as_str())
        })
        .collect();
    target.insert("enum".to_owned(), json!(names));
    target.insert("description".to_owned(), json!(format!("Which configured target: {}.", places.join(", "))));
}
