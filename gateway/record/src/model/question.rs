//! What an approval is bound to.

use mollyguard_tools::contract::{Digest, Target, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::principal::Principal;

/// Everything about a call that a yes is bound to, but for the confirmation's own id and expiry.
#[derive(Clone, Copy, Debug)]
pub struct CallFacts<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// Digest of its declaration.
    pub declaration: Digest,
    /// The arguments.
    pub args: &'a Value,
    /// For whom.
    pub principal: &'a Principal,
    /// What it would act on, as the provider knows it.
    pub targets: &'a [Target],
    /// Digest of the observed state.
    pub fingerprint: Digest,
    /// Digest of what would come of it: see [`effect_of`].
    pub effect: Digest,
    /// The call it takes back, for an undo.
    pub undoes: Option<Uuid>,
    /// Digest of the policies in force.
    pub policies: Digest,
}

impl CallFacts<'_> {
    /// Digest of what was asked for.
    #[must_use]
    pub fn request(&self) -> Digest {
        Digest::of(&json!({
            "tool": self.tool,
            "declaration": self.declaration,
            "arguments": self.args,
            "principal": {"user": self.principal.user, "roles": self.principal.roles},
            "undoes": self.undoes,
            "policies": self.policies,
        }))
    }

    /// Digest of what was found.
    #[must_use]
    pub fn state(&self) -> Digest {
        Digest::of(&json!({"targets": self.targets, "fingerprint": self.fingerprint}))
    }
}

/// What the facts of one exact call come to: an approval is used by no call that differs in any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallDigests {
    /// Of what is asked for: see [`CallFacts::request`].
    pub request: Digest,
    /// Of what was found: see [`CallFacts::state`].
    pub state: Digest,
    /// Of exactly the targets, in whatever order they were found.
    pub targets: Digest,
    /// Of the tool's declaration.
    pub declaration: Digest,
    /// Of the policies in force.
    pub policies: Digest,
}

impl From<&CallFacts<'_>> for CallDigests {
    fn from(facts: &CallFacts<'_>) -> Self {
        let (declaration, policies) = (facts.declaration, facts.policies);
        let targets = digest_of_targets(facts.targets);
        Self { request: facts.request(), state: facts.state(), targets, declaration, policies }
    }
}

fn digest_of_targets(targets: &[Target]) -> Digest {
    let mut each: Vec<_> = targets.iter().map(Digest::of).collect();
    each.sort_unstable();
    Digest::of(&each)
}

/// Digest of what would come of a call, however its arguments are spelled, and whatever the policies say: what nobody is
/// asked about twice at a time. `effect` is what the tool makes of the look.
#[must_use]
pub fn effect_of(tool: &str, target: &str, principal: &Principal, undoes: Option<Uuid>, effect: &Value) -> Digest {
    Digest::of(&json!({
        "tool": tool,
        "target": target,
        "principal": {"user": principal.user, "roles": principal.roles},
        "undoes": undoes,
        "effect": effect,
    }))
}

/// How many names of what a call is aimed at are kept with its question: more than any tool acts on as whole things.
const MOST_NAMES: usize = 512;

/// What a call is aimed at, by every name of that: the calls that a person's no to one of them holds for. It holds nothing
/// that a look observed, and nothing that the words of a call can vary without end. See [`Tool::aim`].
///
/// [`Tool::aim`]: mollyguard_tools::contract::Tool::aim
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Aim(Vec<Digest>);

impl Aim {
    /// The aim of this person's call of a tool on a configured target. `names` are what the tool makes of the look; the call
    /// that takes another back is aimed at that one alone.
    #[must_use]
    pub fn of(tool: &str, target: &str, user: &str, undoes: Option<Uuid>, names: &[Value]) -> Self {
        let digest = |what: &Value| Digest::of(&json!({"tool": tool, "target": target, "user": user, "aim": what}));
        match undoes {
            Some(call) => Self(vec![digest(&json!({ "undoes": call }))]),
            None => Self(names.iter().map(digest).collect()),
        }
    }

    /// Whether a no to a call with this aim holds for a call with that one.
    #[must_use]
    pub fn holds_for(&self, other: &Self) -> bool {
        self.0.iter().any(|name| other.0.contains(name))
    }

