//! What is built for users has none of what is built for tests.

use std::process::Command;

use mollyguard_tests::{Result, root};

/// The features of our own packages when cargo is asked to build with these arguments.
fn features(args: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = ["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p} [{f}]"];
    let output = Command::new(cargo).args(tree).args(args).current_dir(root()).output()?;
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
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
