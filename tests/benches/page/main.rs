//! What the page costs with 1,000 open questions and 50 browsers watching, and how long an answer takes to reach the call
//! that waits for it: `cargo bench -p mollyguard-tests --bench page`.
//!
//! The gateway is the real binary with its page, the questions are those of real calls, and the browsers do over kept-alive
//! connections what the page's script does. Each figure stands beside its baseline of the same run: the inbox with nothing
//! in it, and a call whose approval was given before. Built with the `release` profile.

#[expect(dead_code, reason = "it signs for the tests as well")]
#[path = "../../it/page/authenticator.rs"]
mod authenticator;
mod site;
mod watch;

use std::time::{Duration, Instant};

use mollyguard_tests::Result;
use tokio::task::JoinSet;

use self::site::{Agent, Site, USERS, Visitor};
use self::watch::Watchers;

const QUESTIONS: usize = 1_000;
const BROWSERS: usize = 50;
/// How often the inbox is fetched for a figure, and how far apart.
const FETCHES: usize = 300;
const APART: Duration = Duration::from_millis(10);
/// How many calls wait for an answer, one after the other, for a figure.
const ANSWERS: usize = 100;
/// What a person takes at least, and the call surely waits by then.
const PERSON: Duration = Duration::from_millis(60);
/// A question comes or goes this often.
const COMING: Duration = Duration::from_millis(100);

fn main() -> Result {
    // Anything else (a test runner that lists or runs bench targets) has nothing to do here.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result {
    let site = Site::new().await?;
    let memory = |when: &str| -> Result {
        println!("{when:<62} {:>10.1} MiB", site.served.resident()?);
        Ok(())
    };
    memory("memory, nothing waits")?;
    println!("{:<62} {:>10} {:>10} {:>9}", "the inbox, GET /", "median", "95 %", "of empty");
    let empty = inbox(&site).await?;
    row("nothing waits", &empty, &empty);
    println!(
        "{:<62} {:>10} {:>10} {:>9}",
        "from the POST of a yes to the waiting call's reply", "median", "95 %", "of given"
    );
    answers(&site, "quiet", 2_000_000).await?;
    memory("memory, after these calls")?;

    ask(&site).await?;
    memory("memory, 1,000 questions wait")?;
    row("the inbox: 1,000 questions", &inbox(&site).await?, &empty);
    let mut watchers = Watchers::start(&site, BROWSERS).await?;
    memory("memory, and 50 browsers watch")?;
    row("the inbox: 1,000 questions, 50 browsers watch", &inbox(&site).await?, &empty);
    let (fetched, begun) = (watchers.fetched()?, Instant::now());
    let changing = tokio::select! {
        changing = inbox(&site) => changing?,
        ended = come_and_go(&site) => return Err(format!("the questions stopped coming: {ended:?}").into()),
    };
    let rate = (watchers.fetched()? - fetched) as f64 / begun.elapsed().as_secs_f64();
    row(&format!("the same, 10/s come or go, all watching fetch {rate:.0}/s"), &changing, &empty);
    memory("memory, after that")?;
    answers(&site, "1,000 questions, 50 browsers", 3_000_000).await?;
    memory(&format!("memory, after {} fetches of the inbox", watchers.fetched()?))?;
    site.served.terminate().await?;
    Ok(())
}

fn row(what: &str, times: &[Duration], baseline: &[Duration]) {
    let ratio = median(times).as_secs_f64() / median(baseline).as_secs_f64();
    println!("{what:<62} {:>10.1?} {:>10.1?} {ratio:>8.1}x", median(times), quantile(times, 95));
}

fn quantile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn median(times: &[Duration]) -> Duration {
    quantile(times, 50)
}

/// How long the inbox takes to come, whole.
async fn inbox(site: &Site) -> Result<Vec<Duration>> {
    let mut visitor = site.visitor(0).await?;
    let mut times = Vec::new();
    for _ in 0..FETCHES {
        let start = Instant::now();
        visitor.get("/").await?;
        times.push(start.elapsed());
        tokio::time::sleep(APART).await;
    }
    Ok(times)
}

/// Has every user's agent ask its share.
async fn ask(site: &Site) -> Result {
    let mut asking = JoinSet::new();
    for n in 0..USERS {
        let mut agent = site.agent(n).await?;
        asking.spawn(async move {
            for one in (n..QUESTIONS).step_by(USERS) {
                agent.ask(one).await?;
            }
            Result::Ok(())
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    let page = site.visitor(0).await?.get("/").await?;
    if page.contains("1000 questions.") { Ok(()) } else { Err("not all questions wait".into()) }
}

/// Asks a question, declines another, and so on.
async fn come_and_go(site: &Site) -> Result {
    let (mut agent, mut visitor) = (site.agent(1).await?, site.visitor(1).await?);
    let mut every = tokio::time::interval(COMING);
    for n in 1_000_000.. {
        every.tick().await;
        let id = agent.ask(n).await?;
        every.tick().await;
        visitor.answer(&id, "decline").await?;
    }
    Ok(())
}

/// How long a call takes that was approved before, how long the POST takes that approves one which waits, and how long it
/// is from there to its reply.
async fn answers(site: &Site, when: &str, first: usize) -> Result {
    let (mut agent, mut visitor) = (site.agent(0).await?, site.visitor(0).await?);
    let [mut given, mut posts, mut replies] = [const { Vec::new() }; 3];
    for n in first..first + ANSWERS {
        given.push(given_before(&mut agent, &mut visitor, n * 2).await?);
        let (posted, replied);
        (agent, posted, replied) = waited_for(agent, &mut visitor, n * 2 + 1).await?;
        posts.push(posted);
        replies.push(replied);
    }
    row(&format!("{when}: a call that was approved before"), &given, &given);
    row(&format!("{when}: the POST alone"), &posts, &given);
    row(&format!("{when}: from the POST to the reply"), &replies, &given);
    let reaches = median(&replies).saturating_sub(median(&given));
    println!("{:<62} {reaches:>10.1?}", format!("{when}: so the answer reaches the call in"));
    Ok(())
}

async fn given_before(agent: &mut Agent, visitor: &mut Visitor, n: usize) -> Result<Duration> {
    let id = agent.ask(n).await?;
    visitor.answer(&id, "approve").await?;
    tokio::time::sleep(PERSON).await;
    let start = Instant::now();
    agent.repeat(n).await?;
    Ok(start.elapsed())
}

async fn waited_for(mut agent: Agent, visitor: &mut Visitor, n: usize) -> Result<(Agent, Duration, Duration)> {
    let id = agent.ask(n).await?;
    let waiting = tokio::spawn(async move {
        agent.repeat(n).await?;
        Result::Ok((agent, Instant::now()))
    });
    tokio::time::sleep(PERSON).await;
    if waiting.is_finished() {
        return Err("the call did not wait".into());
    }
    let start = Instant::now();
    visitor.answer(&id, "approve").await?;
    let posted = start.elapsed();
    let (agent, replied) = waiting.await??;
    Ok((agent, posted, replied - start))
}
