//! What is refused at load, and what the digest goes by.

use super::*;

fn problems(text: &str) -> Vec<Problem> {
    match Policies::from_files(&[file(text)], &tools(), Need::IN_CLIENT) {
        Err(LoadError::Problems(problems)) => problems,
        other => panic!("should not load: {other:?}"),
    }
}

fn refused(text: &str, expected: &str) -> Problem {
    let problems = problems(text);
    let found = problems.iter().find(|problem| problem.message.contains(expected));
    found.unwrap_or_else(|| panic!("no `{expected}` in {problems:#?}")).clone()
}

#[test]
fn every_policy_is_named_and_reasoned() {
    let permit = "permit (principal, action, resource);";
    assert_eq!(refused(&format!("\n\n  @reason(\"x\") {permit}"), "needs `@id").line, 3);
    refused(&format!("@id(\"a\") {permit}"), "needs `@reason");
    refused(&format!("@id(\"a\") @reason(\" \") {permit}"), "needs `@reason");
    refused(&format!("@id(\"a b\") @reason(\"x\") {permit}"), "needs `@id");
    refused(&format!("@id(\"default-deny\") @reason(\"x\") {permit}"), "the gateway's own");
    refused(&format!("@id(\"a\") @reason(\"x\") @advice(\"y\") {permit}"), "`@advice` is not known");
    let twice = refused(&format!("@id(\"a\") @reason(\"x\") {permit}\n@id(\"a\") @reason(\"y\") {permit}"), "is taken");
    assert_eq!((twice.line, twice.to_string().contains("see mine.cedar:1")), (2, true));
}

#[test]
fn names_are_unique_across_files() {
    let one = file("@id(\"permit-what-nothing-forbids\") @reason(\"x\") permit (principal, action, resource);");
    let mut files = Sources::default().read().unwrap().policies;
    files.push(one);
    let error = Policies::from_files(&files, &tools(), Need::IN_CLIENT).unwrap_err();
    assert!(error.to_string().contains("is taken: see policies/base.cedar:"), "{error}");
}

#[test]
fn what_does_not_fit_the_schema_is_refused_with_its_place() {
    let forbid =
        |when: &str| format!("@id(\"a\")\n@reason(\"x\")\nforbid (principal, action, resource)\nwhen {{ {when} }};");
    let unknown = refused(&forbid("context.call.colour == \"red\""), "colour");
    assert_eq!((unknown.line, unknown.policy.as_deref()), (4, Some("a")));
    assert_eq!(problems(&forbid("context.call.colour == \"red\"")).len(), 1, "said once, not for every tool");
    refused(&forbid("context.call.resources == \"many\""), "type");
    refused(&forbid("context.call.rows > 5"), "rows");
    refused(&forbid("context.approval.assurance < 3"), "approval");
    refused(&forbid("context.call has colour"), "impossible");
    refused(&forbid("action == Action::\"sqlite_dorp\""), "sqlite_dorp");
    refused(&forbid("context.call.tier == \"prod\""), "never `prod`");
    refused(&forbid("[\"staging\", \"live\"].contains(resource.tier)"), "never `live`");
    refused(&forbid("context.call.toolset == \"sqlit\""), "never `sqlit`");
    refused(&forbid("!(context has approval && context.approval.assurance >= 5)"), "compared with 5");
    refused("@id(\"a\") @reason(\"x\") permit (principal == ?principal, action, resource);", "template");
    assert_eq!(refused("permit (principal, action resource);", "").line, 1);
}

