//! What is bounded, what TLS is worth, and what becomes of a command that does not end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::extract::State;
use http::HeaderMap;
use mollyguard_record::store::harness::open;
use mollyguard_record::store::laws::{question, subject};
use mollyguard_record::store::{Bounds, Questions as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::config::Template;
use crate::notify::notice::Event;
use crate::notify::notice::tests::notice;

fn webhook(url: &str, client: Client) -> Webhook {
    Webhook::new(url.to_owned(), Address::parse(url).unwrap(), None, None, Arc::new(client))
}

fn telling(store: Arc<dyn Store>, notifiers: Vec<Notifier>) -> Telling {
    let lines = notifiers.into_iter().map(|notifier| Line::new(Arc::new(notifier))).collect();
    Telling { store, lines, closing: CancellationToken::new(), open: BTreeMap::new() }
}

/// A receiver that says yes to everything, and the ids of what it was told.
async fn receiver() -> (String, mpsc::UnboundedReceiver<String>) {
    let (sender, heard) = mpsc::unbounded_channel();
    let hear = |State(sender): State<mpsc::UnboundedSender<String>>, headers: HeaderMap| async move {
        sender.send(headers["webhook-id"].to_str().unwrap().to_owned()).unwrap();
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let app = Router::new().fallback(hear).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, heard)
}

#[tokio::test]
async fn of_a_flood_the_newest_are_told_of() {
    let (url, mut heard) = receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let notifiers = vec![Notifier::Webhook(webhook(&url, Client::default()))];
    let mut telling = telling(Arc::new(open(folder.path())), notifiers);
    let flood: Vec<Notice> = (0..1_000).map(|n| notice(&format!("question {n}"))).collect();
    for notice in flood.clone() {
        telling.tell(notice, &|_| None);
        assert!(telling.lines[0].len() <= line::LINE && telling.open.len() <= FOLLOWED);
    }
    telling.closing.cancel();
    telling.lines[0].finish().await;
    let mut ids: Vec<String> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
    ids.sort();
    let newest = flood[flood.len() - line::LINE..].iter().map(|notice| notice.id(Event::Asked));
    assert_eq!(ids, newest.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dead_receiver_holds_nothing_up_and_gathers_nothing() {
    // It takes connections, and never says anything.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", dead.local_addr().unwrap());
    let (live, mut heard) = receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let notifiers = [url, live].map(|url| Notifier::Webhook(webhook(&url, Client::default())));
    let mut telling = telling(Arc::new(open(folder.path())), notifiers.into());
    for _ in 0..10 {
        for _ in 0..line::LINE {
            let notice = notice("x");
            let id = notice.id(Event::Asked);
            telling.tell(notice, &|_| None);
            assert_eq!(heard.recv().await, Some(id), "the other one is told at once");
        }
        assert!(telling.lines.iter().all(|line| line.len() <= line::LINE));
    }
    assert_eq!(telling.lines[0].len(), line::LINE, "none was delivered");
}

#[tokio::test]
async fn what_was_told_of_is_followed_to_its_end_and_no_further() {
    let (url, mut heard) = receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let mut telling = telling(Arc::clone(&store) as _, vec![Notifier::Webhook(webhook(&url, Client::default()))]);
    let asked = question(std::time::Duration::from_secs(60));
    let bounds = Bounds { denial: std::time::Duration::ZERO, open: 100, flood: 100 };
    store.ask(subject(Uuid::now_v7()), asked.clone(), None, bounds).await.unwrap();
    let notice = Notice { confirmation: asked.id, ..notice("x") };
    telling.tell(notice.clone(), &|_| None);
    assert_eq!(heard.recv().await, Some(notice.id(Event::Asked)));
    telling.catch_up().await.unwrap();
    assert_eq!(telling.open.len(), 1, "it waits still");
    let given = mollyguard_record::store::AnswerSubmission::by(
        "ben".into(),
        asked.id,
        mollyguard_record::model::Answer::Decline,
        mollyguard_record::model::Channel::Terminal,
        None,
    );
    store.answer(subject(Uuid::now_v7()), given).await.unwrap();
    telling.catch_up().await.unwrap();
    let end = Ended::Declined { how: "declined".into(), by: "ben".into() };
    assert_eq!(heard.recv().await, Some(notice.id(Event::Ended(&end, now()))));
    telling.lines[0].finish().await;
    assert!(telling.open.is_empty() && heard.try_recv().is_err());
}

/// An authority nobody knows, and a certificate of it for 127.0.0.1.
const CERTIFICATES: &str = r"
set -eu; cd $1
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$1 -keyout $1.key $2; }
new ours '-x509 -days 2 -addext basicConstraints=critical,CA:TRUE' >ours.crt
new theirs '-x509 -days 2 -addext basicConstraints=critical,CA:TRUE' >theirs.crt
echo subjectAltName=IP:127.0.0.1 >here; echo subjectAltName=DNS:elsewhere.example >elsewhere
new good '' >good.csr
for at in here elsewhere; do
    openssl x509 -req -in good.csr -CA ours.crt -CAkey ours.key -CAcreateserial -extfile $at -days 2 -out $at.crt
done
";

fn roots(folder: &Path, authority: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join(format!("{authority}.crt"))).unwrap()).unwrap();
    roots
}

