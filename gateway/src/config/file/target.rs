//! One `[targets.NAME]`: the keys that every target has, and what is left of them for its toolset.

use std::collections::BTreeMap;
use std::sync::Arc;

use mollyguard_tools::contract::{Configured, Environment, Toolset};

use super::{Reading, TARGET_KEYS};
use crate::config::{ConfigError, Target};

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
    let mut text = |key: &'static str| match table.remove(key) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(reading.wrong(at(key), format!("must be a string, not {}", other.type_str()))),
    };
    let [kind, environment, secret, read_secret, identity] = TARGET_KEYS.map(&mut text);
    let (kind, environment) = (kind?, environment?);
    let (secret, read_secret, identity) = (secret?, read_secret?, identity?);
    let known = || toolsets.iter().map(|set| format!("`{}`", set.name())).collect::<Vec<_>>().join(", ");
    let kind = kind.ok_or_else(|| reading.wrong(at("kind"), format!("is missing; the kinds are {}", known())))?;
    let toolset = toolsets
        .iter()
        .find(|set| set.name() == kind)
        .ok_or_else(|| reading.wrong(at("kind"), format!("there is no kind `{kind}`; the kinds are {}", known())))?;
    let environment =
        environment.ok_or_else(|| reading.wrong(at("environment"), "is missing: a name is not an environment"))?;
    let environment = environments.get(&environment).ok_or_else(|| {
        let reason = format!("`{environment}` is not declared; add `[environments.{environment}]` with its tier");
        reading.wrong(at("environment"), reason)
    })?;
    let takes_one = toolset.tools().iter().any(|tool| tool.declaration().credential.is_some());
    match (&secret, &read_secret) {
        (Some(_), _) | (_, Some(_)) if !takes_one => {
            return Err(reading.wrong(at("secret"), format!("targets of kind `{kind}` take no secret")));
        }
        (None, _) if takes_one => {
            let reason = "is missing: a reference such as `env:NAME` or `file:PATH`, never the secret itself";
            return Err(reading.wrong(at("secret"), reason));
        }
        _ => {}
    }
    let secret = secret.map(|text| reading.secret(&at("secret"), &text)).transpose()?;
    let read_secret = read_secret.map(|text| reading.secret(&at("read_secret"), &text)).transpose()?;
    let settings = toolset.settings(table, &reading.base).map_err(|error| {
        reading.wrong(error.key.as_deref().map_or_else(|| format!("targets.{name}"), at), error.reason)
    })?;
    let configured = Configured { name: name.to_owned(), kind, environment: environment.clone(), settings };
    Ok(Target { configured: Arc::new(configured), secret, read_secret, identity })
}
