//! People are told that a question waits: by a webhook, by a command, and by a terminal that watches.

mod command;
mod watch;
mod webhooks;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use mollyguard_tests::{Result, World, within};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use toml::Table;

/// The tool whose effect nothing brings back.
const PURGE: &str = "sqlite_purge_table";

/// Arguments that purge a table.
fn table(target: &str, table: &str) -> Value {
    json!({"target": target, "table": table})
}

/// What a receiver heard.
#[derive(Debug)]
struct Heard {
    at: Instant,
    path: String,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn body(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.bytes)?)
    }
}

/// A status, and a header that goes with it.
type Says = (u16, Option<(&'static str, String)>);

#[derive(Clone)]
struct Desk {
    says: Arc<Mutex<VecDeque<Says>>>,
    heard: mpsc::UnboundedSender<Heard>,
}

/// A receiver of webhooks on loopback: it says what it is told to, and then that all is well.
struct Receiver {
    url: String,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Receiver {
    async fn start(says: impl IntoIterator<Item = Says>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook/s3cret-of-the-path", listener.local_addr()?);
        let (sender, heard) = mpsc::unbounded_channel();
        let desk = Desk { says: Arc::new(Mutex::new(says.into_iter().collect())), heard: sender };
        let app = Router::new().fallback(hear).with_state(desk);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { url, heard })
    }

    async fn next(&mut self) -> Result<Heard> {
        Ok(within("a webhook", self.heard.recv()).await?.ok_or("the receiver has ended")?)
    }

    /// What came that nobody has looked at.
    fn unread(&mut self) -> usize {
        std::iter::from_fn(|| self.heard.try_recv().ok()).count()
    }
}

async fn hear(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, bytes: Bytes) -> Response {
    let _gone = desk.heard.send(Heard { at: Instant::now(), path: uri.path().to_owned(), headers, bytes });
    let says = desk.says.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (status, header) = says.unwrap_or((204, None));
    let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    match header {
        Some(header) => (status, [header]).into_response(),
        None => status.into_response(),
    }
}

/// The rental firm with these webhooks.
fn with_webhooks(webhooks: Vec<Table>) -> Result<World> {
    let mut world = World::rental()?;
    // Where the page is depends on what else runs on this machine.
    world.set("confirm.page", false).set("notify.webhooks", webhooks);
    Ok(world)
}

fn webhook(url: &str) -> Table {
    Table::from_iter([("url".to_owned(), url.into())])
}
