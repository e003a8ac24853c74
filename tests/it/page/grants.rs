//! Approvals for a while: given, listed and revoked on the page, and refused to everybody who is not to give one.

use mollyguard_tests::browser::{Browser, Setup};
use mollyguard_tests::{Result, World};
use serde_json::{Value, json};

use super::{OUT_OF_BAND, PURGE, Site, TWO_PEOPLE, Visitor, WRITE, codes, open_questions, somebody, succeeded, yeses};
use crate::behind::{records, store};

/// A change of the same table that can be undone, another one each time.
fn note(n: u32) -> Value {
    json!({"target": "fleet", "sql": format!("UPDATE bookings SET price_cents = {n} WHERE id = 1")})
}

/// How many approvals for a while were ever given.
fn given(world: &World) -> Result<i64> {
    Ok(store(&world.state())?.query_row("SELECT count(*) FROM grants", [], |row| row.get(0))?)
}

/// Under which approval for a while each call ran, in order, as the records of their beginnings say.
fn under(world: &World) -> Result<Vec<Option<String>>> {
    let records = records(&world.state())?;
    let started = records.iter().map(|record| &record["event"]).filter(|event| event["kind"] == "started");
    Ok(started.map(|event| event["grant"].as_str().map(str::to_owned)).collect())
}

#[tokio::test]
async fn what_is_approved_for_a_while_is_not_asked_about_until_it_is_revoked() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (_browser, tab, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let before = site.world.dump("fleet")?;
    let id = site.ask(WRITE, &note(7)).await?;
    tab.go(&format!("/questions/{id}")).await?;
    tab.sees("Approve for").await?;
    let preset = "document.querySelector('#for').selectedOptions[0].textContent";
    assert_eq!(tab.run(preset).await?, "this call only");
    tab.fill("To approve, type", "bookings").await?;
    tab.choose("Approve for", "15 minutes").await?;
    assert_eq!(tab.wrong().await?, [""; 0]);
    tab.press("Approve with your passkey").await?;
    tab.sees("Approved. The agent has not made the call yet").await?;
    assert_eq!(site.world.dump("fleet")?, before, "the yes alone changes nothing");
    tab.go("/").await?;
    tab.sees("Approved for a while").await?;
    tab.sees("sqlite_write for alice").await?;
    tab.sees("fleet/bookings (production)").await?;
    tab.sees("approved by ada (out of band)").await?;
    tab.sees("not used yet").await?;
    assert_eq!(tab.wrong().await?, [""; 0]);

    // From here on the page is never asked to load again.
    tab.run("window.stayed = true").await?;
    site.agent.call(WRITE, note(7)).await?.done();
    let reply = site.agent.call(WRITE, note(8)).await?;
    reply.done();
    let first = site.world.dump("fleet")?;
    assert_ne!(first, before);
    let meta = reply.about()["grant"].clone();
    assert_eq!((&reply.about()["decision"], &meta["by"]), (&json!("granted"), &json!("ada")));
    let grant = meta["id"].as_str().ok_or("the reply names it")?.to_owned();
    assert_eq!(under(&site.world)?, [None, Some(grant.clone())], "its own approval, and the one for a while");
    tab.sees("used once").await?;
    site.agent.call(WRITE, note(9)).await?.done();
    tab.sees("used 2 times").await?;
    assert_eq!(tab.run("window.stayed").await?, true, "it came without loading the page again");
    assert_eq!(open_questions(&site.world)?, [""; 0]);
    assert_eq!(succeeded(&site.world)?, 3);

    let listed = site.world.run(&["approvals", "grants", "--json"]).await?;
    let listed: Value = serde_json::from_str(&listed.stdout)?;
    let shown = [&listed[0]["id"], &listed[0]["by"], &listed[0]["tool"], &listed[0]["uses"]];
    assert_eq!(shown, [&json!(grant), &json!("ada"), &json!("sqlite_write"), &json!(2)], "{listed}");

    tab.press("Revoke").await?;
    tab.lacks("Approved for a while").await?;
    let after = site.world.dump("fleet")?;
    assert_ne!(site.ask(WRITE, &note(10)).await?, id);
    assert_eq!((site.world.dump("fleet")?, succeeded(&site.world)?), (after, 3));
    assert_eq!(tab.said().await?, [""; 0]);
    site.sound().await
}

