//! What the gateway keeps in memory: at rest, and with a thousand sessions of the older revision open.

use mollyguard_tests::{Result, Served};
use mollyguard_tools::contract::Digest;

use crate::load::{Era, Load};

/// So many people with so many sessions each: 64 are what one may have.
const PEOPLE: usize = 20;
const SESSIONS_EACH: usize = 50;

pub(crate) async fn measure() -> Result {
    let people: Vec<_> = (0..PEOPLE).map(|n| (format!("person{n}"), format!("token-{n:02}-of-the-bench"))).collect();
    let tokens: String = people
        .iter()
        .map(|(user, token)| {
            format!("[[http.tokens]]\nuser = \"{user}\"\ndigest = \"{}\"\n", Digest::of_bytes(token.as_bytes()))
        })
        .collect();
    let folder = crate::world(&tokens)?;
    let served = Served::start(crate::gateway(&folder)?).await?;
    println!("memory of the gateway's process");
    println!("{:<34} {:>7.1} MiB", "at rest", served.resident()?);
    let mut open = Vec::new();
    for (_, token) in &people {
        let mut load = Load::open_as(served.url(), Era::Session, token).await?;
        load.grow(SESSIONS_EACH).await?;
        load.round(1, 1).await?;
        open.push(load);
    }
    let sessions = format!("{} open sessions", PEOPLE * SESSIONS_EACH);
    println!("{sessions:<34} {:>7.1} MiB", served.resident()?);
    served.terminate().await?;
    Ok(())
}
