//! What becomes of a call whose tool breaks, or whose end cannot be written down: on a real store, with a tool that does
//! as it is told.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mollyguard_record::audit::{AuditEvent, End};
use mollyguard_record::model::Principal;
use mollyguard_record::store::harness::{hold, open, options};
use mollyguard_record::store::{Calls as _, OpenStore, SqliteStore, Start, StoredCall};
use mollyguard_tools::contract::{
    Audience, BlastRadius, Declaration, Digest, Environment, Lease, Outcome, Preflight, Probe, Reversibility, Scope,
    Settings, SettingsError, Target, TargetPath, TargetReport, Tier, Tool, ToolError, Toolset, UndoPlan,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::run::write_later;
use super::*;
use crate::config::Config;
use crate::reply::{About, ReasonCode, Stage};

/// What the tool does next, in its words, and what a look finds afterwards.
#[derive(Clone, Copy)]
enum Next {
    Succeeds,
    Panics,
    Hangs,
    Doubts,
    /// It doubts, and the gateway breaks over that.
    Breaks,
}

struct Told {
    declaration: Declaration,
    next: Mutex<(Next, Option<Probe>)>,
    /// Where the store is held when the tool is at it, so that the end cannot be written.
    held: Mutex<Option<mollyguard_record::store::harness::Held>>,
    /// The targets that never answer a probe.
    silent: Mutex<Vec<String>>,
    /// How many probes have begun.
    probes: tokio::sync::watch::Sender<usize>,
    hold: Mutex<Option<std::path::PathBuf>>,
    /// Nothing of it can take effect any more.
    over: AtomicBool,
    /// One that hangs comes back.
    comes_back: Notify,
    /// Whoever next asks what kind this is breaks, in whatever part of the gateway that is.
    breaks: AtomicBool,
}

fn target() -> Target {
    let environment = Environment { name: "dev".into(), tier: Tier::Development };
    Target { kind: "told".into(), path: TargetPath::of("it"), uid: None, environment }
}

#[async_trait]
impl Tool for Told {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    async fn preflight(&self, _: &Value, _: &Lease) -> Result<Preflight, ToolError> {
        Ok(Preflight {
            targets: vec![target()],
            blast_radius: BlastRadius::one(Scope::Resource),
            reversibility: Reversibility::Reversible,
            destroys_recovery: false,
            evidence: Vec::new(),
            alternative: None,
            fingerprint: Digest::of_bytes(b"state"),
            summary: "do it".into(),
            pre_image: None,
        })
    }

    async fn execute(&self, args: &Value, _: &Preflight, _: &Lease) -> Result<Outcome, ToolError> {
        if let Some(directory) = self.hold.lock().unwrap().take() {
            *self.held.lock().unwrap() = Some(hold(&directory));
        }
        let next = self.next.lock().unwrap().0;
        match next {
            Next::Succeeds => Ok(Outcome { output: json!({"done": true}), undo: Some(plan(args)) }),
            Next::Panics => panic!("as told"),
            Next::Hangs => {
                self.comes_back.notified().await;
                Ok(Outcome { output: json!({"done": true}), undo: Some(plan(args)) })
            }
            Next::Breaks => {
                self.breaks.store(true, Ordering::SeqCst);
                Err(ToolError::uncertain("the connection broke at COMMIT"))
            }
            Next::Doubts => Err(ToolError::uncertain("the connection broke at COMMIT")),
        }
    }

    async fn probe(&self, _: &Value, _: &Preflight, lease: &Lease) -> Probe {
        self.probes.send_modify(|begun| *begun += 1);
        let is_silent = self.silent.lock().unwrap().contains(&lease.target().name);
        if is_silent {
            std::future::pending::<()>().await;
        }
        lease.require_write().expect_err("a look is lent access for looking only");
        let found = self.next.lock().unwrap().1;
        found.expect("told to break when looked at")
    }
}

fn plan(args: &Value) -> UndoPlan {
    let args = args.clone();
    UndoPlan { tool: "told_do".into(), args, expects: Digest::of_bytes(b"state"), until: None, lossy: Vec::new() }
}

fn declared(name: &'static str, reversibility: Reversibility) -> Declaration {
    let input = json!({"type": "object", "properties": {"target": {"type": "string"}}, "required": ["target"]});
    Declaration {
        name: Cow::Borrowed(name),
        kind: Cow::Borrowed("told"),
        title: Cow::Borrowed("Do it"),
        description: Cow::Borrowed("Does as it is told."),
        reversibility,
        softened_by: Vec::new(),
        scope: Scope::Resource,
        idempotent: reversibility == Reversibility::ReadOnly,
        open_world: false,
        credential: None,
        audience: Audience::Agents,
        input_schema: input,
        output_schema: json!({"type": "object"}),
    }
}

/// A tool that is all of its toolset.
trait Alone: Tool {
    /// Somebody asks what kind this is.
    fn named(&self) {}

    /// Whether nothing of a call can take effect any more.
    fn is_over(&self, _: &Lease) -> bool {
        true
    }
}

impl Alone for Told {
    fn named(&self) {
        assert!(!self.breaks.swap(false, Ordering::SeqCst), "as told");
    }

    fn is_over(&self, lease: &Lease) -> bool {
        lease.require_write().expect_err("a look is lent access for looking only");
        self.over.load(Ordering::SeqCst)
    }
}

struct Tools<T>(Arc<T>);

#[async_trait]
impl<T: Alone + 'static> Toolset for Tools<T> {
    fn name(&self) -> &'static str {
        self.0.named();
        "told"
    }

    fn about(&self) -> &'static str {
        "Does as it is told."
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        vec![Arc::clone(&self.0) as Arc<dyn Tool>]
    }

    fn settings(&self, _: toml::Table, _: &Path) -> Result<Settings, SettingsError> {
        Ok(Arc::new(()))
    }

    async fn identity(&self, _: &Lease) -> Result<String, ToolError> {
        Ok("it".into())
    }

    async fn is_over(&self, _: &Preflight, lease: &Lease) -> bool {
        self.0.is_over(lease)
    }

    async fn check(&self, _: &Lease) -> Result<TargetReport, ToolError> {
        Ok(TargetReport { identity: "it".into(), summary: "it".into(), warnings: Vec::new() })
    }
}

