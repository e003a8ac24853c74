//! The strongest approval this installation can prove. Policy that asks for more is refused, with the reason given here.

use mollyguard_record::model::{Assurance, Need};
use mollyguard_record::store::{StoreError, enrolled};

use super::{People, Separation};
use crate::config::Config;
use crate::policy::Ceiling;

/// Who is enrolled to answer, read from what the gateway keeps.
///
/// # Errors
/// It cannot be read.
pub fn people(config: &Config) -> Result<People, StoreError> {
    enrolled(&config.state).map(|operators| People::of(&operators))
}

/// What helps those who count as nobody else.
pub(crate) const LINK: &str =
    "link each operator to the user whose calls are made for them (`mollyguard operator link NAME --for USER`)";

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
/// As many are those who are linked to users: the others count for one person together, and as nobody else.
///
/// Whatever is enrolled, a gateway whose memory others can read proves no more than typed × 1.
#[must_use]
pub fn ceiling(facts: &Facts) -> Ceiling {
    let people = facts.people;
    let all = people.all();
    let typed = |because: &'static str| (Need::IN_CLIENT, because);
    let so_many = |assurance, linked: u32| Need { assurance, approvers: linked.max(1), others: linked };
    let by = |assurance, linked, because| (so_many(assurance, linked), because);
    let (need, because) = match (facts.separation, people.with_passkey) {
        _ if all == 0 => typed("nobody is enrolled as an operator"),
        _ if facts.dumpable => typed("other processes of the gateway's user can read its memory"),
        (Separation::SameUser, 0) => typed(
            "the gateway runs as the agent's own user, who could steal an operator's session, and no operator has a passkey",
        ),
        (Separation::SameUser, _) => by(
            Assurance::OutOfBand,
            people.linked_with_passkey,
            "operators have passkeys, but it runs as the agent's own user, who could change what they are shown",
        ),
        (Separation::OwnUser, 0) => by(
            Assurance::OutOfBand,
            people.linked(),
            "it runs as a user of its own; operators have codes and no passkey",
        ),
        (Separation::OwnUser, _) => by(
            Assurance::Passkey,
            people.linked_with_passkey,
            "it runs as a user of its own, and operators have passkeys",
        ),
    };
    let together = so_many(Assurance::OutOfBand, people.linked());
    let unlinked = all - people.linked();
    let mut because = vec![because.to_owned()];
    if unlinked > 0 && need.assurance > Assurance::Typed {
        because.push(format!("{unlinked} of {all} operators count as nobody else; {LINK}"));
    }
    let or = (need.assurance == Assurance::Passkey && !need.covers(&together)).then_some(together);
    Ceiling { need, or, because }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(separation: Separation, dumpable: bool, keys: [u32; 2], codes: [u32; 2]) -> Ceiling {
        let [[with_passkey, linked_with_passkey], [with_code, linked_with_code]] = [keys, codes];
        let people = People { with_passkey, with_code, linked_with_passkey, linked_with_code };
        ceiling(&Facts { separation, dumpable, people })
    }

    fn worded(ceiling: &Ceiling) -> String {
        Ceiling { because: Vec::new(), ..ceiling.clone() }.to_string()
    }

    #[test]
    fn the_table_holds() {
        use Separation::{OwnUser, SameUser};
        for (separation, keys, codes, expected) in [
            (SameUser, [0, 0], [0, 0], "typed"),
            (OwnUser, [0, 0], [0, 0], "typed"),
            (SameUser, [1, 1], [0, 0], "out_of_band by somebody else"),
            (SameUser, [2, 2], [3, 3], "out_of_band by 2 other people"),
            (SameUser, [0, 0], [3, 3], "typed"),
            (OwnUser, [1, 1], [0, 0], "passkey by somebody else"),
            (OwnUser, [2, 2], [1, 1], "passkey by 2 other people, or out_of_band by 3 other people"),
            (OwnUser, [1, 1], [1, 1], "passkey by somebody else, or out_of_band by 2 other people"),
            (OwnUser, [0, 0], [1, 1], "out_of_band by somebody else"),
            (OwnUser, [0, 0], [2, 2], "out_of_band by 2 other people"),
            // Those who are linked to nobody are one person together, and nobody else.
            (SameUser, [2, 0], [0, 0], "out_of_band"),
            (OwnUser, [0, 0], [3, 0], "out_of_band"),
            (OwnUser, [2, 0], [1, 0], "passkey"),
            (OwnUser, [2, 1], [1, 0], "passkey by somebody else"),
            (OwnUser, [2, 0], [1, 1], "passkey, or out_of_band by somebody else"),
            (OwnUser, [3, 1], [2, 1], "passkey by somebody else, or out_of_band by 2 other people"),
        ] {
            let found = of(separation, false, keys, codes);
            assert_eq!(worded(&found), expected, "{separation:?}, {keys:?} passkeys, {codes:?} codes");
            let says_how = found.because.iter().any(|because| because.contains("operator link NAME --for USER"));
            let unlinked = keys[0] + codes[0] > keys[1] + codes[1];
            assert_eq!(says_how, unlinked && expected != "typed", "{:?}", found.because);
            assert_eq!(worded(&of(separation, true, keys, codes)), "typed", "dumpable");
        }
    }
}
