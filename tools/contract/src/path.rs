//! Where a target is, segment by segment, and how that is shown.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Between two segments as they are shown.
const BETWEEN: char = '/';
/// Stands before a `/` or a `\` that belongs to a segment.
const ESCAPE: char = '\\';

/// Where a thing is: the configured target's name, and below that a name for each level.
///
/// It is kept as it is shown, `fleet/bookings`, and a `/` or `\` of a segment's own as `\/` or `\\`: two paths are never shown,
/// written down or digested as the same text, and what was written down before there were segments stays what it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TargetPath(String);

impl TargetPath {
    /// A configured target itself.
    #[must_use]
    pub fn of(configured: &str) -> Self {
        Self(escaped(configured).into_owned())
    }

    /// What bears a name in it.
    #[must_use]
    pub fn below(mut self, name: &str) -> Self {
        self.0.push(BETWEEN);
        self.0.push_str(&escaped(name));
        self
    }

    /// The path that was shown as this text, or a text in place of one that is not to be shown.
    #[must_use]
    pub fn as_shown(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text, for people and policies.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.0
    }

    /// Its segments, the configured target's name first.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let mut left = Some(self.0.as_str());
        std::iter::from_fn(move || {
            let text = left?;
            let end = end_of_first(text);
            left = end.map(|end| &text[end + BETWEEN.len_utf8()..]);
            Some(unescaped(&text[..end.unwrap_or(text.len())]))
        })
    }

    /// The name of the configured target.
    #[must_use]
    pub fn configured(&self) -> Cow<'_, str> {
        self.segments().next().unwrap_or_default()
    }

    /// The thing's own name: the last segment that is not empty.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        self.segments().filter(|segment| !segment.is_empty()).last().unwrap_or(Cow::Borrowed(&self.0))
    }

    /// The same in small letters.
    #[must_use]
    pub fn lowercased(&self) -> Self {
        Self(self.0.to_lowercase())
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for TargetPath {
    fn eq(&self, shown: &str) -> bool {
        self.0 == shown
    }
}

impl PartialEq<&str> for TargetPath {
    fn eq(&self, shown: &&str) -> bool {
        self.0 == *shown
    }
}

impl PartialEq<String> for TargetPath {
    fn eq(&self, shown: &String) -> bool {
        self.0 == *shown
    }
}

fn escaped(name: &str) -> Cow<'_, str> {
    if !name.contains([BETWEEN, ESCAPE]) {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len() + 1);
    for c in name.chars() {
        if matches!(c, BETWEEN | ESCAPE) {
            text.push(ESCAPE);
        }
        text.push(c);
    }
    Cow::Owned(text)
}

/// Where the first segment ends, unless it is the last.
fn end_of_first(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == BETWEEN && !is_escaped;
        is_escaped = c == ESCAPE && !is_escaped;
        ends.then_some(at)
    })
}

/// A backslash before anything else is one: what was written down before there were segments had no escapes.
fn unescaped(segment: &str) -> Cow<'_, str> {
    if !segment.contains(ESCAPE) {
        return Cow::Borrowed(segment);
    }
    let mut name = String::with_capacity(segment.len());
    let mut chars = segment.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = if c == ESCAPE { chars.next_if(|next| matches!(*next, BETWEEN | ESCAPE)) } else { None };
        name.push(escaped.unwrap_or(c));
    }
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::{Digest, Environment, Target, Tier};

    fn path(segments: &[String]) -> TargetPath {
        segments[1..].iter().fold(TargetPath::of(&segments[0]), |path, name| path.below(name))
    }

    fn target(path: TargetPath) -> Target {
        let environment = Environment { name: "production".into(), tier: Tier::Production };
        Target { kind: "file".into(), path, uid: None, environment }
    }

    fn segments() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(r#"[/\\ab."%é]{0,4}"#, 1..5)
    }

    #[test]
    fn a_plain_path_is_its_names_with_slashes_between() {
        let path = TargetPath::of("uploads").below("2025").below("plan.txt");
        assert_eq!(
            (path.shown(), &*path.configured(), &*path.name()),
            ("uploads/2025/plan.txt", "uploads", "plan.txt")
        );
        assert_eq!(to_value(&path).unwrap(), json!("uploads/2025/plan.txt"));
        assert_eq!(TargetPath::of("uploads").name(), "uploads");
        assert_eq!(TargetPath::of("uploads").below("").name(), "uploads", "what has no name has the one above");
    }

    #[test]
    fn a_slash_in_a_name_makes_no_second_segment() {
        let (one, two) = (TargetPath::of("fleet").below("a/b"), TargetPath::of("fleet").below("a").below("b"));
        assert_eq!((one.shown(), two.shown()), (r"fleet/a\/b", "fleet/a/b"));
        assert_eq!((one.name(), two.name()), ("a/b".into(), "b".into()));
        assert_eq!(TargetPath::of("fleet").below(r"a\").below("b").shown(), r"fleet/a\\/b");
    }

    #[test]
    fn what_was_written_down_before_there_were_segments_is_what_it_was() {
        for text in ["fleet/bookings", "fleet/a/b", r"uploads/a\b", r"uploads/a\", "", "/", r"a\\\b"] {
            let old: TargetPath = from_value(json!(text)).unwrap();
            assert_eq!((old.shown(), to_value(&old).unwrap()), (text, json!(text)));
            assert!(old.segments().count() >= 1, "{text}");
        }
        let old: TargetPath = from_value(json!(r"uploads/a\b")).unwrap();
        assert_eq!(old.name(), r"a\b");
    }

    proptest! {
        #[test]
        fn its_segments_are_what_it_was_made_of(segments in segments()) {
            let path = path(&segments);
            prop_assert_eq!(path.segments().collect::<Vec<_>>(), segments.clone());
            prop_assert_eq!(path.configured(), segments[0].as_str());
            let read: TargetPath = from_value(to_value(&path).unwrap()).unwrap();
            prop_assert_eq!(read.segments().collect::<Vec<_>>(), segments);
            prop_assert_eq!(read, path);
        }

        #[test]
        fn two_paths_are_shown_digested_and_aimed_at_as_two(one in segments(), two in segments()) {
            let ([a, b], is_same) = ([&one, &two].map(|segments| path(segments)), one == two);
            prop_assert_eq!(a.shown() == b.shown(), is_same);
            prop_assert_eq!(a == b, is_same);
            let [a, b] = [a, b].map(target);
            prop_assert_eq!(Digest::of(&a) == Digest::of(&b), is_same);
            prop_assert_eq!(a.names() == b.names(), is_same);
        }

        /// The same letters, cut differently.
        #[test]
        fn where_a_path_is_cut_is_seen(text in r#"[/\\a]{1,8}"#, one in 0..8_usize, two in 0..8_usize) {
            let chars: Vec<_> = text.chars().collect();
            let cut = |at: usize| {
                let (head, tail) = chars.split_at(at.min(chars.len()));
                [head, tail].map(|half| half.iter().collect::<String>())
            };
            let (one, two) = (cut(one), cut(two));
            prop_assert_eq!(path(&one).shown() == path(&two).shown(), one == two);
        }
    }
}
