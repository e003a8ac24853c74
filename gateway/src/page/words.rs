//! Words of the gateway as the page writes them.

/// `out_of_band` as people write it.
pub(super) fn plain(words: &str) -> String {
    words.replace('_', " ")
}
