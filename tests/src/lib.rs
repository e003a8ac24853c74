//! The harness of Mollyguard's end-to-end tests: a world of real databases and folders, the real binary over stdio and
//! HTTP in both eras of the protocol, a scripted person who answers its questions, and what its replies must say.
//!
//! ```no_run
//! use mollyguard_tests::{Era, Person, Result, World};
//! use serde_json::json;
//!
//! # async fn test() -> Result {
//! let world = World::rental()?;
//! let agent = world.stdio(Era::Modern, Person::declines()).await?;
//! let reply = agent.call("sqlite_purge_table", json!({"target": "fleet", "table": "bookings"})).await?;
//! reply.refused("confirmation_declined");
//! assert_eq!(world.rows("fleet", "bookings")?, 12);
//! # Ok(())
//! # }
//! ```

mod agent;
mod binary;
pub mod browser;
mod enrolment;
pub mod fixture;
mod golden;
mod line;
pub mod peers;
mod person;
mod raw;
mod reply;
mod served;
pub mod servers;
mod tap;
mod world;

pub use agent::{Agent, Era, Round};
pub use binary::mollyguard;
pub use enrolment::{codes, first_code};
pub use golden::{Redaction, golden};
pub use line::{Line, header};
pub use person::{Asked, Person};
pub use raw::{Raw, RawResponse, http};
pub use reply::Reply;
pub use served::Served;
pub use tap::Tap;
pub use world::World;

/// Why a test could not go on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a test and every step of the harness returns.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// The root of the checkout.
#[must_use]
pub fn root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(std::path::Path::new("."))
}

/// How long a test waits for something that should happen at once before it says that it never did.
pub const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// Waits for `future` no longer than [`TIMEOUT`], so that a hung gateway fails a test instead of holding up the run.
///
/// # Errors
/// Nothing came, with `what` in the message.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(TIMEOUT, future).await.map_err(|_| format!("{what}: nothing after {TIMEOUT:?}").into())
}

/// Asks `find` again and again until it finds something, no longer than [`TIMEOUT`].
///
/// # Errors
/// It never did, with `what` in the message, or it failed.
pub async fn until<T>(what: &str, mut find: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let found = async {
        loop {
            if let Some(found) = find()? {
                return Ok(found);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    within(what, found).await?
}
