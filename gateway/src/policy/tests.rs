//! What is decided on which facts. What loads, what is shipped and what must always hold have files of their own.

mod loading;
mod properties;
mod shipped;

use std::borrow::Cow;

use mollyguard_tools::contract::{Audience, Condition, Environment, Scope, TargetPath, Tier};
use serde_json::json;

use super::*;

const TYPED: Need = LADDER[1];

const OUT_OF_BAND: Need = LADDER[2];

const PASSKEY: Need = LADDER[4];

const PASSKEY_BY_2: Need = LADDER[8];

fn tool(name: &'static str, kind: &'static str, reversibility: Reversibility, scope: Scope) -> Declaration {
    Declaration {
        name: Cow::Borrowed(name),
        kind: Cow::Borrowed(kind),
        title: Cow::Borrowed(name),
        description: Cow::Borrowed("for tests"),
        reversibility,
        softened_by: Vec::new(),
        scope,
        idempotent: false,
        open_world: false,
        credential: None,
        audience: Audience::Agents,
        input_schema: json!({}),
        output_schema: json!({}),
    }
}

fn tools() -> Vec<Declaration> {
    let mut drop = tool("sqlite_drop_table", "sqlite", Reversibility::Irreversible, Scope::Resource);
    drop.softened_by = vec![Condition {
        name: Cow::Borrowed("quarantine_fits"),
        to: Reversibility::Reversible,
        means: Cow::Borrowed("the table fits the quarantine"),
    }];
    vec![
        tool("sqlite_query", "sqlite", Reversibility::ReadOnly, Scope::Resource),
        drop,
        tool("files_write", "files", Reversibility::Reversible, Scope::Group),
        tool("mail_send", "mail", Reversibility::Compensable, Scope::Account),
        tool("preview_call", "", Reversibility::ReadOnly, Scope::Account),
    ]
}

fn someone() -> Principal {
    Principal { user: "ana".to_owned(), client: None, roles: vec!["dba".to_owned()] }
}

fn defaults() -> Policies {
    Policies::load(&Sources::default(), &tools(), Need::MOST).unwrap()
}

fn file(text: &str) -> SourceFile {
    SourceFile { name: "mine.cedar".to_owned(), text: text.to_owned() }
}

/// These policies, with a permit for everything unless they have one.
fn with(text: &str, ceiling: Need) -> Policies {
    let permit = "@id(\"all\") @reason(\"All.\") permit (principal, action, resource);\n";
    let permit = if text.contains("permit (") { "" } else { permit };
    Policies::from_files(&[file(&format!("{permit}{text}"))], &tools(), ceiling).unwrap()
}

fn decide(policies: &Policies, tool: &str, situation: &Situation, approval: Option<Need>) -> (String, Vec<Because>) {
    let tools = tools();
    let declaration = tools.iter().find(|declaration| declaration.name == tool).unwrap();
    let principal = someone();
    policies.told(&policies.decide(&situation.imagine(declaration).facts(&principal, declaration, approval)))
}

fn ids(because: &[Because]) -> Vec<&str> {
    because.iter().map(|because| because.policy.as_str()).collect()
}

fn situation(tier: Tier, reversibility: Reversibility) -> Situation {
    Situation { tier, reversibility: Some(reversibility), ..Situation::default() }
}

fn target(path: &str, tier: Tier) -> Target {
    let environment = Environment { name: tier.as_str().to_owned(), tier };
    Target { kind: "sqlite_table".to_owned(), path: TargetPath::as_shown(path), uid: None, environment }
}

/// 0 for allow, then the rungs, then deny.
fn strictness(decision: &Decision) -> usize {
    match decision {
        Decision::Allow(_) => 0,
        Decision::Confirm { need, .. } => LADDER.iter().position(|rung| rung == need).unwrap() + 1,
        Decision::Deny { .. } => LADDER.len() + 1,
    }
}

#[test]
fn a_policy_that_fails_is_a_no() {
    let overflow = "@id(\"sum\") @reason(\"x\") forbid (principal, action, resource) \
                    when { context.call.resources + 9223372036854775807 < 10 };";
    let (decision, because) = decide(&with(overflow, PASSKEY_BY_2), "sqlite_query", &Situation::default(), None);
    assert_eq!((decision.as_str(), ids(&because)), ("deny", vec!["sum"]));
    assert!(because[0].reason.contains("failed while deciding"), "{because:?}");
    // The same policy where it does not fail.
    let nothing = Situation { resources: 0, ..Situation::default() };
    assert_eq!(decide(&with(overflow, PASSKEY_BY_2), "sqlite_query", &nothing, None).0, "allow");
}

#[test]
fn what_no_policy_permits_is_denied() {
    let some = with(
        "@id(\"reads\") @reason(\"Reads.\") permit (principal, action in Action::\"read_only\", resource);",
        PASSKEY_BY_2,
    );
    assert_eq!(decide(&some, "sqlite_query", &Situation::default(), None).0, "allow");
    let (decision, because) = decide(&some, "files_write", &Situation::default(), None);
    assert_eq!((decision.as_str(), ids(&because)), ("deny", vec![DEFAULT_DENY]));
}

