//! Words of the gateway laid out for the page.

/// A question's text, taken apart into its lines without changing a word.
pub(super) struct LaidOut<'a> {
    /// Each label with its lines, in the order they stand.
    pub(super) facts: Vec<(&'a str, Vec<&'a str>)>,
    /// Everything below: the agent's own words, and how to answer.
    pub(super) rest: Vec<&'a str>,
}

/// Lays the text out: labelled lines first, until the first line that has no label.
pub(super) fn laid_out(text: &str) -> LaidOut<'_> {
    let mut facts: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut rest = Vec::new();
    for line in text.lines() {
        let labelled = line.split_once(": ").filter(|(label, _)| {
            rest.is_empty() && !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ')
        });
        match (labelled, facts.last_mut()) {
            (Some((label, words)), Some((last, lines))) if *last == label => lines.push(words),
            (Some((label, words)), _) => facts.push((label, vec![words])),
            // `… and 3 more facts` belongs to the label above it.
            (None, Some((_, lines))) if rest.is_empty() && line.starts_with('…') => lines.push(line),
            (None, _) => rest.push(line),
        }
    }
    LaidOut { facts, rest }
}

/// `out_of_band` as people write it.
pub(super) fn plain(words: &str) -> String {
    words.replace('_', " ")
}
