//! One message as a client wrote it. How many values it holds is counted before it is parsed: a parsed value takes many times
//! the two bytes it can be written in.

use std::fmt;

use rmcp::model::{ClientJsonRpcMessage, RequestId};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

/// How many JSON values one message may hold.
pub(super) const MOST_VALUES: usize = 100_000;

/// What a line turned out to be.
pub(super) enum Read {
    /// A message.
    Message(Box<ClientJsonRpcMessage>),
    /// None that can be worked on, and why. The sender is told, under the id it has, if it has one.
    Wrong(Option<RequestId>, String),
    /// Nothing anybody waits for an answer to.
    Nothing,
}

/// Reads one line.
pub(super) fn read(line: &[u8]) -> Read {
    // RFC 8259, section 8.1: a byte order mark may be passed over.
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Read::Nothing;
    }
    if has_too_many_values(line) {
        return wrong(line, true, format!("a message holds at most {MOST_VALUES} values; this one was not read"));
    }
    match serde_json::from_slice(line) {
        Ok(message) => Read::Message(Box::new(message)),
        // What is no JSON has no id to answer to, and an answer to it could be taken for more of the same.
        Err(error) if matches!(error.classify(), Category::Syntax | Category::Eof) => Read::Nothing,
        Err(_) => wrong(line, false, "Invalid request".to_owned()),
    }
}

/// Whether a message holds more values than one may, without parsing it.
pub(super) fn has_too_many_values(json: &[u8]) -> bool {
    let (mut values, mut in_text, mut is_escaped) = (1, false, false);
    for byte in json.iter().copied() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            // Every value but the first follows one of these.
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    values > MOST_VALUES
}

fn wrong(line: &[u8], with_id: bool, why: String) -> Read {
    match serde_json::from_slice::<Head>(line) {
        // JSON-RPC 2.0, sections 4.1 and 5: notifications and responses are not answered.
        Ok(Head { id: None, is_call: true }) => Read::Nothing,
        Ok(Head { is_call: false, .. }) if with_id => Read::Nothing,
        Ok(Head { id: Some(Id::Known(id)), .. }) if with_id => Read::Wrong(Some(id), why),
        Err(error) if matches!(error.classify(), Category::Syntax | Category::Eof) => Read::Nothing,
        Ok(_) | Err(_) => Read::Wrong(None, why),
    }
}

/// What tells whom to answer. The rest is passed over without being kept.
struct Head {
    id: Option<Id>,
    is_call: bool,
}

enum Id {
    Known(RequestId),
    /// Nothing that can be an id.
    Other,
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Head;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
                let mut head = Head { id: None, is_call: false };
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        // Given twice, it is nobody's.
                        "id" if head.id.is_some() => {
                            map.next_value::<IgnoredAny>()?;
                            head.id = Some(Id::Other);
                        }
                        "id" => head.id = Some(map.next_value()?),
                        "method" => {
                            map.next_value::<IgnoredAny>()?;
                            head.is_call = true;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(head)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id")
            }

            fn visit_i64<E>(self, id: i64) -> Result<Id, E> {
                Ok(Id::Known(RequestId::Number(id)))
            }

            fn visit_u64<E>(self, id: u64) -> Result<Id, E> {
                Ok(i64::try_from(id).map_or(Id::Other, |id| Id::Known(RequestId::Number(id))))
            }

            fn visit_str<E>(self, id: &str) -> Result<Id, E> {
                Ok(Id::Known(RequestId::String(id.into())))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Id, E> {
                Ok(Id::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Id, E> {
                Ok(Id::Other)
            }

            fn visit_unit<E>(self) -> Result<Id, E> {
                Ok(Id::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Id, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Id::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Id, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Id::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn values(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(values).sum(),
            Value::Object(fields) => fields.values().map(values).sum(),
            _ => 0,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// However a message is made up, what is parsed never holds more than what was counted.
        #[test]
        fn no_message_holds_more_values_than_were_counted(
            shape in 0..4,
            text in "[ -~]{0,8}",
            more in 0_usize..3,
        ) {
            let most = MOST_VALUES - 2 + more;
            let filler = match shape {
                0 => json!(vec![0; most - 2]),
                1 => json!(vec![text.as_str(); most - 2]),
                2 => Value::Array((0..(most - 2) / 2).map(|_| json!([0])).collect()),
                _ => Value::Object((0..most - 2).map(|n| (format!("{text}{n}"), json!(null))).collect()),
            };
            let message = json!({ "params": filler });
            let counted = has_too_many_values(message.to_string().as_bytes());
            prop_assert!(counted || values(&message) <= MOST_VALUES);
            // And nothing is refused that holds half of them.
            prop_assert!(!counted || values(&message) > MOST_VALUES / 2);
        }
    }

    #[test]
    fn the_id_of_what_is_not_parsed_is_found() {
        let many = format!("[{}]", vec!["0"; MOST_VALUES].join(","));
        let ids =
            [("7", true), ("\"a,[{\\\"b\"", true), ("null", false), ("1.5", false), ("[1,2]", false), ("{}", false)];
        for (id, is_known) in ids {
            for line in [
                format!(r#"{{"id":{id},"method":"tools/call","params":{many}}}"#),
                format!(r#"{{"params":{many},"method":"tools/call","id":{id}}}"#),
            ] {
                let Read::Wrong(found, why) = read(line.as_bytes()) else { panic!("{id}") };
                assert_eq!(found.is_some(), is_known, "{id}");
                assert!(why.contains("100000 values"), "{why}");
            }
            // One that carries no method answers something, and one that carries no id wants no answer.
            assert!(matches!(read(format!(r#"{{"id":{id},"result":{many}}}"#).as_bytes()), Read::Nothing));
        }
        assert!(matches!(read(format!(r#"{{"method":"x","params":{many}}}"#).as_bytes()), Read::Nothing));
        let twice = format!(r#"{{"id":1,"id":2,"method":"x","params":{many}}}"#);
        assert!(matches!(read(twice.as_bytes()), Read::Wrong(None, _)));
    }
}