/// Without any script, by somebody who has a code; and ended at the terminal.
#[tokio::test]
async fn a_code_gives_one_where_a_code_is_enough_and_the_terminal_ends_it() -> Result {
    let site = Site::new("").await?;
    let browser = Browser::start().await?;
    let tab = browser.open(&site.origin, &Setup { script: false, ..Setup::DESK }).await?;
    tab.go("/enroll").await?;
    tab.fill("One-time code", &site.code("cleo").await?).await?;
    tab.press("Enrol without one").await?;
    tab.sees("You are enrolled").await?;
    let code = codes(&tab.text().await?).next().ok_or("their own code is shown")?;
    tab.follow("I have written it down").await?;
    let id = site.ask(WRITE, &note(7)).await?;
    tab.go(&format!("/questions/{id}")).await?;
    tab.choose("Approve for", "1 hour").await?;
    tab.fill("Your code", &code).await?;
    tab.press("Approve").await?;
    tab.sees("Approved.").await?;
    site.agent.call(WRITE, note(7)).await?.done();
    site.agent.call(WRITE, note(8)).await?.done();
    let listed = site.world.run(&["approvals", "grants"]).await?;
    assert!(listed.stdout.contains("sqlite_write · for alice · until "), "{}", listed.stdout);
    assert!(listed.stdout.contains("by cleo · used once\n    fleet/bookings (production)\n"), "{}", listed.stdout);
    let grant = listed.stdout.split(' ').next().unwrap_or_default().to_owned();
    let revoked = site.world.run(&["approvals", "revoke", &grant]).await?;
    assert_eq!((revoked.code, revoked.stdout.as_str()), (Some(0), "Revoked. Calls like that are asked about again.\n"));
    let before = site.world.dump("fleet")?;
    site.ask(WRITE, &note(9)).await?;
    assert_eq!((site.world.dump("fleet")?, succeeded(&site.world)?), (before, 2));
    let again = site.world.run(&["approvals", "revoke", &grant]).await?;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(again.stderr.contains("revoked at"), "{}", again.stderr);
    tab.go("/").await?;
    tab.lacks("Approved for a while").await?;
    site.sound().await
}

/// A signed yes that is to stand for so long.
fn lasting(assertion: &Value, seconds: &Value) -> Value {
    json!({"decision": "approve", "typed": "bookings", "assertion": assertion, "for": seconds})
}

