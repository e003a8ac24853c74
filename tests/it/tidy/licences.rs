//! Every dependency's licence, and the crates that may not come in, by `.deny.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use mollyguard_tests::{Result, root};
use serde_json::Value;

use super::none;

/// Crates that work only when all of the program uses the same one: types cross crates, or a library is linked twice.
const ONLY_ONCE: &[&str] =
    &["cedar-policy", "libsqlite3-sys", "ring", "rmcp", "rusqlite", "rustls", "serde_json", "tokio", "tracing"];

fn deny_toml() -> Result<toml::Table> {
    Ok(fs::read_to_string(root().join(".deny.toml"))?.parse()?)
}

/// The names and versions in Cargo.lock: of every platform and feature.
fn locked() -> Result<Vec<(String, String)>> {
    let lock: toml::Table = fs::read_to_string(root().join("Cargo.lock"))?.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array).ok_or("Cargo.lock lists no packages")?;
    let field = |package: &toml::Value, field: &str| Some(package.get(field)?.as_str()?.to_owned());
    let listed = packages.iter().filter_map(|package| Some((field(package, "name")?, field(package, "version")?)));
    Ok(listed.collect())
}

/// Whether a licence expression (SPDX, or the older `A/B`) can be satisfied with the licences allowed.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = any(&mut words, allowed);
    verdict && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut verdict = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        // Both sides are read, whatever the first one says.
        verdict |= all(words, allowed);
    }
    verdict
}

fn all(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut verdict = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words, allowed);
    }
    verdict
}

fn one(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let verdict = any(words, allowed);
        return words.next() == Some(")") && verdict;
    }
    let Some(licence) = words.next() else { return false };
    match words.next_if_eq(&"WITH") {
        Some(_) => words.next().is_some_and(|with| allowed.contains(&format!("{licence} WITH {with}").as_str())),
        None => allowed.contains(&licence),
    }
}

#[test]
fn every_dependency_has_a_licence_we_allow() -> Result {
    let deny = deny_toml()?;
    let allowed = deny.get("licenses").and_then(|licences| licences.get("allow")).and_then(toml::Value::as_array);
    let allowed: Vec<_> = allowed.into_iter().flatten().filter_map(toml::Value::as_str).collect();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Only this machine's platform: other platforms' crates need not have been fetched.
    let host = Command::new(&cargo).args(["-vV"]).output()?;
    let host = String::from_utf8(host.stdout)?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("cargo -vV names no host")?;
    let metadata = Command::new(&cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(root())
        .output()?;
    assert!(metadata.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    assert!(packages.len() > 100, "cargo metadata lists hardly any packages");
    let refused = packages.iter().filter(|package| !is_allowed(package["license"].as_str().unwrap_or(""), &allowed));
    let refused: Vec<_> =
        refused.map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"])).collect();
    none(&refused, "not among the licences that .deny.toml allows");
    Ok(())
}

#[test]
fn no_banned_crate_comes_in() -> Result {
    let deny = deny_toml()?;
    let banned = deny.get("bans").and_then(|bans| bans.get("deny")).and_then(toml::Value::as_array);
    let banned: Vec<_> = banned.into_iter().flatten().filter_map(|entry| entry.get("name")?.as_str()).collect();
    assert!(!banned.is_empty(), ".deny.toml should ban something");
    let locked = locked()?;
    let found = locked.iter().filter(|(name, _)| banned.contains(&name.as_str()));
    none(&found.map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>(), "banned in .deny.toml");
    Ok(())
}

#[test]
fn what_must_be_there_once_is_there_once() -> Result {
    let mut versions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let locked = locked()?;
    for (name, version) in &locked {
        versions.entry(name.as_str()).or_default().push(version.as_str());
    }
    let twice = ONLY_ONCE.iter().filter_map(|name| Some((name, versions.get(name).filter(|found| found.len() > 1)?)));
    none(&twice.map(|(name, found)| format!("{name}: {found:?}")).collect::<Vec<_>>(), "in the lock more than once");
    Ok(())
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"];
    for good in
        ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in
        ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "Apache-2.0", "Apache-2.0 WITH Other-exception", "MIT GPL-3.0"]
    {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
