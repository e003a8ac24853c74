//! The secrets the gateway holds, as a tool may know them: where they stand in what a target holds, and never what they
//! are. A tool that gives out a part of something looks around that part; the gateway sees only what was given out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What stands where a held secret was.
pub const MARK: &str = "[redacted]";

/// Finds held secrets, in the forms they are likely to be written in.
pub trait HeldSecrets: Send + Sync {
    /// The longest form of one in bytes.
    fn longest(&self) -> usize;

    /// Where they stand in these bytes, in order and without overlap.
    fn spans(&self, bytes: &[u8]) -> Vec<Range<usize>>;

    /// The references, such as `env:NAME`, of those that stand in these bytes, each once.
    fn references(&self, bytes: &[u8]) -> Vec<String>;
}

/// A held secret in what a target holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Exposed {
    /// Its reference, such as `env:NAME`.
    pub secret: String,
    /// Where it stands: a file, a table.
    pub place: String,
}

/// What a bounded search of a target for held secrets found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Those found, each place once.
    pub found: Vec<Exposed>,
    /// It stopped at a bound: there may be more.
    pub partial: bool,
}

/// How many places a search tells.
const MOST_TOLD: usize = 20;

impl Search {
    /// Adds what stands in these bytes of a place.
    pub fn look(&mut self, held: &dyn HeldSecrets, bytes: &[u8], place: &str) {
        for secret in held.references(bytes) {
            let exposed = Exposed { secret, place: place.to_owned() };
            if self.found.contains(&exposed) {
                continue;
            }
            if self.found.len() >= MOST_TOLD {
                self.partial = true;
                return;
            }
            self.found.push(exposed);
        }
    }
}
