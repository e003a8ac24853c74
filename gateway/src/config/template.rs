//! The words of a command that is told of questions, with places for what it is told. No shell reads them, and what is put
//! into one word stays in it.

use std::fmt;

/// The most words of a command.
const WORDS: usize = 32;
/// Programs that run what follows `-c` or `-e` as code.
const INTERPRETERS: [&str; 12] =
    ["sh", "bash", "dash", "zsh", "ksh", "fish", "python", "perl", "ruby", "node", "osascript", "env"];

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    What,
    Where,
    Need,
    Page,
    Confirmation,
}

impl Place {
    const ALL: [(&str, Self); 5] = [
        ("what", Self::What),
        ("where", Self::Where),
        ("need", Self::Need),
        ("page", Self::Page),
        ("confirmation", Self::Confirmation),
    ];
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    written: Vec<String>,
    program: String,
    arguments: Vec<Vec<Piece>>,
}

impl Template {
    /// Reads the words of a command.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let [program, rest @ ..] = words else { return Err("names no program".to_owned()) };
        if program.is_empty() || program.contains(['{', '}']) {
            return Err("its first word is the program itself, and holds no place".to_owned());
        }
        if words.len() > WORDS || words.iter().any(|word| word.contains('\0')) {
            return Err(format!("is at most {WORDS} words of text"));
        }
        let arguments: Vec<_> = rest.iter().map(|word| pieces(word)).collect::<Result<_, _>>()?;
        if let Some(code) = code_of(program, rest)
            && arguments.get(code).is_some_and(|argument| argument.iter().any(|piece| matches!(piece, Piece::Place(_))))
        {
            return Err(format!(
                "`{}` would run what stands in `{}` as code: pass the places as arguments of their own",
                program,
                rest.get(code).map_or("", String::as_str)
            ));
        }
        Ok(Self { written: words.to_vec(), program: program.clone(), arguments })
    }

    /// The words as they were written.
    #[must_use]
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// The arguments with what `at` puts in their places. What is put there is not looked at again.
    pub(crate) fn arguments(&self, at: impl Fn(Place) -> String) -> Vec<String> {
        let filled = |pieces: &Vec<Piece>| {
            let mut word = String::new();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => word.push_str(text),
                    Piece::Place(place) => {
                        let text = at(*place);
                        // Programs read words that begin like these as options, or as files to read.
                        if word.is_empty() && text.starts_with(['-', '+', '@', '/']) {
                            word.push(' ');
                        }
                        word.push_str(&text);
                    }
                }
            }
            // No argument can hold it.
            word.replace('\0', "")
        };
        self.arguments.iter().map(filled).collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)
    }
}

fn pieces(word: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some((text, tail)) = rest.split_once('{') {
        let known = || Place::ALL.map(|(name, _)| format!("`{{{name}}}`")).join(", ");
        let (name, tail) = tail.split_once('}').ok_or_else(|| format!("`{word}` has a `{{` without its `}}`"))?;
        let place = Place::ALL.iter().find(|(known, _)| *known == name);
        let (_, place) = place.ok_or_else(|| format!("there is no `{{{name}}}`; the places are {}", known()))?;
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        pieces.push(Piece::Place(*place));
        rest = tail;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// Which of the arguments an interpreter would run as code.
fn code_of(program: &str, arguments: &[String]) -> Option<usize> {
    let name = program.rsplit('/').next().unwrap_or_default();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !INTERPRETERS.contains(&name) {
        return None;
    }
    let runs = |flag: &String| {
        let short = flag.starts_with('-') && !flag.starts_with("--") && flag.ends_with(['c', 'e', 'p', 'S']);
        short || ["--eval", "--print", "--command", "--split-string"].contains(&flag.as_str())
    };
    arguments.iter().position(runs).map(|flag| flag + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(words: &[&str]) -> Result<Template, String> {
        Template::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_put_into_a_word_stays_in_it() {
        let told = template(&["tell", "{what}", "at {where}: {what}", "--body={what}", "{need}{page}"]).unwrap();
        let hostile = |place| match place {
            Place::What => "--help {where} $(touch x)\0".to_owned(),
            Place::Where => "; rm -rf /".to_owned(),
            Place::Need => String::new(),
            _ => "@file".to_owned(),
        };
        let filled = [
            " --help {where} $(touch x)",
            "at ; rm -rf /: --help {where} $(touch x)",
            "--body=--help {where} $(touch x)",
            " @file",
        ];
        assert_eq!(told.arguments(hostile), filled);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (bad, why) in [
            (&[][..], "no program"),
            (&["{what}"], "first word"),
            (&["tell", "{waht}"], "`{what}`"),
            (&["tell", "{what"], "without its"),
            (&["sh", "-c", "tell {what}"], "as code"),
            (&["/bin/bash", "-xec", "tell {what}"], "as code"),
            (&["python3.13", "-c", "print('{what}')"], "as code"),
            (&["node", "--eval", "{what}"], "as code"),
        ] {
            let error = template(bad).unwrap_err();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
        template(&["sh", "-c", "tell \"$1\"", "sh", "{what}"]).unwrap();
        template(&["notify-send", "-e", "{what}"]).unwrap();
    }
}