mod detached;
mod reading;
mod recorded;
mod recovering;

struct Place {
    folder: Arc<tempfile::TempDir>,
    gateway: Arc<Gateway>,
    told: Arc<Told>,
}

impl Place {
    fn new() -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn on(folder: Arc<tempfile::TempDir>) -> Self {
        Self::of(folder, "limits = { call_timeout_ms = 50 }")
    }

    fn with(keys: &str) -> Self {
        Self::of(Arc::new(tempfile::tempdir().unwrap()), keys)
    }

    fn of(folder: Arc<tempfile::TempDir>, keys: &str) -> Self {
        let declaration = declared("told_do", Reversibility::Reversible);
        let next = Mutex::new((Next::Succeeds, None));
        let (over, comes_back) = (AtomicBool::new(true), Notify::new());
        let probes = tokio::sync::watch::Sender::default();
        let (held, hold, silent) = (Mutex::default(), Mutex::default(), Mutex::default());
        let told = Arc::new(Told {
            declaration,
            next,
            held,
            silent,
            probes,
            hold,
            over,
            comes_back,
            breaks: AtomicBool::new(false),
        });
        let toolsets: Vec<Arc<dyn Toolset>> = vec![Arc::new(Tools(Arc::clone(&told)))];
        let file = folder.path().join("mollyguard.toml");
        let text = format!(
            "gateway = {{ state = 'state', user = 'ada' }}\n{keys}\nenvironments.dev = {{ tier = 'development' }}\n\
             targets.it = {{ kind = 'told', environment = 'dev' }}\n\
             targets.other = {{ kind = 'told', environment = 'dev' }}\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut gateway = Gateway::open(Config::load(&file, &toolsets).unwrap(), toolsets).unwrap();
        // One that does not wait long for another program's transaction.
        let patience = Duration::from_millis(50);
        let store = SqliteStore::open(OpenStore { patience, ..options(&folder.path().join("state")) }).unwrap();
        gateway.store = Arc::new(store);
        Self { folder, gateway: Arc::new(gateway), told }
    }

    fn tell(&self, next: Next, found: Option<Probe>) {
        *self.told.next.lock().unwrap() = (next, found);
    }

    /// From the tool's work on, nothing can be written.
    fn hold(&self) {
        *self.told.hold.lock().unwrap() = Some(self.folder.path().join("state"));
    }

    fn let_go(&self) {
        drop(self.told.held.lock().unwrap().take().expect("held by the tool"));
    }

    fn ask(&self, tool: &str, args: Value) -> impl Future<Output = Reply> + use<> {
        let principal = Principal { user: "ada".into(), client: None, roles: Vec::new() };
        let (gateway, request) = (Arc::clone(&self.gateway), Request::new(tool, args, principal));
        async move { call(&gateway, request).await.unwrap() }
    }

    async fn refused(&self) -> Box<Refusal> {
        match self.ask("told_do", json!({"target": "it"})).await {
            Reply::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the work that goes on without anybody listening.
    async fn until_ended(&self) {
        self.gateway.running.close();
        self.gateway.running.wait().await;
    }

    async fn stored(&self, refusal: &Refusal) -> StoredCall {
        self.gateway.store.call(refusal.about.id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn an_end_that_cannot_be_written_is_written_later_with_its_plan() {
    let place = Place::new();
    place.hold();
    let refusal = place.refused().await;
    assert_eq!(refusal.reason_code, ReasonCode::Uncertain);
    assert!(refusal.message.contains("ran and succeeded, but its end is not written down yet"), "{}", refusal.message);
    assert_eq!(place.stored(&refusal).await.end, None);
    place.let_go();
    // Closing tries once more, and waits for that.
    place.gateway.finish_calls(Duration::from_secs(30)).await;
    let stored = place.stored(&refusal).await;
    assert_eq!((stored.end, stored.undo), (Some(End::Succeeded), Some(plan(&json!({"target": "it"})))));
}

#[tokio::test]
async fn an_end_is_tried_until_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(1);
    let store = Arc::new(SqliteStore::open(OpenStore { patience, ..options(place.path()) }).unwrap());
    let intent = store.begin(mollyguard_record::store::laws::start()).await.unwrap();
    let call = intent.call();
    let held = hold(place.path());
    let ending = mollyguard_record::store::laws::ended(End::Succeeded);
    let unfinished = store.finish(intent, ending).await.unwrap_err();
    let waits = [Duration::from_millis(1), Duration::from_millis(4)];
    let trying = tokio::spawn(write_later(Arc::clone(&store) as _, CancellationToken::new(), unfinished, waits));
    // The answer to this one comes after some of those tries.
    store.recover(call, mollyguard_record::store::laws::ended(End::Uncertain)).await.unwrap_err();
    drop(held);
    trying.await.unwrap();
    assert_eq!(store.call(call).await.unwrap().unwrap().end, Some(End::Succeeded));
}

#[tokio::test]
async fn closing_ends_the_trying_and_the_next_start_settles() {
    let place = Place::new();
    place.hold();
    let refusal = place.refused().await;
    place.gateway.finish_calls(Duration::from_secs(30)).await;
    assert!(place.gateway.running.is_empty(), "nobody tries any more");
    place.let_go();
    place.gateway.close().await.unwrap();
    assert_eq!(open(&place.folder.path().join("state")).unfinished().await.unwrap()[0].id, refusal.about.id);
}

#[tokio::test]
async fn a_tool_that_panics_ends_its_call() {
    let place = Place::new();
    place.tell(Next::Panics, Some(Probe::Unknown));
    let refusal = place.refused().await;
    assert_eq!(refusal.reason_code, ReasonCode::Uncertain);
    assert!(refusal.message.starts_with("the tool broke off while it ran"), "{}", refusal.message);
    assert_eq!(place.stored(&refusal).await.end, Some(End::Uncertain));
}

#[tokio::test]
async fn a_tool_that_does_not_come_back_holds_its_target_until_it_does() {
    let place = Place::new();
    place.tell(Next::Hangs, Some(Probe::Unchanged));
    let refusal = place.refused().await;
    assert!(refusal.message.starts_with("no answer from the target within"), "{}", refusal.message);
    assert!(refusal.message.contains("it may still take effect"), "{}", refusal.message);
    assert_eq!(
        place.stored(&refusal).await.end,
        None,
        "a look would find it as it was before, and that may change yet"
    );
    let next = place.refused().await;
    assert_eq!(next.reason_code, ReasonCode::Unavailable, "{}", next.message);
    assert!(next.message.contains(&refusal.about.id.to_string()), "{}", next.message);
    place.told.comes_back.notify_one();
    place.until_ended().await;
    let stored = place.stored(&refusal).await;
    assert_eq!((stored.end, stored.undo), (Some(End::Succeeded), Some(plan(&json!({"target": "it"})))));
}

#[tokio::test]
async fn what_may_still_take_effect_is_looked_at_again_and_its_record_ends_true() {
    let place = Place::new();
    place.told.over.store(false, Ordering::SeqCst);
    // It is as it was before, for now.
    place.tell(Next::Doubts, Some(Probe::Unchanged));
    let refusal = place.refused().await;
    assert_eq!(refusal.reason_code, ReasonCode::Uncertain);
    assert_eq!(place.stored(&refusal).await.end, None);
    let next = place.refused().await;
    assert_eq!(next.reason_code, ReasonCode::Unavailable, "{}", next.message);
    // It takes effect after all.
    place.tell(Next::Doubts, Some(Probe::Changed));
    place.told.over.store(true, Ordering::SeqCst);
    place.until_ended().await;
    let stored = place.stored(&refusal).await;
    assert_eq!(stored.end, Some(End::Uncertain));
    assert!(stored.note.unwrap().ends_with("a look found the target as the call would have left it"));
}

#[tokio::test]
async fn what_may_still_take_effect_when_the_gateway_stops_is_settled_once_it_is_over() {
    let place = Place::new();
    place.told.over.store(false, Ordering::SeqCst);
    place.tell(Next::Doubts, Some(Probe::Unchanged));
    let refusal = place.refused().await;
    place.gateway.finish_calls(Duration::from_secs(30)).await;
    place.gateway.close().await.unwrap();
    // The next gateway on the same store.
    let next = Place::on(Arc::clone(&place.folder));
    next.told.over.store(false, Ordering::SeqCst);
    next.tell(Next::Succeeds, Some(Probe::Unchanged));
    drop(place);
    assert!(recovery::recover(&next.gateway).await.unwrap().is_empty(), "nothing is guessed");
    assert_eq!(next.stored(&refusal).await.end, None);
    let waits = next.refused().await;
    assert_eq!(waits.reason_code, ReasonCode::Unavailable, "{}", waits.message);
    next.told.over.store(true, Ordering::SeqCst);
    assert_eq!(recovery::recover(&next.gateway).await.unwrap(), [refusal.about.id]);
    assert_eq!(next.stored(&refusal).await.end, Some(End::Uncertain));
}

#[tokio::test]
async fn an_uncertain_end_is_looked_at() {
    let place = Place::new();
    for (found, words) in [
        (Some(Probe::Unchanged), "a look found the target as it was before"),
        (Some(Probe::Changed), "a look found the target as the call would have left it"),
        (Some(Probe::Unknown), "a look could not tell whether it took effect"),
        // A look that breaks has found nothing, and the call is ended all the same.
        (None, "a look could not tell whether it took effect"),
    ] {
        place.tell(Next::Doubts, found);
        let refusal = place.refused().await;
        let note = format!("the connection broke at COMMIT; {words}");
        assert_eq!(refusal.message, note);
        let stored = place.stored(&refusal).await;
        assert_eq!((stored.end, stored.note), (Some(End::Uncertain), Some(note)));
        let records = mollyguard_record::store::laws::all_records(&*place.gateway.store).await;
        let ended = records.into_iter().rfind(|record| record.subject.call == Some(refusal.about.id)).unwrap();
        let AuditEvent::Finished { probe, .. } = ended.event else { panic!("{ended:?}") };
        assert_eq!(probe, Some(found.unwrap_or(Probe::Unknown)));
    }
}

#[tokio::test]
async fn a_claimed_call_is_not_undoable_and_says_why() {
    let place = Place::new();
    let Reply::Done(receipt) = place.ask("told_do", json!({"target": "it"})).await else { panic!("it runs") };
    let id = receipt.about.id;
    let undo = async || match place.ask("undo_call", json!({"call_id": id})).await {
        Reply::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    };
    let listed = async || match place.ask("list_calls", json!({})).await {
        Reply::Done(receipt) => {
            let calls = receipt.output["calls"].as_array().unwrap().clone();
            calls.into_iter().find(|call| call["call_id"] == id.to_string()).unwrap()["undoable"].clone()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(listed().await, true);
    place.tell(Next::Doubts, Some(Probe::Unchanged));
    undo().await;
    assert_eq!(listed().await, true, "that undo changed nothing");

    place.tell(Next::Doubts, Some(Probe::Unknown));
    let by = undo().await.about.id;
    assert_eq!(listed().await, false);
    let words =
        format!("call `{id}` may have been taken back by call `{by}`, whose end is uncertain; look at it first");
    assert_eq!(undo().await.message, words);
}

#[tokio::test]
async fn a_call_that_is_being_taken_back_is_not_taken_back_again() {
    let place = Place::new();
    let Reply::Done(receipt) = place.ask("told_do", json!({"target": "it"})).await else { panic!("it runs") };
    let id = receipt.about.id;
    let start = Start { undoes: Some(id), ..mollyguard_record::store::laws::start() };
    let by = place.gateway.store.begin(start).await.unwrap().call();
    let Reply::Refused(refusal) = place.ask("undo_call", json!({"call_id": id})).await else { panic!("it is claimed") };
    assert_eq!(refusal.message, format!("call `{id}` is being taken back by call `{by}`"));
}
