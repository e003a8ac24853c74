//! The default policies, their cases and their table; explanations.

use mollyguard_tools::contract::Scope;

use super::super::situation::TIERS;
use super::*;

#[test]
fn the_table_of_defaults_cell_by_cell() {
    let policies = defaults();
    let table = [
        (Reversibility::ReadOnly, ["allow", "allow", "allow"]),
        (Reversibility::Reversible, ["allow", "allow", "confirm acknowledged"]),
        (Reversibility::Compensable, ["allow", "confirm acknowledged", "confirm typed"]),
        (Reversibility::Irreversible, ["confirm typed", "confirm typed", "confirm out_of_band"]),
    ];
    let strictest = ["confirm out_of_band", "confirm out_of_band", "confirm out_of_band by 2 people"];
    for tool in ["sqlite_query", "sqlite_drop_table", "files_write", "mail_send", "preview_call"] {
        for (reversibility, cells) in table {
            for ((tier, expected), strictest) in TIERS.into_iter().zip(cells).zip(strictest) {
                let plain = situation(tier, reversibility);
                assert_eq!(decide(&policies, tool, &plain, None).0, expected, "{tool} {reversibility:?} {tier:?}");

                let destroys = Situation { destroys_recovery: true, ..plain.clone() };
                assert_eq!(decide(&policies, tool, &destroys, None).0, strictest);

                let reads = reversibility == Reversibility::ReadOnly;
                let spans = Situation { environments: 2, ..plain.clone() };
                assert_eq!(decide(&policies, tool, &spans, None).0, if reads { "allow" } else { strictest });

                let account = Situation { scope: Scope::Account, ..plain };
                assert_eq!(decide(&policies, tool, &account, None).0, if reads { "allow" } else { "deny" });
            }
        }
    }
}

#[test]
fn shipped_cases_pass_and_every_default_is_embedded() {
    let files = Sources::default().read().unwrap();
    let outcomes = run_cases(&defaults(), &tools(), &files.cases).unwrap();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(outcomes.len() > 25);

    let mut on_disk: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".cedar") || name.ends_with(".test.toml"))
        .map(|name| format!("policies/{name}"))
        .collect();
    let mut embedded: Vec<_> = files.policies.iter().chain(&files.cases).map(|file| file.name.clone()).collect();
    on_disk.sort();
    embedded.sort();
    assert_eq!(embedded, on_disk);
}

#[test]
fn defaults_hold_with_the_tools_there_are() {
    let toolsets = mollyguard_tools::toolsets();
    let tools: Vec<_> = toolsets.iter().flat_map(|toolset| toolset.tools()).collect();
    let declarations = || tools.iter().map(|tool| tool.declaration());
    let policies = Policies::load(&Sources::default(), declarations(), Need::MOST).unwrap();
    let cases = Sources::default().read().unwrap().cases;
    let outcomes = run_cases(&policies, declarations(), &cases).unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.passed), "{outcomes:#?}");
}

/// Those of every tool there is.
#[cfg(all(feature = "files", feature = "postgres", feature = "sqlite"))]
#[test]
fn decisions_are_as_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/decisions.txt");
    let toolsets = mollyguard_tools::toolsets();
    let tools: Vec<_> = toolsets.iter().flat_map(|toolset| toolset.tools()).collect();
    let declarations = || tools.iter().map(|tool| tool.declaration());
    let policies = Policies::load(&Sources::default(), declarations(), Need::MOST).unwrap();
    let table = decisions_table(declarations(), &policies);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let recorded = std::fs::read_to_string(path).unwrap();
    assert_eq!(table, recorded, "run again with UPDATE_GOLDEN=1 if the change is meant");
}

#[test]
fn the_table_shows_declared_softened_and_worst() {
    let table = decisions_table(&tools(), &defaults());
    let expected = "\
tool               reversibility                  development  staging      production
sqlite_query       read_only                      allow        allow        allow
sqlite_drop_table  irreversible                   typed        typed        out_of_band
                   reversible if quarantine_fits  allow        allow        acknowledged
                   destroys recovery              out_of_band  out_of_band  out_of_band by 2 people
files_write        reversible                     allow        allow        acknowledged
                   destroys recovery              out_of_band  out_of_band  out_of_band by 2 people
mail_send          compensable                    deny         deny         deny
                   destroys recovery              deny         deny         deny
preview_call       read_only                      allow        allow        allow
";
    assert_eq!(table, expected);
}

