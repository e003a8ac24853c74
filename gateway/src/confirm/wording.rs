//! The question's facts: made by the gateway from what it read. What the agent or the target wrote is shown as
//! [`foreign`] text, quoted and capped, and stands below the facts.

use std::fmt::Write as _;

use mollyguard_record::model::{Because, Fact, Label, Need, Principal, QuestionFacts, taken_back};
use mollyguard_tools::contract::{About, BlastRadius, Declaration, Preflight, Reversibility, Target, Tier, Timestamp};
use mollyguard_tools::text::{count, grouped, name, quoted, shown, size};
use serde_json::Value;
use uuid::Uuid;

use super::foreign::{self, clean, told, unmarked};
use super::verdict::is_typed;

/// The most lines of evidence of one kind.
const LINES: usize = 8;

/// The most things that are named as changed: a yes covers them, so many are worth reading.
const CHANGED: usize = 64;

/// What a question is made of.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The tool's promise.
    pub declaration: &'a Declaration,
    /// What the agent passed.
    pub args: &'a Value,
    /// For whom.
    pub principal: &'a Principal,
    /// What the look found.
    pub seen: &'a Preflight,
    /// The settled reversibility.
    pub reversibility: Reversibility,
    /// What policy asks for.
    pub need: Need,
    /// The call it takes back, for an undo.
    pub undoes: Option<Uuid>,
    /// Until when it can be taken back at the latest, in words, where that ends.
    pub undo_until: Option<&'a str>,
    /// The policies that ask.
    pub because: &'a [Because],
    /// The name to type.
    pub typed_name: &'a str,
    /// When the question is worth nothing any more.
    pub expires_at: Timestamp,
}

/// The name a person types: the first target's own, unless it cannot be typed as it is shown; then the name the target
/// has in the configuration.
#[must_use]
pub fn typed_name(target: &Target) -> String {
    let own = target.name();
    let own = own.as_ref();
    let typeable = !own.is_empty() && own.chars().count() <= 80 && own.trim() == own && name(own) == own;
    if typeable { own.to_owned() } else { target.path.configured().into_owned() }
}

/// What the question says. Its text is a rendering of this.
///
/// The agent's own text comes last and as an indented block, which it cannot leave: each line of it has its mark.
#[must_use]
pub fn facts(asked: &Asked<'_>) -> QuestionFacts {
    let seen = asked.seen;
    let mut facts = vec![fact(Label::What, &format!("{} ({})", told(&seen.summary), asked.declaration.name))];
    facts.extend(asked.undoes.map(|call| fact(Label::TakesBack, &taken_back(call))));
    facts.extend(seen.targets.iter().take(CHANGED).map(place));
    facts.extend(rest(Label::Where, (seen.targets.len(), CHANGED), "targets"));
    facts.extend(evidence(asked, Label::Where, About::Boundary));
    facts.push(fact(Label::HowMuch, &amount(&seen.blast_radius)));
    facts.extend(evidence(asked, Label::HowMuch, About::State));
    facts.extend(evidence(asked, Label::HowMuch, About::Dependents));
    facts.extend(backups(asked));
    let is_grave = asked.reversibility == Reversibility::Irreversible;
    facts.push(Fact { is_grave, ..fact(Label::Undo, &undo(asked)) });
    facts.extend(evidence(asked, Label::Undo, About::Undo));
    match &seen.alternative {
        Some(way) => {
            let words = format!("{}: {}", clean(&way.tool), clean(&way.summary));
            facts.push(fact(Label::ReversibleWay, &words));
        }
        None if asked.reversibility > Reversibility::Reversible => facts.push(fact(Label::ReversibleWay, "none known")),
        None => {}
    }
    facts.push(fact(Label::AskedBy, &asker(asked.principal)));
    facts.extend(
        asked.because.iter().map(|because| Fact {
            source: Some(unmarked(&because.policy)),
            ..fact(Label::Why, &clean(&because.reason))
        }),
    );
    let own_words = asked.args.is_object().then(|| foreign::arguments(&asked.declaration.name, asked.args));
    QuestionFacts { facts, undoes: asked.undoes, own_words, closing: closing(asked) }
}

fn fact(label: Label, words: &str) -> Fact {
    Fact { label, words: unmarked(words), source: None, is_grave: false, is_rest: false }
}

fn rest(label: Label, (count, most): (usize, usize), what: &str) -> Option<Fact> {
    let words = || format!("… and {} more {what}", count - most);
    (count > most).then(|| Fact { label, words: words(), source: None, is_grave: false, is_rest: true })
}

fn place(target: &Target) -> Fact {
    let environment = &target.environment;
    let tier = if environment.name == environment.tier.as_str() {
        environment.tier.as_str().to_uppercase()
    } else {
        format!("{} ({})", clean(&environment.name), environment.tier.as_str().to_uppercase())
    };
    let uid = target.uid.as_deref().map(|uid| format!(", id {}", clean(uid))).unwrap_or_default();
    let words = format!("{tier}, {} {}{uid}", target.kind.replace('_', " "), quoted(target.path.shown()));
    Fact { is_grave: environment.tier == Tier::Production, ..fact(Label::Where, &words) }
}

