//! One message as a client wrote it. How many values it holds is counted before it is parsed: a parsed value takes many times
//! the two bytes it can be written in.

use std::fmt;

use rmcp::ErrorData;
use rmcp::model::{ClientJsonRpcMessage, RequestId};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

/// How many JSON values one message may hold.
pub(super) const MOST_VALUES: usize = 100_000;

/// What a line turned out to be.
pub(super) enum Read {
    /// A message.
    Message(Box<ClientJsonRpcMessage>),
    /// None that can be worked on. The sender is told.
    Wrong(Wrong),
    /// Nothing anybody waits for an answer to.
    Nothing,
}

/// A message that cannot be worked on.
pub(super) struct Wrong {
    /// The id it is answered by, where it has one that can be told.
    pub(super) id: Option<RequestId>,
    /// What is wrong with it.
    pub(super) error: ErrorData,
    /// It was to call a tool.
    pub(super) is_call: bool,
}

impl Wrong {
    /// A message that was not even read to its end.
    pub(super) fn unread(most: usize) -> Self {
        let why = format!("a message is at most {most} bytes long; this one was not read");
        Self { id: None, error: ErrorData::invalid_request(why, None), is_call: false }
    }
}

/// Reads one line. Whoever sent a request gets an answer, whatever is wrong with it: else they would wait for ever.
pub(super) fn read(line: &[u8]) -> Read {
    // RFC 8259, section 8.1: a byte order mark may be passed over.
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Read::Nothing;
    }
    if has_too_many_values(line) {
        let why = format!("a message holds at most {MOST_VALUES} values; this one was not read");
        return wrong(line, ErrorData::invalid_request(why, None));
    }
    match serde_json::from_slice(line) {
        Ok(message) => Read::Message(Box::new(message)),
        Err(error) if matches!(error.classify(), Category::Syntax | Category::Eof) => {
            wrong(line, ErrorData::parse_error("Parse error: this is no JSON that can be worked on", None))
        }
        Err(_) if is_batch(line) => wrong(line, batch()),
        Err(_) => wrong(line, ErrorData::invalid_request("Invalid request", None)),
    }
}

/// Whether it is several messages in one.
pub(super) fn is_batch(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"[")
}

/// Only revision 2025-03-26 had batches, and no client is known to send one.
pub(super) fn batch() -> ErrorData {
    let why = "batches are not taken, in revision 2025-03-26 either, and nothing of this one was run: send each message by itself";
    ErrorData::invalid_request(why, None)
}

/// Whether a message holds more values than one may, without parsing it.
pub(super) fn has_too_many_values(json: &[u8]) -> bool {
    // Each but the first follows a byte of its own.
    if json.len() < MOST_VALUES {
        return false;
    }
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

/// Whom to tell what is wrong. The head is read without what makes a message unusable: how deep it nests, which characters
/// its texts escape, how large its numbers are.
fn wrong(line: &[u8], error: ErrorData) -> Read {
    match serde_json::from_slice::<Head>(line) {
        // JSON-RPC 2.0, sections 4.1 and 5: notifications and responses are not answered.
        Ok(Head { id: None, method: Some(_), .. } | Head { method: None, answers: true, .. }) => Read::Nothing,
        Ok(Head { id, method, .. }) => {
            let is_call = method.as_deref() == Some(CALL);
            let id = match id {
                Some(Id::Known(id)) if method.is_some() => Some(id),
                _ => None,
            };
            Read::Wrong(Wrong { id, error, is_call })
        }
        Err(_) => Read::Wrong(Wrong { id: None, error, is_call: false }),
    }
}

/// The method that calls a tool.
pub(super) const CALL: &str = "tools/call";

/// What tells whom to answer. The rest is passed over without being kept.
struct Head {
    id: Option<Id>,
    /// Empty where it is no text, or given twice.
    method: Option<String>,
    /// It has a result or an error, as answers have.
    answers: bool,
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
                let mut head = Head { id: None, method: None, answers: false };
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        // Given twice, it is nobody's.
                        "id" if head.id.is_some() => {
                            map.next_value::<IgnoredAny>()?;
                            head.id = Some(Id::Other);
                        }
                        "id" => head.id = Some(map.next_value()?),
                        "method" if head.method.is_some() => {
                            map.next_value::<IgnoredAny>()?;
                            head.method = Some(String::new());
                        }
                        "method" => {
                            head.method = Some(match map.next_value()? {
                                Id::Known(RequestId::String(method)) => method.to_string(),
                                _ => String::new(),
                            });
                        }
                        "result" | "error" => {
                            map.next_value::<IgnoredAny>()?;
                            head.answers = true;
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
                let Read::Wrong(wrong) = read(line.as_bytes()) else { panic!("{id}") };
                assert_eq!((wrong.id.is_some(), wrong.is_call), (is_known, true), "{id}");
                assert!(wrong.error.message.contains("100000 values"), "{:?}", wrong.error);
            }
            // One that carries no method answers something, and one that carries no id wants no answer.
            assert!(matches!(read(format!(r#"{{"id":{id},"result":{many}}}"#).as_bytes()), Read::Nothing));
        }
        assert!(matches!(read(format!(r#"{{"method":"x","params":{many}}}"#).as_bytes()), Read::Nothing));
        let twice = format!(r#"{{"id":1,"id":2,"method":"x","params":{many}}}"#);
        assert!(matches!(read(twice.as_bytes()), Read::Wrong(Wrong { id: None, .. })));
    }
    #[test]
    fn what_no_json_of_ours_can_hold_is_answered_by_its_id() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let texts = [r#""\ud800""#, r#""\udfff and more""#, "1e999", "-1e999", &deep, "\"\x01\""];
        let mut values: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        values.push(b"\"\xff\xfe\"".to_vec());
        for value in values {
            let shown = String::from_utf8_lossy(&value).into_owned();
            let line = |head: &str| {
                [head.as_bytes(), br#""method":"tools/call","params":{"name":"ok","arguments":{"a":"#, &value, b"}}}"]
                    .concat()
            };
            let Read::Wrong(wrong) = read(&line(r#"{"jsonrpc":"2.0","id":"seven","#)) else { panic!("{shown}") };
            // A control character in a text ends the reading of its head, too.
            let known = (!shown.contains('\u{1}')).then(|| RequestId::String("seven".into()));
            assert_eq!((wrong.id, wrong.error.code.0), (known, -32700), "{shown}");
            assert!(matches!(read(&line(r#"{"jsonrpc":"2.0","#)), Read::Nothing) || shown.contains('\u{1}'), "{shown}");
        }
    }

    #[test]
    fn what_answers_is_never_answered() {
        for answer in [
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#,
            r#"{"jsonrpc":"2.0","id":[],"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":"\ud800"}"#,
        ] {
            assert!(!matches!(read(answer.as_bytes()), Read::Wrong(_)), "{answer}");
        }
    }
}
