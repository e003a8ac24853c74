//! SQLite's values as JSON: exactly, for putting them back, and plainly, for showing them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rusqlite::types::{Value as Bound, ValueRef};
use serde_json::{Value, json};

/// A value such that [`bind`] gives back the very same one: type and bits.
///
/// Integers and valid text are themselves. JSON has one kind of number, so a real is `{"real": "1.0"}`; bytes are
/// `{"blob": "<base64>"}`, and text that is not valid UTF-8 is `{"text": "<base64>"}` of its bytes in the database.
pub(crate) fn exact(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(real) => json!({ "real": format!("{real:?}") }),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => text.into(),
            Err(_) => json!({ "text": BASE64.encode(text) }),
        },
        ValueRef::Blob(bytes) => json!({ "blob": BASE64.encode(bytes) }),
    }
}

/// The same for a text that is stored as UTF-16 with these bytes, which no other text may become: where it is not the
/// UTF-8 it is given as, it is `{"text": "<base64>"}` of the bytes. `None` where they are no whole characters.
pub(crate) fn exact_wide(value: ValueRef<'_>, bytes: &[u8], big: bool) -> Option<Value> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let unit = if big { u16::to_be_bytes } else { u16::to_le_bytes };
    let is_it = |text: &str| text.encode_utf16().flat_map(unit).eq(bytes.iter().copied());
    Some(match value.as_str() {
        Ok(text) if is_it(text) => text.into(),
        _ => json!({ "text": BASE64.encode(bytes) }),
    })
}

/// What to write in SQL for a value made by [`exact`], and what to bind there. `None` for anything else.
pub(crate) fn bind(value: &Value) -> Option<(&'static str, Bound)> {
    let plain = match value {
        Value::Null => Bound::Null,
        Value::Number(number) => Bound::Integer(number.as_i64()?),
        Value::String(text) => Bound::Text(text.clone()),
        Value::Object(fields) if fields.len() == 1 => {
            let (kind, inner) = fields.iter().next()?;
            let inner = inner.as_str()?;
            match kind.as_str() {
                "real" => Bound::Real(inner.parse().ok()?),
                "blob" => Bound::Blob(BASE64.decode(inner).ok()?),
                // A cast keeps the bytes; binding text would have to change them to be valid.
                "text" => return Some(("CAST(? AS TEXT)", Bound::Blob(BASE64.decode(inner).ok()?))),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(("?", plain))
}

/// A value as an agent reads it: integers exactly, reals as numbers where JSON has them and as text where it does not,
/// bytes as `{"base64": …}`, invalid text with replacement characters.
pub(crate) fn plain(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(real) => match serde_json::Number::from_f64(real) {
            Some(number) => Value::Number(number),
            None => real.to_string().into(),
        },
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => json!({ "base64": BASE64.encode(bytes) }),
    }
}

/// About how many bytes a value takes as JSON, without writing it.
pub(crate) fn weight(value: &Value) -> u64 {
    let bytes = match value {
        Value::String(text) => text.len() + 3,
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + 6 + value.as_str().map_or(0, str::len)).sum()
        }
        Value::Array(items) => return items.iter().map(weight).sum::<u64>() + 2,
        Value::Number(_) => 12,
        Value::Null | Value::Bool(_) => 5,
    };
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_as_it_was() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let values = [
            "NULL",
            "0",
            "-9223372036854775808",
            "9007199254740993",
            "1.0",
            "-0.0",
            "0.1",
            "1e300",
            "9e999",
            "-9e999",
            "''",
            "'é'",
            "x''",
            "x'00ff'",
            "CAST(x'ff00fe' AS TEXT)",
            "'a' || char(0) || 'b'",
        ];
        for value in values {
            let shape = "SELECT typeof(v), hex(v), v FROM (SELECT";
            let read = |sql: &str, bound: &[Bound]| {
                conn.query_row(sql, rusqlite::params_from_iter(bound), |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, exact(row.get_ref(2)?)))
                })
                .unwrap()
            };
            let first = read(&format!("{shape} {value} AS v)"), &[]);
            let text = serde_json::to_string(&first.2).unwrap();
            let (place, bound) = bind(&serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!(read(&format!("{shape} {place} AS v)"), &[bound]), first, "{value}");
        }
    }
}
