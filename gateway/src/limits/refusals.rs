//! How many refusals of one user are written down a minute, and how many were left out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mollyguard_record::audit::Subject;

/// How many of one user are written down at once, and how long one more takes to be due.
const AT_ONCE: u32 = 60;
const ONE_MORE: Duration = Duration::from_secs(1);

/// How many users are counted one by one; the others share a count. The configured ones are far fewer.
const USERS: usize = 1024;

/// What was written down of late, by user.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<String, Count>>);

struct Count {
    room: u32,
    since: Instant,
    left_out: u64,
    /// About the last one that was left out.
    last: Option<(Subject, String)>,
}

impl Refusals {
    /// Whether one more of this user is written down, and then how many before it were not.
    pub(crate) fn take(&self, subject: &Subject, reason_code: &str, now: Instant) -> Option<u64> {
        let user = subject.principal.as_ref().map(|principal| principal.user.clone()).unwrap_or_default();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let user = if counts.contains_key(&user) || counts.len() < USERS { user } else { String::new() };
        let count = counts.entry(user).or_insert(Count { room: AT_ONCE, since: now, left_out: 0, last: None });
        let due = now.saturating_duration_since(count.since).as_nanos() / ONE_MORE.as_nanos();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due > 0 {
            count.room = count.room.saturating_add(due).min(AT_ONCE);
            count.since = now;
        }
        if count.room == 0 {
            count.left_out += 1;
            count.last = Some((subject.clone(), reason_code.to_owned()));
            return None;
        }
        count.room -= 1;
        count.last = None;
        Some(std::mem::take(&mut count.left_out))
    }

    /// What is still to be said of those left out, once.
    pub(crate) fn owed(&self) -> Vec<(Subject, String, u64)> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = counts.values_mut().filter_map(|count| {
            let (subject, reason_code) = count.last.take()?;
            // The record that says so is one of them.
            Some((subject, reason_code, std::mem::take(&mut count.left_out).saturating_sub(1)))
        });
        owed.collect()
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
        for _ in 0..1_000 {
            assert_eq!(take("ada", Duration::ZERO), None);
        }
        assert_eq!(take("bea", Duration::ZERO), Some(0), "another user's are");
        assert_eq!(take("ada", ONE_MORE), Some(1_000), "the next one says how many were not");
        assert_eq!(take("ada", ONE_MORE), None);
        let owed = refusals.owed();
        assert_eq!(owed.iter().map(|(.., left_out)| *left_out).collect::<Vec<_>>(), [0], "one, which is told itself");
        assert!(refusals.owed().is_empty(), "once");
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
