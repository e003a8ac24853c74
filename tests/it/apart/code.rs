//! An operator's code at the operators' socket: what it proves, and that it is seen nowhere.

use mollyguard_tests::{Era, Person, Result, codes, within};
use serde_json::{Value, json};

use super::ground::{AGENT, GATEWAY, Ground, OPERATOR};
use super::{at_a_terminal, purge};
use crate::attacks::apart::{OUT_OF_BAND, origin};
use crate::page::Visitor;

#[tokio::test]
async fn an_operators_code_proves_a_person_at_the_desk() -> Result {
    let ground = Ground::with("page_port = 0\nwait_s = 0\n", OUT_OF_BAND).await?;
    let running = ground.serve().await?;
    let agent = ground.agent(AGENT, Era::Modern, Person::absent()).await?;
    agent.call("sqlite_purge_table", purge()).await?.refused("denied");

    // Olga is enrolled, and has a code of her own.
    let page = within("the page", origin(&ground)).await??;
    let config = ground.path().join("etc/mollyguard.toml").display().to_string();
    let enroll = ["--config", &config, "operator", "enroll", "olga"];
    let (_, shown) = at_a_terminal(&ground, GATEWAY, &enroll, "").await?;
    let invitation = codes(&shown).next().ok_or_else(|| format!("no code in {shown}"))?;
    let enrolled = Visitor::stranger(&page).form("/enroll/code", &format!("code={invitation}")).await?;
    let code = codes(&enrolled.body).next().ok_or_else(|| format!("no code in {}", enrolled.body))?;
    let socket = ground.socket().display().to_string();
    let doctor = ["--config", &config, "doctor", "--json", "--socket", &socket];
    let report: Value = serde_json::from_str(&ground.run_mollyguard(GATEWAY, &doctor).await?.out)?;
    assert_eq!(report["ceiling"]["assurance"], "out_of_band", "{report}");

    let reply = agent.call("sqlite_purge_table", purge()).await?;
    let pending = &reply.refused("confirmation_required").structured()["confirmation"]["id"];
    let id = pending.as_str().ok_or("a pending question has an id")?;
    let operators = ground.operators().display().to_string();
    let approve = ["approvals", "approve", id, "--operators", &operators];
    for wrong in ["", "00000-00000-00000-00000", &invitation] {
        let (exit, shown) = at_a_terminal(&ground, OPERATOR, &approve, &format!("bookings\x1f{wrong}")).await?;
        assert!(exit == Some(1) && shown.contains("nobody's code"), "{wrong}: {shown}");
    }
    // At the gateway's own terminal she could be anything that runs as the gateway's user.
    let own = ["--config", &config, "approvals", "approve", id];
    let (exit, shown) = at_a_terminal(&ground, GATEWAY, &own, &format!("bookings\x1f{code}")).await?;
    assert!(exit == Some(1) && shown.contains("cannot be answered here"), "{shown}");
    agent.call("sqlite_purge_table", purge()).await?.refused("confirmation_required");
    assert_eq!(ground.bookings().await?, Some(12), "nothing ran");

    let (exit, shown) = at_a_terminal(&ground, OPERATOR, &approve, &format!("bookings\x1f{code}")).await?;
    assert!(exit == Some(0) && shown.contains("Approved by olga (out_of_band)."), "{shown}");
    assert!(!shown.contains(&code), "what is secret is not shown while it is typed: {shown}");
    agent.call("sqlite_purge_table", purge()).await?.done();
    assert_eq!(ground.bookings().await?, None, "it ran");
    agent.close().await?;

    let exported = ground.kept(&["audit", "export"]).await?;
    let records = exported.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let answered: Vec<Value> = records.filter(|record| record["event"]["kind"] == "answered").collect();
    assert_eq!(answered.len(), 1, "{exported}");
    let event = &answered[0]["event"];
    assert_eq!((&event["channel"], &event["by"]), (&json!("desk"), &json!("olga")), "{event}");
    let (status, wrote) = running.terminate().await?;
    assert!(status.success() && !exported.contains(&code) && !wrote.contains(&code), "{wrote}");
    Ok(())
}
