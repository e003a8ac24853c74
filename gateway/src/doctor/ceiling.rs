//! The strongest approval this installation can prove. Policy that asks for more is refused, with the reason given here.

use std::fmt;

use serde::Serialize;

use super::Finding;
use crate::config::Config;
use crate::confirm::{Assurance, Need};

/// Who is enrolled to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct People {
    /// Operators.
    pub operators: u32,
    /// Those of them with a passkey.
    pub with_passkey: u32,
    /// Those of them with a code and no passkey.
    pub with_code: u32,
}

/// Who is enrolled: nobody can be yet.
#[must_use]
pub fn people(_config: Option<&Config>) -> People {
    People::default()
}

impl People {
    pub(super) fn finding(self, is_known: bool) -> Finding {
        let Self { operators, with_passkey, with_code } = self;
        match (is_known, operators, with_passkey) {
            (false, ..) => Finding::unknown("operators", "who is enrolled stands in what the gateway keeps"),
            (true, 0, _) => Finding::weak(
                "operators",
                "nobody is enrolled as an operator: no answer proves more than that the name was typed",
                "enrol the people who may approve, each with a passkey",
            ),
            (true, _, 0) => Finding::weak(
                "operators",
                format!("{operators} enrolled, none with a passkey ({with_code} with a code)"),
                "give each operator a passkey",
            ),
            _ => Finding::ok("operators", format!("{operators} enrolled, {with_passkey} with a passkey")),
        }
    }
}

/// What an approval's worth depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The gateway runs as another user of the system than any agent.
    pub apart: bool,
    /// Other processes of the gateway's user can read its memory.
    pub dumpable: bool,
    /// Who can answer.
    pub people: People,
}

impl Facts {
    /// What is so for a gateway with this configuration in this process.
    #[must_use]
    pub fn of(config: &Config, apart: bool) -> Self {
        Self { apart, dumpable: super::is_dumpable(), people: people(Some(config)) }
    }
}

/// The strongest approval that can be proved, and why not a stronger one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ceiling {
    /// How strong.
    #[serde(flatten)]
    pub need: Need,
    /// Why.
    pub because: Vec<String>,
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.need, self.because.join("; "))
    }
}

/// What the best approval here can prove.
///
/// | | same user as the agent | another user |
/// |---|---|---|
/// | nobody enrolled | typed × 1 | typed × 1 |
/// | operators with passkeys | out of band × as many | passkey × as many |
/// | operators with only codes | typed × 1: a process of the same user can steal what the code opens | out of band × as many |
///
/// Whatever is enrolled, a gateway whose memory others can read proves no more than typed × 1. Where some have passkeys, those
/// alone are counted.
#[must_use]
pub fn ceiling(facts: &Facts) -> Ceiling {
    let People { operators, with_passkey, with_code } = facts.people;
    let typed = |because: &'static str| (Need::IN_CLIENT, because);
    let by = |assurance, approvers, because| (Need { assurance, approvers }, because);
    let (need, because) = match (facts.apart, with_passkey, with_code) {
        _ if operators == 0 => typed("nobody is enrolled as an operator"),
        _ if facts.dumpable => typed("other processes of the gateway's user can read its memory"),
        (false, 0, _) => {
            typed("it runs as the agent's own user, who could steal what an operator's code opens; none has a passkey")
        }
        (false, keys, _) => by(
            Assurance::OutOfBand,
            keys,
            "operators have passkeys, but it runs as the agent's own user, who could change what they are shown",
        ),
        (true, 0, 0) => typed("no operator has a passkey or a code"),
        (true, 0, codes) => {
            by(Assurance::OutOfBand, codes, "it runs as a user of its own; operators have codes and no passkey")
        }
        (true, keys, _) => by(Assurance::Passkey, keys, "it runs as a user of its own, and operators have passkeys"),
    };
    Ceiling { need, because: vec![because.to_owned()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(apart: bool, dumpable: bool, with_passkey: u32, with_code: u32) -> String {
        let people = People { operators: with_passkey + with_code, with_passkey, with_code };
        ceiling(&Facts { apart, dumpable, people }).need.to_string()
    }

    #[test]
    fn the_table_holds() {
        for (apart, keys, codes, expected) in [
            (false, 0, 0, "typed"),
            (true, 0, 0, "typed"),
            (false, 1, 0, "out_of_band"),
            (false, 2, 3, "out_of_band by 2 people"),
            (false, 0, 3, "typed"),
            (true, 1, 0, "passkey"),
            (true, 2, 1, "passkey by 2 people"),
            (true, 0, 1, "out_of_band"),
            (true, 0, 2, "out_of_band by 2 people"),
        ] {
            assert_eq!(of(apart, false, keys, codes), expected, "apart {apart}, {keys} passkeys, {codes} codes");
            assert_eq!(of(apart, true, keys, codes), "typed", "dumpable");
        }
        let nothing = People { operators: 2, with_passkey: 0, with_code: 0 };
        assert_eq!(ceiling(&Facts { apart: true, dumpable: false, people: nothing }).need, Need::IN_CLIENT);
    }
}
