//! A scripted person: what the client's user does with each question.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, Implementation,
};
use rmcp::service::{RequestContext, RoleClient};
use serde_json::{Map, Value, json};

/// A question as it reached the person.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The text shown.
    pub message: String,
    /// The form's schema; null for a page.
    pub schema: Value,
    /// The page to open, if it is one.
    pub url: Option<String>,
}

/// What a person does with one question.
#[derive(Clone, Debug)]
enum Act {
    Fill(String),
    Accept(Value),
    Decline,
    Cancel,
    Silence,
    Fail,
}

/// A person in front of a client, who does the same with every question unless told otherwise.
#[derive(Clone, Debug)]
pub struct Person {
    capabilities: Value,
    first: Arc<Mutex<VecDeque<Act>>>,
    then: Act,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Person {
    fn who(then: Act) -> Self {
        Self { capabilities: json!({"elicitation": {"form": {}}}), first: Arc::default(), then, asked: Arc::default() }
    }

    /// Types this into every required field and accepts.
    pub fn types(text: impl Into<String>) -> Self {
        Self::who(Act::Fill(text.into()))
    }

    /// Accepts with exactly this content, whatever was asked for.
    #[must_use]
    pub fn accepts(content: Value) -> Self {
        Self::who(Act::Accept(content))
    }

    /// Declines.
    #[must_use]
    pub fn declines() -> Self {
        Self::who(Act::Decline)
    }

    /// Closes the question.
    #[must_use]
    pub fn cancels() -> Self {
        Self::who(Act::Cancel)
    }

    /// Never answers.
    #[must_use]
    pub fn never_answers() -> Self {
        Self::who(Act::Silence)
    }

    /// Has a client that says it can ask and then fails to.
    #[must_use]
    pub fn unreachable() -> Self {
        Self::who(Act::Fail)
    }

    /// Has a client that cannot ask at all.
    #[must_use]
    pub fn absent() -> Self {
        Self { capabilities: json!({}), ..Self::who(Act::Decline) }
    }

    /// Has a client with these capabilities, such as `{"elicitation": {}}` or `{"elicitation": {"url": {}}}`.
    #[must_use]
    pub fn with_capabilities(self, capabilities: Value) -> Self {
        Self { capabilities, ..self }
    }

    /// Does this with the first question, and with the later ones what `self` does.
    #[must_use]
    pub fn but_first(self, first: Self) -> Self {
        lock(&self.first).push_front(first.then);
        self
    }

    /// Every question so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }

    async fn answer(&self, asked: Asked) -> Result<ElicitResult, ErrorData> {
        let act = lock(&self.first).pop_front().unwrap_or_else(|| self.then.clone());
        let schema = asked.schema.clone();
        lock(&self.asked).push(asked);
        let accept = |content| Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content));
        match act {
            Act::Fill(text) => accept(filled(&schema, &text)),
            Act::Accept(content) => accept(content),
            Act::Decline => Ok(ElicitResult::new(ElicitationAction::Decline)),
            Act::Cancel => Ok(ElicitResult::new(ElicitationAction::Cancel)),
            Act::Silence => std::future::pending().await,
            Act::Fail => Err(ErrorData::internal_error("the dialog could not be shown", None)),
        }
    }
}

/// `text` in every required field of a form.
fn filled(schema: &Value, text: &str) -> Value {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Value::Object(required.map(|field| (field.to_owned(), json!(text))).collect::<Map<_, _>>())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientHandler for Person {
    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let raw = serde_json::to_value(&request).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let asked = Asked {
            message: raw["message"].as_str().unwrap_or_default().to_owned(),
            schema: raw["requestedSchema"].clone(),
            url: raw["url"].as_str().map(str::to_owned),
        };
        self.answer(asked).await
    }

    fn get_info(&self) -> ClientConfig {
        let capabilities: ClientCapabilities = serde_json::from_value(self.capabilities.clone()).unwrap_or_default();
        ClientConfig::new(capabilities, Implementation::new("mollyguard-tests", env!("CARGO_PKG_VERSION")))
    }
}
