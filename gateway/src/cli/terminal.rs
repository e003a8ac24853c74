//! A question put to the person at this terminal. Only where both ends are a terminal: nothing is asked of a pipe, and no
//! flag answers.

use std::io::{IsTerminal as _, Write as _};

use mollyguard_record::model::{Answer, Channel, Need, OwnWords, QuestionFacts};
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Failure;
use super::paint::Paint;
use crate::confirm::is_typed;

/// The way a person can be asked here, if there is one.
pub(crate) fn channel() -> Option<Channel> {
    let there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    there.then_some(Channel::Terminal)
}

/// Shows a question and reads one line.
pub(crate) async fn ask(facts: Option<&QuestionFacts>, text: &str, need: Need) -> Result<Answer, Failure> {
    if channel().is_none() {
        return Err(Failure::usage("this must be answered by a person at a terminal"));
    }
    show(facts, text);
    read_answer(need).await
}

/// Reads one line as the answer to a question that was shown.
pub(crate) async fn read_answer(need: Need) -> Result<Answer, Failure> {
    let prompt = if is_typed(&need) { "type the name, or nothing to decline: " } else { "approve or decline: " };
    eprint!("{}", Paint::stderr().bold(prompt));
    let _flushed = std::io::stderr().flush();
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|read| (read, line))
    });
    let (read, line) = line.await.map_err(Failure::usage)?.map_err(Failure::usage)?;
    Ok(match line.trim_end_matches(['\r', '\n']) {
        _ if read == 0 => Answer::Cancel,
        "" => Answer::Decline,
        typed => Answer::Accept { typed: Some(typed.to_owned()) },
    })
}

/// Asks for something that is not to be seen: what is typed is not shown.
pub(crate) async fn secret(prompt: &'static str) -> Result<String, Failure> {
    if channel().is_none() {
        return Err(Failure::usage("this must be typed by a person at a terminal"));
    }
    let hidden = Hidden::new().map_err(Failure::usage)?;
    eprint!("{}", Paint::stderr().bold(prompt));
    let _flushed = std::io::stderr().flush();
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    // Whoever interrupts gets their terminal back as it was.
    let typed = tokio::select! {
        line = line => line.map_err(Failure::usage)?.map_err(Failure::usage),
        _ = tokio::signal::ctrl_c() => Err(Failure::found("interrupted; nothing was changed")),
    };
    drop(hidden);
    eprintln!();
    typed
}

/// Keeps this terminal from showing what is typed, for as long as it lives.
struct Hidden(Termios);

impl Hidden {
    fn new() -> std::io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        // What was typed ahead was seen, and is no answer to this.
        tcsetattr(stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing is left to do where the terminal is gone.
        let _restored = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// Shows a question with its labels painted; one of which only the text is known, as it is.
pub(crate) fn show(facts: Option<&QuestionFacts>, text: &str) {
    let paint = Paint::stderr();
    let Some(QuestionFacts { facts, own_words, closing, .. }) = facts else {
        text.lines().for_each(|line| eprintln!("  {line}"));
        eprintln!();
        return;
    };
    for fact in facts {
        match fact.is_rest {
            true => eprintln!("  {}", fact.words),
            false => eprintln!("  {} {}", paint.cyan(&format!("{:<15}", fact.label.as_str())), fact.line()),
        }
    }
    if let Some(words) = own_words {
        eprintln!("  \n  {}\n  ", OwnWords::HEADING);
        words.to_string().lines().for_each(|line| eprintln!("  {line}"));
    }
    eprintln!("  \n  {closing}\n");
}
