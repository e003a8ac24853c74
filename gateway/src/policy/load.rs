//! Policies from files: parsed, named by their `@id`, validated strictly, and refused whole if one thing is wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use cedar_policy::{Policy, PolicyId, PolicySet, ValidationMode, ValidationWarning, Validator};
use miette::Diagnostic;
use mollyguard_tools::contract::{Declaration, Digest};

use super::problem::{LoadError, Problem, SourceFile};
use super::schema::Vocabulary;
use super::{CLOSED, DEFAULT_DENY, Loaded, Words, analysis};

/// The files of one default: its name, its policies, its cases.
macro_rules! default_files {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../policies/", $name, ".cedar")),
            include_str!(concat!("../../../policies/", $name, ".test.toml")),
        )
    };
}

/// The default policies and their cases, side by side as in `policies/`.
const DEFAULTS: &[(&str, &str, &str)] = &[
    default_files!("base"),
    default_files!("development"),
    default_files!("production"),
    default_files!("recovery"),
    default_files!("retention"),
    default_files!("scope"),
    default_files!("staging"),
];

/// Where policies come from. They are all in force together: a forbid anywhere wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The policies shipped with the gateway.
    pub defaults: bool,
    /// Folders of `*.cedar` files, not searched deeper.
    pub directories: Vec<PathBuf>,
}

impl Default for Sources {
    fn default() -> Self {
        Self { defaults: true, directories: Vec::new() }
    }
}

/// What the sources hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFiles {
    /// Files of policies.
    pub policies: Vec<SourceFile>,
    /// Files of cases.
    pub cases: Vec<SourceFile>,
}

impl Sources {
    /// Reads them all, in a fixed order.
    ///
    /// # Errors
    /// A folder or file that cannot be read, a folder without policies, or a file that is neither policies nor cases:
    /// a policy under a misspelt name must not be silently out of force.
    pub fn read(&self) -> Result<SourceFiles, LoadError> {
        let mut files = SourceFiles::default();
        if self.defaults {
            for (name, policies, cases) in DEFAULTS {
                let file = |ending: &str, text: &str| SourceFile {
                    name: format!("policies/{name}.{ending}"),
                    text: text.to_owned(),
                };
                files.policies.push(file("cedar", policies));
                files.cases.push(file("test.toml", cases));
            }
        }
        for directory in &self.directories {
            read_directory(directory, &mut files)?;
        }
        Ok(files)
    }
}

fn read_directory(directory: &Path, files: &mut SourceFiles) -> Result<(), LoadError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |error| LoadError::Unreadable { path, error }
    };
    let entries = std::fs::read_dir(directory).map_err(unreadable(directory))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable(directory))?;
    paths.sort();
    let before = files.policies.len();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = match name.as_str() {
            hidden if hidden.starts_with('.') => continue,
            text if text.ends_with(".md") || text.ends_with(".cedarschema") => continue,
            cedar if cedar.ends_with(".cedar") => &mut files.policies,
            cases if cases.ends_with(".test.toml") => &mut files.cases,
            _ => {
                let message = "neither policies (`*.cedar`) nor their cases (`*.test.toml`)".to_owned();
                return Err(LoadError::Problems(vec![Problem::of_file(&path.to_string_lossy(), message)]));
            }
        };
        let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
        kind.push(SourceFile { name: path.to_string_lossy().into_owned(), text });
    }
    if files.policies.len() == before {
        let message = "the folder holds no policies (`*.cedar`)".to_owned();
        return Err(LoadError::Problems(vec![Problem::of_file(&directory.to_string_lossy(), message)]));
    }
    Ok(())
}

