//! What a question says, fact by fact. Its text is a rendering of these, and so is whatever else shows it: nobody takes a text
//! apart to find out what it says.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everything a question says, in the order in which it says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionFacts {
    /// What the gateway has found out. The first says what would be done.
    pub facts: Vec<Fact>,
    /// The call that would be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<Uuid>,
    /// What the agent passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_words: Option<OwnWords>,
    /// How it is answered, and until when.
    pub closing: String,
}

/// One fact: safe to be shown as it is, on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is about.
    pub label: Label,
    /// The fact.
    pub words: String,
    /// Where it was seen; for a reason, the policy that gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whoever answers should not overlook it.
    #[serde(default, skip_serializing_if = "is_not")]
    pub is_grave: bool,
    /// It is no fact, but counts those about the same that are not told.
    #[serde(default, skip_serializing_if = "is_not")]
    pub is_rest: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
const fn is_not(is: &bool) -> bool {
    !*is
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// What would be done.
    What,
    /// Which call would be taken back.
    TakesBack,
    /// On what.
    Where,
    /// How much it would touch.
    HowMuch,
    /// What others would recover from.
    Backups,
    /// How it could be taken back.
    Undo,
    /// How the same could be had so that it can be taken back.
    ReversibleWay,
    /// For whom.
    AskedBy,
    /// Which policy asks, and why.
    Why,
}

impl Label {
    /// As it stands before a fact.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::What => "WHAT",
            Self::TakesBack => "TAKES BACK",
            Self::Where => "WHERE",
            Self::HowMuch => "HOW MUCH",
            Self::Backups => "BACKUPS",
            Self::Undo => "UNDO",
            Self::ReversibleWay => "REVERSIBLE WAY",
            Self::AskedBy => "ASKED BY",
            Self::Why => "WHY",
        }
    }
}

impl Fact {
    /// The fact with its source, as it stands behind its label.
    #[must_use]
    pub fn line(&self) -> String {
        match (&self.source, self.label) {
            (None, _) => self.words.clone(),
            (Some(policy), Label::Why) => format!("{} (policy {policy})", self.words),
            (Some(source), _) => format!("{} (seen in {source})", self.words),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_rest {
            true => f.write_str(&self.words),
            false => write!(f, "{}: {}", self.label.as_str(), self.line()),
        }
    }
}

/// What an agent passed, as it is shown: none of it is the gateway's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnWords {
    /// Its lines.
    pub lines: Vec<String>,
    /// How many more arguments there are.
    #[serde(default)]
    pub left_off: usize,
}

impl OwnWords {
    /// What stands above them.
    pub const HEADING: &str = "The agent's own words (not checked by the gateway):";

    /// What is said of those that are not shown.
    #[must_use]
    pub fn rest(&self) -> Option<String> {
        (self.left_off > 0).then(|| format!("… and {} more arguments", self.left_off))
    }
}

/// As an indented block, which none of it can leave.
impl fmt::Display for OwnWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        self.rest().map_or(Ok(()), |rest| writeln!(f, "{rest}"))
    }
}

/// The text: the facts, below them the agent's own words, and last how it is answered.
impl fmt::Display for QuestionFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.iter().try_for_each(|fact| writeln!(f, "{fact}"))?;
        if let Some(words) = &self.own_words {
            write!(f, "\n{}\n\n{words}", OwnWords::HEADING)?;
        }
        write!(f, "\n{}", self.closing)
    }
}

impl QuestionFacts {
    /// The first that is told about something.
    #[must_use]
    pub fn first(&self, label: Label) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.label == label)
    }

    /// The facts, those about the same together.
    pub fn by_label(&self) -> impl Iterator<Item = &[Fact]> {
        self.facts.chunk_by(|one, other| one.label == other.label)
    }
}

/// How the call is named that would be taken back.
#[must_use]
pub fn taken_back(call: Uuid) -> String {
    format!("call {call}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Confirmation;
    use crate::store::laws::question;

    fn fact(label: Label, words: &str) -> Fact {
        Fact { label, words: words.to_owned(), source: None, is_grave: false, is_rest: false }
    }

    fn facts() -> QuestionFacts {
        let seen = Fact { source: Some("pg_class".to_owned()), ..fact(Label::HowMuch, "8 rows") };
        let rest = Fact { is_rest: true, ..fact(Label::HowMuch, "… and 2 more facts") };
        let why = Fact { source: Some("p".to_owned()), ..fact(Label::Why, "It is production.") };
        let own_words = OwnWords { lines: vec!["sql:".to_owned(), "| WHERE: nowhere".to_owned()], left_off: 1 };
        QuestionFacts {
            facts: vec![fact(Label::What, "drop `a` (x)"), seen, rest, why],
            undoes: None,
            own_words: Some(own_words),
            closing: "To approve exactly this, type `a`.".to_owned(),
        }
    }

    #[test]
    fn the_text_says_all_of_it_in_its_order() {
        let text = "WHAT: drop `a` (x)\nHOW MUCH: 8 rows (seen in pg_class)\n… and 2 more facts\nWHY: It is production. \
                    (policy p)\n\nThe agent's own words (not checked by the gateway):\n\n    sql:\n    | WHERE: nowhere\n\
                    … and 1 more arguments\n\nTo approve exactly this, type `a`.";
        assert_eq!(facts().to_string(), text);
        let labels: Vec<_> = facts().by_label().map(|facts| (facts[0].label, facts.len())).collect();
        assert_eq!(labels, [(Label::What, 1), (Label::HowMuch, 2), (Label::Why, 1)]);
    }

    /// The record's digest is that of the text: facts that say anything else are not shown.
    #[test]
    fn facts_that_are_not_the_text_are_not_told() {
        let mut asked = question(Duration::from_secs(600));
        assert_eq!(asked.told(), None, "as in earlier versions");
        (asked.text, asked.facts) = (facts().to_string(), Some(facts()));
        assert_eq!(asked.told(), Some(&facts()));
        let stored = serde_json::to_value(&asked).unwrap();
        assert_eq!(serde_json::from_value::<Confirmation>(stored).unwrap(), asked);
        let others: [fn(&mut QuestionFacts); 6] = [
            |facts| facts.facts[0].words.push('b'),
            |facts| facts.facts[1].source = None,
            |facts| drop(facts.facts.pop()),
            |facts| facts.own_words = None,
            |facts| facts.closing.clear(),
            |facts| facts.undoes = Some(Uuid::nil()),
        ];
        for change in others {
            let mut other = asked.clone();
            other.facts.iter_mut().for_each(change);
            assert_eq!(other.told(), None, "{other:?}");
        }
    }
}
