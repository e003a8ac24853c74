//! The question's words: rendered by the gateway from facts it read. What the agent or the target wrote is shown as
//! [`foreign`] text, quoted and capped, and stands below the facts.

use std::fmt::Write as _;

use mollyguard_record::model::{Because, Need, Principal};
use mollyguard_tools::contract::{About, BlastRadius, Declaration, Preflight, Reversibility, Target, Timestamp};
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
    let typeable = !own.is_empty() && own.chars().count() <= 80 && own.trim() == own && name(own) == own;
    let configured = target.path.split('/').next().unwrap_or_default();
    if typeable { own.to_owned() } else { configured.to_owned() }
}

/// Renders the question.
///
/// The agent's own text comes last and as an indented block, which it cannot leave: each line of it has its mark.
#[must_use]
pub fn render(asked: &Asked<'_>) -> String {
    let seen = asked.seen;
    let mut text = String::new();
    line(&mut text, "WHAT", &format!("{} ({})", told(&seen.summary), asked.declaration.name));
    if let Some(call) = asked.undoes {
        line(&mut text, "TAKES BACK", &format!("call {call}"));
    }
    for target in seen.targets.iter().take(CHANGED) {
        line(&mut text, "WHERE", &place(target));
    }
    more(&mut text, (seen.targets.len(), CHANGED), "targets");
    evidence(&mut text, asked, "WHERE", About::Boundary);
    line(&mut text, "HOW MUCH", &amount(&seen.blast_radius));
    evidence(&mut text, asked, "HOW MUCH", About::State);
    evidence(&mut text, asked, "HOW MUCH", About::Dependents);
    backups(&mut text, asked);
    line(&mut text, "UNDO", undo(asked.reversibility));
    evidence(&mut text, asked, "UNDO", About::Undo);
    match &seen.alternative {
        Some(way) => {
            line(&mut text, "REVERSIBLE WAY", &format!("{}: {}", clean(&way.tool), clean(&way.summary)));
        }
        None if asked.reversibility > Reversibility::Reversible => line(&mut text, "REVERSIBLE WAY", "none known"),
        None => {}
    }
    line(&mut text, "ASKED BY", &asker(asked.principal));
    for because in asked.because {
        line(&mut text, "WHY", &format!("{} (policy {})", clean(&because.reason), because.policy));
    }
    arguments(&mut text, asked);
    text.push_str(&closing(asked));
    text
}

fn line(text: &mut String, label: &str, words: &str) {
    let _ = writeln!(text, "{label}: {}", unmarked(words));
}

fn more(text: &mut String, (count, most): (usize, usize), what: &str) {
    if count > most {
        let _ = writeln!(text, "… and {} more {what}", count - most);
    }
}

fn place(target: &Target) -> String {
    let environment = &target.environment;
    let tier = if environment.name == environment.tier.as_str() {
        environment.tier.as_str().to_uppercase()
    } else {
        format!("{} ({})", clean(&environment.name), environment.tier.as_str().to_uppercase())
    };
    let uid = target.uid.as_deref().map(|uid| format!(", id {}", clean(uid))).unwrap_or_default();
    format!("{tier}, {} {}{uid}", target.kind.replace('_', " "), quoted(&target.path))
}

fn evidence(text: &mut String, asked: &Asked<'_>, label: &str, about: About) {
    let found: Vec<_> = asked.seen.evidence.iter().filter(|evidence| evidence.about == about).collect();
    for evidence in found.iter().take(LINES) {
        line(text, label, &format!("{} (seen in {})", clean(&evidence.what), clean(&evidence.source)));
    }
    more(text, (found.len(), LINES), "facts");
}

fn backups(text: &mut String, asked: &Asked<'_>) {
    if asked.seen.destroys_recovery {
        line(text, "BACKUPS", "THIS DESTROYS what others would recover from");
    }
    if asked.seen.evidence.iter().any(|evidence| evidence.about == About::Backups) {
        evidence(text, asked, "BACKUPS", About::Backups);
    } else {
        line(text, "BACKUPS", "none known to the gateway");
    }
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

const fn undo(reversibility: Reversibility) -> &'static str {
    match reversibility {
        Reversibility::ReadOnly => "not needed: nothing changes",
        Reversibility::Reversible => "undo_call puts the prior state back exactly",
        Reversibility::Compensable => "a further call offsets it, but does not restore what was",
        Reversibility::Irreversible => "NONE. Nothing brings it back",
    }
}

fn asker(principal: &Principal) -> String {
    match &principal.client {
        Some(client) => format!("{}, through a client that calls itself {}", clean(&principal.user), quoted(client)),
        None => clean(&principal.user),
    }
}

fn arguments(text: &mut String, asked: &Asked<'_>) {
    if asked.args.is_object() {
        text.push_str("\nThe agent's own words (not checked by the gateway):\n\n");
        text.push_str(&foreign::arguments(&asked.declaration.name, asked.args));
    }
}

fn closing(asked: &Asked<'_>) -> String {
    let expires = asked.expires_at.strftime("%H:%M:%S UTC");
    let how = if is_typed(&asked.need) {
        format!("To approve exactly this, type {}.", quoted(asked.typed_name))
    } else {
        "To approve exactly this, choose approve.".to_owned()
    };
    format!("\n{how} Anything else, or no answer by {expires}, changes nothing.")
}

#[cfg(test)]
mod tests {
    use mollyguard_tools::contract::Scope;

    use super::*;

    #[test]
    fn what_is_not_named_is_counted() {
        let mut radius = BlastRadius::one(Scope::Resource);
        radius.parts = (0..70).map(|at| (format!("t{at:02}"), 10 + at)).collect();
        let text = amount(&radius);
        assert!(text.contains("t63 73") && !text.contains("t64"), "{text}");
        assert!(text.ends_with(" and 459 in 6 more"), "{text}");
    }
}
