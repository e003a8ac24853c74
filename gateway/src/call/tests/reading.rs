//! A read by a tool that blocks: on one thread from the look to the record, stopped when nobody waits for it.

use std::sync::mpsc;
use std::task::Poll;
use std::thread::{self, ThreadId};

use mollyguard_tools::contract::blocking_until;

use super::*;

/// A tool that reads until it is told to stop, or at once.
struct Reads {
    declaration: Declaration,
    waits: AtomicBool,
    threads: Arc<Mutex<Vec<ThreadId>>>,
    /// Waited for once it was told that nobody waits.
    ends: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
}

impl Reads {
    async fn work(&self, waits: bool) -> Result<(), ToolError> {
        let (threads, ends) = (Arc::clone(&self.threads), Arc::clone(&self.ends));
        let (tell, told) = mpsc::channel();
        let work = move || {
            threads.lock().unwrap().push(thread::current().id());
            if waits {
                told.recv().unwrap();
                let ends = ends.lock().unwrap().take();
                ends.map(|ends| ends.recv());
                return Err(ToolError::unavailable("stopped"));
            }
            Ok(())
        };
        let hang_up = move || {
            let _is_over = tell.send(());
        };
        blocking_until(hang_up, work).await
    }
}

#[async_trait]
impl Tool for Reads {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn blocks(&self) -> bool {
        true
    }

    async fn preflight(&self, _: &Value, _: &Lease) -> Result<Preflight, ToolError> {
        self.work(false).await?;
        Ok(Preflight {
            targets: vec![target()],
            blast_radius: BlastRadius::one(Scope::Resource),
            reversibility: Reversibility::ReadOnly,
            destroys_recovery: false,
            evidence: Vec::new(),
            alternative: None,
            fingerprint: Digest::of_bytes(b"state"),
            summary: "read it".into(),
            pre_image: None,
        })
    }

    async fn execute(&self, _: &Value, _: &Preflight, _: &Lease) -> Result<Outcome, ToolError> {
        self.work(self.waits.load(Ordering::SeqCst)).await?;
        Ok(Outcome { output: json!({"read": true}), undo: None })
    }
}

impl Alone for Reads {}

fn gateway(folder: &Path) -> (Arc<Gateway>, Arc<Reads>) {
    let declaration = declared("told_read", Reversibility::ReadOnly);
    let (waits, threads, ends) = (AtomicBool::new(false), Arc::default(), Arc::default());
    let reads = Arc::new(Reads { declaration, waits, threads, ends });
    let toolsets: Vec<Arc<dyn Toolset>> = vec![Arc::new(Tools(Arc::clone(&reads)))];
    let text = "gateway = { state = 'state', user = 'ada' }\nenvironments.dev = { tier = 'development' }\n\
                limits = { call_timeout_ms = 600000, concurrent_calls = 1 }\n\
                targets.it = { kind = 'told', environment = 'dev' }\n";
    let config = Config::parse(text, &folder.join("mollyguard.toml"), &toolsets).unwrap();
    (Arc::new(Gateway::open(config, toolsets).unwrap()), reads)
}

fn request() -> Request {
    let principal = Principal { user: "ada".into(), client: None, roles: Vec::new() };
    Request::new("told_read", json!({"target": "it"}), principal)
}

/// Why each read on record failed, if it did.
async fn reads_on_record(gateway: &Gateway) -> Vec<Option<String>> {
    let records = mollyguard_record::store::laws::all_records(&*gateway.store).await;
    let reads = records.into_iter().filter_map(|record| match record.event {
        AuditEvent::Read { failed, .. } => Some(failed),
        _ => None,
    });
    reads.collect()
}

#[tokio::test]
async fn a_read_has_one_thread_and_one_record() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, reads) = gateway(folder.path());
    let reply = call(&gateway, request()).await.unwrap();
    let Reply::Done(done) = reply else { panic!("{reply:?}") };
    assert_eq!(done.output, json!({"read": true}));
    let threads = reads.threads.lock().unwrap().clone();
    let [look, read] = threads.as_slice() else { panic!("{threads:?}") };
    assert_eq!(look, read);
    assert_ne!(*look, thread::current().id());
    assert_eq!(reads_on_record(&gateway).await, [None]);
}

/// Whether the client cancels the call or is gone: the work is told, and the call has its place until that has ended.
#[tokio::test]
async fn a_read_nobody_waits_for_is_stopped_and_has_its_place_until_then() {
    for is_gone in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (gateway, reads) = gateway(folder.path());
        reads.waits.store(true, Ordering::SeqCst);
        let (end, ends) = mpsc::channel();
        *reads.ends.lock().unwrap() = Some(ends);
        let request = request();
        let (mut stage, cancel) = (request.stage.subscribe(), request.cancel.clone());
        let calling = Arc::clone(&gateway);
        let client = tokio::spawn(async move { call(&calling, request).await });
        stage.wait_for(|stage| *stage == Stage::Executing).await.unwrap();
        if is_gone {
            client.abort();
            assert!(client.await.unwrap_err().is_cancelled());
        } else {
            cancel.cancel();
            let reply = client.await.unwrap().unwrap();
            let Reply::Refused(refusal) = reply else { panic!("{reply:?}") };
            assert_eq!(refusal.reason_code, ReasonCode::Unavailable, "{}", refusal.message);
        }
        let mut next = Box::pin(gateway.slots.line_up("ada").ok().unwrap().come());
        assert!(matches!(futures_util::poll!(&mut next), Poll::Pending), "it reads still");
        end.send(()).unwrap();
        assert!(next.await.is_some());
        let recorded = reads_on_record(&gateway).await;
        assert!(matches!(recorded.as_slice(), [Some(why)] if why.contains("stopped")), "{recorded:?}");
    }
}
