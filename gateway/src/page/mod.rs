//! The gateway's own page: what waits for a person, what was done, and who may answer. It shows what the store holds and
//! hands answers over; what an answer is worth is `operators`' to say.
//!
//! Nobody acts by following a link: GET changes nothing, a POST must come from this very page, and no address is a
//! capability.

mod account;
mod answer;
mod ceremony;
mod entry;
mod grants;
mod guard;
mod history;
mod inbox;
mod listener;
mod live;
mod proof;
mod question;
mod session;
mod shell;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use mollyguard_record::webauthn::RelyingParty;
use tokio::sync::Semaphore;

use crate::config::PageAt;
use crate::gateway::Gateway;
use crate::operators::Separation;
use ceremony::Ceremonies;
use entry::NotLetIn;
use inbox::Inbox;
use live::Live;

pub(crate) use account::invitation;
pub(crate) use listener::on_http;
pub use listener::{Begun, begin, keep_serving};

/// How many browsers may watch at a time.
const WATCHERS: usize = 128;

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Page(Arc<Parts>);

struct Parts {
    gateway: Arc<Gateway>,
    relying_party: RelyingParty,
    at: PageAt,
    /// Exactly what a browser sends as its origin.
    origin: String,
    separation: Separation,
    ceremonies: Ceremonies,
    not_let_in: NotLetIn,
    live: Live,
    inbox: Inbox,
    watchers: Arc<Semaphore>,
}

impl Page {
    fn new(gateway: Arc<Gateway>, at: &PageAt) -> Self {
        Self(Arc::new(Parts {
            separation: gateway.separation,
            live: Live::start(Arc::clone(&gateway)),
            inbox: Inbox::default(),
            relying_party: RelyingParty { id: at.host().to_owned(), origins: vec![at.origin()] },
            origin: at.origin(),
            at: at.clone(),
            gateway,
            ceremonies: Ceremonies::default(),
            not_let_in: NotLetIn::default(),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
        }))
    }
}

/// The page's routes.
fn router(page: Page) -> Router {
    Router::new()
        .route("/", get(inbox::inbox))
        .route("/questions/{id}", get(question::question))
        .route("/questions/{id}/answer", post(answer::answer))
        .route("/grants/{id}/revoke", post(grants::revoke))
        .route("/history", get(history::history))
        .route("/calls/{id}/undo", post(history::undo))
        .route("/people", get(account::people))
        .route("/people/invite", post(account::invite))
        .route("/people/lift", post(account::lift))
        .route("/people/{id}/remove", post(account::remove))
        .route("/sign-in", get(session::sign_in))
        .route("/sign-in/code", post(session::with_code))
        .route("/sign-in/challenge", post(session::challenge))
        .route("/sign-in/passkey", post(session::with_passkey))
        .route("/sign-out", post(session::sign_out))
        .route("/proof", post(proof::challenge))
        .route("/enroll", get(account::enroll))
        .route("/enroll/start", post(account::start))
        .route("/enroll/passkey", post(account::with_passkey))
        .route("/enroll/code", post(account::with_code))
        .route("/live", get(live::live))
        .route("/style.css", get(shell::style))
        .route("/page.js", get(shell::script))
        .fallback(shell::nowhere)
        // The guard has read it, and no more than it may be.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(page.clone(), guard::guard))
        .with_state(page)
}
