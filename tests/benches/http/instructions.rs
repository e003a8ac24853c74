//! How many instructions one call takes, counted by valgrind's callgrind: the same on any machine and under any load, as
//! times are not. A bare server that hands back its arguments is what a call costs without anything done for it.

use std::fs;
use std::process::Stdio;

use mollyguard_tests::{Result, Served};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::load::{Call, Era, Load};

/// What both runs of a server have in common, its start above all, is not a call's.
const CALLS: [usize; 2] = [20, 220];

/// A server, under valgrind.
type Server = fn(&TempDir) -> Result<Command>;

pub(crate) async fn measure() -> Result {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().await;
    if !version.is_ok_and(|status| status.success()) {
        println!("instructions are not counted: valgrind is not installed");
        return Ok(());
    }
    let echo = Call { found: "fleet", ..Call::query() };
    let read = Call { tool: "files_read", args: json!({"target": "docs", "path": "a.txt"}), found: "hello" };
    let rows: [(&str, Server, Call); 3] = [
        ("bare echo", |folder| crate::bare(folder, "echo"), echo),
        ("sqlite_query", crate::gateway, Call::query()),
        ("files_read", crate::gateway, read),
    ];
    println!("instructions a call, {}, one in flight", Era::Stateless.title());
    println!("{:<34} {:>10} {:>9}", "", "thousand", "of bare");
    let mut bare = None;
    for (name, server, call) in rows {
        let [few, many] = [counted(server, &call, CALLS[0]).await?, counted(server, &call, CALLS[1]).await?];
        let each = (many - few) / (CALLS[1] - CALLS[0]) as f64 / 1e3;
        println!("{name:<34} {each:>10.0} {:>7.1} ×", each / *bare.get_or_insert(each));
    }
    Ok(())
}

/// All instructions of a server that answers so many calls.
async fn counted(server: Server, call: &Call, calls: usize) -> Result<f64> {
    let more = "[targets.docs]\nkind = \"files\"\nenvironment = \"staging\"\nroot = \"docs\"\n";
    let folder = crate::world(if call.tool == "files_read" { more } else { "" })?;
    fs::create_dir(folder.path().join("docs"))?;
    fs::write(folder.path().join("docs/a.txt"), "hello\n")?;
    let log = folder.path().join("valgrind.log");
    let served = Served::start(under_valgrind(&server(&folder)?, &log)).await?;
    let mut load = Load::of(served.url(), Era::Stateless, call.clone()).await?;
    load.round(1, calls).await?;
    drop(load);
    served.terminate().await?;
    let told = fs::read_to_string(&log)?;
    let counted = told.lines().find_map(|line| line.split_once("Collected : ")).ok_or("valgrind counted nothing")?;
    Ok(counted.1.trim().parse()?)
}

fn under_valgrind(server: &Command, log: &std::path::Path) -> Command {
    let server = server.as_std();
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(format!("--log-file={}", log.display())).arg(server.get_program()).args(server.get_args());
    crate::piped(command)
}
