//! Values of PostgreSQL as JSON, decoded from the binary form of the protocol.
//!
//! The forms are those of the servers' own `*_send` functions (`src/backend/utils/adt`). What has no decoder here is asked
//! for as text instead: see [`is_known`].

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio_postgres::types::{FromSql, Kind, Type};

/// What a malformed value is answered with.
type Malformed = Box<dyn Error + Sync + Send>;

/// Whether values of this type are decoded here; of others the text form is asked for.
pub(crate) fn is_known(kind: &Type) -> bool {
    match kind.kind() {
        Kind::Simple => known_simple(kind),
        Kind::Enum(_) => true,
        Kind::Domain(inner) => is_known(inner),
        Kind::Array(element) => is_known(element),
        _ => false,
    }
}

fn known_simple(kind: &Type) -> bool {
    matches!(
        *kind,
        Type::BOOL
            | Type::INT2
            | Type::INT4
            | Type::INT8
            | Type::OID
            | Type::FLOAT4
            | Type::FLOAT8
            | Type::NUMERIC
            | Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::CHAR
            | Type::UNKNOWN
            | Type::BYTEA
            | Type::JSON
            | Type::JSONB
            | Type::UUID
            | Type::DATE
            | Type::TIMESTAMP
            | Type::TIMESTAMPTZ
    )
}

/// A value as JSON.
pub(crate) struct Json(pub Value);

impl<'a> FromSql<'a> for Json {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Malformed> {
        decode(kind, raw).map(Json)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Malformed> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn decode(kind: &Type, raw: &[u8]) -> Result<Value, Malformed> {
    match kind.kind() {
        Kind::Domain(inner) => decode(inner, raw),
        Kind::Array(element) => array(element, raw),
        Kind::Enum(_) => Ok(json!(text(raw)?)),
        _ => simple(kind, raw),
    }
}

fn simple(kind: &Type, raw: &[u8]) -> Result<Value, Malformed> {
    Ok(match *kind {
        Type::BOOL => json!(fixed::<1>(raw)? != [0]),
        Type::INT2 => json!(i16::from_be_bytes(fixed(raw)?)),
        Type::INT4 => json!(i32::from_be_bytes(fixed(raw)?)),
        // JSON readers take numbers for doubles, which lose integers beyond 2^53.
        Type::INT8 => json!(i64::from_be_bytes(fixed(raw)?).to_string()),
        Type::OID => json!(u32::from_be_bytes(fixed(raw)?)),
        Type::FLOAT4 => float4(f32::from_be_bytes(fixed(raw)?)),
        Type::FLOAT8 => float8(f64::from_be_bytes(fixed(raw)?)),
        Type::NUMERIC => json!(numeric(raw)?),
        Type::BYTEA => json!(BASE64.encode(raw)),
        Type::UUID => json!(uuid::Uuid::from_bytes(fixed(raw)?).to_string()),
        Type::JSON => document(text(raw)?),
        // A version number comes before the text.
        Type::JSONB => document(text(raw.get(1..).ok_or("a jsonb value without its version")?)?),
        Type::DATE => json!(date(i32::from_be_bytes(fixed(raw)?))),
        Type::TIMESTAMP => json!(timestamp(i64::from_be_bytes(fixed(raw)?), "")),
        Type::TIMESTAMPTZ => json!(timestamp(i64::from_be_bytes(fixed(raw)?), "Z")),
        Type::CHAR => json!(String::from_utf8_lossy(raw)),
        _ => json!(text(raw)?),
    })
}

fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N], Malformed> {
    raw.try_into().map_err(|_| format!("a value of {} bytes where {N} were expected", raw.len()).into())
}

fn text(raw: &[u8]) -> Result<&str, Malformed> {
    Ok(std::str::from_utf8(raw)?)
}

/// JSON has no NaN and no infinities: those are text, as PostgreSQL writes them.
fn float8(value: f64) -> Value {
    match value {
        _ if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        _ => json!(value),
    }
}

/// The shortest digits of a single, not those of the double next to it.
fn float4(value: f32) -> Value {
    if value.is_finite() { value.to_string().parse().map_or(Value::Null, float8) } else { float8(f64::from(value)) }
}

/// A document as it is, where reading it into JSON loses nothing; else its text.
fn document(text: &str) -> Value {
    let exact = |value: &Value| {
        // A number that a double cannot hold comes back with other digits.
        serde_json::to_string(value).is_ok_and(|again| digits(&again) == digits(text))
    };
    serde_json::from_str::<Value>(text).ok().filter(exact).unwrap_or_else(|| json!(text))
}

/// A document's numbers: the runs of digits and their signs, outside and inside strings alike.
fn digits(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E')))
        .filter(|run| run.bytes().any(|byte| byte.is_ascii_digit()))
        .collect()
}

/// Exact decimals: groups of four digits, a weight of the first, a sign and how many digits follow the point.
fn numeric(raw: &[u8]) -> Result<String, Malformed> {
    let word = |at: usize| -> Result<i32, Malformed> {
        let bytes = raw.get(at * 2..at * 2 + 2).ok_or("a numeric value that ends early")?;
        Ok(i32::from(i16::from_be_bytes(fixed(bytes)?)))
    };
    let (groups, weight, sign, scale) = (word(0)?, word(1)?, word(2)? & 0xffff, word(3)?);
    match sign {
        0xc000 => return Ok("NaN".into()),
        0xd000 => return Ok("Infinity".into()),
        0xf000 => return Ok("-Infinity".into()),
        _ => {}
    }
    let group = |at: i32| if (0..groups).contains(&at) { word(4 + at.unsigned_abs() as usize) } else { Ok(0) };
    let mut text = String::new();
    if sign == 0x4000 {
        text.push('-');
    }
    let mut whole = String::new();
    for at in 0..=weight.max(-1) {
        whole.push_str(&format!("{:04}", group(at)?));
    }
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        let mut at = weight + 1;
        while fraction.len() < usize::try_from(scale)? {
            fraction.push_str(&format!("{:04}", group(at)?));
            at += 1;
        }
        text.push('.');
        text.push_str(&fraction[..usize::try_from(scale)?]);
    }
    Ok(text)
}

