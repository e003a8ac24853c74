//! Arguments of a call, as an agent sends them: the first line names the tool, the rest is JSON.

use mollyguard::registry::Registry;
use serde_json::Value;

use crate::setup;

/// The most characters that all errors about one call's arguments may come to, however long the arguments are.
const BOUND: usize = 4 << 10;

/// No arguments break the check, an error is short and names a place, and what passes has the keys of the schema only.
pub fn arguments(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (name, json) = text.split_once('\n').unwrap_or_default();
    let Ok(args) = serde_json::from_str::<Value>(json) else { return };
    let registry = setup::registry();
    match registry.find(name) {
        Ok(_) => check(registry, name, &args),
        Err(_) => registry.listing().for_each(|declaration| check(registry, &declaration.name, &args)),
    }
}

fn check(registry: &Registry, name: &str, args: &Value) {
    let Ok(entry) = registry.find(name) else { return };
    let checked = registry.check(&entry, args);
    assert_eq!(checked, registry.check(&entry, args), "asked twice");
    match checked {
        Ok(()) => {
            let schema = registry.declaration(name).map(|declaration| &declaration.input_schema);
            let known = schema.and_then(|schema| schema["properties"].as_object());
            let keys: Vec<_> = args.as_object().into_iter().flat_map(|args| args.keys()).collect();
            assert!(args.is_object(), "`{name}` takes what is no object");
            assert!(keys.iter().all(|key| known.is_some_and(|known| known.contains_key(*key))), "`{name}`: {keys:?}");
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a word");
            let length: usize = errors.iter().map(|error| error.chars().count()).sum();
            assert!(length <= BOUND, "{length} characters about {} bytes of arguments", args.to_string().len());
            for error in &errors {
                assert!(error.starts_with('/') || error.starts_with("arguments: "), "names no place: {error}");
            }
        }
    }
}
