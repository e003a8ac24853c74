//! Serves the official suite's tools: over streamable HTTP, saying where on standard output, or with `--stdio` over stdio.

use std::io::Write as _;

use mollyguard_tests::fixture::{self, Fixture};
use rmcp::model::{CallToolRequestParams, CallToolResponse, Implementation, ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};

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
    let suite = Fixture::over(Bare, fixture::seal()?);
    let service = StreamableHttpService::new(
        move || Ok(suite.clone()),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default().with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*"]),
    );
    let router = axum::Router::new().nest_service("/mcp", service);
    println!("{url}");
    std::io::stdout().flush()?;
    axum::serve(listener, router).await?;
    Ok(())
}
