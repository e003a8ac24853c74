//! `mollyguard demo`: the first thing a visitor runs.

use std::fs;
use std::process::Stdio;

use mollyguard_tests::{Result, mollyguard, within};
use tokio::process::Command;

/// What a run of the demo printed, with nothing of the machine to lean on, and its exit code.
async fn demo(args: &[&str]) -> Result<(Option<i32>, String)> {
    let temporary = tempfile::TempDir::with_prefix("mollyguard-demo-test-")?;
    let mut command = Command::new(mollyguard()?);
    command.arg("demo").args(args).env_clear().env("TMPDIR", temporary.path()).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = within("the demo", command.output()).await??;
    let left: Vec<_> = fs::read_dir(temporary.path())?.flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "the demo leaves {left:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.to_lowercase().contains("error"), "{errors}");
    assert!(!said.contains('\u{1b}'), "a pipe gets no colours: {said:?}");
    Ok((output.status.code(), said))
}

/// Asserts that these lines appear, in this order.
#[track_caller]
fn in_order(said: &str, lines: &[&str]) {
    let mut rest = said;
    for line in lines {
        assert!(rest.contains(line), "`{line}` should come next in:\n{rest}");
        rest = rest.split_once(line).map_or("", |(_, after)| after);
    }
}

const OPENING: [&str; 5] = [
    "the accident of 2026-04-24",
    "An agent is at work in staging",
    "can be undone",
    "It changes its mind",
    "undo_call",
];

#[tokio::test]
async fn a_person_who_says_no_keeps_the_table() -> Result {
    for args in [&["--answer", "decline"][..], &[]] {
        let (code, said) = demo(args).await?;
        assert_eq!(code, Some(0), "{said}");
        in_order(&said, &OPENING);
        let lines = [
            "THE QUESTION",
            "1,508 rows",
            "UNDO",
            "NONE",
            "REVERSIBLE WAY sqlite_drop_table",
            "type `bookings`",
            "person → declined",
            "confirmation_declined",
            "nothing was changed",
            "files_purge",
            "destroying-recovery-in-production-is-refused",
            "bookings 1,508 rows",
            "daily rates add up to 310",
            "40 contracts, 3 backups",
            "sound: ",
        ];
        in_order(&said, &lines);
    }
    Ok(())
}

#[tokio::test]
async fn a_person_who_types_the_name_loses_it() -> Result {
    let (code, said) = demo(&["--answer", "approve"]).await?;
    assert_eq!(code, Some(0), "{said}");
    in_order(&said, &OPENING);
    let lines =
        ["THE QUESTION", "typed `bookings`", "confirmed", "bookings gone", "40 contracts, 3 backups", "sound: "];
    in_order(&said, &lines);
    Ok(())
}

#[tokio::test]
async fn it_needs_no_network() -> Result {
    let unshared = Command::new("unshare").args(["--net", "true"]).output().await;
    if !unshared.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no right to take the network away here");
        return Ok(());
    }
    let mut command = Command::new("unshare");
    command.arg("--net").arg(mollyguard()?).arg("demo").stdin(Stdio::null()).kill_on_drop(true);
    let output = within("the demo without a network", command.output()).await??;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn an_answer_it_does_not_know_is_refused() -> Result {
    let output = Command::new(mollyguard()?).args(["demo", "--answer", "maybe"]).output().await?;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("approve") && said.contains("decline"), "{said}");
    Ok(())
}
