//! A webhook that is told of questions and of their ends: signed, tried again while that helps, and never for longer than
//! the question waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::SignedDuration;
use mollyguard_tools::contract::{Tier, Timestamp, now};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::line::Followed;
use super::notice::{Event, Notice};
use super::post::Client;
use super::signature::Key;
use crate::config::Address;

/// Requests to one webhook at a time.
const AT_ONCE: usize = 4;
/// The most tries of one event.
const TRIES: u32 = 12;
/// The pause after the first try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, whatever the receiver asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long the end of a question is worth telling.
const STALE: SignedDuration = SignedDuration::from_secs(120);

/// One webhook.
pub(super) struct Webhook {
    /// What the log calls it: nothing of a secret URL.
    pub(super) name: String,
    pub(super) address: Address,
    pub(super) key: Option<Key>,
    /// Only questions about these.
    pub(super) tiers: Option<Vec<Tier>>,
    pub(super) client: Arc<Client>,
    room: Semaphore,
    /// Nothing is sent before this: it asked for a pause.
    rest: Mutex<Option<Instant>>,
    /// It wants no more (410 Gone), until the next start.
    gone: AtomicBool,
}

/// What one try came to.
enum Try {
    Delivered,
    /// Another may do better.
    Failed(String, Option<Duration>),
    /// No other will.
    Refused(String),
}

impl Webhook {
    pub(super) const fn new(
        name: String,
        address: Address,
        key: Option<Key>,
        tiers: Option<Vec<Tier>>,
        client: Arc<Client>,
    ) -> Self {
        let (room, rest, gone) = (Semaphore::const_new(AT_ONCE), Mutex::new(None), AtomicBool::new(false));
        Self { name, address, key, tiers, client, room, rest, gone }
    }

    pub(super) fn wants(&self, notice: &Notice) -> bool {
        let tier = self.tiers.as_ref().is_none_or(|tiers| tiers.contains(&notice.tier));
        tier && !self.gone.load(Ordering::Relaxed)
    }

    /// Tells of a question, and once that has been heard, of its end.
    pub(super) async fn tell(&self, notice: &Notice, mut followed: Followed) {
        let heard = self.deliver(notice, Event::Asked, notice.expires_at, &mut followed).await;
        if !heard {
            return;
        }
        let Some(end) = followed.end().await else { return };
        let at = now();
        let until = at.saturating_add(STALE).unwrap_or(at);
        self.deliver(notice, Event::Ended(&end, at), until, &mut followed).await;
    }

    /// Tries until it is delivered, until that is hopeless, or until it is not worth telling any more.
    async fn deliver(&self, notice: &Notice, event: Event<'_>, until: Timestamp, followed: &mut Followed) -> bool {
        let (id, body) = (notice.id(event), notice.body(event).to_string().into_bytes());
        let name = &self.name;
        for tried in 0..TRIES {
            if let Some(rest) = self.rest() {
                followed.pause(rest, event).await;
            }
            // A gateway that leaves tells what it has not told yet once, at once.
            let Ok(place) = self.room.acquire().await else { return false };
            let hopeless = self.gone.load(Ordering::Relaxed) || (tried > 0 && followed.is_leaving());
            if hopeless || now() >= until || followed.is_over(event) {
                return false;
            }
            let (why, asked_for) = match self.attempt(&id, &body).await {
                Try::Delivered => return true,
                Try::Refused(why) => {
                    tracing::warn!(webhook = name, why, "a webhook was not told");
                    return false;
                }
                Try::Failed(why, asked_for) => (why, asked_for),
            };
            drop(place);
            if tried == 0 {
                tracing::warn!(webhook = name, why, "a webhook could not be told; it is tried again");
            }
            if let Some(pause) = asked_for {
                let rest = Instant::now() + pause.min(LONGEST_PAUSE);
                *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
            }
            followed.pause(pause(tried, asked_for, random()), event).await;
        }
        tracing::warn!(webhook = name, "a webhook could not be told; it is not tried again");
        false
    }

    /// What is left of the pause that the receiver asked for.
    fn rest(&self) -> Option<Duration> {
        let rest = *self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.and_then(|rest| rest.checked_duration_since(Instant::now()))
    }

    async fn attempt(&self, id: &str, body: &[u8]) -> Try {
        let headers = match self.headers(id, body) {
            Ok(headers) => headers,
            Err(error) => return Try::Refused(error.to_string()),
        };
        let answered = match self.client.post(&self.address, headers, body.to_vec()).await {
            Ok(answered) => answered,
            Err(error) => return Try::Failed(error.to_string(), None),
        };
        let status = answered.status;
        match status {
            _ if status.is_success() => Try::Delivered,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Try::Failed(status.to_string(), answered.retry_after.as_deref().and_then(retry_after))
            }
            _ if status.is_server_error() => {
                Try::Failed(status.to_string(), answered.retry_after.as_deref().and_then(retry_after))
            }
            StatusCode::GONE => {
                self.gone.store(true, Ordering::Relaxed);
                Try::Refused("410 Gone: it is told nothing more until the next start".to_owned())
            }
            _ if status.is_redirection() => Try::Refused(format!("{status}: redirects are not followed")),
            _ => Try::Refused(status.to_string()),
        }
    }

    fn headers(&self, id: &str, body: &[u8]) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
        // That of the try, not of the event: a receiver refuses old ones as replays.
        let timestamp = now().as_second();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("mollyguard/", env!("CARGO_PKG_VERSION"))));
        headers.insert("webhook-id", id.parse()?);
        headers.insert("webhook-timestamp", timestamp.into());
        if let Some(key) = &self.key {
            headers.insert("webhook-signature", key.sign(id, timestamp, body).parse()?);
        }
        Ok(headers)
    }
}

/// How long to wait after a try: twice as long after each, between half of that and all of it, and never shorter than the
/// receiver asks for within bounds.
fn pause(tried: u32, asked_for: Option<Duration>, random: u8) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tried)).min(LONGEST_PAUSE);
    let jittered = whole / 2 + whole / 2 * u32::from(random) / u32::from(u8::MAX);
    asked_for.map_or(jittered, |asked_for| asked_for.clamp(jittered, LONGEST_PAUSE.max(jittered)))
}

/// Without randomness the tries of several processes meet, and that is all.
fn random() -> u8 {
    let mut byte = [0];
    let _filled = getrandom::fill(&mut byte);
    byte[0]
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
    Some(Duration::try_from(at.duration_since(now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for random in [0, 1, 127, 255] {
            let pauses: Vec<_> = (0..40).map(|tried| pause(tried, None, random)).collect();
            assert!(pauses.is_sorted() && pauses[0] >= FIRST_PAUSE / 2 && pauses[1] > pauses[0], "{pauses:?}");
            assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE), "{pauses:?}");
        }
        assert!(pause(3, None, 0) < pause(3, None, 255));
        assert_eq!(pause(0, Some(Duration::from_secs(7)), 9), Duration::from_secs(7));
        assert_eq!(pause(0, Some(Duration::from_secs(86_400)), 9), LONGEST_PAUSE);
        assert!(pause(0, Some(Duration::ZERO), 0) >= FIRST_PAUSE / 2);
    }

    #[test]
    fn a_receiver_says_when_in_seconds_or_as_a_date() {
        assert_eq!(retry_after(" 17 "), Some(Duration::from_secs(17)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(retry_after("Fri, 31 Dec 2100 23:59:59 GMT").is_some_and(|pause| pause > LONGEST_PAUSE));
        for nonsense in ["", "-1", "soon", "1e3"] {
            assert_eq!(retry_after(nonsense), None, "{nonsense}");
        }
    }
}