/// A server with this certificate that says yes once, and gives what it read.
async fn server(folder: &Path, certificate: &str) -> (String, tokio::task::JoinHandle<String>) {
    let certificate = CertificateDer::from_pem_file(folder.join(format!("{certificate}.crt"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("good.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/s3cret", listener.local_addr().unwrap());
    let read = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
        let mut read = vec![0; 4096];
        let length = stream.read(&mut read).await.unwrap_or_default();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n").await;
        String::from_utf8_lossy(&read[..length]).into_owned()
    });
    (url, read)
}

#[tokio::test]
async fn only_a_server_that_proves_its_name_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("bash").args(["-c", CERTIFICATES, "bash"]).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for (certificate, authority, trusted) in
        [("here", "ours", true), ("here", "theirs", false), ("elsewhere", "ours", false)]
    {
        let (url, read) = server(folder.path(), certificate).await;
        let client = Client::trusting(roots(folder.path(), authority));
        let posted = client.post(&Address::parse(&url).unwrap(), HeaderMap::new(), b"{}".to_vec()).await;
        assert_eq!(posted.is_ok(), trusted, "{certificate} by {authority}: {posted:?}");
        let read = read.await.unwrap();
        assert_eq!(read.starts_with("POST /s3cret HTTP/1.1"), trusted, "nothing is sent to another: {read:?}");
        if let Err(error) = posted {
            assert!(matches!(error, post::PostError::Tls(_)) && !error.to_string().contains("s3cret"), "{error}");
        }
    }
    // The system's authorities do not know this one.
    let (url, _read) = server(folder.path(), "here").await;
    let posted = Client::default().post(&Address::parse(&url).unwrap(), HeaderMap::new(), Vec::new()).await;
    assert!(matches!(posted, Err(post::PostError::Tls(_))), "{posted:?}");
}

fn hook(folder: &Path, script: &str, patience: Duration) -> Hook {
    let path = folder.join("hook");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let words = [path.display().to_string(), folder.display().to_string(), "{what}".to_owned()];
    Hook::with_timeout(Template::parse(&words).unwrap(), patience)
}

fn followed() -> (watch::Sender<Option<Ended>>, Followed) {
    let (sender, ended) = watch::channel(None);
    (sender, Followed::new(ended, CancellationToken::new()))
}

#[tokio::test]
async fn a_command_that_does_not_end_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let hook = hook(folder.path(), "exec sleep 1000", Duration::from_millis(50));
    let why = hook.run(&notice("x")).await.unwrap_err();
    assert!(why.contains("killed"), "{why}");
}

/// Whether a process of this id runs, and is not only waiting to be reaped.
fn runs(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn what_a_command_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let hook = hook(folder.path(), "sleep 1000 & echo $! >$1/child.new; mv $1/child.new $1/child; wait", RETRY * 600);
    let (_sender, followed) = followed();
    let task = tokio::spawn(async move { hook.tell(&notice("x"), followed).await });
    let child = folder.path().join("child");
    while !child.exists() {
        assert!(!task.is_finished());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = fs::read_to_string(child).unwrap();
    assert!(runs(&pid));
    task.abort();
    while runs(&pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nobody_is_told_of_what_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let hook = hook(folder.path(), "touch $1/told", RETRY * 600);
    let (sender, followed) = followed();
    sender.send_replace(Some(Ended::Expired));
    hook.tell(&notice("x"), followed.clone()).await;
    assert!(!folder.path().join("told").exists());
    sender.send_replace(None);
    hook.tell(&notice("x"), followed).await;
    assert!(folder.path().join("told").exists());
}
