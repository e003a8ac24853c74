//! Real SDK clients against the real gateway: list, read, a purge with every kind of answer, and a change that is approved on
//! the page, in every era and over both transports an SDK speaks.

use std::path::{Path, PathBuf};

use mollyguard_tests::peers::{self, Sdk};
use mollyguard_tests::{Result, World, mollyguard, until};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::page::authenticator::Authenticator;
use crate::page::{OUT_OF_BAND, Site, Visitor, open_questions, rental, succeeded};

/// Every SDK with each era it speaks, and the revision it should end up with.
const SDKS: &[(Sdk, &str, &str)] = &[
    (Sdk::TypeScript, "auto", "2026-07-28"),
    (Sdk::TypeScript, "legacy", "2025-11-25"),
    (Sdk::TypeScriptV1, "legacy", "2025-11-25"),
    (Sdk::Python, "auto", "2026-07-28"),
    (Sdk::Python, "legacy", "2025-11-25"),
];

/// Plays read and purge in the staging-free corner where a typed name is enough, and returns the report.
async fn play(world: &World, way: &Value, sdk: Sdk, era: &str, person: Value) -> Result<Value> {
    let calls = json!([
        {"name": "sqlite_query", "arguments": {"target": "fleet_dev", "sql": "SELECT count(*) AS n FROM bookings"}},
        {"name": "sqlite_purge_table", "arguments": {"target": "fleet_dev", "table": "bookings"}},
    ]);
    let mut way = way.clone();
    way["calls"] = calls;
    peers::session(sdk, &session_of(world.path(), &way, era, person)).await
}

/// A session that goes this way.
fn session_of(cwd: &Path, way: &Value, era: &str, person: Value) -> Value {
    let mut session = way.clone();
    (session["era"], session["person"], session["cwd"]) = (era.into(), person, json!(cwd));
    session
}

fn over_stdio(world: &World) -> Result<Value> {
    Ok(json!({"command": [mollyguard()?, "--config", world.config()?, "serve"]}))
}

/// The reason code of the purge, `None` if it ran.
fn refused(report: &Value) -> Option<&str> {
    report["results"][1]["structuredContent"]["reason_code"].as_str()
}

#[tokio::test]
async fn the_right_name_purges() -> Result {
    for (sdk, era, revision) in SDKS {
        let world = World::rental()?;
        let way = over_stdio(&world)?;
        let report = play(&world, &way, *sdk, era, json!({"action": "accept", "types": "bookings"})).await?;
        let context = format!("{sdk:?} {era}: {report}");
        assert_eq!(report["revision"], *revision, "{context}");
        assert!(
            report["tools"].as_array().is_some_and(|tools| tools.contains(&json!("sqlite_purge_table"))),
            "{context}"
        );
        assert_ne!(report["results"][0]["isError"], true, "the read needs nobody: {context}");
        assert_ne!(report["results"][1]["isError"], true, "{context}");
        assert_eq!(report["questions"].as_array().map(Vec::len), Some(1), "one question, for the purge: {context}");
        assert!(world.rows("fleet_dev", "bookings").is_err(), "the table should be gone: {context}");
    }
    Ok(())
}

