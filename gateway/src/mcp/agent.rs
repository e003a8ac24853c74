//! The other end of the wire: a client that starts a server over stdio, calls tools, and hands questions to a person. The
//! demo's scripted agent speaks through it.

use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use mollyguard_record::model::Answer;
use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ErrorData, Implementation, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RequestContext, RoleClient, RunningService};
use serde_json::{Map, Value, json};
use tokio::process::{Child, Command};

/// Who answers a server's questions.
#[async_trait]
pub trait Person: Send + Sync + 'static {
    /// Answers one question. `typed` fills the form's one required field.
    async fn answer(&self, question: &str) -> Answer;
}

/// Why a client could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The server's process could not be started.
    #[error("the server cannot be started: {0}")]
    Start(std::io::Error),
    /// The server did not open a session, or closed it.
    #[error("the server does not answer: {0}")]
    Session(String),
    /// The server refused the request as such.
    #[error("{0}")]
    Refused(String),
}

/// What a call came to.
#[derive(Clone, Debug)]
pub struct Called {
    /// Whether the result is a refusal.
    pub is_error: bool,
    /// `structuredContent`.
    pub content: Value,
    /// `_meta["dev.mollyguard/call"]`.
    pub about: Value,
}

#[derive(Clone)]
struct Handler(Arc<dyn Person>);

impl ClientHandler for Handler {
    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let form =
            serde_json::to_value(&request).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let field = form["requestedSchema"]["required"][0].as_str().unwrap_or_default().to_owned();
        let answer = self.0.answer(form["message"].as_str().unwrap_or_default()).await;
        Ok(match answer {
            Answer::Accept { typed } => {
                let content: Map<_, _> = typed.map(|typed| (field, json!(typed))).into_iter().collect();
                ElicitResult::new(ElicitationAction::Accept).with_content(Value::Object(content))
            }
            Answer::Decline => ElicitResult::new(ElicitationAction::Decline),
            Answer::Cancel | Answer::Timeout | Answer::Failed => ElicitResult::new(ElicitationAction::Cancel),
        })
    }

    fn get_info(&self) -> ClientConfig {
        let capabilities =
            serde_json::from_value::<ClientCapabilities>(json!({"elicitation": {"form": {}}})).unwrap_or_default();
        ClientConfig::new(capabilities, Implementation::new("demo-agent", env!("CARGO_PKG_VERSION")))
    }
}

/// A connected client, and the server's process.
pub struct Agent {
    client: RunningService<RoleClient, Handler>,
    process: Child,
}

impl Agent {
    /// Starts a server and opens a session in the newest revision both speak. Its standard error is this process's.
    ///
    /// # Errors
    /// It does not start, or does not speak the protocol.
    pub async fn start(mut command: Command, person: Arc<dyn Person>) -> Result<Self, AgentError> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(AgentError::Start)?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(AgentError::Session("no standard input or output".to_owned()));
        };
        let mode = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        };
        let client = Handler(person).serve_with_lifecycle((stdout, stdin), mode).await;
        let client = client.map_err(|error| AgentError::Session(error.to_string()))?;
        Ok(Self { client, process })
    }

    /// How many tools the server lists.
    ///
    /// # Errors
    /// The list could not be had.
    pub async fn tools(&self) -> Result<usize, AgentError> {
        let tools = self.client.peer().list_all_tools().await;
        tools.map(|tools| tools.len()).map_err(|error| AgentError::Session(error.to_string()))
    }

    /// Calls a tool, letting the person answer whatever it asks.
    ///
    /// # Errors
    /// The connection broke, or the request was refused as such; a refused call is a result.
    pub async fn call(&self, tool: &str, args: Value) -> Result<Called, AgentError> {
        let mut params = CallToolRequestParams::new(tool.to_owned());
        if let Value::Object(args) = args {
            params = params.with_arguments(args);
        }
        let result = self.client.call_tool(params).await;
        let result = result.map_err(|error| AgentError::Refused(error.to_string()))?;
        let about = result.meta.as_ref().and_then(|meta| meta.get("dev.mollyguard/call")).cloned();
        Ok(Called {
            is_error: result.is_error.unwrap_or_default(),
            content: result.structured_content.unwrap_or_default(),
            about: about.unwrap_or_default(),
        })
    }

    /// Closes the session and waits for the server's process.
    ///
    /// # Errors
    /// The process could not be waited for.
    pub async fn close(mut self) -> Result<(), AgentError> {
        let _reason = self.client.cancel().await;
        self.process.wait().await.map(|_| ()).map_err(AgentError::Start)
    }
}
