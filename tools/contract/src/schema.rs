//! JSON Schemas from types, as clients take them.

use schemars::{JsonSchema, generate::SchemaSettings, transform::ReplaceBoolSchemas};
use serde_json::Value;

/// The JSON Schema (2020-12) of arguments: what is taken.
#[must_use]
pub fn schema_of<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12())
}

/// The JSON Schema (2020-12) of an output: what is given. A field that is left out at times is not required.
#[must_use]
pub fn schema_of_output<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// Subschemas are inlined: several clients do not follow `$ref`.
fn schema<T: JsonSchema>(mut settings: SchemaSettings) -> Value {
    settings.inline_subschemas = true;
    let mut transform = ReplaceBoolSchemas::default();
    transform.skip_additional_properties = true;
    // A bare `true` is a schema too, but several clients choke on it.
    settings.transforms.push(Box::new(transform));
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("title");
    }
    schema
}
