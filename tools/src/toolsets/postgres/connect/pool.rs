//! Connections kept open between calls: bounded, cleaned before they are lent again, and closed rather than reused when
//! anything about them is in doubt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::address::Address;
use super::link::Connection;
use super::unreachable::Unreachable;
use crate::contract::Secret;
use crate::turns::{Place, Turns};

/// A connection that nobody used for so long is not used again.
const STALE: Duration = Duration::from_secs(300);

/// How long cleaning a connection may take before it is closed instead.
const CLEANING: Duration = Duration::from_secs(5);

/// What a session can have left behind, without the prepared statements that tokio-postgres relies on. Nobody else can
/// prepare any: `PREPARE` is not offered.
const CLEAN: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES";

/// The pools of one target: one for each credential it is used with.
#[derive(Default)]
pub(crate) struct Pools(Mutex<HashMap<[u8; 32], Arc<Pool>>>);

impl Pools {
    /// The pool of connections that this credential opens.
    ///
    /// # Errors
    /// What is wrong with the URL, in words that hold nothing of it.
    pub(crate) fn of(&self, secret: &Secret, most: usize) -> Result<Arc<Pool>, String> {
        let key: [u8; 32] = Sha256::digest(secret.reveal().as_bytes()).into();
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Ok(Arc::clone(pool));
        }
        let address = Address::parse(secret.reveal())?;
        // One user who has some never takes the last.
        let turns = Turns::new(most.saturating_sub(1), 1, usize::MAX);
        let pool = Arc::new(Pool { address, turns, idle: Mutex::default() });
        pools.insert(key, Arc::clone(&pool));
        Ok(pool)
    }
}

/// The connections of one credential.
pub(crate) struct Pool {
    /// Where they go.
    pub address: Address,
    turns: Turns,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// A connection for one call, and its place among the most there may be.
pub(crate) struct Lent {
    /// The connection.
    pub connection: Connection,
    place: Place,
}

impl Pool {
    /// A clean connection, as soon as it is this user's turn.
    ///
    /// # Errors
    /// Why none can be opened.
    pub(crate) async fn get(&self, user: &str) -> Result<Lent, Unreachable> {
        let place = self.turns.come(user).await.ok_or_else(|| "the gateway is closing".to_owned())?;
        while let Some((connection, since)) = self.take() {
            if since.elapsed() < STALE && !connection.client.is_closed() {
                connection.meter.reset();
                return Ok(Lent { connection, place });
            }
        }
        Ok(Lent { connection: Connection::open(&self.address).await?, place })
    }

    fn take(&self) -> Option<(Connection, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Takes a connection back on which nothing runs any more: cleaned in the background, closed if that fails.
    pub(crate) fn give_back(self: Arc<Self>, lent: Lent) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let Lent { connection, place } = lent;
            connection.meter.reset();
            let cleaned = tokio::time::timeout(CLEANING, connection.client.batch_execute(CLEAN)).await;
            if matches!(cleaned, Ok(Ok(()))) {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, Instant::now()));
            }
            drop(place);
        });
    }
}
