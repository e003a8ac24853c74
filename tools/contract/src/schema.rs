//! JSON Schemas from types, as clients take them.

use schemars::{JsonSchema, generate::SchemaSettings, transform::ReplaceBoolSchemas};
use serde_json::Value;

/// A type's JSON Schema (2020-12), subschemas inlined: several clients do not follow `$ref`.
#[must_use]
pub fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
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
