//! Challenges that were handed out and not answered yet. Kept in memory: whoever takes the page over lets the person try
//! again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mollyguard_record::webauthn::Challenge;
use mollyguard_tools::contract::Digest;
use uuid::Uuid;

/// How long a person may take over a passkey.
const LIFE: Duration = Duration::from_secs(5 * 60);
/// The most that wait at a time: the oldest goes first.
const MOST: usize = 256;

/// What a challenge was handed out for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To open a session.
    SignIn,
    /// To be enrolled by the invitation whose code has this digest.
    Enroll(Digest),
    /// To do something to somebody, whose digest this is.
    Act(Digest),
}

/// Challenges by the ticket the browser brings back with the answer. Each is answered once.
#[derive(Debug, Default)]
pub(super) struct Ceremonies(Mutex<HashMap<Uuid, (Challenge, Purpose, Instant)>>);

impl Ceremonies {
    /// A new challenge, and its ticket.
    pub(super) fn begin(&self, purpose: Purpose) -> Result<(Uuid, Challenge), getrandom::Error> {
        let mut challenge = [0_u8; 32];
        getrandom::fill(&mut challenge)?;
        let ticket = Uuid::now_v7();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (_, _, begun)| begun.elapsed() < LIFE);
        while open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, (_, _, begun))| *begun).map(|(ticket, _)| *ticket);
            oldest.and_then(|oldest| open.remove(&oldest));
        }
        open.insert(ticket, (challenge, purpose, Instant::now()));
        Ok((ticket, challenge))
    }

    /// The challenge of this ticket, which is used up by this.
    pub(super) fn end(&self, ticket: Uuid, purpose: &Purpose) -> Option<Challenge> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (challenge, was_for, begun) = open.remove(&ticket)?;
        (was_for == *purpose && begun.elapsed() < LIFE).then_some(challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_once_and_for_what_it_was_made() {
        let open = Ceremonies::default();
        let (ticket, challenge) = open.begin(Purpose::SignIn).unwrap();
        assert_eq!(open.end(ticket, &Purpose::SignIn), Some(challenge));
        assert_eq!(open.end(ticket, &Purpose::SignIn), None);
        let (ticket, _) = open.begin(Purpose::SignIn).unwrap();
        assert_eq!(open.end(ticket, &Purpose::Enroll(Digest::of_bytes(b"code"))), None);
        for _ in 0..2 * MOST {
            open.begin(Purpose::SignIn).unwrap();
        }
        assert_eq!(open.0.lock().unwrap().len(), MOST);
    }
}
