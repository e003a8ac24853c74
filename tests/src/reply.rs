//! What a call answered, and what it must have answered.

use serde_json::Value;

/// The answer to one call.
#[derive(Clone, Debug)]
pub struct Reply {
    answer: Result<Value, (i64, String)>,
}

impl Reply {
    pub(crate) fn result(result: Value) -> Self {
        Self { answer: Ok(result) }
    }

    pub(crate) fn error(code: i64, message: String) -> Self {
        Self { answer: Err((code, message)) }
    }

    /// The result as it came, or null for a protocol error.
    #[must_use]
    pub fn raw(&self) -> &Value {
        self.answer.as_ref().unwrap_or(&Value::Null)
    }

    /// Whether it ran.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.answer.is_ok() && self.raw()["isError"] != true
    }

    /// `structuredContent`.
    #[must_use]
    pub fn structured(&self) -> &Value {
        &self.raw()["structuredContent"]
    }

    /// `_meta["dev.mollyguard/call"]`.
    #[must_use]
    pub fn about(&self) -> &Value {
        &self.raw()["_meta"]["dev.mollyguard/call"]
    }

    /// The call's id.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.about()["id"].as_str().unwrap_or_default()
    }

    /// All the text a model reads.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.answer {
            Ok(result) => {
                let content = result["content"].as_array().into_iter().flatten();
                content.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
            }
            Err((code, message)) => format!("JSON-RPC error {code}: {message}"),
        }
    }

    /// Asserts that it ran; the output.
    #[track_caller]
    pub fn done(&self) -> &Value {
        assert!(self.is_done(), "the call should have run: {}", self.text());
        self.structured()
    }

    /// Asserts that it was refused with this reason code, and that the refusal says that nothing changed.
    #[track_caller]
    pub fn refused(&self, reason_code: &str) -> &Self {
        self.failed(reason_code);
        assert_eq!(self.structured()["changed"], false, "a refusal must say that nothing changed: {}", self.raw());
        self
    }

    /// Asserts that it failed with this reason code, whatever it says about changes.
    #[track_caller]
    pub fn failed(&self, reason_code: &str) -> &Self {
        assert!(self.answer.is_ok(), "should be a result the model can read, not a protocol error: {}", self.text());
        assert_eq!(self.raw()["isError"], true, "the call should have been refused, but ran: {}", self.raw());
        assert_eq!(self.structured()["reason_code"], reason_code, "{}", self.text());
        for field in ["because", "next"] {
            assert!(!self.structured()[field].is_null(), "a refusal has `{field}`: {}", self.raw());
        }
        self
    }

    /// Asserts that one of the policies that decided is this one.
    #[track_caller]
    pub fn because(&self, policy: &str) -> &Self {
        let because = self.structured()["because"].as_array().into_iter().flatten();
        let named: Vec<_> = because.filter_map(|entry| entry["policy"].as_str()).collect();
        assert!(named.contains(&policy), "`{policy}` should be among {named:?}");
        self
    }

    /// Asserts that it is a JSON-RPC error with this code; the message.
    #[track_caller]
    pub fn protocol_error(&self, code: i64) -> &str {
        match &self.answer {
            Err((found, message)) => {
                assert_eq!(*found, code, "{message}");
                message
            }
            Ok(result) => {
                assert!(result.is_null(), "should be JSON-RPC error {code}, was {result}");
                ""
            }
        }
    }
}
