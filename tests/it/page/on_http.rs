//! The page as a part of a gateway that listens on HTTP: at its own address, or at the name browsers reach it by.

use mollyguard_record::state::where_page_is;
use mollyguard_tests::{Era, Person, Result, http, until};
use serde_json::json;

use super::{PURGE, Visitor, codes, first_code, open_questions, origin, rental};

#[tokio::test]
async fn it_is_where_the_agents_call() -> Result {
    let world = rental("")?;
    let served = world.serve().await?;
    let page = origin(&world).await?;
    let port = |url: &str| url.rsplit(':').next().and_then(|rest| rest.split('/').next()).map(str::to_owned);
    assert_eq!(port(&page), port(served.url()), "one listener for both");
    for (path, status) in [("/sign-in", 200), ("/healthz", 200), ("/", 303), ("/nowhere", 404)] {
        assert_eq!(http("GET", &format!("{page}{path}"), &[], "").await?.status, status, "{path}");
    }
    // What is the page's own is not for the name an agent's client uses, nor the other way round.
    let mcp = http("POST", &format!("{page}/mcp"), &[("Content-Type", "application/json")], "{}").await?;
    assert!((400..500).contains(&mcp.status) && mcp.header("content-security-policy").is_none(), "{}", mcp.status);
    let by_address = page.replace("localhost", "127.0.0.1");
    assert_eq!(http("GET", &format!("{by_address}/sign-in"), &[], "").await?.status, 421);
    let agent = served.agent(Era::Modern, Person::absent()).await?;
    agent.call("sqlite_query", json!({"target": "fleet", "sql": "SELECT 1"})).await?.done();
    drop(agent);
    assert!(served.terminate().await?.success());
    crate::behind::sound(&world).await
}

#[tokio::test]
async fn it_has_the_name_browsers_reach_it_by() -> Result {
    let mut world = rental(super::OUT_OF_BAND)?;
    world.set("confirm.page_url", "https://gate.example");
    let served = world.serve().await?;
    let written = until("where the page is", || Ok(where_page_is(&world.state()))).await?;
    assert_eq!(written, "https://gate.example");
    let code = first_code(&world, "ada").await?;

    // As a proxy in front hands it on.
    let at = served.url().trim_end_matches("/mcp").to_owned();
    let named = [("Host", "gate.example"), ("Origin", "https://gate.example")];
    assert_eq!(http("GET", &format!("{at}/sign-in"), &named, "").await?.status, 200);
    for other in [[("Host", "localhost"), ("Origin", "http://localhost")], [("Host", "gate.example:443"), named[1]]] {
        assert_eq!(http("GET", &format!("{at}/sign-in"), &other, "").await?.status, 421, "{other:?}");
    }
    let form = [named[0], named[1], ("Content-Type", "application/x-www-form-urlencoded")];
    let plain = [named[0], ("Origin", "http://gate.example"), form[2]];
    let body = format!("code={code}");
    assert_eq!(http("POST", &format!("{at}/enroll/code"), &plain, &body).await?.status, 403);
    let enrolled = http("POST", &format!("{at}/enroll/code"), &form, &body).await?;
    assert_eq!(enrolled.status, 200, "{}", enrolled.body);
    let cookie = enrolled.header("set-cookie").unwrap_or_default();
    assert!(cookie.ends_with("; Secure") && cookie.contains("SameSite=Strict"), "never sent in the clear: {cookie}");

    // A code proves no more than a name here, so nobody is asked what needs more.
    let agent = served.agent(Era::Modern, Person::absent()).await?;
    agent.call(PURGE, json!({"target": "fleet", "table": "bookings"})).await?.refused("denied");
    let staged = agent.call(PURGE, json!({"target": "fleet_staging", "table": "bookings"})).await?;
    let id = open_questions(&world)?.pop().ok_or("one question waits")?;
    assert!(staged.text().contains(&format!("https://gate.example/questions/{id}")), "{}", staged.text());
    drop(agent);
    assert!(served.terminate().await?.success());
    crate::behind::sound(&world).await
}