#[tokio::test]
async fn every_other_answer_leaves_everything_as_it_was() -> Result {
    let answers = [
        (json!({"action": "decline"}), "confirmation_declined"),
        (json!({"action": "cancel"}), "confirmation_cancelled"),
        (json!({"action": "accept", "types": "booking"}), "confirmation_mismatch"),
        (Value::Null, "confirmation_required"),
    ];
    for (sdk, era, _) in SDKS {
        let world = World::rental()?;
        let (way, before) = (over_stdio(&world)?, world.dump("fleet_dev")?);
        for (person, code) in &answers {
            let report = play(&world, &way, *sdk, era, person.clone()).await?;
            let context = format!("{sdk:?} {era} {person}: {report}");
            assert_eq!(refused(&report), Some(*code), "{context}");
            assert_eq!(report["results"][1]["structuredContent"]["changed"], false, "{context}");
            assert_eq!(world.dump("fleet_dev")?, before, "{context}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn over_http_the_same_holds() -> Result {
    for (sdk, era, revision) in SDKS {
        let world = World::rental()?;
        let served = world.serve().await?;
        let way = json!({"url": served.url()});
        let report = play(&world, &way, *sdk, era, json!({"action": "accept", "types": "booking"})).await?;
        assert_eq!(refused(&report), Some("confirmation_mismatch"), "{sdk:?} {era}: {report}");
        assert_eq!(world.rows("fleet_dev", "bookings")?, 12);
        let report = play(&world, &way, *sdk, era, json!({"action": "accept", "types": "bookings"})).await?;
        assert_eq!(report["revision"], *revision, "{sdk:?} {era}: {report}");
        assert_eq!(refused(&report), None, "{sdk:?} {era}: {report}");
        assert!(world.rows("fleet_dev", "bookings").is_err(), "the table should be gone");
    }
    Ok(())
}

/// One more kilometre in production, which a person must approve out of band: how often it ran can be counted.
fn drive() -> Value {
    json!({"target": "fleet", "sql": "UPDATE vehicles SET odometer = odometer + 1 WHERE id = 2"})
}

/// How many kilometres were driven.
fn driven(world: &World) -> Result<f64> {
    let fleet = rusqlite::Connection::open(world.path().join("fleet.db"))?;
    Ok(fleet.query_row("SELECT odometer - 88 FROM vehicles WHERE id = 2", [], |row| row.get(0))?)
}

/// A gateway over HTTP that serves the page, with an operator who is signed in there. A client on stdio has a gateway of its
/// own beside it, as every editor has.
struct Desk {
    site: Site,
    ada: Visitor,
    passkey: Authenticator,
}

impl Desk {
    async fn new(wait_s: i64) -> Result<Self> {
        let mut world = rental(OUT_OF_BAND)?;
        world.set("confirm.wait_s", wait_s);
        let site = Site::of(world).await?;
        let (ada, passkey) = site.enrolled("ada").await?;
        Ok(Self { site, ada, passkey })
    }

    fn way(&self, stdio: bool) -> Result<Value> {
        match (stdio, &self.site.served) {
            (false, Some(served)) => Ok(json!({"url": served.url()})),
            _ => over_stdio(&self.site.world),
        }
    }

    /// Plays a session while the test does something else.
    fn play(&self, sdk: Sdk, way: &Value, era: &str, person: Value) -> JoinHandle<std::result::Result<Value, String>> {
        let session = session_of(self.site.world.path(), way, era, person);
        tokio::spawn(async move { peers::session(sdk, &session).await.map_err(|error| error.to_string()) })
    }

    /// A file by which a client and the test wait for each other.
    fn sign(&self, name: &str) -> PathBuf {
        self.site.world.path().join(name)
    }

    /// The one question that waits, once there is one.
    async fn question(&self) -> Result<String> {
        until("a question", || Ok(open_questions(&self.site.world)?.pop())).await
    }

    /// Approves on the page; nothing ran before.
    async fn approve(&mut self, question: &str, so_far: f64) -> Result {
        assert_eq!(driven(&self.site.world)?, so_far, "nobody has approved it yet");
        assert_eq!(open_questions(&self.site.world)?, [question]);
        let assertion = self.passkey.sign(&self.ada.challenge(question).await?)?;
        let approved = self.ada.approve(question, Some("vehicles"), &assertion).await?;
        assert_eq!(approved.status, 200, "{}", approved.body);
        Ok(())
    }

    /// Asserts that an address is where this question is answered, and lets nobody answer it.
    async fn is_only_a_place(&self, url: &str, question: &str) -> Result {
        let path = format!("/questions/{question}");
        assert_eq!(url, format!("{}{path}", self.site.origin), "no more than the question's id");
        let stranger = Visitor::stranger(&self.site.origin);
        let seen = stranger.get(&path).await?;
        assert_eq!(seen.status, 303, "only who is signed in sees it: {}", seen.body);
        assert!(seen.header("location").is_some_and(|to| to.starts_with("/sign-in")), "{seen:?}");
        assert!(seen.header("set-cookie").is_none(), "{seen:?}");
        assert_eq!(stranger.form(&format!("{path}/answer"), "decision=decline").await?.status, 403);
        Ok(())
    }
}

/// Clients that declare pages, with a call that waits. The TypeScript SDK (client 2.4.0, sdk 1.32.2) declares `url` alone; the
/// Python SDK (mcp 2.3.0) declares both modes for any callback, and is sent to the page since no form proves enough. In
/// 2026-07-28 there is no `notifications/elicitation/complete`: the repeated call itself waits.
async fn page_is_opened_and_answered(stdio: bool) -> Result {
    let mut desk = Desk::new(300).await?;
    for (n, (sdk, era, revision)) in SDKS.iter().enumerate() {
        let (so_far, opened) = (n as f64, desk.sign(&format!("opened-{n}")));
        let mut way = desk.way(stdio)?;
        way["modes"] = json!(["url"]);
        way["opened"] = json!(opened);
        way["calls"] = json!([{"name": "sqlite_write", "arguments": drive()}]);
        let session = desk.play(*sdk, &way, era, json!({"action": "accept"}));
        let url = until("the page, opened", || Ok(std::fs::read_to_string(&opened).ok())).await?;
        let question = desk.question().await?;
        desk.is_only_a_place(&url, &question).await?;
        assert!(!session.is_finished(), "an accept only says that the page was opened: the call waits");
        desk.approve(&question, so_far).await?;
        let report = session.await??;
        let context = format!("{sdk:?} {era}: {report}");
        assert_eq!(report["revision"], *revision, "{context}");
        assert_ne!(report["results"][0]["isError"], true, "{context}");
        assert_eq!(report["results"][0]["_meta"]["dev.mollyguard/call"]["decision"], "confirmed", "{context}");
        let shown = report["questions"].as_array().ok_or("questions")?;
        assert_eq!((shown.len(), &shown[0]["url"]), (1, &json!(url)), "{context}");
        let completed = if *revision == "2025-11-25" { json!([question]) } else { json!([]) };
        assert_eq!(report["completed"], completed, "{context}");
        assert_eq!(driven(&desk.site.world)?, so_far + 1.0, "{context}");
    }
    assert_eq!(succeeded(&desk.site.world)?, SDKS.len());
    desk.site.sound().await
}

/// Clients that can ask nobody are told where the question waits, and make the same call again.
async fn a_pending_call_is_made_again(stdio: bool) -> Result {
    let mut desk = Desk::new(0).await?;
    for (n, (sdk, era, revision)) in SDKS.iter().enumerate() {
        let (so_far, go) = (n as f64, desk.sign(&format!("go-{n}")));
        let mut way = desk.way(stdio)?;
        let call = json!({"name": "sqlite_write", "arguments": drive()});
        let mut again = call.clone();
        again["once"] = json!(go);
        way["calls"] = json!([call, again, call]);
        let session = desk.play(*sdk, &way, era, Value::Null);
        let question = desk.question().await?;
        desk.approve(&question, so_far).await?;
        std::fs::write(go, "")?;
        let report = session.await??;
        let context = format!("{sdk:?} {era}: {report}");
        assert_eq!(report["revision"], *revision, "{context}");
        let [first, second, third] = [0, 1, 2].map(|n| &report["results"][n]);
        let pending = &first["structuredContent"];
        assert_eq!((&pending["reason_code"], &pending["changed"]), (&json!("confirmation_required"), &json!(false)));
        assert_eq!(pending["confirmation"]["id"], question, "{context}");
        let url = pending["confirmation"]["page"].as_str().ok_or("where it waits")?;
        desk.is_only_a_place(url, &question).await?;
        assert!(first["content"][0]["text"].as_str().is_some_and(|text| text.contains(url)), "{context}");
        assert_ne!(second["isError"], true, "{context}");
        // An approval is spent once: another drive is another question.
        assert_eq!(third["structuredContent"]["reason_code"], "confirmation_required", "{context}");
        assert_ne!(third["structuredContent"]["confirmation"]["id"], question, "{context}");
        assert_eq!((&report["questions"], &report["completed"]), (&json!([]), &json!([])), "{context}");
        assert_eq!(driven(&desk.site.world)?, so_far + 1.0, "{context}");
        let asked = desk.question().await?;
        let declined = desk.ada.form(&format!("/questions/{asked}/answer"), "decision=decline").await?;
        assert_eq!(declined.status, 303, "{}", declined.body);
    }
    assert_eq!(succeeded(&desk.site.world)?, SDKS.len());
    desk.site.sound().await
}

#[tokio::test]
async fn a_page_is_opened_and_answered_while_the_call_waits_over_stdio() -> Result {
    page_is_opened_and_answered(true).await
}

#[tokio::test]
async fn a_page_is_opened_and_answered_while_the_call_waits_over_http() -> Result {
    page_is_opened_and_answered(false).await
}

#[tokio::test]
async fn who_can_ask_nobody_makes_the_call_again_over_stdio() -> Result {
    a_pending_call_is_made_again(true).await
}

#[tokio::test]
async fn who_can_ask_nobody_makes_the_call_again_over_http() -> Result {
    a_pending_call_is_made_again(false).await
}