#[test]
fn defaults_stand_up_to_trying_out() {
    let check = check(&Sources::default(), &tools(), Need::IN_CLIENT).unwrap();
    assert_eq!((check.policies, check.problems), (13, Vec::new()));
    assert_eq!(check.digest, Some(defaults().digest()));
}

#[test]
fn cases_say_what_is_wrong_with_them() {
    let cases = |text: &str| {
        let file = SourceFile { name: "mine.test.toml".to_owned(), text: text.to_owned() };
        run_cases(&defaults(), &tools(), &[file])
    };
    let wrong = |text: &str| cases(text).unwrap_err().to_string();
    let unknown = wrong("[[case]]\nname = \"a\"\ntool = \"sqlite_dorp\"\nexpect = \"deny\"\n");
    assert_eq!(unknown, "mine.test.toml:3:8: there is no tool `sqlite_dorp`");
    assert!(wrong("[[case]]\nname = \"a\"\nexpect = \"deny\"\ncolour = 1\n").contains(":4:1: unknown field `colour`"));
    assert!(wrong("[[case]]\nname = \"a\"\ncall = { row = 1 }\nexpect = \"deny\"\n").contains("unknown field `row`"));
    assert!(
        wrong("[[case]]\nname = \"a\"\ntool = \"files_write\"\nexpect = \"maybe\"\n").contains("cannot be expected")
    );
    assert!(wrong("[[case]]\nname = \"a\"\nexpect = \"deny\"\n").contains("is for every tool"));

    let failed = &cases("[[case]]\nname = \"a\"\ntool = \"files_write\"\nexpect = \"deny\"\n").unwrap()[0];
    assert_eq!((failed.passed, failed.line, failed.got.as_str()), (false, 2, "confirm acknowledged"));
    let other =
        "[[case]]\nname = \"a\"\ntool = \"files_write\"\nexpect = \"confirm acknowledged\"\nbecause = [\"x\"]\n";
    assert!(!cases(other).unwrap()[0].passed);
}

#[test]
fn an_explanation_goes_rung_by_rung() {
    let tools = tools();
    let drop = situation(Tier::Production, Reversibility::Irreversible);
    let policies = Policies::load(&Sources::default(), &tools, OUT_OF_BAND).unwrap();
    let explanation = explain(&policies, &someone(), &tools[1], &drop, None);
    assert_eq!((explanation.decision.as_str(), explanation.ceiling.as_str()), ("confirm out_of_band", "out_of_band"));
    let rungs: Vec<_> =
        explanation.rungs.iter().map(|rung| (rung.approval.as_str(), rung.within_reach, rung.passes)).collect();
    let expected = [
        ("none", true, false),
        ("acknowledged", true, false),
        ("typed", true, false),
        ("out_of_band", true, true),
        ("out_of_band by somebody else", false, true),
        ("passkey", false, true),
        ("passkey by somebody else", false, true),
        ("out_of_band by 2 people", false, true),
        ("out_of_band by 2 other people", false, true),
        ("passkey by 2 people", false, true),
        ("passkey by 2 other people", false, true),
    ];
    assert_eq!(rungs, expected);
    assert_eq!(ids(&explanation.rungs[0].refused_by), ["irreversible-in-production-needs-a-person-out-of-band"]);
    assert_eq!(ids(&explanation.rungs[3].permitted_by), ["permit-what-nothing-forbids"]);
    assert!(serde_json::to_string(&explanation).is_ok());
}

/// The text between the fences of that language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

#[test]
fn what_the_readme_shows_works() {
    let page = include_str!("../../../../policies/README.md");
    let mut tools = tools();
    tools.push(tool("sqlite_purge_table", "sqlite", Reversibility::Irreversible, Scope::Resource));
    tools.push(tool("files_purge", "files", Reversibility::Irreversible, Scope::Resource));
    let mut files = Sources::default().read().unwrap().policies;
    for text in blocks(page, "cedar") {
        files.push(SourceFile { name: "README.md".to_owned(), text });
    }
    assert_eq!(files.len(), 10);
    let policies = Policies::from_files(&files, &tools, Need::IN_CLIENT).unwrap();
    let cases: Vec<_> =
        blocks(page, "toml").into_iter().map(|text| SourceFile { name: "README.md".to_owned(), text }).collect();
    let outcomes = run_cases(&policies, &tools, &cases).unwrap();
    assert!(outcomes.len() == 3 && outcomes.iter().all(|outcome| outcome.passed), "{outcomes:#?}");
}
