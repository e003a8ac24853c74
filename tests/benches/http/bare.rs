//! The server to compare with: rmcp behind axum with plain JSON replies, and one tool that runs the same query with rusqlite
//! on a blocking thread, or hands its arguments back. As written by somebody who wants just that: no schema check, no policy, no record. It opens the
//! database read-only for each call and closes it, or keeps one open connection and its prepared statement.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::serve::ListenerExt as _;
use mollyguard_tests::Result;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Serves on a free port of the loopback address until it is killed.
pub(crate) async fn serve(database: &str, how: &str) -> Result {
    let database = PathBuf::from(database);
    let connection = (how == "kept").then(|| open(&database)).transpose()?;
    let connection = connection.map(|connection| Arc::new(Mutex::new(connection)));
    let bare = Bare { database, connection, echoes: how == "echo" };
    let config = StreamableHttpServerConfig::default().with_json_response(true);
    let service = StreamableHttpService::new(move || Ok(bare.clone()), Arc::<LocalSessionManager>::default(), config);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("bare on http://{}/mcp", listener.local_addr()?);
    // As the gateway does: an event stream would otherwise wait for the client's delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().route_service("/mcp", service)).await?)
}

#[derive(Clone)]
struct Bare {
    database: PathBuf,
    connection: Option<Arc<Mutex<Connection>>>,
    echoes: bool,
}

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("bare", "0"))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _ctx: RequestContext<RoleServer>,
    ) -> std::result::Result<CallToolResponse, ErrorData> {
        let args = params.arguments.unwrap_or_default();
        if self.echoes {
            return Ok(CallToolResult::structured(Value::Object(args)).into());
        }
        let sql = args.get("sql").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Self { database, connection, .. } = self.clone();
        let answered = tokio::task::spawn_blocking(move || match connection {
            Some(connection) => answer(&connection.lock().unwrap_or_else(PoisonError::into_inner), &sql),
            None => answer(&open(&database)?, &sql),
        });
        let answered = answered.await.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let answered = answered.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(CallToolResult::structured(answered).into())
    }
}

fn open(database: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn answer(connection: &Connection, sql: &str) -> rusqlite::Result<Value> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let cells = (0..columns.len()).map(|at| {
            Ok(match row.get::<_, rusqlite::types::Value>(at)? {
                rusqlite::types::Value::Integer(number) => json!(number),
                rusqlite::types::Value::Real(number) => json!(number),
                rusqlite::types::Value::Text(text) => json!(text),
                rusqlite::types::Value::Null | rusqlite::types::Value::Blob(_) => Value::Null,
            })
        });
        rows.push(Value::Array(cells.collect::<rusqlite::Result<_>>()?));
    }
    Ok(json!({"columns": columns, "rows": rows}))
}
