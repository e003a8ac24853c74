//! What a call costs over HTTP, beside a bare server: `cargo bench -p mollyguard-tests --bench http`.
//!
//! The gateway is the real binary: router, guard, policies, look, audit record. The bare one (`bare.rs`) is what an author
//! writes with the same rmcp and rusqlite, in a process of its own. One generator (`load.rs`) drives both over kept-alive
//! connections, in turns, so that noise hits both: the ratios are what counts, the absolute figures are this machine's.
//! Both are built with the `release` profile. `-- instructions` prints only how many instructions a call takes.

mod bare;
mod instructions;
mod load;
mod memory;

use std::process::Stdio;
use std::time::Duration;

use mollyguard_tests::{Result, Served};
use tempfile::TempDir;
use tokio::process::Command;

use self::load::{Era, Load, Round};

/// The query of every call, and its answer's first name.
const SQL: &str = "SELECT id, model FROM cars WHERE id < 3";
const FOUND: &str = "Corolla";
/// The argument that makes this program the bare server.
const BARE: &str = "--bare";
/// The argument with which nothing is measured but instructions.
const INSTRUCTIONS: &str = "instructions";
/// Each server's turns; a turn is so many calls for each that is in flight, and no fewer than the first.
const TURNS: usize = 15;
const CALLS: [usize; 2] = [400, 32];

fn main() -> Result {
    let args: Vec<_> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == BARE) {
        let how = args.get(at + 2).map(String::as_str).unwrap_or_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(bare::serve(args.get(at + 1).ok_or("no database")?, how));
    }
    // Anything else (a test runner that lists or runs bench targets) has nothing to do here.
    if !args.iter().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if args.iter().any(|arg| arg == INSTRUCTIONS) {
        return runtime.block_on(instructions::measure());
    }
    runtime.block_on(measure())
}

async fn measure() -> Result {
    let folder = world("")?;
    let gateway = Served::start(gateway(&folder)?).await?;
    let [opens, keeps] = [bare(&folder, "opened")?, bare(&folder, "kept")?];
    let (opens, keeps) = (Served::start(opens).await?, Served::start(keeps).await?);
    for era in [Era::Stateless, Era::Session] {
        println!("{}", era.title());
        println!(
            "{:<34} {:>10} {:>9} {:>10} {:>9} {:>9} {:>9}",
            "", "in flight", "median", "calls/s", "of opens", "of keeps", "more"
        );
        let mut servers = Vec::new();
        for (name, server) in [
            ("bare, opens the database each time", &opens),
            ("bare, keeps one connection", &keeps),
            ("mollyguard", &gateway),
        ] {
            servers.push((name, Load::open(server.url(), era).await?));
        }
        for in_flight in [1, 16, 64] {
            compare(&mut servers, in_flight).await?;
        }
    }
    for server in [opens, keeps, gateway] {
        server.terminate().await?;
    }
    memory::measure().await?;
    instructions::measure().await
}

/// The servers in turns, and a line for each: its rate as a share of either bare one's, which come first, and how much longer
/// than the first's its median call takes.
async fn compare(servers: &mut [(&str, Load)], in_flight: usize) -> Result {
    let calls = CALLS[0].max(CALLS[1] * in_flight);
    let mut rounds = vec![Vec::new(); servers.len()];
    for turn in 0..=TURNS {
        for ((_, load), rounds) in servers.iter_mut().zip(&mut rounds) {
            let round = load.round(in_flight, calls).await?;
            // The first turn warms up.
            if turn > 0 {
                rounds.push(round);
            }
        }
    }
    let results: Vec<_> = rounds.iter().map(|rounds| summed(rounds)).collect();
    let [(base, opens), (_, keeps)] = [results[0], results[1]];
    for ((name, _), (median, calls)) in servers.iter().zip(results) {
        let more = (median.as_secs_f64() - base.as_secs_f64()) * 1e6;
        let [opens, keeps] = [opens, keeps].map(|rate| calls / rate * 100.0);
        println!(
            "{name:<34} {in_flight:>10} {median:>9.0?} {calls:>10.0} {opens:>7.0} % {keeps:>7.0} % {more:>6.0} µs"
        );
    }
    Ok(())
}

/// The median over all calls, and the median rate over the turns.
fn summed(rounds: &[Round]) -> (Duration, f64) {
    let mut times: Vec<_> = rounds.iter().flat_map(|round| round.times.iter().copied()).collect();
    times.sort_unstable();
    let mut rates: Vec<_> = rounds.iter().map(|round| round.times.len() as f64 / round.took.as_secs_f64()).collect();
    rates.sort_unstable_by(f64::total_cmp);
    (times[times.len() / 2], rates[rates.len() / 2])
}

/// A folder with a staging database and the gateway's configuration, with `more` at its end.
fn world(more: &str) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let database = rusqlite::Connection::open(folder.path().join("fleet.db"))?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE cars (id INTEGER PRIMARY KEY, model TEXT, rate INTEGER);
         INSERT INTO cars (model, rate) VALUES ('Corolla', 39), ('RAV4', 65), ('Transit', 75);",
    )?;
    let config = format!(
        "[gateway]\nstate = \"state\"\nuser = \"anna\"\n[environments.staging]\ntier = \"staging\"\n\
         [targets.fleet]\nkind = \"sqlite\"\nenvironment = \"staging\"\npath = \"fleet.db\"\n\
         [http]\nrequests_per_minute = 60000000\nsessions = 1024\n{more}"
    );
    std::fs::write(folder.path().join("mollyguard.toml"), config)?;
    Ok(folder)
}

fn gateway(folder: &TempDir) -> Result<Command> {
    let mut command = Command::new(mollyguard_tests::mollyguard()?);
    command.arg("--config").arg(folder.path().join("mollyguard.toml"));
    command.args(["serve", "--http", "127.0.0.1:0"]);
    Ok(piped(command))
}

fn bare(folder: &TempDir, how: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(BARE).arg(folder.path().join("fleet.db")).arg(how);
    Ok(piped(command))
}

fn piped(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}