#[test]
fn facts_that_cannot_be_put_are_a_no() {
    let policies = defaults();
    let (tools, principal) = (tools(), someone());
    let imagined = Situation::default().imagine(&tools[0]);
    let no_targets = Facts { targets: &[], ..imagined.facts(&principal, &tools[0], None) };
    let (decision, because) = policies.told(&policies.decide(&no_targets));
    assert_eq!((decision.as_str(), ids(&because)), ("deny", vec![CLOSED]));

    let stranger = tool("redis_flush", "redis", Reversibility::ReadOnly, Scope::Resource);
    let (decision, because) = policies.told(&policies.decide(&imagined.facts(&principal, &stranger, None)));
    assert_eq!((decision.as_str(), ids(&because)), ("deny", vec![CLOSED]));
    assert!(because[0].reason.contains("`redis_flush`"));
}

#[test]
fn of_several_targets_the_strictest_wins() {
    let policies = with(
        "@id(\"ledger\") @reason(\"It is the ledger.\") forbid (principal, action, resource) \
         when { resource.name == \"ledger\" } unless { context has approval && context.approval.assurance >= 2 };
         @id(\"customers\") @reason(\"It is customers.\") forbid (principal, action, resource) \
         when { resource.name == \"customers\" } unless { context has approval };
         @id(\"seals\") @reason(\"It is the seals.\") forbid (principal, action, resource) \
         when { resource.path == \"fleet/seals\" };",
        PASSKEY_BY_2,
    );
    let (tools, principal) = (tools(), someone());
    let imagined = Situation::default().imagine(&tools[1]);
    let decide = |names: &[&str]| {
        let targets: Vec<_> = names.iter().map(|name| target(&format!("fleet/{name}"), Tier::Staging)).collect();
        let facts = Facts { targets: &targets, ..imagined.facts(&principal, &tools[1], None) };
        let (decision, because) = policies.told(&policies.decide(&facts));
        format!("{decision} {}", ids(&because).join(" "))
    };
    assert_eq!(decide(&["bookings"]), "allow all");
    assert_eq!(decide(&["bookings", "customers"]), "confirm acknowledged customers");
    assert_eq!(decide(&["customers", "ledger", "bookings"]), "confirm typed customers ledger");
    assert_eq!(decide(&["ledger", "seals"]), "deny seals");
}

#[test]
fn the_worst_tier_of_all_targets_counts() {
    let (policies, tools, principal) = (defaults(), tools(), someone());
    let imagined = situation(Tier::Staging, Reversibility::Irreversible).imagine(&tools[1]);
    let targets = [target("fleet/a", Tier::Development), target("fleet/b", Tier::Production)];
    let facts = Facts { targets: &targets, ..imagined.facts(&principal, &tools[1], Some(TYPED)) };
    let (decision, because) = policies.told(&policies.decide(&facts));
    let asks = [
        "irreversible-in-production-needs-a-person-out-of-band",
        "spanning-environments-with-production-needs-two-people",
    ];
    assert_eq!((decision.as_str(), ids(&because)), ("confirm out_of_band by 2 people", asks.to_vec()));
}

#[test]
fn what_this_installation_cannot_prove_is_refused_and_said() {
    let policy = "@id(\"person\") @reason(\"It is production.\") forbid (principal, action, resource) \
                  unless { context has approval && context.approval.assurance >= 3 };";
    let (decision, because) = decide(&with(policy, Need::IN_CLIENT), "files_write", &Situation::default(), None);
    assert_eq!((decision.as_str(), ids(&because)), ("deny", vec!["person"]));
    let said = "It is production. It needs out_of_band, and this installation can prove at most typed.";
    assert_eq!(because[0].reason, said);
    let able = decide(&with(policy, OUT_OF_BAND), "files_write", &Situation::default(), None).0;
    assert_eq!(able, "confirm out_of_band");
    // A ceiling beside the ladder.
    let two = Need::of(Assurance::Typed, 2);
    let policy = policy.replace("assurance >= 3", "approvers >= 2");
    assert_eq!(decide(&with(&policy, two), "files_write", &Situation::default(), None).0, "confirm typed by 2 people");
    assert_eq!(decide(&with(&policy, PASSKEY), "files_write", &Situation::default(), None).0, "deny");
}

#[test]
fn a_real_approval_is_taken_as_it_is() {
    let policies = defaults();
    let drop = situation(Tier::Production, Reversibility::Irreversible);
    assert_eq!(decide(&policies, "sqlite_drop_table", &drop, Some(OUT_OF_BAND)).0, "allow");
    let (decision, because) = decide(&policies, "sqlite_drop_table", &drop, Some(TYPED));
    assert_eq!(
        (decision.as_str(), ids(&because)),
        ("confirm out_of_band", vec!["irreversible-in-production-needs-a-person-out-of-band"])
    );
    // An approval by nobody is none.
    let nobody = Need::of(Assurance::Acknowledged, 0);
    assert_eq!(decide(&policies, "sqlite_drop_table", &drop, Some(nobody)).0, "confirm out_of_band");
}

#[test]
fn the_permit_names_call_tool_and_policies() {
    let (policies, tools, principal) = (defaults(), tools(), someone());
    let imagined = Situation::default().imagine(&tools[0]);
    let call = Uuid::from_u128(7);
    let Decision::Allow(permit) = policies.decide(&Facts { call, ..imagined.facts(&principal, &tools[0], None) })
    else {
        panic!("reads are allowed");
    };
    assert_eq!((permit.call(), permit.tool()), (call, "sqlite_query"));
    assert_eq!(permit.policies(), ["permit-what-nothing-forbids"]);
}

#[test]
fn only_the_surely_hopeless_is_refused_before_a_look() {
    let (tools, principal) = (tools(), someone());
    let drop = &tools[1];
    let early = |policies: &Policies, tier| policies.could_allow(&principal, drop, &target("fleet", tier), None);
    assert_eq!(early(&defaults(), Tier::Production), Ok(()));

    let forbid = |id: &str, when: &str| {
        format!("@id(\"{id}\") @reason(\"{id}.\") forbid (principal, action, resource) when {{ {when} }};\n")
    };
    let freeze = with(&forbid("freeze", "resource.target == \"fleet\""), PASSKEY_BY_2);
    assert_eq!(ids(&early(&freeze, Tier::Staging).unwrap_err()), ["freeze"]);
    let elsewhere = with(&forbid("freeze", "resource.target == \"flee\""), PASSKEY_BY_2);
    assert_eq!(early(&elsewhere, Tier::Staging), Ok(()));
    // What only a look tells leaves hope.
    for when in ["resource.name == \"fleet\"", "context.call.resources < 5", "resource.kind != \"view\""] {
        assert_eq!(early(&with(&forbid("look", when), PASSKEY_BY_2), Tier::Staging), Ok(()), "{when}");
    }
    let none = with(&forbid("no", "context.call.reversibility != \"read_only\""), PASSKEY_BY_2);
    assert_eq!(ids(&early(&none, Tier::Staging).unwrap_err()), ["no"]);
    // The drop may turn out reversible, which a look has to show.
    let softened = with(&forbid("no", "context.call.reversibility == \"irreversible\""), PASSKEY_BY_2);
    assert_eq!(early(&softened, Tier::Staging), Ok(()));
    let mut hard = drop.clone();
    hard.softened_by.clear();
    assert!(softened.could_allow(&principal, &hard, &target("fleet", Tier::Staging), None).is_err());
    // More than can be proven here.
    let unprovable = "@id(\"two\") @reason(\"x\") forbid (principal, action, resource) \
                      unless { context has approval && context.approval.approvers >= 2 };";
    let two = early(&with(unprovable, Need::IN_CLIENT), Tier::Staging).unwrap_err();
    assert!(two[0].reason.contains("It needs out_of_band by 2 people"), "{two:?}");
    assert_eq!(early(&with(unprovable, PASSKEY_BY_2), Tier::Staging), Ok(()));
    // Nothing permits it, unless a look could find something permitted.
    let role = "permit (principal in Role::\"sre\", action, resource)";
    let closed = with(&format!("@id(\"sre\") @reason(\"x\") {role};"), PASSKEY_BY_2);
    assert_eq!(ids(&early(&closed, Tier::Staging).unwrap_err()), [DEFAULT_DENY]);
    let named = "permit (principal, action, resource) when { resource.name == \"scratch\" }";
    let named = with(&format!("@id(\"scratch\") @reason(\"x\") {named};"), PASSKEY_BY_2);
    assert_eq!(early(&named, Tier::Staging), Ok(()));
}

#[test]
fn roles_users_groups_and_counts_can_be_gone_by() {
    let policies = with(
        "@id(\"dba\") @reason(\"x\") forbid (principal in Role::\"dba\", action in Action::\"files\", resource);
         @id(\"ana\") @reason(\"x\") forbid (principal == User::\"ana\", action == Action::\"mail_send\", resource);
         @id(\"rows\") @reason(\"x\") forbid (principal, action in [Action::\"sqlite\"], resource)
         when { context.call has rows && context.call.rows > 100 };",
        PASSKEY_BY_2,
    );
    let default = Situation::default();
    assert_eq!(ids(&decide(&policies, "files_write", &default, None).1), ["dba"]);
    assert_eq!(ids(&decide(&policies, "mail_send", &default, None).1), ["ana"]);
    assert_eq!(decide(&policies, "sqlite_drop_table", &default, None).0, "allow");
    let many = Situation { rows: Some(u64::MAX), ..default };
    assert_eq!(ids(&decide(&policies, "sqlite_drop_table", &many, None).1), ["rows"]);
}
