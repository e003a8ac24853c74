//! `mollyguard demo`: the first thing a visitor runs.

use std::fs;
use std::process::Stdio;

use mollyguard_tests::{Result, mollyguard, within};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::page::Visitor;

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

/// At a terminal, where nobody types anything: the question is answered on the gateway's own page.
#[tokio::test]
async fn a_person_can_answer_on_the_page_instead() -> Result {
    let mut command = Command::new("script");
    command.args(["-qfec", &format!("{} demo", mollyguard()?.display()), "/dev/null"]).env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut demo = command.spawn()?;
    let nobody_types = demo.stdin.take();
    let mut lines = BufReader::new(demo.stdout.take().ok_or("no standard output")?).lines();
    let mut said = String::new();
    let mut until = async |mark: &str| -> Result<Option<String>> {
        while let Some(line) = within("the demo", lines.next_line()).await?? {
            said.push_str(&line);
            said.push('\n');
            if let Some((_, rest)) = line.split_once(mark) {
                return Ok(Some(rest.trim().trim_end_matches([')', '/']).to_owned()));
            }
        }
        Ok(None)
    };
    let page = until("the gateway's page: ").await?.ok_or("it says where the page is")?;
    let code = until("your code there: ").await?.ok_or("it says the code")?;
    let stranger = Visitor::stranger(&page);
    let person = stranger.with(&stranger.form("/sign-in/code", &format!("code={code}")).await?)?;
    let inbox = person.get("/").await?.body;
    let (_, rest) = inbox.split_once("/questions/").ok_or("the question waits there, too")?;
    let id = rest.split('"').next().unwrap_or_default();
    let alone = person.form(&format!("/questions/{id}/answer"), "decision=approve&typed=bookings").await?;
    assert_eq!(alone.status, 403, "being signed in is no yes: {}", alone.body);
    let yes = format!("decision=approve&typed=bookings&code={code}");
    let answered = person.form(&format!("/questions/{id}/answer"), &yes).await?;
    assert_eq!(answered.status, 303, "{}", answered.body);
    assert_eq!(until("no such line").await?, None);
    assert!(within("the demo's end", demo.wait()).await??.success(), "{said}");
    drop(nobody_types);
    in_order(&said, &["THE QUESTION", "confirmed", "bookings gone", "40 contracts, 3 backups", "sound: "]);
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