    /// As much of it as is kept.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.0.truncate(MOST_NAMES);
        self
    }

    /// Its names.
    #[must_use]
    pub fn names(&self) -> &[Digest] {
        &self.0
    }

    /// Whether it has none, as in questions of the first versions.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The digest of a call: SHA-256 over the canonical JSON of tool, declaration, arguments, principal, targets with uids,
/// fingerprint, policies, confirmation id and expiry.
#[must_use]
pub fn digest_of_call(facts: &CallFacts<'_>, confirmation: Uuid, expires_at: Timestamp) -> Digest {
    Digest::of(&json!({
        "request": facts.request(),
        "state": facts.state(),
        "confirmation": confirmation,
        "expires_at": expires_at,
    }))
}

/// What a call would have to share with another to be covered by the same approval, beside its tool and its principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Everything the call acts on, without held secrets: for people.
    pub targets: Vec<Target>,
    /// Digest of exactly those, in whatever order they were found.
    pub exact: Digest,
    /// Digest of the tool's declaration.
    pub declaration: Digest,
    /// Digest of the policies in force.
    pub policies: Digest,
}

impl Coverage {
    /// Of a call; `shown` are its targets without held secrets.
    #[must_use]
    pub fn of(facts: &CallFacts<'_>, shown: Vec<Target>) -> Self {
        let (exact, declaration, policies) = (digest_of_targets(facts.targets), facts.declaration, facts.policies);
        Self { targets: shown, exact, declaration, policies }
    }

    /// The digest two calls share exactly when an approval for a while of the one is about the other.
    #[must_use]
    pub fn about(&self, tool: &str, principal: &Principal) -> Digest {
        Digest::of(&json!({
            "tool": tool,
            "principal": {"user": principal.user, "roles": principal.roles},
            "targets": self.exact,
            "declaration": self.declaration,
            "policies": self.policies,
        }))
    }

    /// Whether both act on one and the same thing.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.targets.iter().any(|target| other.targets.contains(target))
    }
}

#[cfg(test)]
mod tests {
    use mollyguard_tools::contract::{Environment, Tier};

    use super::*;
    use crate::model::{Confirmation, Matches, matches};
    use crate::store::laws::question;
    use mollyguard_tools::contract::TargetPath;

    const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

    fn target() -> Target {
        Target {
            kind: "sqlite_table".into(),
            path: TargetPath::of("fleet").below("bookings"),
            uid: Some("17".into()),
            environment: Environment { name: "eu".into(), tier: Tier::Staging },
        }
    }

    /// The confirmation that is asked about this call.
    fn asked(facts: &CallFacts<'_>) -> Confirmation {
        let mut confirmation = question(DAY);
        (confirmation.request, confirmation.state) = (facts.request(), facts.state());
        confirmation.call = digest_of_call(facts, confirmation.id, confirmation.expires_at);
        confirmation
    }