#[test]
fn an_approval_can_never_be_to_a_calls_disadvantage() {
    let bad = [
        "forbid (principal, action, resource) when { context has approval };",
        "forbid (principal, action, resource) unless { context has approval && context.approval.assurance == 2 };",
        "forbid (principal, action, resource) unless { context has approval && context.approval.approvers < 3 };",
        "forbid (principal, action, resource) unless { !(context has approval && 2 <= context.approval.assurance) };",
        "permit (principal, action, resource) unless { context has approval };",
        "permit (principal, action, resource) when { context has approval && 3 > context.approval.assurance };",
        "forbid (principal, action, resource) unless { (if context has approval then context.call.truncated else true) };",
        "forbid (principal, action, resource) when { context == context };",
        "forbid (principal, action, resource) unless \
         { context has approval && context.call.resources + 1 > 2 && context.approval.assurance > 1 };",
        "forbid (principal, action, resource) unless { context has approval && User::\"bob\".name == \"bob\" };",
    ];
    for policy in bad {
        let found = problems(&format!("@id(\"a\") @reason(\"x\") {policy}"));
        let text = format!("{found:?}");
        assert!(text.contains("approval"), "{policy}: {text}");
    }
    for good in [
        "forbid (principal, action, resource) when { !(context has approval) };",
        "forbid (principal, action, resource) unless { context has approval.assurance && 3 <= context.approval.assurance };",
        "forbid (principal, action, resource) when { context.call.truncated } \
         unless { context has approval && (context.approval.assurance > 3 || context.approval.approvers >= 2) };",
        "permit (principal, action, resource) when { context has approval && context.approval.assurance >= 1 };",
        "forbid (principal, action, resource) when { context.call.resources * 2 > 9 };",
    ] {
        let policies = with(&format!("@id(\"a\") @reason(\"x\") {good}"), PASSKEY_BY_2);
        assert_eq!(cube::counterexamples(&policies, &tools()[..1]), [], "{good}");
    }
}

#[test]
fn trying_out_finds_what_the_proof_refuses() {
    let mut policies = with("", PASSKEY_BY_2);
    let bad = "forbid (principal, action, resource) when { context has approval && context.approval.assurance == 3 };";
    policies
        .loaded
        .set
        .add(cedar_policy::Policy::parse(Some(cedar_policy::PolicyId::new("bad")), bad).unwrap())
        .unwrap();
    let found = cube::counterexamples(&policies, &tools()[..1]);
    assert!(found.iter().any(|problem| problem.policy.as_deref() == Some("bad")), "{found:?}");
}

#[test]
fn a_digest_goes_by_meaning_and_tools() {
    let text = "@id(\"a\") @reason(\"x\") permit (principal, action, resource);";
    let of = |text: &str, tools: &[Declaration]| {
        Policies::from_files(&[file(text)], tools, Need::IN_CLIENT).unwrap().digest()
    };
    let digest = of(text, &tools());
    assert_eq!(digest, of(&format!("// a comment\n\n{}", text.replace(") permit", ")\npermit")), &tools()));
    assert_ne!(digest, of(&text.replace("\"x\"", "\"y\""), &tools()));
    assert_ne!(digest, of(text, &tools()[..2]));
}

#[test]
fn tool_names_that_would_break_the_schema_are_refused() {
    for (name, kind) in [("a\" b", "sqlite"), ("", "x"), ("read_only", "x"), ("x", "x"), ("y", "irreversible")] {
        let odd = tool(name, kind, Reversibility::ReadOnly, Scope::Resource);
        assert!(Policies::load(&Sources::default(), [&odd], Need::IN_CLIENT).is_err(), "{name} {kind}");
    }
    let twin = tool("a", "b", Reversibility::ReadOnly, Scope::Resource);
    assert!(Policies::load(&Sources::default(), [&twin, &twin], Need::IN_CLIENT).is_err());
}

#[test]
fn folders_are_read_strictly() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources { defaults: true, directories: vec![folder.path().to_owned()] };
    let load = || Policies::load(&sources, &tools(), Need::IN_CLIENT).map(|policies| policies.count());
    assert!(load().unwrap_err().to_string().contains("holds no policies"));
    let freeze =
        "@id(\"freeze\")\n@reason(\"x\")\nforbid (principal, action, resource)\nwhen { context.call.tier == 3 };";
    std::fs::write(folder.path().join("freeze.cedar"), freeze).unwrap();
    let error = load().unwrap_err().to_string();
    assert!(error.contains("freeze.cedar:4:") && error.contains("policy `freeze`"), "{error}");
    std::fs::write(folder.path().join("freeze.cedar"), freeze.replace('3', "\"staging\"")).unwrap();
    assert_eq!(load().unwrap(), 14);
    std::fs::write(folder.path().join("freeze.cedar.bak"), "").unwrap();
    assert!(load().unwrap_err().to_string().contains("neither policies"));
    let missing = Sources { defaults: false, directories: vec![folder.path().join("no")] };
    assert!(matches!(missing.read(), Err(LoadError::Unreadable { .. })));
}
