//! What the way of a call costs: `cargo bench -p mollyguard-tests`. Every figure is a ratio to a named baseline of the
//! same run; the absolute ones are this machine's.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mollyguard::call::call;
use mollyguard::config::Config;
use mollyguard::gateway::Gateway;
use mollyguard::reply::{Reply, Request};
use mollyguard_record::model::Principal;
use mollyguard_tests::Result;
use serde_json::{Value, json};

const SQL: &str = "SELECT id, model FROM cars WHERE id < 3";

fn main() -> Result {
    // Anything else (a test runner that lists or runs bench targets) has nothing to do here.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result {
    let folder = tempfile::tempdir()?;
    let gateway = Arc::new(found(folder.path())?);
    let database = folder.path().join("fleet.db");

    println!("{:<44} {:>12} {:>12} {:>9}", "", "median", "calls/s", "baseline");
    let baseline = each(2_000, || async {
        let database = database.clone();
        tokio::task::spawn_blocking(move || bare(&database)).await?
    })
    .await?;
    line("the same query, bare rusqlite (baseline)", &baseline, &baseline);
    let query = json!({"target": "fleet", "sql": SQL});
    let read = each(2_000, || made(&gateway, "sqlite_query", query.clone())).await?;
    line("sqlite_query, the whole way", &read, &baseline);
    let looked = json!({"tool": "sqlite_query", "arguments": query});
    line("preview_call of it", &each(2_000, || made(&gateway, "preview_call", looked.clone())).await?, &baseline);

    let baseline = each(200, || async {
        let database = database.clone();
        tokio::task::spawn_blocking(move || bare_write(&database)).await?
    })
    .await?;
    line("the same update, bare rusqlite (baseline)", &baseline, &baseline);
    let update = json!({"target": "fleet", "sql": "UPDATE cars SET rate = rate + 1 WHERE id = 1"});
    let write = each(200, || made(&gateway, "sqlite_write", update.clone())).await?;
    line("sqlite_write, the whole way (2 fsyncs more)", &write, &baseline);

    at_once(&gateway, 16, 4_000, query).await?;
    gateway.close().await?;
    Ok(())
}

/// A gateway over one staging database.
fn found(folder: &Path) -> Result<Gateway> {
    let database = rusqlite::Connection::open(folder.join("fleet.db"))?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE cars (id INTEGER PRIMARY KEY, model TEXT, rate INTEGER);
         INSERT INTO cars (model, rate) VALUES ('Corolla', 39), ('RAV4', 65), ('Transit', 75);",
    )?;
    let config = "[gateway]\nstate = \"state\"\nuser = \"anna\"\n[environments.staging]\ntier = \"staging\"\n\
                  [targets.fleet]\nkind = \"sqlite\"\nenvironment = \"staging\"\npath = \"fleet.db\"\n";
    let toolsets = mollyguard_tools::toolsets();
    let config = Config::parse(config, &folder.join("mollyguard.toml"), &toolsets)?;
    Ok(Gateway::open(config, toolsets)?)
}

fn bare(database: &Path) -> Result {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(database, flags)?;
    let mut statement = connection.prepare(SQL)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let rows: rusqlite::Result<Vec<_>> = rows.collect();
    if rows?.len() == 2 { Ok(()) } else { Err("the bare query found something else".into()) }
}

fn bare_write(database: &Path) -> Result {
    let connection = rusqlite::Connection::open(database)?;
    connection.execute("UPDATE cars SET rate = rate + 1 WHERE id = 1", [])?;
    Ok(())
}

async fn made(gateway: &Arc<Gateway>, tool: &str, args: Value) -> Result {
    let principal = Principal { user: "anna".into(), client: None, roles: Vec::new() };
    match call(gateway, Request::new(tool, args, principal)).await? {
        Reply::Done(_) => Ok(()),
        other => Err(format!("the call did not run: {other:?}").into()),
    }
}

/// The time of each of `n` runs, one after the other, after a tenth of them to warm up.
async fn each<F: Future<Output = Result>>(n: usize, run: impl Fn() -> F) -> Result<Vec<Duration>> {
    for _ in 0..n / 10 {
        run().await?;
    }
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        let start = Instant::now();
        run().await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

async fn at_once(gateway: &Arc<Gateway>, workers: usize, calls: usize, args: Value) -> Result {
    let start = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..workers {
        let (gateway, args) = (Arc::clone(gateway), args.clone());
        running.spawn(async move {
            for _ in 0..calls / workers {
                made(&gateway, "sqlite_query", args.clone()).await?;
            }
            Result::Ok(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    let rate = calls as f64 / start.elapsed().as_secs_f64();
    println!("{:<44} {:>12} {rate:>12.0}", format!("sqlite_query, {workers} at once"), "");
    Ok(())
}

fn line(what: &str, times: &[Duration], baseline: &[Duration]) {
    let median = times[times.len() / 2];
    let total: Duration = times.iter().sum();
    let rate = times.len() as f64 / total.as_secs_f64();
    let ratio = median.as_secs_f64() / baseline[baseline.len() / 2].as_secs_f64();
    println!("{what:<44} {median:>12.1?} {rate:>12.0} {ratio:>8.2}×");
}
