//! What one process takes on over HTTP, and token buckets that keep one caller from taking all of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The limits of an HTTP server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest body of a request.
    pub body_bytes: usize,
    /// How many bytes the bodies of all requests that are worked on may have together; more are refused.
    pub bodies_bytes: usize,
    /// How long a client may take over a request's head, and how long a connection may idle.
    pub head_time: Duration,
    /// How long a client may take over a request's body.
    pub body_time: Duration,
    /// How many connections are open at a time; more wait to be accepted.
    pub connections: usize,
    /// How many requests are worked on at a time; more are refused.
    pub requests: usize,
    /// How many requests a principal may make a second, over a time.
    pub rate: u32,
    /// How many at once.
    pub burst: u32,
    /// How many sessions of older revisions are open at a time.
    pub sessions: usize,
    /// How many of them are kept awake, unless those that are asleep come back soon.
    pub sessions_awake: usize,
    /// How many of them one principal may have.
    pub sessions_each: usize,
    /// How long such a session may idle. More than a confirmation lives, or the question ends with the session.
    pub session_idle: Duration,
    /// How long open requests may go on after the server was told to leave.
    pub leave_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 * 1024 * 1024,
            bodies_bytes: 64 * 1024 * 1024,
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(30),
            connections: 1024,
            requests: 256,
            rate: 2000,
            burst: 4000,
            sessions: 512,
            sessions_awake: 256,
            sessions_each: 64,
            session_idle: Duration::from_secs(15 * 60),
            leave_time: Duration::from_secs(5),
        }
    }
}

/// Token buckets, one a key, at most so many keys.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    per_second: f64,
    burst: f64,
    keys: usize,
    levels: Mutex<HashMap<K, Level>>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Buckets that fill at this rate up to this many.
    pub(super) fn new(per_second: u32, burst: u32, keys: usize) -> Self {
        let (per_second, burst) = (f64::from(per_second.max(1)), f64::from(burst.max(1)));
        Self { per_second, burst, keys, levels: Mutex::new(HashMap::new()) }
    }

    /// Takes one; or says how long until there is one again.
    pub(super) fn take(&self, key: &K, now: Instant) -> Result<(), Duration> {
        self.with(key, now, |level| {
            level.tokens -= 1.0;
        })
    }

    /// Whether there is one, without taking it.
    pub(super) fn has(&self, key: &K, now: Instant) -> Result<(), Duration> {
        self.with(key, now, |_| {})
    }

    fn with(&self, key: &K, now: Instant, taking: impl FnOnce(&mut Level)) -> Result<(), Duration> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if !levels.contains_key(key) && levels.len() >= self.keys {
            // A full bucket says nothing that a new one would not.
            levels.retain(|_, level| self.filled(*level, now) < self.burst);
            if levels.len() >= self.keys {
                return Err(Duration::from_secs(1));
            }
        }
        let level = levels.entry(key.clone()).or_insert(Level { tokens: self.burst, at: now });
        *level = Level { tokens: self.filled(*level, now), at: now };
        if level.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - level.tokens) / self.per_second));
        }
        taking(level);
        Ok(())
    }

    fn filled(&self, level: Level, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(level.at).as_secs_f64();
        (level.tokens + passed * self.per_second).min(self.burst)
    }
}

/// What counts as one peer: an address, or the network a single IPv6 host usually has to itself.
pub(super) fn peer_key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => IpAddr::V4(address),
            None => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        },
    }
}
