//! Many clients at one gateway for a long time: reads, previews, changes, undos, questions answered, declined and left
//! alone, and clients that hang up. Fails when something leaks, goes unanswered, or the record is not sound.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mollyguard_tests::{Agent, Era, Failure, Person, Reply, Result, Served, World, until};
use rusqlite::Connection;
use serde_json::{Value, json};

const HELP: &str = "\
Many clients at one gateway for a long time.

Usage: tests/soak [SECONDS] [CLIENTS]

SECONDS is 600 and CLIENTS is 64 unless given. Prints a line every ten seconds, and at the end what was called and what
it cost. Fails when memory or descriptors keep growing, when a call is not answered within a minute, when a part of the
gateway panics, when a call on record has no end, or when `mollyguard audit verify` finds something.
";

/// How much the gateway may grow after the first third of the time, whatever it was busy with then.
const GROWTH_KIB: u64 = 48 * 1024;
/// And how much it may ever take.
const MOST_KIB: u64 = 512 * 1024;
/// Descriptors that may be open more than before the first client came.
const SPARE_DESCRIPTORS: usize = 24;

/// What clients have met: how often each tool ended in which way.
type Tally = Arc<Mutex<BTreeMap<(&'static str, String), u64>>>;

fn main() -> Result {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let number = |at: usize, default: u64| args.get(at).map_or(Ok(default), |given| given.parse());
    let (seconds, clients) = (number(0, 600)?, number(1, 64)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(soak(Duration::from_secs(seconds), clients))
}

async fn soak(time: Duration, clients: u64) -> Result {
    let world = world(clients)?;
    let served = Arc::new(world.serve().await?);
    let first = Sample::of(&served)?;
    println!("{clients} clients for {} s; at first {first}", time.as_secs());
    let (tally, until) = (Tally::default(), Instant::now() + time);
    let mut running = tokio::task::JoinSet::new();
    for number in 0..clients {
        let (served, tally) = (Arc::clone(&served), Arc::clone(&tally));
        running.spawn(async move { Client::new(number, served, tally).go_on(until).await });
    }
    let samples = watched(&served, &tally, until).await?;
    while let Some(client) = running.join_next().await {
        client??;
    }
    println!("{}", counted(&tally));
    let rested = rests(&served, &first).await?;
    println!("at rest {rested}");
    let log = served.stderr().text();
    if log.contains("panicked at") {
        return Err(format!("a part of the gateway broke:\n{log}").into());
    }
    bounded(&samples)?;
    let served = Arc::into_inner(served).ok_or("a client still holds the gateway")?;
    if !served.terminate().await?.success() {
        return Err("the gateway did not leave in order".into());
    }
    sound(&world).await
}

/// The rental firm, with a file and a row for each client.
fn world(clients: u64) -> Result<World> {
    let mut world = World::rental()?;
    world.set("http.requests_per_minute", 600_000).set("audit.checkpoint", "heads.txt");
    let rows: Vec<_> = (0..clients).map(|n| format!("({}, 'soak {n}', NULL)", 100 + n)).collect();
    world.sql("fleet_dev", &format!("INSERT INTO customers (id, name, email) VALUES {}", rows.join(", ")))?;
    Ok(world)
}

/// What the system says of the gateway's process.
#[derive(Clone, Copy)]
struct Sample {
    kib: u64,
    threads: u64,
    descriptors: usize,
}

impl Sample {
    fn of(served: &Served) -> Result<Self> {
        let process = format!("/proc/{}", served.pid()?);
        let status = fs::read_to_string(format!("{process}/status"))?;
        let field = |name: &str| -> Result<u64> {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            Ok(value.ok_or_else(|| format!("no `{name}` in the status"))?.parse()?)
        };
        let descriptors = fs::read_dir(format!("{process}/fd"))?.count();
        Ok(Self { kib: field("VmRSS:")?, threads: field("Threads:")?, descriptors })
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB, {} threads, {} descriptors", self.kib / 1024, self.threads, self.descriptors)
    }
}

/// A sample every second, told every ten.
async fn watched(served: &Served, tally: &Tally, until: Instant) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sample = Sample::of(served)?;
        samples.push(sample);
        if samples.len() % 10 == 0 {
            let calls: u64 = tally.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
            println!("{:>5} s: {calls:>8} calls, {sample}", samples.len());
        }
    }
    Ok(samples)
}

