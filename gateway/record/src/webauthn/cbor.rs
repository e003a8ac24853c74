//! CBOR as authenticators write it, read strictly: bounded depth and width, no tags, keys that are integers or text, no key
//! twice. The canonical form of CTAP2 is not asked for: a client may have written anew what it passes on.

use ciborium::Value;
use ciborium::de::from_reader_with_recursion_limit;

use super::Wrong;

/// How deep items may lie within each other. An attestation has four levels.
const DEPTH: usize = 16;
/// The most members of a map. Keys are compared with each other.
const MEMBERS: usize = 64;

/// A map whose keys are integers or text, each there once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Map(Vec<(Value, Value)>);

impl Map {
    /// Takes out what is under this key.
    pub(super) fn take(&mut self, key: impl Into<Value>) -> Option<Value> {
        let key = key.into();
        let place = self.0.iter().position(|(name, _)| *name == key)?;
        Some(self.0.swap_remove(place).1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The map that all of these bytes are.
pub(super) fn map(bytes: &[u8], what: &'static str) -> Result<Map, Wrong> {
    let (map, rest) = first_map(bytes, what)?;
    if rest.is_empty() { Ok(map) } else { Err(Wrong::Malformed(what)) }
}

/// The map these bytes begin with, and what follows it.
pub(super) fn first_map<'a>(bytes: &'a [u8], what: &'static str) -> Result<(Map, &'a [u8]), Wrong> {
    let mut rest = bytes;
    let value = from_reader_with_recursion_limit(&mut rest, DEPTH).map_err(|_| Wrong::Malformed(what))?;
    check(&value, what)?;
    Ok((as_map(value, what)?, rest))
}

/// The map that a checked value is.
pub(super) fn as_map(value: Value, what: &'static str) -> Result<Map, Wrong> {
    value.into_map().map(Map).map_err(|_| Wrong::Malformed(what))
}

fn check(value: &Value, what: &'static str) -> Result<(), Wrong> {
    match value {
        Value::Map(members) => {
            if members.len() > MEMBERS {
                return Err(Wrong::TooLong("a map of the authenticator has more members than it may"));
            }
            for (at, (key, value)) in members.iter().enumerate() {
                let is_key = matches!(key, Value::Integer(_) | Value::Text(_));
                if !is_key || members.iter().take(at).any(|(other, _)| other == key) {
                    return Err(Wrong::Malformed(what));
                }
                check(value, what)?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| check(item, what)),
        Value::Tag(..) => Err(Wrong::Malformed(what)),
        _ => Ok(()),
    }
}