#[tokio::test]
async fn nobody_forges_one() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let question = site.ask(WRITE, &note(7)).await?;
    let path = format!("/questions/{question}/answer");
    let challenge = ada.challenge(&question).await?;
    let before = site.world.dump("fleet")?;
    let refused = |response: &mollyguard_tests::RawResponse, what: &str| -> Result {
        assert!(matches!(response.status, 403 | 409), "{what}: {} {}", response.status, response.body);
        assert!(response.body.contains("Nothing was changed"), "{what}: {}", response.body);
        assert_eq!((yeses(&site.world, &question)?, given(&site.world)?), (0, 0), "{what}");
        Ok(())
    };
    let signed = passkey.sign(&challenge)?;
    for seconds in
        [json!(3_601), json!(7_200), json!(60), json!(u64::MAX), json!(-1), json!(1.5), json!("900"), json!("x")]
    {
        refused(&ada.json(&path, &lasting(&signed, &seconds)).await?, &seconds.to_string())?;
    }
    refused(&ada.json(&path, &lasting(&signed, &json!(900))).await?, "what was signed for this call only")?;
    refused(&ada.form(&path, "decision=approve&typed=bookings&for=900").await?, "without a signature")?;
    refused(&ada.form(&path, "decision=approve&typed=bookings&for=7200").await?, "without one, for long")?;
    refused(&Visitor::stranger(&site.origin).json(&path, &lasting(&signed, &json!(900))).await?, "a stranger")?;
    let bea = Visitor { cookie: "mollyguard_session=AAAA".to_owned(), ..ada.clone() };
    refused(&bea.json(&path, &lasting(&signed, &json!(900))).await?, "an invented session")?;
    let elsewhere = [("Origin", "http://evil.example"), ("Content-Type", "application/json")];
    let body = lasting(&signed, &json!(900)).to_string();
    refused(&ada.send("POST", &path, &elsewhere, &body).await?, "another page")?;

    // What cannot be undone offers no choice, and takes none.
    let purge = site.ask(PURGE, &json!({"target": "fleet", "table": "bookings"})).await?;
    let page = ada.get(&format!("/questions/{purge}")).await?.body;
    assert!(page.contains("Approve with your passkey") && !page.contains("Approve for"), "{page}");
    let signed_purge = passkey.sign(&ada.challenge(&purge).await?)?;
    let irreversible = ada.json(&format!("/questions/{purge}/answer"), &lasting(&signed_purge, &json!(900))).await?;
    refused(&irreversible, "what cannot be undone")?;
    assert_eq!(yeses(&site.world, &purge)?, 0);
    assert_eq!(site.world.dump("fleet")?, before);

    // The same as it is offered is taken, and revoking it is for those who are enrolled.
    let page = ada.get(&format!("/questions/{question}")).await?.body;
    let (_, offered) = page.split_once("value=\"3600\" data-challenge=\"").ok_or("an hour is offered")?;
    let signed = passkey.sign(offered.split('"').next().unwrap_or_default())?;
    let brief = json!({"decision": "approve", "typed": "bookings", "assertion": signed});
    refused(&ada.json(&path, &brief).await?, "what was signed for longer")?;
    let signed = passkey.sign(offered.split('"').next().unwrap_or_default())?;
    let taken = ada.json(&path, &lasting(&signed, &json!(3_600))).await?;
    assert_eq!((taken.status, given(&site.world)?), (200, 1), "{}", taken.body);
    let grant: String = store(&site.world.state())?.query_row("SELECT id FROM grants", [], |row| row.get(0))?;
    let revoke = format!("/grants/{grant}/revoke");
    let in_force = || -> Result<bool> {
        Ok(store(&site.world.state())?.query_row("SELECT ended IS NULL FROM grants", [], |row| row.get(0))?)
    };
    assert_eq!(Visitor::stranger(&site.origin).form(&revoke, "").await?.status, 403);
    assert_eq!(ada.send("POST", &revoke, &[("Origin", "http://evil.example")], "").await?.status, 403);
    assert!(matches!(ada.get(&revoke).await?.status, 404 | 405));
    assert!(in_force()?);
    assert_eq!(ada.form(&revoke, "").await?.status, 303);
    assert!(!in_force()?);
    let twice = ada.form(&revoke, "").await?;
    assert!(twice.status == 409 && twice.body.contains("Nothing was changed"), "{}", twice.body);
    site.sound().await
}

#[tokio::test]
async fn what_needs_two_people_offers_none() -> Result {
    let site = Site::new(TWO_PEOPLE).await?;
    let (ada, mut hers) = site.enrolled("ada").await?;
    let shown = ada.invite(&mut hers, "bea").await?;
    let code = codes(&shown.body).next().ok_or_else(|| format!("no code in {}", shown.body))?;
    let (bea, mut other) = Visitor::enrolled(&site.origin, &code, 8).await?;
    let question = site.ask(WRITE, &note(7)).await?;
    let path = format!("/questions/{question}/answer");
    let challenge = ada.challenge(&question).await?;
    assert!(!ada.get(&format!("/questions/{question}")).await?.body.contains("Approve for"));
    let early = ada.json(&path, &lasting(&hers.sign(&challenge)?, &json!(900))).await?;
    assert_eq!((early.status, yeses(&site.world, &question)?), (403, 0), "{}", early.body);
    let yes = ada.approve(&question, Some("bookings"), &hers.sign(&challenge)?).await?;
    assert_eq!(yes.status, 200, "{}", yes.body);
    let late = bea.json(&path, &lasting(&other.sign(&challenge)?, &json!(900))).await?;
    assert_eq!((late.status, yeses(&site.world, &question)?), (403, 1), "{}", late.body);
    assert_eq!(given(&site.world)?, 0);
    site.sound().await
}
