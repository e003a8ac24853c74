//! JSON Schema validators, compiled once; an error names the path of what does not fit.

use jsonschema::Validator;
use serde_json::Value;

/// The most errors told at once.
const ERRORS: usize = 5;

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
            .map(|error| match error.instance_path().as_str() {
                "" => format!("arguments: {error}"),
                path => format!("{path}: {error}"),
            })
            .collect())
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
}
