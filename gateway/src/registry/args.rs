//! JSON Schema validators, compiled once; an error names the path of what does not fit.

use jsonschema::Validator;
use serde_json::Value;

/// The most errors told at once.
const ERRORS: usize = 5;

/// The most characters of one error, and of the path in it. An error repeats what it is about, which the agent chose.
const LONGEST: (usize, usize) = (500, 200);

/// A tool's input schema, compiled.
#[derive(Debug)]
pub struct ArgsSchema(Validator);

impl ArgsSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// It is not a JSON Schema.
    pub fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::validator_for(schema).map(Self).map_err(|error| error.to_string())
    }

    /// Checks arguments.
    ///
    /// # Errors
    /// What does not fit, each with its JSON Pointer (RFC 6901).
    pub fn check(&self, args: &Value) -> Result<(), Vec<String>> {
        if self.0.is_valid(args) {
            return Ok(());
        }
        let errors = self.0.iter_errors(args).take(ERRORS);
        Err(errors
            .map(|error| {
                let place = match error.instance_path().as_str() {
                    "" => "arguments".to_owned(),
                    path => cut(path, LONGEST.1),
                };
                let told = error.to_string();
                // What the value should be stands behind it, where it would be cut off.
                let told = if told.chars().count() > LONGEST.0 { error.masked().to_string() } else { told };
                format!("{place}: {}", cut(&told, LONGEST.0))
            })
            .collect())
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_names_the_path() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}},
            "additionalProperties": false});
        let schema = ArgsSchema::new(&schema).unwrap();
        assert!(schema.check(&json!({"a": {"b": "x"}})).is_ok());
        let errors = schema.check(&json!({"a": {"b": 1}, "c": 2})).unwrap_err();
        assert!(errors.iter().any(|error| error.starts_with("/a/b: ")));
        assert!(errors.iter().any(|error| error.contains("'c'")));
    }

    #[test]
    fn an_error_is_short_however_long_the_arguments_are() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "null"}}},
            "additionalProperties": false});
        let schema = ArgsSchema::new(&schema).unwrap();
        let long = "long".repeat(10_000);
        let mut args = json!({"a": long});
        args[&long] = json!(1);
        for (args, what) in [(args, "object"), (json!({"a": {(long.as_str()): 1}}), "null")] {
            let errors = schema.check(&args).unwrap_err();
            assert!(errors.iter().any(|error| error.contains(what)), "says what should be there: {errors:?}");
            assert!(errors.iter().all(|error| error.chars().count() < 800), "{errors:?}");
        }
    }
}
