//! How many refusals of one user are written down a minute, and how many were left out: an agent that repeats a mistake does
//! not fill the record. The record says so while it goes on, since a killed gateway says nothing any more: at 1, 2, 4, 8 and
//! so on, so that what it says is never less than half of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mollyguard_record::audit::{AuditEvent, Subject};
use mollyguard_record::store::{Store, StoreError};

/// How many of one user are written down at once, and how long one more takes to be due.
const AT_ONCE: u32 = 60;
const ONE_MORE: Duration = Duration::from_secs(1);

/// The most that are left out before that is said, and so the most that a kill loses of one user's.
const UNSAID: u64 = 1024;

/// How many users are counted one by one; the others share a count. The configured ones are far fewer.
const USERS: usize = 1024;

/// What was written down of late, by user.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<String, Count>>);

struct Count {
    room: u32,
    since: Instant,
    left_out: u64,
    /// So many left out are said at once.
    says_at: u64,
    /// What they were refused for: the first of each is written down whatever else is left out.
    kinds: HashSet<String>,
    /// About the last one that was left out.
    last: Option<(Subject, String)>,
}

impl Count {
    fn new(now: Instant) -> Self {
        Self { room: AT_ONCE, since: now, left_out: 0, says_at: 1, kinds: HashSet::new(), last: None }
    }
}

impl Refusals {
    /// Whether one more of this user is written down, and then how many before it were not.
    pub(crate) fn take(&self, subject: &Subject, reason_code: &str, now: Instant) -> Option<u64> {
        let user = subject.principal.as_ref().map(|principal| principal.user.clone()).unwrap_or_default();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let user = if counts.contains_key(&user) || counts.len() < USERS { user } else { String::new() };
        let count = counts.entry(user).or_insert_with(|| Count::new(now));
        let due = now.saturating_duration_since(count.since).as_nanos() / ONE_MORE.as_nanos();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due > 0 {
            count.room = count.room.saturating_add(due).min(AT_ONCE);
            count.since = now;
            if count.room == AT_ONCE {
                (count.says_at, count.kinds) = (1, HashSet::new());
            }
        }
        // These come from here, and are few.
        let is_new = count.kinds.insert(reason_code.to_owned());
        if count.room == 0 && !is_new {
            if count.left_out + 1 < count.says_at {
                count.left_out += 1;
                count.last = Some((subject.clone(), reason_code.to_owned()));
                return None;
            }
            count.says_at = (count.says_at * 2).min(UNSAID);
        }
        count.room = count.room.saturating_sub(1);
        count.last = None;
        Some(std::mem::take(&mut count.left_out))
    }

    /// What is still to be said of those left out, once.
    fn owed(&self) -> Vec<(Subject, String, u64)> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = counts.values_mut().filter_map(|count| {
            let (subject, reason_code) = count.last.take()?;
            // The record that says so is one of them.
            Some((subject, reason_code, std::mem::take(&mut count.left_out).saturating_sub(1)))
        });
        owed.collect()
    }

    /// Writes down how many were left out and not told of since.
    pub(crate) async fn account_for(&self, store: &dyn Store) {
        for (subject, reason_code, left_out) in self.owed() {
            let event = AuditEvent::Denied { reason_code, because: Vec::new(), left_out };
            let _logged = Self::write_down(store, subject, event).await;
        }
    }

    /// The one place where refusals are written down.
    pub(crate) async fn write_down(store: &dyn Store, subject: Subject, event: AuditEvent) -> Result<(), StoreError> {
        let call = subject.call;
        let written = store.record(subject, event).await;
        written.inspect_err(|error| tracing::error!(?call, %error, "a refusal could not be recorded"))
    }
}

#[cfg(test)]
mod tests {
    use mollyguard_record::model::Principal;
    use uuid::Uuid;

    use super::*;

    fn about(user: &str) -> Subject {
        let principal = Principal { user: user.to_owned(), client: None, roles: Vec::new() };
        Subject {
            call: Some(Uuid::now_v7()),
            principal: Some(principal),
            tool: None,
            targets: Vec::new(),
            arguments: None,
        }
    }

    #[test]
    fn so_many_of_one_user_are_written_down_and_the_rest_is_counted() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let take = |user: &str, after: Duration| refusals.take(&about(user), "untouched", start + after);
        for _ in 0..AT_ONCE {
            assert_eq!(take("ada", Duration::ZERO), Some(0));
        }
        let told: Vec<u64> = (0..1_000).filter_map(|_| take("ada", Duration::ZERO)).collect();
        assert_eq!(told, [0, 1, 3, 7, 15, 31, 63, 127, 255], "1, 2, 4, 8 and so on with the one that says so");
        assert_eq!(take("bea", Duration::ZERO), Some(0), "another user's are");
        assert_eq!(take("ada", ONE_MORE), Some(1_000 - 511), "the next one says how many were not");
        assert_eq!(take("ada", ONE_MORE), None);
        let owed = refusals.owed();
        assert_eq!(owed.iter().map(|(.., left_out)| *left_out).collect::<Vec<_>>(), [0], "one, which is told itself");
        assert!(refusals.owed().is_empty(), "once");
    }

    /// Whenever the gateway is killed, what was written down by then tells how many there were: more than half of them, and
    /// all but a bounded number.
    #[test]
    fn a_kill_loses_few() {
        let (refusals, at) = (Refusals::default(), Instant::now());
        let (mut written, mut told) = (0_u64, 0_u64);
        for made in 1..=100_000_u64 {
            if let Some(left_out) = refusals.take(&about("ada"), "untouched", at) {
                (written, told) = (written + 1, told + left_out + 1);
            }
            assert!(told * 2 >= made && made - told < UNSAID, "{told} of {made}");
        }
        assert!(written < u64::from(AT_ONCE) + 10 + 100_000 / UNSAID + 1, "{written}");
    }

    #[test]
    fn the_first_of_each_kind_is_written_down_whatever_else_was_refused() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let take = |kind: &str, after: Duration| refusals.take(&about("ada"), kind, start + after);
        while take("untouched", Duration::ZERO).is_some() {}
        assert_eq!(take("denied", Duration::ZERO), Some(1), "with those before it");
        assert_eq!(take("malformed", Duration::ZERO), Some(0));
        assert_eq!(take("denied", Duration::ZERO), None);
        let calm = ONE_MORE * AT_ONCE;
        while take("untouched", calm).is_some() {}
        assert_eq!(take("denied", calm), Some(1), "and again once it was quiet");
    }

    #[test]
    fn whatever_comes_every_refusal_is_written_down_or_counted() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let (mut made, mut told, mut seed) = (0_u64, 0_u64, 1_u32);
        let mut at = start;
        for _ in 0..5_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            at += Duration::from_millis(u64::from(seed >> 24));
            let user = format!("user{}", seed % 1_500);
            made += 1;
            told += refusals.take(&about(&user), "untouched", at).map_or(0, |left_out| left_out + 1);
            if seed % 97 == 0 {
                told += refusals.owed().iter().map(|(.., left_out)| left_out + 1).sum::<u64>();
            }
        }
        told += refusals.owed().iter().map(|(.., left_out)| left_out + 1).sum::<u64>();
        assert_eq!(made, told);
        assert!(refusals.0.lock().unwrap().len() <= USERS + 1);
    }
}
