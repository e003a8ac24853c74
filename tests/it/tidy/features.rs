//! What is built for users has none of what is built for tests, and of the toolsets those that they ask for.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use mollyguard_tests::{Result, root};

/// Every package that is built with these arguments, each with its features.
fn packages(args: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = ["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p} [{f}]"];
    let output = Command::new(cargo).args(tree).args(args).current_dir(root()).output()?;
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The features of our own packages when cargo is asked to build with these arguments.
fn features(args: &[&str]) -> Result<String> {
    let text = packages(args)?;
    let ours: Vec<_> = text.lines().filter(|line| line.starts_with("mollyguard")).collect();
    assert!(ours.len() >= 2, "the gateway and its tools: {text}");
    Ok(ours.join("\n"))
}

#[test]
fn only_tests_can_make_the_gateway_die() -> Result {
    assert!(!features(&[])?.contains("failpoints"), "a plain `cargo build` must not have failpoints");
    assert!(features(&["--workspace"])?.contains("failpoints"), "the tests need them");
    Ok(())
}

/// What only one toolset needs.
const NEEDED: &[(&str, &str)] =
    &[("files", "cap-std"), ("postgres", "tokio-postgres"), ("postgres", "tokio-postgres-rustls")];

/// The toolsets that are built in with these arguments, and whether each package that only one of them needs is.
fn built(args: &[&str]) -> Result<(BTreeSet<String>, Vec<bool>)> {
    let text = packages(&[&["--package", "mollyguard"], args].concat())?;
    let tools = text.lines().find(|line| line.starts_with("mollyguard-tools ")).ok_or("the tools are not built")?;
    let (_, list) = tools.split_once('[').ok_or("no list of features")?;
    let list = list.split(']').next().unwrap_or_default().split(',');
    let sets = list.filter(|feature| !["", "default"].contains(feature)).map(str::to_owned).collect();
    let is_there = |name: &str| text.lines().any(|line| line.split(' ').next() == Some(name));
    Ok((sets, NEEDED.iter().map(|(_, name)| is_there(name)).collect()))
}

#[test]
fn each_toolset_is_a_feature_that_is_on_by_default() -> Result {
    let mut sets = BTreeSet::new();
    for entry in fs::read_dir(root().join("tools/src/toolsets"))? {
        let entry = entry?;
        if entry.path().is_dir() {
            sets.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    assert!(sets.len() >= 3, "{sets:?}");
    assert_eq!(built(&[])?, (sets.clone(), vec![true; NEEDED.len()]));
    assert_eq!(built(&["--no-default-features"])?, (BTreeSet::new(), vec![false; NEEDED.len()]));
    for set in &sets {
        let needed = NEEDED.iter().map(|(of, _)| of == set).collect();
        let alone = built(&["--no-default-features", "--features", set])?;
        assert_eq!(alone, (BTreeSet::from([set.clone()]), needed), "`{set}` alone");
    }
    Ok(())
}
