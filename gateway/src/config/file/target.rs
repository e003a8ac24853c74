//! One `[targets.NAME]`: the keys that every target has, and what is left of them for its toolset.

use std::collections::BTreeMap;
use std::sync::Arc;

use mollyguard_tools::contract::{Configured, Environment, Toolset};

use super::{Reading, SECRET_KEYS};
use crate::config::{ConfigError, SecretSource, Target};

pub(super) fn target(
    reading: &Reading<'_>,
    name: &str,
    mut table: toml::Table,
    environments: &BTreeMap<String, Environment>,
    toolsets: &[Arc<dyn Toolset>],
) -> Result<Target, ConfigError> {
    let at = |key: &str| format!("targets.{name}.{key}");
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(reading.wrong(format!("targets.{name}"), "a target's name is letters, digits, `-` and `_`"));
    }
    let mut text = |key: &str| text(reading, &at(key), table.remove(key));
    let [kind, environment, identity] = ["kind", "environment", "identity"].map(&mut text);
    let (kind, environment, identity) = (kind?, environment?, identity?);
    let known = || toolsets.iter().map(|set| format!("`{}`", set.name())).collect::<Vec<_>>().join(", ");
    let kind = kind.ok_or_else(|| reading.wrong(at("kind"), format!("is missing; the kinds are {}", known())))?;
    let toolset = toolsets
        .iter()
        .find(|set| set.name() == kind)
        .ok_or_else(|| reading.wrong(at("kind"), format!("there is no kind `{kind}`; the kinds are {}", known())))?;
    let environment =
        environment.ok_or_else(|| reading.wrong(at("environment"), "is missing: a name is not an environment"))?;
    let environment = declared(reading, at("environment"), environments, &environment)?;
    let secrets = secrets(reading, &at, &mut table, &**toolset)?;
    let inner = inner(reading, &at("environments"), table.remove("environments"), environments, &**toolset)?;
    let settings = toolset.settings(table, &reading.base).map_err(|error| {
        reading.wrong(error.key.as_deref().map_or_else(|| format!("targets.{name}"), at), error.reason)
    })?;
    let name = name.to_owned();
    let configured = Configured { name, kind, environment, environments: inner, settings };
    Ok(Target { configured: Arc::new(configured), secrets, identity })
}

/// The text that a key has, if it is there.
fn text(reading: &Reading<'_>, at: &str, value: Option<toml::Value>) -> Result<Option<String>, ConfigError> {
    match value {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(reading.wrong(at, format!("must be a string, not {}", other.type_str()))),
    }
}

/// The environment of that name.
fn declared(
    reading: &Reading<'_>,
    at: String,
    environments: &BTreeMap<String, Environment>,
    name: &str,
) -> Result<Environment, ConfigError> {
    environments.get(name).cloned().ok_or_else(|| {
        reading.wrong(at, format!("`{name}` is not declared; add `[environments.{name}]` with its tier"))
    })
}

/// The references to the secrets that the kind takes.
fn secrets(
    reading: &Reading<'_>,
    at: &dyn Fn(&str) -> String,
    table: &mut toml::Table,
    toolset: &dyn Toolset,
) -> Result<BTreeMap<String, SecretSource>, ConfigError> {
    let (keys, kind) = (toolset.secrets(), toolset.name());
    if let Some(key) =
        SECRET_KEYS.iter().find(|key| table.contains_key(**key) && keys.iter().all(|it| it.name != **key))
    {
        return Err(reading.wrong(at(key), format!("targets of kind `{kind}` take no secret of that name")));
    }
    let mut secrets = BTreeMap::new();
    for key in keys {
        match text(reading, &at(&key.name), table.remove(&*key.name))? {
            Some(reference) => {
                secrets.insert(key.name.to_string(), reading.secret(&at(&key.name), &reference)?);
            }
            None if key.required => {
                let reason = "is missing: a reference such as `env:NAME` or `file:PATH`, never the secret itself";
                return Err(reading.wrong(at(&key.name), reason));
            }
            None => {}
        }
    }
    Ok(secrets)
}

/// Where the provider's own environments stand, for a kind whose targets hold several.
fn inner(
    reading: &Reading<'_>,
    at: &str,
    table: Option<toml::Value>,
    environments: &BTreeMap<String, Environment>,
    toolset: &dyn Toolset,
) -> Result<BTreeMap<String, Environment>, ConfigError> {
    let Some(table) = table else { return Ok(BTreeMap::new()) };
    if !toolset.spans_environments() {
        return Err(reading.wrong(at, format!("targets of kind `{}` lie in one environment", toolset.name())));
    }
    let toml::Value::Table(table) = table else {
        return Err(
            reading.wrong(at, "must be a table: the provider's name of an environment, and the NAME of one here")
        );
    };
    let mut inner = BTreeMap::new();
    for (theirs, ours) in table {
        let at = format!("{at}.{theirs}");
        let ours = text(reading, &at, Some(ours))?.unwrap_or_default();
        inner.insert(theirs, declared(reading, at, environments, &ours)?);
    }
    Ok(inner)
}