/// Days from the civil epoch 1970-01-01 to PostgreSQL's, 2000-01-01.
const EPOCH: i64 = 10_957;

fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".into(),
        i32::MIN => "-infinity".into(),
        days => civil(i64::from(days) + EPOCH),
    }
}

/// RFC 3339, with as many digits of the second as there are.
fn timestamp(micros: i64, zone: &str) -> String {
    const DAY: i64 = 86_400_000_000;
    match micros {
        i64::MAX => return "infinity".into(),
        i64::MIN => return "-infinity".into(),
        _ => {}
    }
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    let fraction = fraction.trim_end_matches('0');
    format!("{}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}", civil(days + EPOCH))
}

/// The day so many days after 1970-01-01, in the proleptic Gregorian calendar. Years beyond 9999 and before 1 carry a sign
/// and six digits, as ISO 8601 expands them; RFC 3339 has none of those.
fn civil(days: i64) -> String {
    // Howard Hinnant's `civil_from_days`.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    match year {
        1..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:+07}-{month:02}-{day:02}"),
    }
}

/// An array: dimensions, whether it holds nulls, the element type, then each dimension's length and lower bound.
fn array(element: &Type, raw: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader(raw);
    let dimensions = reader.int()?;
    let (_nulls, _kind) = (reader.int()?, reader.int()?);
    if dimensions == 0 {
        return Ok(json!([]));
    }
    if !(1..=6).contains(&dimensions) {
        return Err("an array of more dimensions than PostgreSQL has".into());
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(reader.int()?)?);
        let _lower = reader.int()?;
    }
    nested(element, &lengths, &mut reader)
}

fn nested(element: &Type, lengths: &[usize], reader: &mut Reader<'_>) -> Result<Value, Malformed> {
    let Some((length, inner)) = lengths.split_first() else {
        let size = reader.int()?;
        if size < 0 {
            return Ok(Value::Null);
        }
        return decode(element, reader.take(usize::try_from(size)?)?);
    };
    let mut values = Vec::new();
    for _ in 0..*length {
        values.push(nested(element, inner, reader)?);
    }
    Ok(Value::Array(values))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(length).ok_or("an array that ends early")?;
        self.0 = rest;
        Ok(head)
    }

    fn int(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(fixed(self.take(4)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!([0, -1, 59, 60].map(date), ["2000-01-01", "1999-12-31", "2000-02-29", "2000-03-01"]);
        assert_eq!(date(-730_120), "+000000-12-31".replace('+', "-").replace("-000000", "+000000"));
        assert_eq!(date(2_921_940), "+010000-01-01");
        assert_eq!([date(i32::MAX), timestamp(i64::MIN, "Z")], ["infinity", "-infinity"]);
        assert_eq!(timestamp(-1, "Z"), "1999-12-31T23:59:59.999999Z");
        assert_eq!(timestamp(1_500_000, ""), "2000-01-01T00:00:01.5");
    }

    #[test]
    fn documents_lose_nothing() {
        assert_eq!(document(r#"{"a": [1, "x", null]}"#), json!({"a": [1, "x", null]}));
        assert_eq!(document("12345678901234567890123"), json!("12345678901234567890123"));
        assert_eq!(document("0.10"), json!("0.10"));
        assert_eq!(document("0.1"), json!(0.1));
    }

    #[test]
    fn malformed_values_are_errors() {
        for kind in [Type::INT4, Type::NUMERIC, Type::JSONB, Type::UUID, Type::INT4_ARRAY, Type::TEXT] {
            for raw in [&b""[..], b"\xff", b"\0\0\0\x06\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\0", &[0xff; 9]] {
                let _decoded = decode(&kind, raw);
            }
        }
        assert!(decode(&Type::INT4, b"123").is_err());
    }
}
