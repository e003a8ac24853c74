//! A client of the gateway, as an agent uses one.

use std::process::ExitStatus;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResponse, ClientRequest, ProtocolVersion, ServerResult,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, PeerRequestOptions, RequestHandle, RoleClient,
    RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::tap::{Drained, Tapped};
use crate::{Asked, Person, Reply, Result, Tap, within};

/// Which of the protocol's two eras a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize`, revision 2025-11-25.
    Legacy,
    /// No handshake, revision 2026-07-28.
    Modern,
}

impl Era {
    /// Both, for tests that must hold in either.
    pub const BOTH: [Self; 2] = [Self::Legacy, Self::Modern];

    fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Legacy => ClientLifecycleMode::Initialize,
            Self::Modern => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
        }
    }
}

/// What one request for a call came to, where the client does not answer questions by itself.
#[derive(Clone, Debug)]
pub enum Round {
    /// The call ended.
    Done(Reply),
    /// It asks, and wants to be called again.
    Asks {
        /// `inputRequests`.
        requests: Value,
        /// `requestState`.
        state: Option<String>,
    },
}

impl Round {
    /// The reply.
    ///
    /// # Errors
    /// It asks instead.
    pub fn done(self) -> Result<Reply> {
        match self {
            Self::Done(reply) => Ok(reply),
            Self::Asks { requests, .. } => Err(format!("the call asks instead of ending: {requests}").into()),
        }
    }

    /// The questions and the state to send back.
    ///
    /// # Errors
    /// It ended instead.
    pub fn asks(self) -> Result<(Value, String)> {
        match self {
            Self::Asks { requests, state } => Ok((requests, state.ok_or("a question without requestState")?)),
            Self::Done(reply) => Err(format!("the call ended instead of asking: {}", reply.text()).into()),
        }
    }
}

/// The gateway's process behind a stdio client.
#[derive(Debug)]
struct Process {
    child: Child,
    stdout: Tap,
    stderr: Drained,
}

/// A connected client with a person in front of it.
#[derive(Debug)]
pub struct Agent {
    client: RunningService<RoleClient, Person>,
    person: Person,
    process: Option<Process>,
}

