//! The protocol's official suite against the gateway's wire, in both eras.

use std::fs;

use mollyguard_tests::{Result, peers, root};

use crate::served_fixture;

/// What the gateway leaves out, and so the only scenarios that may fail: the start of a scenario's name, or a check's.
const LEFT_OUT: &[&str] = &[
    "prompts-",
    "resources-",
    "sep-2164-resource-not-found",
    "completion-complete",
    "logging-set-level",
    "tools-call-with-logging",
    "tools-call-sampling",
    // Asks a prompt what the other scenarios ask a tool.
    "input-required-result-non-tool-request",
    "caching:sep-2549-prompts-",
    "caching:sep-2549-resources-",
];

async fn conforms(revision: &str) -> Result {
    let served = served_fixture().await?;
    let ran = peers::conformance(served.url(), revision).await?;
    assert_eq!(ran.code, Some(0), "revision {revision}: {}\n{}", ran.all(), served.stderr().text());
    let total = ran.stdout.lines().rev().find_map(|line| line.strip_prefix("Total: ")).unwrap_or_default();
    let passed: u32 = total.split(' ').next().unwrap_or_default().parse()?;
    let scenarios = ran.stdout.lines().filter(|line| line.starts_with('✓')).count();
    // A suite that ran nothing passes, too. These are far below what there is, and far above nothing.
    assert!(passed > 60 && scenarios > 15, "revision {revision}: only {total}, {scenarios} scenarios whole");
    Ok(())
}

#[tokio::test]
async fn revision_2025_11_25() -> Result {
    conforms("2025-11-25").await
}

#[tokio::test]
async fn revision_2026_07_28() -> Result {
    conforms("2026-07-28").await
}

#[test]
fn only_what_the_gateway_leaves_out_is_expected_to_fail() -> Result {
    let expected = fs::read_to_string(root().join("tests/conformance/expected-failures.yaml"))?;
    let entries: Vec<&str> = expected.lines().filter_map(|line| line.trim().strip_prefix("- ")).collect();
    assert!(!entries.is_empty(), "the file should list something");
    for entry in entries {
        assert!(LEFT_OUT.iter().any(|start| entry.starts_with(start)), "`{entry}` may not be expected to fail");
    }
    Ok(())
}
