//! Serves the official suite's tools: over streamable HTTP, saying where on standard output, or with `--stdio` over stdio.

use std::io::Write as _;

use mollyguard_tests::fixture::Fixture;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, ServiceExt as _};

/// A server with no tools of its own.
#[derive(Clone)]
struct Bare;

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("conformance-fixture", env!("CARGO_PKG_VERSION")))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().any(|arg| arg == "--stdio") {
        let served = Fixture::over(Bare)?.serve(rmcp::transport::stdio()).await?;
        served.waiting().await?;
        return Ok(());
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    let fixture = Fixture::over(Bare)?;
    let service = StreamableHttpService::new(
        move || Ok(fixture.clone()),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default().with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*"]),
    );
    let router = axum::Router::new().nest_service("/mcp", service);
    println!("{url}");
    std::io::stdout().flush()?;
    axum::serve(listener, router).await?;
    Ok(())
}
