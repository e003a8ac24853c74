//! Declarations as MCP tools.

use std::collections::HashMap;
use std::sync::Arc;

use mollyguard_tools::contract::{Declaration, Reversibility};
use rmcp::model::{CacheScope, JsonObject, ListToolsResult, MetaObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// Where a listed tool carries its declaration.
const META: &str = "dev.mollyguard/declaration";

/// How long a client may keep the list: it only changes with the configuration, and so with a restart.
const TTL_MS: u64 = 60_000;

/// The tools, in the order of the registry.
#[derive(Debug)]
pub(super) struct Listing {
    tools: Vec<Tool>,
    by_name: HashMap<String, Tool>,
}

impl Listing {
    /// The listing of these declarations.
    pub(super) fn new(declarations: &[&Declaration]) -> Self {
        let tools: Vec<Tool> = declarations.iter().map(|declaration| tool(declaration)).collect();
        let bare = |tool: &Tool| Tool::new(tool.name.clone(), "", Arc::clone(&tool.input_schema));
        let by_name = tools.iter().map(|tool| (tool.name.clone().into_owned(), bare(tool))).collect();
        Self { tools, by_name }
    }

    /// The name and the input schema of one tool: for each call rmcp takes a copy, and holds the request's headers against it.
    pub(super) fn get(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name)
    }

    /// The whole list on one page.
    ///
    /// Older revisions are shown no output schemas: the TypeScript SDK of that era (1.32.2, `client/index.js`) checks the
    /// `structuredContent` of isError results against them as well, and a refusal would reach its model as an opaque
    /// protocol error.
    pub(super) fn page(&self, newest: bool) -> ListToolsResult {
        let mut tools = self.tools.clone();
        if !newest {
            for tool in &mut tools {
                tool.output_schema = None;
            }
        }
        let mut page = ListToolsResult::with_all_items(tools);
        if newest {
            page.ttl_ms = Some(TTL_MS);
            page.cache_scope = Some(CacheScope::Private);
        }
        page
    }
}

/// A declaration as a tool.
fn tool(declaration: &Declaration) -> Tool {
    let input = object(&declaration.input_schema).unwrap_or_else(anything);
    let mut tool = Tool::new(declaration.name.clone(), declaration.description.clone(), input)
        .with_title(declaration.title.clone())
        .with_annotations(annotations(declaration));
    if let Some(output) = object(&declaration.output_schema) {
        tool = tool.with_raw_output_schema(output);
    }
    let mut meta = MetaObject::new();
    meta.insert(
        META.to_owned(),
        json!({
            "reversibility": declaration.reversibility,
            "softened_by": declaration.softened_by,
            "scope": declaration.scope,
            "credential": declaration.credential,
        }),
    );
    tool.with_meta(meta)
}

/// The protocol's own hints, which say less than the declaration.
fn annotations(declaration: &Declaration) -> ToolAnnotations {
    ToolAnnotations::new()
        .read_only(!declaration.mutates())
        .destructive(declaration.reversibility >= Reversibility::Compensable)
        .idempotent(declaration.idempotent)
        .open_world(declaration.open_world)
}

fn object(schema: &Value) -> Option<Arc<JsonObject>> {
    schema.as_object().cloned().map(Arc::new)
}

fn anything() -> Arc<JsonObject> {
    let mut schema = JsonObject::new();
    schema.insert("type".to_owned(), json!("object"));
    Arc::new(schema)
}