/// Whom nobody is asked for any more, an operator has asked for again.
#[tokio::test]
async fn a_quarantine_is_lifted_by_somebody_who_is_signed_in() -> Result {
    let mut world = rental(super::OUT_OF_BAND)?;
    world.set("confirm.flood", 1).set("confirm.denial_s", 0);
    let site = super::Site::of(world).await?;
    let (ada, mut hers) = site.enrolled("ada").await?;
    let write = |n: u32| json!({"target": "fleet", "sql": format!("DELETE FROM bookings WHERE id = {n}")});
    site.agent.call(super::WRITE, write(1)).await?.refused("confirmation_required");
    site.agent.call(super::WRITE, write(2)).await?.refused("denied");
    let people = ada.get("/people").await?.body;
    assert!(people.contains("In quarantine") && people.contains("alice"), "{people}");

    let stranger = Visitor::stranger(&site.origin);
    assert_eq!(stranger.form("/people/lift", "name=alice").await?.status, 403);
    site.agent.call(super::WRITE, write(2)).await?.refused("denied");
    let lifted = ada.acts(&mut hers, ("lift", "alice"), "/people/lift", "name=alice").await?;
    assert_eq!(lifted.status, 303, "{}", lifted.body);
    assert!(!ada.get("/people").await?.body.contains("In quarantine"));
    site.agent.call(super::WRITE, write(3)).await?.refused("confirmation_required");
    let lifted = crate::behind::records(&site.world.state())?
        .iter()
        .filter(|record| record.to_string().contains("\"lifted\""))
        .count();
    assert_eq!(lifted, 1);
    site.sound().await
}

/// What an installation can prove follows who is enrolled: as the doctor says it, and as policies are decided by it.
#[tokio::test]
async fn enrolling_somebody_raises_what_can_be_proved() -> Result {
    let mut world = rental("")?;
    world.default_policies();
    let site = super::Site::of(world).await?;
    let ceiling = async || -> Result<serde_json::Value> {
        let printed = site.world.run(&["doctor", "--json"]).await?;
        Ok(serde_json::from_str::<serde_json::Value>(&printed.stdout)?["ceiling"].take())
    };
    let purge = json!({"target": "fleet", "table": "bookings"});
    assert_eq!(ceiling().await?["assurance"], "typed");
    let refused = site.agent.call(PURGE, purge.clone()).await?;
    assert!(refused.refused("denied").text().contains("nobody is enrolled as an operator"), "{}", refused.text());
    let checked = site.world.run(&["policy", "check"]).await?.stdout;
    assert!(checked.contains("refused irreversible-in-production-needs-a-person-out-of-band"), "{checked}");

    let (ada, mut hers) = site.enrolled("ada").await?;
    let proves = async |people: u32| -> Result {
        let proven = ceiling().await?;
        assert_eq!((&proven["assurance"], &proven["approvers"]), (&json!("out_of_band"), &json!(people)), "{proven}");
        Ok(())
    };
    proves(1).await?;
    let checked = site.world.run(&["policy", "check"]).await?.stdout;
    assert!(!checked.contains("irreversible-in-production") && checked.contains("by 2 people"), "{checked}");
    site.agent.call(PURGE, purge.clone()).await?.refused("confirmation_required");
    let invited = ada.invite(&mut hers, "bea").await?.body;
    Visitor::enrolled(&site.origin, &codes(&invited).next().ok_or("a code is shown")?, 8).await?;
    proves(2).await?;
    assert_eq!(ada.form("/sign-out", "").await?.status, 303);

    // And is lowered again with whoever leaves; the last one stays.
    assert_eq!(site.world.run(&["operator", "remove", "ada"]).await?.code, Some(0));
    proves(1).await?;
    let last = site.world.run(&["operator", "remove", "bea"]).await?;
    assert_ne!(last.code, Some(0));
    assert!(last.stderr.contains("enrol another person first"), "{}", last.stderr);
    assert!(last.stderr.contains("a new state directory"), "{}", last.stderr);
    proves(1).await?;
    site.agent.call(PURGE, purge).await?.refused("confirmation_required");
    assert_eq!(site.world.rows("fleet", "bookings")?, 12);
    site.sound().await
}

/// `localhost` may be either address: whoever had the other one would be the page to a browser that tries it first.
#[tokio::test]
async fn nobody_else_is_the_page_at_the_other_address() -> Result {
    let world = rental("")?;
    let served = world.serve().await?;
    let page = origin(&world).await?;
    let port: u16 = page.rsplit(':').next().unwrap_or_default().parse()?;
    let other = format!("http://[::1]:{port}/sign-in");
    let host = format!("localhost:{port}");
    let Ok(squatter) = std::net::TcpListener::bind("[::1]:0") else {
        // A machine without that address has nobody there.
        assert!(http("GET", &other, &[("Host", &host)], "").await.is_err());
        return Ok(());
    };
    assert_eq!(http("GET", &other, &[("Host", &host)], "").await?.status, 200);
    assert!(std::net::TcpListener::bind(("::1", port)).is_err(), "it is taken");
    assert!(served.terminate().await?.success());

    let address = format!("127.0.0.1:{}", squatter.local_addr()?.port());
    let refused = world.run(&["serve", "--http", &address]).await?;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("somebody else listens on ::1"), "{}", refused.stderr);
    Ok(())
}
