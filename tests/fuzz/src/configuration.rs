//! A configuration file, with a secret pasted where one might be: behind the keys that take one, and behind a key that a
//! person might think takes one. The first byte says how far behind the `=`.

use std::path::Path;

use mollyguard::config::Config;

use crate::setup::{PLACE, toolsets};

/// A secret that is text, a number and part of a word alike.
const SECRET: &str = "7311094752";

/// The keys behind which a secret may be pasted.
const KEYS: [&str; 5] = ["secret", "secrets", "digest", "password", "path"];

/// No text breaks the reading, and an error has nothing of a secret in it.
pub fn configuration(input: &[u8]) {
    let Some((at, text)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    if text.contains(SECRET) {
        return;
    }
    for text in [with_secret(&text, usize::from(*at)), text.into_owned()] {
        let Err(error) = Config::parse(&text, Path::new(PLACE), toolsets()) else { continue };
        let told = format!("{error}\n{error:?}");
        assert!(!told.contains(SECRET), "an error tells a secret: {told}");
        assert!(told.contains(PLACE), "an error names no file: {told}");
    }
}

fn with_secret(text: &str, at: usize) -> String {
    let pasted = text.split_inclusive('\n').map(|line| match line.split_once('=') {
        Some((key, value)) if KEYS.contains(&key.trim()) => {
            let places: Vec<_> = value.char_indices().map(|(index, _)| index).collect();
            // The line's end stays where it is: behind it is the next key.
            let (before, after) = value.split_at(places.get(at % places.len().max(1)).copied().unwrap_or_default());
            format!("{key}={before}{SECRET}{after}")
        }
        _ => line.to_owned(),
    });
    pasted.collect()
}
