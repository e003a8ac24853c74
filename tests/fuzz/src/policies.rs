//! Policies and their cases, as a user writes them: Cedar, then, behind a line of `=====`, TOML.

use mollyguard::policy::{LADDER, LoadError, Policies, SourceFile, run_cases};
use mollyguard_tools::contract::Declaration;

use crate::setup;

/// Neither file breaks the loading; what is wrong is named with its place; comments and file names mean nothing.
pub fn policies(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (cedar, cases) = text.split_once("\n=====\n").unwrap_or((&text, ""));
    let cedar = SourceFile { name: "mine.cedar".to_owned(), text: cedar.to_owned() };
    let cases = SourceFile { name: "mine.test.toml".to_owned(), text: cases.to_owned() };
    let loaded = load(&cedar);
    match &loaded {
        Ok(policies) => {
            let again =
                SourceFile { name: "other.cedar".to_owned(), text: format!("// first\n{}\n// last", cedar.text) };
            let again = load(&again).map(|policies| policies.digest()).map_err(|error| error.to_string());
            assert_eq!(again, Ok(policies.digest()), "a comment changes what the policies mean");
        }
        Err(error) => named(error, &cedar),
    }
    if let Ok(policies) = loaded {
        match run_cases(&policies, declarations(), std::slice::from_ref(&cases)) {
            Ok(outcomes) => {
                for outcome in outcomes {
                    assert!(outcome.line <= lines(&cases), "{outcome:?}");
                    assert!(!outcome.passed || outcome.got == outcome.expected, "{outcome:?}");
                }
            }
            Err(error) => named(&error, &cases),
        }
    }
}

fn load(cedar: &SourceFile) -> Result<Policies, LoadError> {
    Policies::from_files(std::slice::from_ref(cedar), declarations(), LADDER[LADDER.len() - 1])
}

/// The tools of the quickstart that stand for all kinds: a schema for all of them takes most of the time.
fn declarations() -> impl Iterator<Item = &'static Declaration> {
    let some = ["sqlite_query", "sqlite_purge_table", "files_write"];
    setup::registry().declarations().filter(move |declaration| some.contains(&declaration.name.as_ref()))
}

fn lines(file: &SourceFile) -> usize {
    file.text.matches('\n').count() + 1
}

fn named(error: &LoadError, file: &SourceFile) {
    let LoadError::Problems(problems) = error else { return };
    assert!(!problems.is_empty(), "refused without a word");
    for problem in problems {
        assert_eq!(problem.file, file.name, "{problem}");
        assert!(problem.line <= lines(file), "{problem}");
        assert!(!problem.message.is_empty(), "{problem}");
    }
}
