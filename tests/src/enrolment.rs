//! One-time codes, as people get to see them.

use crate::{Result, World, within};

/// `mollyguard operator enroll` on a terminal of its own, for the user of the same name.
///
/// # Errors
/// It shows none.
pub async fn first_code(world: &World, name: &str) -> Result<String> {
    let enroll = world.command(&["operator", "enroll", name, "--for", name])?;
    let enroll = enroll.as_std();
    let words = std::iter::once(enroll.get_program()).chain(enroll.get_args());
    let line: Vec<_> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut terminal = tokio::process::Command::new("script");
    terminal.env("NO_COLOR", "1");
    terminal
        .args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"])
        .stdin(std::process::Stdio::null());
    let shown = within("a one-time code", terminal.output()).await??;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let code = codes(&shown).next();
    code.ok_or_else(|| format!("no code in: {shown}").into())
}

/// Everything in a text that looks like a code.
pub fn codes(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let is_code = |word: &&str| word.len() == 23 && word.split('-').all(|group| group.len() == 5);
    words.filter(is_code).map(str::to_owned)
}