    #[test]
    fn a_yes_is_for_the_call_it_was_given_to_and_for_no_other() {
        let [a, b] = ["a", "b"].map(|text| Digest::of_bytes(text.as_bytes()));
        let (args, others) = (json!({"target": "fleet", "sql": "x"}), json!({"target": "fleet", "sql": "y"}));
        let ada = Principal { user: "ada".into(), client: Some("editor".into()), roles: vec!["ops".into()] };
        let (bea, chief) =
            (Principal { user: "bea".into(), ..ada.clone() }, Principal { roles: vec!["chief".into()], ..ada.clone() });
        let targets = [target()];
        let facts = CallFacts {
            tool: "sqlite_write",
            declaration: a,
            args: &args,
            principal: &ada,
            targets: &targets,
            fingerprint: a,
            effect: a,
            undoes: Some(Uuid::from_u128(1)),
            policies: a,
        };
        let confirmation = asked(&facts);
        assert_eq!(matches(&confirmation, &facts), Matches::Exactly);
        let numbers = [json!({"target": "fleet", "params": [1000]}), json!({"target": "fleet", "params": [1000.0]})];
        let one = CallFacts { args: &numbers[0], ..facts };
        assert_eq!(matches(&asked(&one), &one), Matches::Exactly);
        let other = matches(&asked(&one), &CallFacts { args: &numbers[1], ..facts });
        assert_eq!(other, Matches::OtherCall, "a database tells an integer from a double");
        // What a client calls itself is unverified, and part of nothing.
        let renamed = Principal { client: None, ..ada.clone() };
        assert_eq!(matches(&confirmation, &CallFacts { principal: &renamed, ..facts }), Matches::Exactly);

        for (what, other) in [
            ("tool", CallFacts { tool: "sqlite_purge_table", ..facts }),
            ("declaration", CallFacts { declaration: b, ..facts }),
            ("arguments", CallFacts { args: &others, ..facts }),
            ("user", CallFacts { principal: &bea, ..facts }),
            ("roles", CallFacts { principal: &chief, ..facts }),
            ("undone call", CallFacts { undoes: Some(Uuid::from_u128(2)), ..facts }),
            ("no undone call", CallFacts { undoes: None, ..facts }),
            ("policies", CallFacts { policies: b, ..facts }),
        ] {
            assert_eq!(matches(&confirmation, &other), Matches::OtherCall, "{what}");
            assert_eq!(matches(&asked(&other), &facts), Matches::OtherCall, "{what}, the other way round");
        }
        assert_eq!(matches(&confirmation, &CallFacts { fingerprint: b, ..facts }), Matches::TargetChanged);
        let elsewhere = |name: &str, tier| Target { environment: Environment { name: name.into(), tier }, ..target() };
        for found in [
            vec![Target { kind: "sqlite_view".into(), ..target() }],
            vec![Target { path: TargetPath::of("fleet").below("vehicles"), ..target() }],
            vec![Target { uid: Some("18".into()), ..target() }],
            vec![Target { uid: None, ..target() }],
            vec![elsewhere("us", Tier::Staging)],
            vec![elsewhere("eu", Tier::Production)],
            vec![target(), target()],
            vec![],
        ] {
            let changed = CallFacts { targets: &found, ..facts };
            assert_eq!(matches(&confirmation, &changed), Matches::TargetChanged, "{found:?}");
        }
    }

    /// Else a yes to one thing would be one to another, and a no.
    #[test]
    fn a_slash_in_a_name_makes_another_call() {
        let (args, ada) = (json!({}), question(DAY).principal);
        let a = Digest::of_bytes(b"a");
        let fleet = || TargetPath::of("fleet");
        let paths = [fleet().below("a/b"), fleet().below("a").below("b"), fleet().below(r"a\").below("b")];
        let found = paths.map(|path| [Target { path, ..target() }]);
        let facts = |targets| CallFacts {
            tool: "sqlite_write",
            declaration: a,
            args: &args,
            principal: &ada,
            targets,
            fingerprint: a,
            effect: a,
            undoes: None,
            policies: a,
        };
        let (id, until) = (Uuid::from_u128(1), question(DAY).expires_at);
        for (n, one) in found.iter().enumerate() {
            for (m, other) in found.iter().enumerate() {
                let (one, other) = (facts(one), facts(other));
                assert_eq!(digest_of_call(&one, id, until) == digest_of_call(&other, id, until), n == m);
                assert_eq!(matches(&asked(&one), &other) == Matches::Exactly, n == m);
                assert_eq!(one.state() == other.state(), n == m);
                let by_path = |facts: &CallFacts<'_>| {
                    let path = &facts.targets[0].names()[..1];
                    Aim::of("sqlite_write", "fleet", "ada", None, path)
                };
                assert_eq!(by_path(&one).holds_for(&by_path(&other)), n == m);
            }
        }
    }

    #[test]
    fn a_yes_is_for_its_own_question_and_its_own_time() {
        let (args, ada) = (json!({}), question(DAY).principal);
        let a = Digest::of_bytes(b"a");
        let targets = [target()];
        let facts = CallFacts {
            tool: "sqlite_write",
            declaration: a,
            args: &args,
            principal: &ada,
            targets: &targets,
            fingerprint: a,
            effect: a,
            undoes: None,
            policies: a,
        };
        let confirmation = asked(&facts);
        let later = Confirmation { expires_at: confirmation.expires_at + DAY, ..confirmation.clone() };
        let other = Confirmation { id: Uuid::now_v7(), ..confirmation };
        for changed in [later, other] {
            assert_ne!(matches(&changed, &facts), Matches::Exactly);
        }
    }
}
