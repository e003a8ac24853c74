//! The question's words.
/// What a question is made of.
#[derive(Debug)]
pub struct Asked;
/// Renders the question.
#[must_use]
pub fn render(_asked: &Asked) -> String {
    String::new()
}
/// Quotes text that somebody else wrote.
#[must_use]
pub fn quoted(text: &str) -> String {
    text.to_owned()
}
