//! What is said of a question outside the gateway: what the gateway read, cleaned and capped, without secrets and without
//! anything that would answer it.

use mollyguard_record::model::Confirmation;
use mollyguard_tools::contract::{Preflight, Target, Tier, Timestamp};
use mollyguard_tools::text::name;
use serde_json::{Value, json};
use uuid::Uuid;

use super::follow::Ended;
use crate::confirm::clean;
use crate::credentials::Redactor;

/// The most targets that are named.
const TARGETS: usize = 3;
/// The most characters of where something is.
const WHERE_CHARS: usize = 600;

/// A question as others are told of it.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) confirmation: Uuid,
    pub(super) what: String,
    pub(super) place: String,
    pub(super) need: String,
    pub(super) asked_for: String,
    /// That of the weightiest target.
    pub(super) tier: Tier,
    pub(super) asked_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// Where it is answered in a browser, if a page is served.
    pub(super) page: Option<String>,
}

/// One thing to tell.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Asked,
    Ended(&'a Ended, Timestamp),
}

impl Event<'_> {
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Ended(ended, _) => ended.as_str(),
        }
    }
}

impl Notice {
    pub(super) fn of(confirmation: &Confirmation, seen: &Preflight, redactor: &Redactor) -> Self {
        // Redacted first: a secret cut in two would not be found.
        let safe = |text: &str| clean(&redactor.text(text));
        let named = |text: &str| name(&redactor.text(text));
        let mut place: Vec<_> =
            seen.targets.iter().take(TARGETS).map(|target| where_it_is(target, &safe, &named)).collect();
        if seen.targets.len() > TARGETS {
            place.push(format!("and {} more", seen.targets.len() - TARGETS));
        }
        Self {
            confirmation: confirmation.id,
            what: format!("{} ({})", safe(&seen.summary), confirmation.tool),
            place: place.join("; ").chars().take(WHERE_CHARS).collect(),
            need: confirmation.need.to_string(),
            asked_for: safe(&confirmation.principal.user),
            tier: seen.targets.iter().map(|target| target.environment.tier).max().unwrap_or(Tier::Production),
            asked_at: confirmation.asked_at,
            expires_at: confirmation.expires_at,
            page: None,
        }
    }

    /// How to answer without a page.
    pub(super) fn command(&self) -> String {
        format!("mollyguard approvals approve {}", self.confirmation)
    }

    /// The same for every try of one event: receivers know by it what they have seen (Standard Webhooks, `webhook-id`).
    pub(super) fn id(&self, event: Event<'_>) -> String {
        format!("{}_{}", event.as_str(), self.confirmation.simple())
    }

    /// The body of a webhook. Slack, and what speaks its language, shows `text`; Standard Webhooks has `type` and
    /// `timestamp`.
    pub(super) fn body(&self, event: Event<'_>) -> Value {
        let at = if let Event::Ended(_, at) = event { at } else { self.asked_at };
        json!({
            "text": self.text(event),
            "type": format!("confirmation.{}", event.as_str()),
            "timestamp": at,
            "event": event.as_str(),
            "confirmation": self.confirmation,
            "what": self.what,
            "where": self.place,
            "need": self.need,
            "for": self.asked_for,
            "expires_at": self.expires_at,
            "page": self.page,
        })
    }

    fn text(&self, event: Event<'_>) -> String {
        let (what, place) = (code(&self.what), code(&self.place));
        match event {
            Event::Asked => {
                let until = self.expires_at.strftime("%H:%M:%S UTC");
                let page = self.page.as_deref().map(|page| format!("{} or ", escaped(page))).unwrap_or_default();
                format!(
                    "*A question waits for a person, until {until}*\nWhat: {what}\nWhere: {place}\nFor: {}\nNeeds: {}\n\
                     Answer: {page}{}",
                    code(&self.asked_for),
                    escaped(&self.need),
                    code(&self.command()),
                )
            }
            Event::Ended(ended, _) => {
                format!("*{}*\nWhat: {what}\nWhere: {place}", escaped(&ended.to_string()))
            }
        }
    }
}

fn where_it_is(target: &Target, safe: &impl Fn(&str) -> String, named: &impl Fn(&str) -> String) -> String {
    let environment = &target.environment;
    let tier = environment.tier.as_str().to_uppercase();
    let tier = if environment.name == environment.tier.as_str() {
        tier
    } else {
        format!("{} ({tier})", safe(&environment.name))
    };
    format!("{tier}, {} {}", target.kind.replace('_', " "), named(target.path.shown()))
}

/// In a code span, where Slack makes neither links nor mentions nor bold text of it.
fn code(text: &str) -> String {
    format!("`{}`", escaped(text).replace('`', "'"))
}

/// The three characters Slack gives a meaning to in all text (<https://api.slack.com/reference/surfaces/formatting>).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
pub(super) mod tests {
    use mollyguard_tools::contract::now;

    use super::*;

    pub(in crate::notify) fn notice(what: &str) -> Notice {
        Notice {
            confirmation: Uuid::now_v7(),
            what: what.to_owned(),
            place: "PRODUCTION, sqlite table fleet/bookings".to_owned(),
            need: "typed".to_owned(),
            asked_for: "alice".to_owned(),
            tier: Tier::Production,
            asked_at: now(),
            expires_at: now().saturating_add(jiff::SignedDuration::from_secs(60)).unwrap(),
            page: None,
        }
    }

    #[test]
    fn foreign_text_mentions_and_links_nothing() {
        let text = notice("drop <!channel> & `*<https://evil.example|ok>*`").text(Event::Asked);
        assert!(text.contains("`drop &lt;!channel&gt; &amp; '*&lt;https://evil.example|ok&gt;*'`"), "{text}");
        assert!(!text.contains(['<', '>']), "{text}");
    }

    #[test]
    fn every_try_has_the_same_id_and_every_event_its_own() {
        let notice = notice("x");
        let ended = Ended::Expired;
        let (asked, ended) = (notice.id(Event::Asked), notice.id(Event::Ended(&ended, now())));
        assert_eq!(asked, notice.id(Event::Asked));
        assert!(asked != ended && !asked.contains('.') && !ended.contains('.'));
    }
}
