//! The words policies can use: the fixed part from `policies/mollyguard.cedarschema`, and one action for every tool.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::str::FromStr as _;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use mollyguard_tools::contract::{Declaration, Reversibility};

use super::problem::{LoadError, Problem};
use super::situation::CLASSES;

const FIXED: &str = include_str!("../../../policies/mollyguard.cedarschema");

/// The names of Cedar's entity types, parsed once.
#[derive(Debug)]
pub(super) struct Types {
    pub(super) user: EntityTypeName,
    pub(super) role: EntityTypeName,
    pub(super) target: EntityTypeName,
}

/// The schema in force, and what can be looked up in it by name.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// The whole schema as text: part of the policies' digest.
    pub(super) text: String,
    pub(super) schema: Schema,
    pub(super) types: Types,
    /// The action of every tool.
    pub(super) actions: BTreeMap<String, EntityUid>,
    pub(super) toolsets: BTreeSet<String>,
}

impl Vocabulary {
    /// The vocabulary of these tools.
    pub(super) fn new<'a>(declarations: impl IntoIterator<Item = &'a Declaration>) -> Result<Self, LoadError> {
        let mut tools = BTreeMap::new();
        let mut toolsets = BTreeSet::new();
        for declaration in declarations {
            if tools.insert(declaration.name.as_ref(), declaration).is_some() {
                return Err(problem(format!("two tools are named `{}`", declaration.name)));
            }
            if !declaration.kind.is_empty() {
                toolsets.insert(declaration.kind.to_string());
            }
        }
        let text = schema_text(&tools, &toolsets)?;
        let (schema, _) = Schema::from_cedarschema_str(&text).map_err(|error| problem(error.to_string()))?;
        let action = type_name("Action")?;
        let actions = tools.keys().map(|name| ((*name).to_owned(), uid(&action, name))).collect();
        let types = Types { user: type_name("User")?, role: type_name("Role")?, target: type_name("Target")? };
        Ok(Self { text, schema, types, actions, toolsets })
    }
}

/// An entity's name. Any text will do as an id: nothing is parsed.
pub(super) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn schema_text(tools: &BTreeMap<&str, &Declaration>, toolsets: &BTreeSet<String>) -> Result<String, LoadError> {
    let classes = CLASSES.map(Reversibility::as_str);
    let mut text = FIXED.to_owned();
    text.push('\n');
    for group in classes.iter().copied().chain(toolsets.iter().map(String::as_str)) {
        check_name(group)?;
        if tools.contains_key(group) {
            return Err(problem(format!("a tool cannot be named `{group}`: that is a group of tools")));
        }
    }
    if let Some(class) = classes.iter().find(|class| toolsets.contains(**class)) {
        return Err(problem(format!("a toolset cannot be named `{class}`: that is a class of tools")));
    }
    // Writing to a `String` cannot fail.
    for group in classes.iter().copied().chain(toolsets.iter().map(String::as_str)) {
        let _ = writeln!(text, "action \"{group}\";");
    }
    for (name, declaration) in tools {
        check_name(name)?;
        let class = declaration.reversibility.as_str();
        let toolset = match declaration.kind.as_ref() {
            "" => String::new(),
            kind => format!(", \"{kind}\""),
        };
        let _ = writeln!(
            text,
            "action \"{name}\" in [\"{class}\"{toolset}] \
             appliesTo {{ principal: [User], resource: [Target], context: Facts }};"
        );
    }
    Ok(text)
}

/// Tool and toolset names are `[a-z0-9_]+` (clients rewrite anything else), so they need no quoting in a schema.
fn check_name(name: &str) -> Result<(), LoadError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match !name.is_empty() && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(problem(format!("`{name}` cannot name a tool or toolset: use only a-z, 0-9 and _"))),
    }
}

fn type_name(name: &str) -> Result<EntityTypeName, LoadError> {
    EntityTypeName::from_str(name).map_err(|error| problem(error.to_string()))
}

fn problem(message: String) -> LoadError {
    LoadError::Problems(vec![Problem::of_file("mollyguard.cedarschema", message)])
}
