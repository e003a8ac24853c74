//! What must hold whatever the call, the approval and the names are; and how long a decision takes.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::situation::{CLASSES, SCOPES, TIERS};
use super::*;

static DEFAULTS: LazyLock<Policies> = LazyLock::new(super::defaults);

fn defaults() -> &'static Policies {
    &DEFAULTS
}

fn corner() -> impl Strategy<Value = Situation> {
    let kinds = (0..3_usize, 0..4_usize, 0..4_usize, any::<bool>(), 1..4_u32);
    let counts = (any::<u64>(), any::<u64>(), any::<Option<u64>>(), any::<Option<u64>>(), any::<bool>());
    (kinds, counts).prop_map(|((tier, class, scope, destroys_recovery, environments), counts)| Situation {
        tier: TIERS[tier],
        reversibility: Some(CLASSES[class]),
        scope: SCOPES[scope],
        destroys_recovery,
        environments,
        resources: counts.0,
        dependents: counts.1,
        rows: counts.2,
        bytes: counts.3,
        truncated: counts.4,
        ..Situation::default()
    })
}

fn approval() -> impl Strategy<Value = Option<Need>> {
    let assurance = prop::sample::select(LADDER.map(|rung| rung.assurance).to_vec());
    prop::option::of((assurance, 0..4_u32, 0..4_u32).prop_map(|(assurance, approvers, others)| Need {
        assurance,
        approvers,
        others: others.min(approvers),
    }))
}

/// Conditions that mention the approval in sound, unsound and failing ways, as text.
fn condition() -> impl Strategy<Value = String> {
    let given = "context has approval && context.approval";
    let comparison = (prop::sample::select(vec![">=", ">=", ">=", ">", ">", "<", "=="]), 1..5_u8, any::<bool>());
    let strength = comparison.prop_map(move |(op, n, flipped)| match flipped {
        false => format!("({given}.assurance {op} {n})"),
        true => format!("({given}.approvers {op} context.call.environments)"),
    });
    let fixed = prop::sample::select(vec![
        "(context has approval)",
        "(context has approval.approvers)",
        "(context.call.tier == \"staging\")",
        "(context.call.environments > 1)",
        "(resource.tier != context.call.tier)",
        "(context.call.resources + 9223372036854775807 > 1)",
        "(principal == User::\"ana\")",
    ]);
    let leaf = prop_oneof![strength, fixed.prop_map(str::to_owned)];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            1 => inner.clone().prop_map(|one| format!("(!{one})")),
            3 => (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} && {two})")),
            3 => (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} || {two})")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(one, two, three)| format!("(if {one} then {two} else {three})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn trying_out_never_refutes_the_proof(
        forbids in any::<bool>(), one in condition(), corners in prop::collection::vec(corner(), 6)
    ) {
        let (effect, clause) = if forbids { ("forbid", "unless") } else { ("permit", "when") };
        let text = format!(
            "@id(\"reads\") @reason(\"x\") permit (principal, action in Action::\"{}\", resource);\n\
             @id(\"drawn\") @reason(\"x\") {effect} (principal, action, resource) {clause} {{ {one} }};",
            if forbids { "sqlite" } else { "files" },
        );
        // Most are refused, for this reason or another.
        let Ok(policies) = Policies::from_files(&[file(&text)], &tools(), PASSKEY_BY_2) else { return Ok(()) };
        for corner in &corners {
            let found = cube::descent(&policies, &tools()[1], &someone(), corner);
            prop_assert!(found.is_none(), "{found:?}\n{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_stronger_approval_is_never_stricter(one in approval(), two in approval(), corner in corner(), tool in 0..5_usize) {
        let (policies, tools, principal) = (defaults(), tools(), someone());
        let imagined = corner.imagine(&tools[tool]);
        let decide = |approval| strictness(&policies.decide(&imagined.facts(&principal, &tools[tool], approval)));
        let covers = |strong: Option<Need>, weak: Option<Need>| match (strong, weak) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(strong), Some(weak)) => strong.covers(&weak),
        };
        if covers(two, one) {
            prop_assert!(decide(two) <= decide(one));
        }
        // And a ladder whose weakest rung is asked for leads to a yes.
        if let Decision::Confirm { need, .. } = policies.decide(&imagined.facts(&principal, &tools[tool], one)) {
            prop_assert_eq!(decide(Some(need)), 0);
        }
    }

    #[test]
    fn what_is_worse_is_never_decided_more_mildly(
        corner in corner(), class in 0..4_usize, tier in 0..3_usize, scope in 0..4_usize, approval in approval()
    ) {
        let (policies, tools, principal) = (defaults(), tools(), someone());
        let decide = |situation: &Situation| {
            let imagined = situation.imagine(&tools[1]);
            strictness(&policies.decide(&imagined.facts(&principal, &tools[1], approval)))
        };
        let worse = Situation {
            tier: corner.tier.max(TIERS[tier]),
            reversibility: corner.reversibility.max(Some(CLASSES[class])),
            scope: corner.scope.max(SCOPES[scope]),
            ..corner.clone()
        };
        prop_assert!(decide(&corner) <= decide(&worse));
        let destroys = Situation { destroys_recovery: true, ..corner.clone() };
        prop_assert!(decide(&corner) <= decide(&destroys));
        let wider = Situation { environments: corner.environments + 1, ..corner.clone() };
        prop_assert!(decide(&corner) <= decide(&wider));
    }

    #[test]
    fn no_name_breaks_a_request(
        user in ".*", roles in prop::collection::vec(".*", 0..3), path in ".*", kind in ".*", environment in ".*"
    ) {
        let (policies, tools) = (defaults(), tools());
        let principal = Principal { user, client: None, roles };
        let read = Situation { target: path, kind: Some(kind), environment: Some(environment), ..Situation::default() };
        let decision = policies.decide(&read.imagine(&tools[0]).facts(&principal, &tools[0], None));
        prop_assert!(matches!(decision, Decision::Allow(_)), "{:?}", decision);
    }
}

