//! Parameters of a statement: JSON in a call, the text form of the parameter's own type on the wire. The server's input
//! functions judge them, exactly as they judge a literal.

use std::error::Error;

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::contract::ToolError;

/// The most parameters one call takes; the protocol's own limit is 65,535.
const MOST: usize = 1_000;

/// A value in the text form of its type; `None` is NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub Option<String>);

impl ToSql for Text {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The parameters of a call for a statement that takes these types.
///
/// # Errors
/// `Untouched`: too few, too many, or one that has no form of its type.
pub(crate) fn of_call(given: &[Value], types: &[Type]) -> Result<Vec<Text>, ToolError> {
    if given.len() != types.len() || given.len() > MOST {
        let reason = format!("the statement takes {} parameters, and `params` holds {}", types.len(), given.len());
        return Err(ToolError::refused(reason).with_next("write `$1`, `$2` … in the statement, one for each"));
    }
    given
        .iter()
        .zip(types)
        .enumerate()
        .map(|(at, (value, kind))| {
            let text = text(value, kind)
                .map_err(|reason| ToolError::refused(format!("`params[{at}]` is no {}: {reason}", kind.name())))?;
            Ok(Text(text))
        })
        .collect()
}

fn text(value: &Value, kind: &Type) -> Result<Option<String>, &'static str> {
    if matches!(*kind, Type::JSON | Type::JSONB) {
        // A string is a document already: `"x"` the JSON string would be written `"\"x\""`.
        return Ok(match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
    }
    match (value, kind.kind()) {
        (Value::Null, _) => Ok(None),
        (Value::Bool(value), _) => Ok(Some(value.to_string())),
        (Value::Number(value), _) => Ok(Some(value.to_string())),
        (Value::String(value), _) if value.contains('\0') => Err("it holds a NUL character"),
        (Value::String(value), _) => Ok(Some(value.clone())),
        (Value::Array(values), Kind::Array(element)) => array(values, element).map(Some),
        (Value::Array(_), _) => Err("it is an array"),
        (Value::Object(_), _) => Err("it is an object"),
    }
}

/// The literal of an array: <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>.
fn array(values: &[Value], element: &Type) -> Result<String, &'static str> {
    let mut items = Vec::with_capacity(values.len());
    for value in values {
        items.push(match value {
            Value::Array(inner) => array(inner, element)?,
            value => match text(value, element)? {
                None => "NULL".to_owned(),
                Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            },
        });
    }
    Ok(format!("{{{}}}", items.join(",")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_take_the_form_of_their_type() {
        let given =
            [json!(1), json!("x"), json!(null), json!({"a": 1}), json!(["a\"b", null, "c\\d"]), json!([[1], [2]])];
        let types = [Type::INT8, Type::TEXT, Type::DATE, Type::JSONB, Type::TEXT_ARRAY, Type::INT4_ARRAY];
        let texts: Vec<_> = of_call(&given, &types).unwrap().into_iter().map(|text| text.0).collect();
        let expected = [
            Some("1"),
            Some("x"),
            None,
            Some("{\"a\":1}"),
            Some("{\"a\\\"b\",NULL,\"c\\\\d\"}"),
            Some("{{\"1\"},{\"2\"}}"),
        ];
        assert_eq!(texts, expected.map(|text| text.map(str::to_owned)));
        assert!(of_call(&given[..1], &types).is_err());
        assert!(of_call(&[json!({})], &[Type::INT4]).is_err());
        assert!(of_call(&[json!("a\0b")], &[Type::TEXT]).is_err());
    }
}
