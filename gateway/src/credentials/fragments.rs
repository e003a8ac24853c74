//! Pieces of held secrets at the ends of text that was cut before it came here: a long name, a statement the server shows
//! the beginning of.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, BuildError};
use mollyguard_tools::contract::Secret;

use super::named::Named;

/// Shorter pieces are left: they would be found in ordinary text.
const SHORTEST: usize = 8;

/// What stands where something was cut out of the middle.
const CUT: &str = "…";

/// Finds the beginnings of secrets at the ends of text, and their ends at its beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragments {
    secrets: Arc<[Arc<Secret>]>,
    /// The first and the last bytes of each.
    ends: Option<(AhoCorasick, AhoCorasick)>,
    longest: usize,
}

impl Fragments {
    /// For these secrets, but for URLs: of those the password is a secret of its own, and the rest is no secret.
    pub(super) fn new(secrets: &[Named]) -> Result<Self, BuildError> {
        let is_cut = |secret: &&Arc<Secret>| secret.reveal().len() > SHORTEST && !secret.reveal().contains("://");
        let secrets: Arc<[Arc<Secret>]> = secrets.iter().map(|named| &named.secret).filter(is_cut).cloned().collect();
        if secrets.is_empty() {
            return Ok(Self::default());
        }
        let search = |ends: Vec<&[u8]>| AhoCorasick::builder().ascii_case_insensitive(true).build(ends);
        let bytes = || secrets.iter().map(|secret| secret.reveal().as_bytes());
        let heads = search(bytes().map(|secret| &secret[..SHORTEST]).collect())?;
        let tails = search(bytes().map(|secret| &secret[secret.len() - SHORTEST..]).collect())?;
        let longest = bytes().map(<[u8]>::len).max().unwrap_or_default();
        Ok(Self { secrets, ends: Some((heads, tails)), longest })
    }

    /// Where such pieces stand in a text. They may share bytes.
    pub(super) fn pieces(&self, text: &str) -> Vec<Range<usize>> {
        if self.ends.is_none() || text.len() < SHORTEST {
            return Vec::new();
        }
        let mut pieces = Vec::new();
        let mut from = 0;
        for part in text.split(CUT) {
            let found = [self.at_the_beginning(part.as_bytes()), self.at_the_end(part.as_bytes())];
            // A piece may end within a character of a secret that is not ASCII.
            pieces.extend(
                found.into_iter().flatten().map(|found| {
                    text.floor_char_boundary(from + found.start)..text.ceil_char_boundary(from + found.end)
                }),
            );
            from += part.len() + CUT.len();
        }
        pieces
    }

    /// The longest beginning of a secret that the text ends with.
    fn at_the_end(&self, text: &[u8]) -> Option<Range<usize>> {
        let (heads, _) = self.ends.as_ref()?;
        let from = text.len().saturating_sub(self.longest);
        let starts = heads.find_overlapping_iter(&text[from..]).filter_map(|found| {
            let (start, secret) = (from + found.start(), self.secrets.get(found.pattern().as_usize())?);
            let (rest, secret) = (text.get(start..)?, secret.reveal().as_bytes());
            secret.get(..rest.len())?.eq_ignore_ascii_case(rest).then_some(start)
        });
        starts.min().map(|start| start..text.len())
    }

    /// The longest end of a secret that the text begins with.
    fn at_the_beginning(&self, text: &[u8]) -> Option<Range<usize>> {
        let (_, tails) = self.ends.as_ref()?;
        let to = text.len().min(self.longest);
        let ends = tails.find_overlapping_iter(&text[..to]).filter_map(|found| {
            let secret = self.secrets.get(found.pattern().as_usize())?.reveal().as_bytes();
            let first = text.get(..found.end())?;
            secret.get(secret.len().checked_sub(first.len())?..)?.eq_ignore_ascii_case(first).then_some(found.end())
        });
        ends.max().map(|end| 0..end)
    }
}