/// Parses, names and validates.
pub(super) fn load<'a>(
    files: &[SourceFile],
    declarations: impl IntoIterator<Item = &'a Declaration>,
) -> Result<Loaded, LoadError> {
    let vocabulary = Vocabulary::new(declarations)?;
    let mut problems = Vec::new();
    let mut found = BTreeMap::new();
    for file in files {
        for statement in parse(file, &mut problems) {
            add(statement, &mut found, &mut problems);
        }
    }
    let mut set = PolicySet::new();
    for (id, statement) in &found {
        // Ids are unique by now.
        if let Err(error) = set.add(statement.policy.new_id(PolicyId::new(id))) {
            problems.push(statement.problem(error.to_string()).in_policy(id));
        }
    }
    validate(&vocabulary, &set, &found, &mut problems);
    let mut policies = BTreeMap::new();
    for (id, statement) in &found {
        match words(statement, &vocabulary, &mut problems) {
            Some(words) => policies.insert(id.clone(), words),
            None => continue,
        };
    }
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        return Err(LoadError::Problems(problems));
    }
    let digest = digest(&vocabulary, &set)?;
    Ok(Loaded { vocabulary, set, policies, digest })
}

/// One policy as it stands in its file.
struct Statement<'f> {
    file: &'f SourceFile,
    offset: usize,
    policy: Policy,
}

impl Statement<'_> {
    fn problem(&self, message: String) -> Problem {
        Problem::at(self.file, self.offset, message)
    }
}

fn parse<'f>(file: &'f SourceFile, problems: &mut Vec<Problem>) -> Vec<Statement<'f>> {
    let set = match PolicySet::from_str(&file.text) {
        Ok(set) => set,
        Err(errors) => {
            problems.extend(errors.iter().map(|error| Problem::at(file, offset(error), full_message(error))));
            return Vec::new();
        }
    };
    for template in set.templates() {
        let at = file.text.find(&template.to_string()).unwrap_or_default();
        problems.push(Problem::at(
            file,
            at,
            "a template (`?principal`, `?resource`) says nothing by itself".to_owned(),
        ));
    }
    // Cedar calls them policy0, policy1 … as they stand in the file, and keeps each one's text.
    let mut policies: Vec<_> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| {
        let id: &str = policy.id().as_ref();
        id.strip_prefix("policy").and_then(|n| n.parse::<usize>().ok())
    });
    let mut from = 0;
    let mut statements = Vec::new();
    for policy in policies {
        let text = policy.to_string();
        let offset = file.text[from..].find(&text).map_or(from, |at| from + at);
        from = (offset + text.len()).min(file.text.len());
        statements.push(Statement { file, offset, policy });
    }
    statements
}

/// Checks the annotations and files the policy under its `@id`.
fn add<'f>(statement: Statement<'f>, found: &mut BTreeMap<String, Statement<'f>>, problems: &mut Vec<Problem>) {
    for (name, _) in statement.policy.annotations() {
        if !matches!(name, "id" | "reason") {
            let message = format!("the annotation `@{name}` is not known: there are `@id` and `@reason`");
            problems.push(statement.problem(message));
        }
    }
    let one_line = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
    if !statement.policy.annotation("reason").is_some_and(one_line) {
        let message = "needs `@reason(\"…\")`: one sentence, which is what people and agents read".to_owned();
        problems.push(statement.problem(message));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let id = match statement.policy.annotation("id") {
        Some(id) if !id.is_empty() && id.chars().all(plain) => id.to_owned(),
        _ => {
            let message = "needs `@id(\"…\")`, made of letters, digits, `-`, `_` and `.`".to_owned();
            problems.push(statement.problem(message));
            return;
        }
    };
    if [DEFAULT_DENY, CLOSED].contains(&id.as_str()) {
        problems.push(statement.problem(format!("the id `{id}` is the gateway's own")));
    } else if let Some(first) = found.get(&id) {
        let (line, _) = first.file.place(first.offset);
        problems.push(statement.problem(format!("the id `{id}` is taken: see {}:{line}", first.file.name)));
    } else {
        found.insert(id, statement);
    }
}

