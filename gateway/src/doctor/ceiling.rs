//! The strongest approval this installation can prove. Policy that asks for more is refused, with the reason given here.

use super::Finding;
use crate::config::Config;
use crate::confirm::{Assurance, Need};
use crate::operators::{People, Separation};
use crate::policy::Ceiling;
use crate::store::{StoreError, enrolled};

/// Who is enrolled to answer, read from what the gateway keeps.
///
/// # Errors
/// It cannot be read.
pub fn people(config: &Config) -> Result<People, StoreError> {
    enrolled(&config.state).map(|operators| People::of(&operators))
}

/// What the doctor says of them.
pub(super) fn finding(config: Option<&Config>) -> (People, Finding) {
    let People { with_passkey, with_code } = match config.map(people) {
        None => {
            let hidden = Finding::unknown("operators", "who is enrolled stands in what the gateway keeps");
            return (People::default(), hidden);
        }
        Some(Err(error)) => {
            return (
                People::default(),
                Finding::unknown("operators", format!("who is enrolled cannot be read: {error}")),
            );
        }
        Some(Ok(people)) => people,
    };
    let all = with_passkey.saturating_add(with_code);
    let finding = match (all, with_passkey) {
        (0, _) => Finding::weak(
            "operators",
            "nobody is enrolled as an operator: no answer proves more than that the name was typed",
            "enrol the people who may approve, each with a passkey (`mollyguard operator enroll NAME`)",
        ),
        (_, 0) => Finding::weak(
            "operators",
            format!("{all} enrolled, none with a passkey"),
            "give each operator a passkey, on the page under `People`",
        ),
        _ => Finding::ok("operators", format!("{all} enrolled, {with_passkey} with a passkey")),
    };
    (People { with_passkey, with_code }, finding)
}

/// What an approval's worth depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What stands between the agents and the gateway.
    pub separation: Separation,
    /// Other processes of the gateway's user can read its memory.
    pub dumpable: bool,
    /// Who can answer.
    pub people: People,
}

/// What the best approval here can prove.
///
/// | | same user as the agent | another user |
/// |---|---|---|
/// | nobody enrolled | typed × 1 | typed × 1 |
/// | operators with passkeys | out of band × as many | passkey × as many, or out of band × everybody |
/// | operators with only codes | typed × 1: a process of the same user can steal what the code opens | out of band × as many |
///
/// Whatever is enrolled, a gateway whose memory others can read proves no more than typed × 1.
#[must_use]
pub fn ceiling(facts: &Facts) -> Ceiling {
    let People { with_passkey, with_code } = facts.people;
    let all = with_passkey.saturating_add(with_code);
    let typed = |because: &'static str| (Need::IN_CLIENT, because);
    let by = |assurance, approvers, because| (Need::of(assurance, approvers).by_others(), because);
    let (need, because) = match (facts.separation, with_passkey) {
        _ if all == 0 => typed("nobody is enrolled as an operator"),
        _ if facts.dumpable => typed("other processes of the gateway's user can read its memory"),
        (Separation::SameUser, 0) => {
            typed("it runs as the agent's own user, who could steal what an operator's code opens; none has a passkey")
        }
        (Separation::SameUser, keys) => by(
            Assurance::OutOfBand,
            keys,
            "operators have passkeys, but it runs as the agent's own user, who could change what they are shown",
        ),
        (Separation::OwnUser, 0) => {
            by(Assurance::OutOfBand, all, "it runs as a user of its own; operators have codes and no passkey")
        }
        (Separation::OwnUser, keys) => {
            by(Assurance::Passkey, keys, "it runs as a user of its own, and operators have passkeys")
        }
    };
    let together = Need::of(Assurance::OutOfBand, all).by_others();
    Ceiling {
        need,
        or: (need.assurance == Assurance::Passkey && all > need.approvers).then_some(together),
        because: vec![because.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(separation: Separation, dumpable: bool, with_passkey: u32, with_code: u32) -> String {
        let Ceiling { need, or, .. } =
            ceiling(&Facts { separation, dumpable, people: People { with_passkey, with_code } });
        Ceiling { need, or, because: Vec::new() }.to_string()
    }

    #[test]
    fn the_table_holds() {
        use Separation::{OwnUser, SameUser};
        for (separation, keys, codes, expected) in [
            (SameUser, 0, 0, "typed"),
            (OwnUser, 0, 0, "typed"),
            (SameUser, 1, 0, "out_of_band by somebody else"),
            (SameUser, 2, 3, "out_of_band by 2 other people"),
            (SameUser, 0, 3, "typed"),
            (OwnUser, 1, 0, "passkey by somebody else"),
            (OwnUser, 2, 1, "passkey by 2 other people, or out_of_band by 3 other people"),
            (OwnUser, 1, 1, "passkey by somebody else, or out_of_band by 2 other people"),
            (OwnUser, 0, 1, "out_of_band by somebody else"),
            (OwnUser, 0, 2, "out_of_band by 2 other people"),
        ] {
            assert_eq!(of(separation, false, keys, codes), expected, "{separation:?}, {keys} passkeys, {codes} codes");
            assert_eq!(of(separation, true, keys, codes), "typed", "dumpable");
        }
    }
}