fn counted(tally: &Tally) -> String {
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = tally.iter().map(|((tool, end), count)| format!("{count:>8} {tool}: {end}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Without clients it holds no more than before the first came.
async fn rests(served: &Served, first: &Sample) -> Result<Sample> {
    let rested = || {
        let now = Sample::of(served)?;
        Ok((now.descriptors <= first.descriptors + SPARE_DESCRIPTORS).then_some(now))
    };
    until("the descriptors that clients took", rested).await
}

fn bounded(samples: &[Sample]) -> Result {
    let (early, late) = samples.split_at(samples.len() / 3);
    let most = |samples: &[Sample]| samples.iter().map(|sample| sample.kib).max().unwrap_or_default();
    let (early, late) = (most(early), most(late));
    println!("at most {} MiB in the first third, {} MiB after it", early / 1024, late / 1024);
    if late > early + GROWTH_KIB || late > MOST_KIB {
        return Err(format!("it grew from {early} KiB to {late} KiB").into());
    }
    Ok(())
}

/// Every call on record has an end, and the record is sound.
async fn sound(world: &World) -> Result {
    let store = Connection::open(world.state().join("mollyguard.db"))?;
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (calls, open) =
        (count("SELECT count(*) FROM calls")?, count("SELECT count(*) FROM calls WHERE ended IS NULL")?);
    let uncertain = count("SELECT count(*) FROM calls WHERE ended LIKE '%uncertain%'")?;
    let verified = world.run(&["audit", "verify", "--checkpoint", "heads.txt"]).await?;
    println!("{calls} changes on record, {open} without an end, {uncertain} uncertain\n{}", verified.stdout.trim_end());
    if verified.code != Some(0) || open != 0 || uncertain != 0 {
        return Err(format!("the record is not as it should be: {}", verified.stderr).into());
    }
    Ok(())
}

/// One client, with a person who answers as they always do.
struct Client {
    number: u64,
    served: Arc<Served>,
    tally: Tally,
    random: u64,
    last: Option<String>,
}

impl Client {
    fn new(number: u64, served: Arc<Served>, tally: Tally) -> Self {
        Self { number, served, tally, random: (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), last: None }
    }

    /// xorshift64*: the same calls in every run, as far as clients do not get in each other's way.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn file(&self) -> String {
        format!("soak-{}.txt", self.number)
    }

    /// Sessions of older revisions stay for a while when a client hangs up, so only clients of the newest do that.
    const fn is_legacy(&self) -> bool {
        self.number.is_multiple_of(4)
    }

    async fn agent(&self) -> Result<Agent> {
        let person = if self.number.is_multiple_of(3) { Person::declines() } else { Person::types(self.file()) };
        let era = if self.is_legacy() { Era::Legacy } else { Era::Modern };
        self.served.agent(era, person).await
    }

    async fn go_on(mut self, until: Instant) -> Result {
        let mut agent = self.agent().await?;
        while Instant::now() < until {
            match self.below(20) {
                0..=5 => self.read(&agent).await?,
                6..=8 => self.preview(&agent).await?,
                9..=13 => self.change(&agent).await?,
                14..=16 => self.undo(&agent).await?,
                17 => self.question(&agent).await?,
                18 => drop(agent.start("files_list", json!({"target": "scratch", "path": "."})).await?),
                _ if self.is_legacy() => {}
                _ => {
                    let write = json!({"target": "scratch", "path": self.file(), "content": "left"});
                    drop(agent.start("files_write", write).await?);
                    agent = self.agent().await?;
                }
            }
        }
        Ok(())
    }

    async fn call(&self, agent: &Agent, tool: &'static str, args: Value) -> Result<Reply> {
        let reply = agent.call(tool, args).await.map_err(|error| self.failed(tool, &error))?;
        self.count(tool, &reply);
        Ok(reply)
    }

    fn failed(&self, tool: &str, error: &Failure) -> String {
        format!("client {}: {tool}: {error}", self.number)
    }

    fn count(&self, tool: &'static str, reply: &Reply) {
        let end = match reply.structured()["reason_code"].as_str() {
            _ if reply.is_done() => "done".to_owned(),
            Some(code) => code.to_owned(),
            None => reply.text(),
        };
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner).entry((tool, end)).or_default() += 1;
    }

    async fn read(&mut self, agent: &Agent) -> Result {
        let (tool, args) = match self.below(3) {
            0 => ("sqlite_query", json!({"target": "fleet", "sql": "SELECT * FROM bookings"})),
            1 => ("files_read", json!({"target": "uploads", "path": "licence-4711.txt"})),
            _ => ("list_calls", json!({"limit": 20})),
        };
        self.call(agent, tool, args).await.map(drop)
    }

    async fn preview(&mut self, agent: &Agent) -> Result {
        let purge = json!({"tool": "sqlite_purge_table", "arguments": {"target": "fleet", "table": "bookings"}});
        self.call(agent, "preview_call", purge).await.map(drop)
    }

    async fn change(&mut self, agent: &Agent) -> Result {
        let content = self.below(1_000_000).to_string();
        let update = format!("UPDATE customers SET name = '{content}' WHERE id = {}", 100 + self.number);
        let (tool, args) = match self.below(4) {
            0 => ("sqlite_write", json!({"target": "fleet_dev", "sql": update})),
            _ => ("files_write", json!({"target": "scratch", "path": self.file(), "content": content})),
        };
        let reply = self.call(agent, tool, args).await?;
        self.last = reply.is_done().then(|| reply.call_id().to_owned());
        Ok(())
    }

    async fn undo(&mut self, agent: &Agent) -> Result {
        let Some(call) = self.last.take() else { return Ok(()) };
        self.call(agent, "undo_call", json!({"call_id": call})).await.map(drop)
    }

    /// Answered by the person, or, where the client may, left alone.
    async fn question(&mut self, agent: &Agent) -> Result {
        let write = json!({"target": "scratch", "path": self.file(), "content": "to be purged"});
        self.call(agent, "files_write", write).await?;
        let purge = json!({"target": "scratch", "path": self.file()});
        if self.is_legacy() || self.below(3) > 0 {
            return self.call(agent, "files_purge", purge).await.map(drop);
        }
        let asked = agent.call_once("files_purge", purge).await;
        asked.map_err(|error| self.failed("files_purge", &error))?;
        Ok(())
    }
}
