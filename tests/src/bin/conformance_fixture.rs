//! Serves the official suite's tools through the gateway's own wire: over streamable HTTP, saying where on standard output,
//! or with `--stdio` over stdio without that wire, for trying the harness itself.

use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use mollyguard::mcp::{Access, Calls, Http, Limits, Seal, Timing, Wire, serve_http_over};
use mollyguard::registry::UnknownTool;
use mollyguard::reply::{Reply, Request};
use mollyguard_record::model::Principal;
use mollyguard_tests::fixture::{self, Fixture};
use mollyguard_tools::contract::Declaration;
use rmcp::model::{CallToolRequestParams, CallToolResponse, Implementation, ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A gateway without a tool.
struct Empty;

#[async_trait]
impl Calls for Empty {
    async fn call(&self, request: Request) -> Result<Reply, UnknownTool> {
        Err(UnknownTool { name: request.tool, nearest: None })
    }

    fn listing(&self) -> Vec<&Declaration> {
        Vec::new()
    }

    fn declaration(&self, _name: &str) -> Option<&Declaration> {
        None
    }

    async fn answered(&self, _confirmation: Uuid) {}
}

/// A server with no tools of its own.
#[derive(Clone)]
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("conformance-fixture", env!("CARGO_PKG_VERSION")))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Err(ErrorData::invalid_params(format!("there is no tool `{}`", request.name), None))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().any(|arg| arg == "--stdio") {
        let served = Fixture::over(Bare, fixture::seal()?).serve(rmcp::transport::stdio()).await?;
        served.waiting().await?;
        return Ok(());
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    let user = Principal { user: "conformance".to_owned(), client: None, roles: Vec::new() };
    let settings = Http {
        access: Access::Local(user),
        hosts: Vec::new(),
        origins: Vec::new(),
        limits: Limits::default(),
        beside: None,
    };
    let wire = Wire { calls: Arc::new(Empty), seal: Seal::new(&[7; 32])?, timing: Timing::default() };
    println!("{url}");
    std::io::stdout().flush()?;
    let seal = fixture::seal()?;
    serve_http_over(listener, wire, settings, CancellationToken::new(), |server| Fixture::over(server, seal)).await?;
    Ok(())
}