impl Agent {
    /// Starts `command` and speaks to it over its standard input and output.
    ///
    /// # Errors
    /// It could not be started, or did not shake hands.
    pub async fn over_stdio(mut command: Command, era: Era, person: Person) -> Result<Self> {
        let mut child = command.stdin(std::process::Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().ok_or("no standard input")?;
        let stdout = Tap::default();
        let reader = Tapped::new(child.stdout.take().ok_or("no standard output")?, &stdout);
        let stderr = Drained::new(child.stderr.take().ok_or("no standard error")?);
        let handshake = person.clone().serve_with_lifecycle((reader, stdin), era.lifecycle());
        let client = match within("the handshake over stdio", handshake).await? {
            Ok(client) => client,
            Err(error) => {
                drop(child);
                stderr.end().await?;
                return Err(format!("{error}; the gateway wrote:\n{}", stderr.tap.text()).into());
            }
        };
        Ok(Self { client, person, process: Some(Process { child, stdout, stderr }) })
    }

    /// Connects to a URL, with a bearer token if there is one.
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn over_http(url: &str, token: Option<&str>, era: Era, person: Person) -> Result<Self> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url);
        if let Some(token) = token {
            config = config.auth_header(token);
        }
        let transport = StreamableHttpClientTransport::from_config(config);
        let handshake = person.clone().serve_with_lifecycle(transport, era.lifecycle());
        let client: std::result::Result<_, ClientInitializeError> =
            within("the handshake over HTTP", handshake).await?;
        Ok(Self { client: client?, person, process: None })
    }

    /// Every tool, as listed.
    ///
    /// # Errors
    /// The list could not be had.
    pub async fn tools(&self) -> Result<Vec<Value>> {
        let tools = within("tools/list", self.client.peer().list_all_tools()).await??;
        tools.iter().map(|tool| Ok(serde_json::to_value(tool)?)).collect()
    }

    /// Calls a tool and lets the person answer whatever it asks.
    ///
    /// # Errors
    /// The connection broke. Refusals and protocol errors are replies.
    pub async fn call(&self, tool: &str, args: Value) -> Result<Reply> {
        let call = self.client.call_tool(params(tool, args)?);
        Ok(reply(within(tool, call).await?.map(|result| json!(result)))?)
    }

    /// Calls a tool once; a question comes back as it is (revision 2026-07-28 only).
    ///
    /// # Errors
    /// The connection broke.
    pub async fn call_once(&self, tool: &str, args: Value) -> Result<Round> {
        self.send(tool, params(tool, args)?).await
    }

    /// Calls a tool again with an answer to what it asked. Nothing is checked here: forge at will.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn call_again(&self, tool: &str, args: Value, responses: Value, state: &str) -> Result<Round> {
        let mut params = params(tool, args)?;
        params.input_responses = Some(serde_json::from_value(responses)?);
        params.request_state = Some(state.to_owned());
        self.send(tool, params).await
    }

    async fn send(&self, tool: &str, params: CallToolRequestParams) -> Result<Round> {
        let result = match within(tool, self.client.peer().call_tool_once(params)).await? {
            Ok(CallToolResponse::InputRequired(asks)) => {
                return Ok(Round::Asks { requests: json!(asks.input_requests), state: asks.request_state });
            }
            Ok(CallToolResponse::Complete(result)) => Ok(json!(result)),
            Ok(_) => return Err("the call became a task, which nobody asked for".into()),
            Err(error) => Err(error),
        };
        Ok(Round::Done(reply(result)?))
    }

    /// Starts a call and does not wait for it.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn start(&self, tool: &str, args: Value) -> Result<Started> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params(tool, args)?));
        let options = PeerRequestOptions::no_options();
        Ok(Started { handle: self.client.peer().send_request_with_option(request, options).await? })
    }

    /// Every question the person was asked.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.person.asked()
    }

    /// The revision both sides agreed on.
    #[must_use]
    pub fn revision(&self) -> String {
        self.client.peer().peer_info().map(|info| info.protocol_version.to_string()).unwrap_or_default()
    }

    /// Everything the gateway wrote to this client (stdio only).
    #[must_use]
    pub fn stdout(&self) -> Tap {
        self.process.as_ref().map(|process| process.stdout.clone()).unwrap_or_default()
    }

    /// Everything the gateway wrote to standard error (stdio only).
    #[must_use]
    pub fn stderr(&self) -> Tap {
        self.process.as_ref().map(|process| process.stderr.tap.clone()).unwrap_or_default()
    }

    /// The gateway's process id (stdio only).
    ///
    /// # Errors
    /// There is no process, or it has ended.
    pub fn pid(&self) -> Result<u32> {
        let process = self.process.as_ref().ok_or("there is no process behind an HTTP client")?;
        Ok(process.child.id().ok_or("the gateway has ended")?)
    }

    /// Asks the gateway to end, as a service manager does, and waits until it has (stdio only).
    ///
    /// # Errors
    /// It does not end.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        terminate(self.pid()?)?;
        let process = self.process.as_mut().ok_or("there is no process behind an HTTP client")?;
        Ok(within("the end of a terminated gateway", process.child.wait()).await??)
    }

    /// Kills the gateway as a power cut would, and waits until it is gone (stdio only).
    ///
    /// # Errors
    /// It would not die.
    pub async fn kill(mut self) -> Result {
        let mut process = self.process.take().ok_or("there is no process behind an HTTP client")?;
        within("the end of a killed gateway", process.child.kill()).await??;
        Ok(())
    }

    /// Hangs up and waits until the gateway has ended (stdio only).
    ///
    /// # Errors
    /// It does not end.
    pub async fn close(mut self) -> Result<ExitStatus> {
        let mut process = self.process.take().ok_or("there is no process behind an HTTP client")?;
        self.client.cancel().await?;
        Ok(within("the end of a gateway whose client hung up", process.child.wait()).await??)
    }
}

/// A call under way.
#[derive(Debug)]
pub struct Started {
    handle: RequestHandle<RoleClient>,
}

impl Started {
    /// Waits for the reply. The person answers what an older client is asked meanwhile.
    ///
    /// # Errors
    /// The connection broke, or the call asks (revision 2026-07-28).
    pub async fn reply(self) -> Result<Reply> {
        let result = match within("the reply", self.handle.await_response()).await? {
            Ok(ServerResult::CallToolResult(result)) => Ok(json!(result)),
            Ok(other) => return Err(format!("not a call's result: {}", json!(other)).into()),
            Err(error) => Err(error),
        };
        Ok(reply(result)?)
    }

    /// Sends `notifications/cancelled` for it.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn cancel(self) -> Result {
        Ok(self.handle.cancel(Some("the test cancels".to_owned())).await?)
    }
}

/// Sends SIGTERM.
pub(crate) fn terminate(pid: u32) -> Result {
    let status = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err(format!("kill: {status}").into()) }
}

fn params(tool: &str, args: Value) -> Result<CallToolRequestParams> {
    let mut params = CallToolRequestParams::new(tool.to_owned());
    params.arguments = Some(serde_json::from_value(args)?);
    Ok(params)
}

fn reply(result: std::result::Result<Value, ServiceError>) -> std::result::Result<Reply, ServiceError> {
    match result {
        Ok(result) => Ok(Reply::result(result)),
        Err(ServiceError::McpError(error)) => Ok(Reply::error(error.code.0.into(), error.message.into_owned())),
        Err(error) => Err(error),
    }
}
