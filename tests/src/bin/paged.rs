//! `paged CONFIG PAGE [http]`: the gateway as it is, over stdio or HTTP, told where a page is and that it runs as a user of its own, where a
//! code is out of band. It serves no page: whoever answers writes to the store, as the process that serves one does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mollyguard::config::Config;
use mollyguard::gateway::Gateway;
use mollyguard::mcp::{Access, Http, Limits, Seal, Timing, Wire, serve_http, serve_stdio, told_to_leave};
use mollyguard::operators::Separation;
use mollyguard_record::model::Principal;
use mollyguard_record::state::seal_key;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(page)) = (args.next(), args.next()) else {
        return Err("which configuration, and page?".into());
    };
    let is_http = args.next().is_some();
    let toolsets = mollyguard_tools::toolsets();
    let mut gateway = Gateway::open(Config::load(Path::new(&path), &toolsets)?, toolsets)?;
    let config = Arc::clone(&gateway.config);
    (gateway.separation, gateway.dumpable) = (Separation::OwnUser, false);
    gateway.page.set(page).map_err(|_| "there is a page already")?;
    let gateway = Arc::new(gateway);
    let timing = Timing { wait: config.confirm.wait, ..Timing::default() };
    let key = seal_key(&config.state)?;
    let seal = Seal::new(&key)?;
    let wire = Wire { calls: Arc::new(Arc::clone(&gateway)), seal, timing };
    let user = Principal { user: config.user.clone(), client: None, roles: config.roles.clone() };
    let leave = told_to_leave()?;
    if is_http {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("listens on http://{}/mcp", listener.local_addr()?);
        let access = Access::Local(user);
        let http = Http { access, hosts: Vec::new(), origins: Vec::new(), limits: Limits::default(), beside: None };
        serve_http(listener, wire, http, leave).await?;
    } else {
        serve_stdio(wire, user, leave).await?;
    }
    gateway.finish_calls(Duration::from_secs(30)).await;
    gateway.close().await?;
    // Reading standard input cannot be interrupted where it is no pipe.
    std::process::exit(0)
}