fn evidence(asked: &Asked<'_>, label: Label, about: About) -> Vec<Fact> {
    let found: Vec<_> = asked.seen.evidence.iter().filter(|evidence| evidence.about == about).collect();
    let facts = found.iter().take(LINES).map(|evidence| Fact {
        source: Some(unmarked(&clean(&evidence.source))),
        ..fact(label, &clean(&evidence.what))
    });
    facts.chain(rest(label, (found.len(), LINES), "facts")).collect()
}

fn backups(asked: &Asked<'_>) -> Vec<Fact> {
    let destroys = asked
        .seen
        .destroys_recovery
        .then(|| Fact { is_grave: true, ..fact(Label::Backups, "THIS DESTROYS what others would recover from") });
    let mut known = evidence(asked, Label::Backups, About::Backups);
    if known.is_empty() {
        known.push(fact(Label::Backups, "none known to the gateway"));
    }
    destroys.into_iter().chain(known).collect()
}

/// `1 resource, 1,508 rows, 214 kB, 2 dependents; bookings 1,500, payments 8`.
fn amount(radius: &BlastRadius) -> String {
    let least = if radius.truncated { "at least " } else { "" };
    let mut parts = vec![format!("{least}{}", count(radius.resources, "resource"))];
    if let Some(rows) = radius.rows {
        parts.push(format!("{least}{}", count(rows, "row")));
    }
    if let Some(bytes) = radius.bytes {
        parts.push(format!("{least}{}", size(bytes)));
    }
    if radius.dependents > 0 {
        parts.push(count(radius.dependents, "dependent"));
    }
    let mut text = parts.join(", ");
    if radius.parts.len() > 1 {
        let named: Vec<_> =
            radius.parts.iter().take(CHANGED).map(|(name, n)| format!("{} {}", shown(name), grouped(*n))).collect();
        let _ = write!(text, "; {}", named.join(", "));
        if radius.parts.len() > CHANGED {
            let rest: u64 = radius.parts.values().skip(CHANGED).fold(0, |all, rows| all.saturating_add(*rows));
            let _ = write!(text, " and {} in {} more", grouped(rest), radius.parts.len() - CHANGED);
        }
    }
    text
}

fn undo(asked: &Asked<'_>) -> String {
    let how = match asked.reversibility {
        Reversibility::ReadOnly => "not needed: nothing changes",
        Reversibility::Reversible => "undo_call puts the prior state back exactly",
        Reversibility::Compensable => "a further call offsets it, but does not restore what was",
        Reversibility::Irreversible => "NONE. Nothing brings it back",
    };
    match asked.undo_until {
        Some(until) if asked.reversibility == Reversibility::Reversible => format!("{how}, {until}"),
        _ => how.to_owned(),
    }
}

fn asker(principal: &Principal) -> String {
    match &principal.client {
        Some(client) => format!("{}, through a client that calls itself {}", clean(&principal.user), quoted(client)),
        None => clean(&principal.user),
    }
}

fn closing(asked: &Asked<'_>) -> String {
    let expires = asked.expires_at.strftime("%H:%M:%S UTC");
    let how = if is_typed(&asked.need) {
        format!("To approve exactly this, type {}.", quoted(asked.typed_name))
    } else {
        "To approve exactly this, choose approve.".to_owned()
    };
    format!("{how} Anything else, or no answer by {expires}, changes nothing.")
}

#[cfg(test)]
mod tests {
    use mollyguard_tools::contract::{Environment, Scope, TargetPath};

    use super::*;

    #[test]
    fn what_is_not_named_is_counted() {
        let mut radius = BlastRadius::one(Scope::Resource);
        radius.parts = (0..70).map(|at| (format!("t{at:02}"), 10 + at)).collect();
        let text = amount(&radius);
        assert!(text.contains("t63 73") && !text.contains("t64"), "{text}");
        assert!(text.ends_with(" and 459 in 6 more"), "{text}");
    }

    #[test]
    fn the_name_to_type_is_the_whole_name_of_the_thing() {
        let typed = |path: TargetPath| {
            let environment = Environment { name: "eu".into(), tier: Tier::Production };
            typed_name(&Target { kind: "sqlite_table".into(), path, uid: None, environment })
        };
        let fleet = || TargetPath::of("fleet");
        assert_eq!(typed(fleet().below("bookings")), "bookings");
        assert_eq!(typed(fleet().below("a/b")), "a/b");
        assert_eq!(typed(fleet().below("a").below("b")), "b");
        assert_eq!(typed(fleet().below(" blank ")), "fleet");
        assert_eq!(typed(fleet()), "fleet");
    }
}