fn validate(
    vocabulary: &Vocabulary,
    set: &PolicySet,
    found: &BTreeMap<String, Statement<'_>>,
    problems: &mut Vec<Problem>,
) {
    let result = Validator::new(vocabulary.schema.clone()).validate(set, ValidationMode::Strict);
    // Without a single tool every policy is impossible.
    let moot = |warning: &&ValidationWarning| {
        vocabulary.actions.is_empty()
            && matches!(
                warning,
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_)
            )
    };
    let errors = result.validation_errors().map(|error| (error.policy_id(), error as &dyn Diagnostic));
    let warnings = result.validation_warnings().filter(|warning| !moot(warning));
    for (id, diagnostic) in errors.chain(warnings.map(|warning| (warning.policy_id(), warning as &dyn Diagnostic))) {
        let id: &str = id.as_ref();
        let Some(statement) = found.get(id) else { continue };
        let message = without_repetition(&full_message(diagnostic), id);
        let at = label(diagnostic).unwrap_or(statement.offset);
        let problem = Problem::at(statement.file, at, for_any_action(&message)).in_policy(id);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

/// A message without the action it is about: Cedar repeats one mistake for each of the tools a policy is for.
fn for_any_action(message: &str) -> String {
    let action =
        message.split_once(" for Action::\"").and_then(|(before, rest)| Some((before, rest.split_once('"')?.1)));
    action.map_or_else(|| message.to_owned(), |(before, after)| format!("{before}{after}"))
}

/// What is kept of a policy beside Cedar's own form of it.
fn words(statement: &Statement<'_>, vocabulary: &Vocabulary, problems: &mut Vec<Problem>) -> Option<Words> {
    let id = statement.policy.annotation("id").unwrap_or_default();
    let tree = match statement.policy.to_pst() {
        Ok(tree) => tree,
        Err(error) => {
            problems.push(statement.problem(error.to_string()).in_policy(id));
            return None;
        }
    };
    let body = tree.body();
    let wrong = analysis::unknown_words(body, vocabulary).into_iter().chain(analysis::unsteady(body));
    problems.extend(wrong.map(|message| statement.problem(message).in_policy(id)));
    let (line, _) = statement.file.place(statement.offset);
    Some(Words {
        reason: statement.policy.annotation("reason").unwrap_or_default().to_owned(),
        permits: statement.policy.effect() == cedar_policy::Effect::Permit,
        depends_on_look: analysis::depends_on_look(body),
        names_resource: analysis::names_resource(body),
        roles: analysis::roles_named(body),
        file: statement.file.name.clone(),
        line,
    })
}

/// Over the schema and every policy's meaning in the order of ids: layout, comments and file names do not count.
fn digest(vocabulary: &Vocabulary, set: &PolicySet) -> Result<Digest, LoadError> {
    let mut meanings = BTreeMap::new();
    for policy in set.policies() {
        let meaning = policy
            .to_json()
            .map_err(|error| LoadError::Problems(vec![Problem::of_file(policy.id().as_ref(), error.to_string())]))?;
        meanings.insert(policy.id().to_string(), meaning);
    }
    Ok(Digest::of(&(&vocabulary.text, meanings)))
}

/// Cedar names the policy in each message, which the problem already does, and says the same once for every action, though
/// all actions are alike in what it then goes on to say.
fn without_repetition(message: &str, id: &str) -> String {
    let mut message = message.replace(&format!("for policy `{id}`, "), "");
    let each = " in context for Action::\"";
    if let Some(start) = message.find(each) {
        let name = start + each.len();
        let end = message[name..].find('"').map_or(name, |length| name + length + 1);
        message.replace_range(start..end, "");
    }
    message
}

fn full_message(diagnostic: &dyn Diagnostic) -> String {
    match diagnostic.help() {
        Some(help) => format!("{diagnostic} ({help})"),
        None => diagnostic.to_string(),
    }
}

fn offset(diagnostic: &dyn Diagnostic) -> usize {
    label(diagnostic).unwrap_or_default()
}

fn label(diagnostic: &dyn Diagnostic) -> Option<usize> {
    diagnostic.labels()?.next().map(|label| label.offset())
}