#[test]
fn hostile_names_stay_what_they_are() {
    let policies = with(
        "@id(\"quoted\") @reason(\"x\") forbid (principal, action, resource) when { resource.name == \"a\\\"b\" };",
        PASSKEY_BY_2,
    );
    let named = |target: &str| Situation { target: target.to_owned(), ..Situation::default() };
    assert_eq!(decide(&policies, "files_write", &named("x/a\"b"), None).0, "deny");
    for path in ["", "/", "//", "a", "x/a\\\"b", "x/\" || true || \"", "x/\u{202e}b", "x/\0", "x/a\"b/c"] {
        assert_eq!(decide(&policies, "files_write", &named(path), None).0, "allow", "{path:?}");
    }
}

#[test]
fn a_slash_in_a_name_is_no_way_into_another_path() {
    let denies = |what: &str, path: TargetPath| {
        let text = format!("@id(\"it\") @reason(\"x\") forbid (principal, action, resource) when {{ {what} }};");
        let situation = Situation { target: path.to_string(), ..Situation::default() };
        decide(&with(&text, PASSKEY_BY_2), "files_write", &situation, None).0 == "deny"
    };
    let folder = || TargetPath::of("fleet").below("a");
    let (inside, beside) = (folder().below("b"), TargetPath::of("fleet").below("a/b"));
    for (what, is_inside, is_beside) in [
        ("resource.path == \"fleet/a/b\"", true, false),
        ("resource.path like \"fleet/a/*\"", true, false),
        ("resource.name == \"b\"", true, false),
        ("resource.path == \"fleet/a\\\\/b\"", false, true),
        ("resource.name == \"a/b\"", false, true),
        ("resource.target == \"fleet\"", true, true),
    ] {
        assert_eq!((denies(what, inside.clone()), denies(what, beside.clone())), (is_inside, is_beside), "{what}");
    }
}
