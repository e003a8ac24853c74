//! Who says who may answer: more passkeys, invitations and removals, and passkeys that do not hold, by hand.

use mollyguard_tests::{RawResponse, Result};
use serde_json::{Value, json};

use super::authenticator::{Authenticator, PRESENT, VERIFIED};
use super::{OUT_OF_BAND, Site, TWO_PEOPLE, Visitor, codes, succeeded, yeses};
use crate::behind::{calls, records, store};

/// The names of who is enrolled, and how many passkeys and invitations there are.
fn enrolled(site: &Site) -> Result<(Vec<String>, i64, i64)> {
    let store = store(&site.world.state())?;
    let mut query = store.prepare("SELECT name FROM operators WHERE removed_at IS NULL ORDER BY name")?;
    let names = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let count = |table: &str| store.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
    Ok((names, count("passkeys")?, count("invitations")?))
}

/// The events of this kind on record.
fn events(site: &Site, kind: &str) -> Result<Vec<Value>> {
    let mut events: Vec<Value> =
        records(&site.world.state())?.iter_mut().map(|record| record["event"].take()).collect();
    events.retain(|event| event["kind"] == kind);
    Ok(events)
}

async fn invite(visitor: &Visitor, passkey: &mut Authenticator, name: &str) -> Result<String> {
    let shown = visitor.invite(passkey, name).await?;
    assert_eq!(shown.status, 200, "{}", shown.body);
    Ok(codes(&shown.body).next().ok_or("a code is shown")?)
}

async fn sign_in(site: &Site, passkey: &mut Authenticator) -> Result<RawResponse> {
    let stranger = Visitor::stranger(&site.origin);
    let started: Value = serde_json::from_str(&stranger.json("/sign-in/challenge", &json!({})).await?.body)?;
    let assertion = passkey.sign(started["challenge"].as_str().unwrap_or_default())?;
    stranger.json("/sign-in/passkey", &json!({"ticket": started["ticket"], "assertion": assertion})).await
}

#[tokio::test]
async fn another_passkey_is_the_same_person() -> Result {
    let site = Site::new(TWO_PEOPLE).await?;
    let before = site.world.dump("fleet")?;
    let (ada, mut first) = site.enrolled("ada").await?;
    let shown = ada.adds_to(&mut first, "ada").await?.body;
    assert!(shown.contains("It adds a passkey to ada, who is enrolled already"), "{shown}");
    let code = codes(&shown).next().ok_or("a code is shown")?;
    // It makes nobody new, and is no code to sign in with for good.
    let without = Visitor::stranger(&site.origin).form("/enroll/code", &format!("code={code}")).await?;
    assert_eq!((without.status, without.header("set-cookie")), (409, None));
    assert!(without.body.contains("That code adds a passkey to ada"), "{}", without.body);
    assert_eq!(enrolled(&site)?, (vec!["ada".to_owned()], 1, 1));
    let (again, mut second) = Visitor::enrolled(&site.origin, &code, 8).await?;
    assert_eq!(enrolled(&site)?, (vec!["ada".to_owned()], 2, 0));
    let used = again.json("/enroll/start", &json!({"code": code})).await?;
    assert_eq!(used.status, 403, "it works once");
    let (invited, made) = (events(&site, "invited")?, events(&site, "enrolled")?);
    assert_eq!((invited.len(), made.len()), (2, 2));
    // The first invitation is in the stream of the terminal's own process.
    let adding = invited.iter().find(|event| event.get("adds_to").is_some()).ok_or("it says that it adds")?;
    assert_eq!((&adding["adds_to"], &adding["by"]), (&made[0]["operator"], &made[0]["operator"]));
    assert_eq!((&made[1]["operator"], &made[1]["invitation"]), (&made[0]["operator"], &adding["invitation"]));

    // Two passkeys are no two people.
    site.repeat_delete().await?.refused("denied");
    let code = invite(&ada, &mut first, "bea").await?;
    let (bea, mut hers) = Visitor::enrolled(&site.origin, &code, 9).await?;
    let question = site.ask_to_delete().await?;
    let challenge = ada.challenge(&question).await?;
    let yes = again.approve(&question, Some("bookings"), &second.sign(&challenge)?).await?;
    assert_eq!((yes.status, yeses(&site.world, &question)?), (200, 1), "{}", yes.body);
    for (visitor, passkey) in [(&ada, &mut first), (&again, &mut second)] {
        let twice = visitor.approve(&question, Some("bookings"), &passkey.sign(&challenge)?).await?;
        assert_eq!((twice.status, yeses(&site.world, &question)?), (409, 1), "{}", twice.body);
    }
    site.repeat_delete().await?.refused("confirmation_required");
    assert_eq!((site.world.dump("fleet")?, calls(&site.world)?.len()), (before.clone(), 0));
    assert_eq!(bea.approve(&question, Some("bookings"), &hers.sign(&challenge)?).await?.status, 200);
    site.repeat_delete().await?.done();
    assert_ne!(site.world.dump("fleet")?, before);
    assert_eq!(succeeded(&site.world)?, 1);
    assert_eq!((sign_in(&site, &mut first).await?.status, sign_in(&site, &mut second).await?.status), (200, 200));
    site.sound().await
}

#[tokio::test]
async fn who_proves_no_more_than_a_name_says_nothing_of_who_may_answer() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut hers) = site.enrolled("ada").await?;
    let code = invite(&ada, &mut hers, "cleo").await?;
    let stranger = Visitor::stranger(&site.origin);
    let cleo = stranger.with(&stranger.form("/enroll/code", &format!("code={code}")).await?)?;
    let before = (enrolled(&site)?, events(&site, "invited")?.len());
    assert_eq!(before, ((vec!["ada".to_owned(), "cleo".to_owned()], 1, 0), 2));
    let page = cleo.get("/people").await?.body;
    assert!(!page.contains("/people/invite") && !page.contains("/remove"), "{page}");
    assert!(page.contains("Sign in with a passkey, or run the gateway as a user of its own."), "{page}");
    assert!(ada.get("/people").await?.body.contains("/people/invite"));
    let ids = store(&site.world.state())?
        .prepare("SELECT id FROM operators")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    let invitations = ["mallory", "cleo", "ada"].map(|name| ("/people/invite".to_owned(), format!("name={name}")));
    let removals = ids.iter().map(|id| (format!("/people/{id}/remove"), String::new()));
    for (path, body) in invitations.into_iter().chain(removals) {
        let refused = cleo.form(&path, &body).await?;
        assert_eq!(refused.status, 403, "{path} {body}");
        assert!(
            refused.body.contains("Nothing was changed. Inviting and removing people needs more"),
            "{}",
            refused.body
        );
        assert!(codes(&refused.body).next().is_none());
        assert_eq!((enrolled(&site)?, events(&site, "invited")?.len()), before, "{path} {body}");
    }
    site.sound().await
}

#[tokio::test]
async fn passkeys_that_do_not_hold_are_on_record() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (_, mut passkey) = site.enrolled("ada").await?;
    let ada = events(&site, "enrolled")?[0]["operator"].clone();
    passkey.count = 5;
    assert_eq!(sign_in(&site, &mut passkey).await?.status, 200);
    let mut expected = Vec::new();
    let mut refused = |response: &RawResponse, operator: &Value, entry: &str, why: &str| -> Result {
        assert_eq!((response.status, response.header("set-cookie")), (403, None), "{why}: {}", response.body);
        expected.push((operator.clone(), entry.to_owned()));
        let found = events(&site, "not_let_in")?;
        let told: Vec<_> =
            found.iter().map(|e| (e["operator"].clone(), e["entry"].as_str().unwrap_or_default().to_owned())).collect();
        assert_eq!(told, expected, "{why}");
        assert!(found.last().is_some_and(|event| event["why"].as_str().unwrap_or_default().contains(why)), "{found:?}");
        Ok(())
    };
    refused(&sign_in(&site, &mut passkey).await?, &ada, "sign_in", "counter did not go up")?;
    passkey.count = 6;
    passkey.flags = PRESENT;
    refused(&sign_in(&site, &mut passkey).await?, &ada, "sign_in", "has not verified the person")?;
    passkey.flags = VERIFIED;
    passkey.origin = "http://localhost:1".to_owned();
    refused(&sign_in(&site, &mut passkey).await?, &ada, "sign_in", "another origin")?;
    passkey.origin.clone_from(&site.origin);
    let stranger = Visitor::stranger(&site.origin);
    let begin = async || -> Result<Value> {
        Ok(serde_json::from_str(&stranger.json("/sign-in/challenge", &json!({})).await?.body)?)
    };
    let mut signed = json!({"ticket": begin().await?["ticket"], "assertion": passkey.sign(&"A".repeat(43))?});
    refused(&stranger.json("/sign-in/passkey", &signed).await?, &ada, "sign_in", "its challenge is not the one asked")?;
    // Its ticket is used up.
    refused(&stranger.json("/sign-in/passkey", &signed).await?, &ada, "sign_in", "no challenge waits for it")?;
    let mut copy = Authenticator::new(&site.origin, 7)?;
    copy.count = 9;
    refused(&sign_in(&site, &mut copy).await?, &ada, "sign_in", "the signature does not fit")?;
    let mut unknown = Authenticator::new(&site.origin, 3)?;
    refused(&sign_in(&site, &mut unknown).await?, &Value::Null, "sign_in", "no such passkey is enrolled")?;
    signed["assertion"] = json!("no answer at all");
    assert_ne!(stranger.json("/sign-in/passkey", &signed).await?.status, 200);
    assert_eq!(sign_in(&site, &mut passkey).await?.status, 200, "and the right one is let in still");
    site.sound().await
}

#[tokio::test]
async fn passkeys_that_cannot_be_enrolled_are_on_record() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut hers) = site.enrolled("ada").await?;
    let id = events(&site, "enrolled")?[0]["operator"].clone();
    let before = enrolled(&site)?;
    let stranger = Visitor::stranger(&site.origin);
    let mut count = 0;
    // Each uses up two of the tries there are for codes.
    for (name, operator, lies) in [("bea", &Value::Null, 5), ("ada", &id, 3)] {
        let shown = match operator {
            Value::Null => ada.invite(&mut hers, name).await?,
            _ => ada.adds_to(&mut hers, name).await?,
        };
        assert_eq!(shown.status, 200, "{}", shown.body);
        let code = codes(&shown.body).next().ok_or("a code is shown")?;
        let honest = Authenticator::new(&site.origin, 8)?;
        let elsewhere = Authenticator::new("http://localhost:1", 8)?;
        let mut unverified = Authenticator::new(&site.origin, 8)?;
        unverified.flags = PRESENT;
        let taken = Authenticator::new(&site.origin, 7)?;
        for (passkey, challenge, ticket, why) in [
            (&elsewhere, None, None, "another origin"),
            (&unverified, None, None, "has not verified the person"),
            (&honest, Some("A".repeat(43)), None, "its challenge is not the one asked"),
            (&honest, None, Some("01890a5d-ac96-774b-bcce-b302099a8057"), "no challenge waits for it"),
            (&taken, None, None, "this passkey is enrolled already"),
        ]
        .into_iter()
        .take(lies)
        {
            let started = stranger.json("/enroll/start", &json!({"code": code})).await?;
            let started: Value = serde_json::from_str(&started.body)?;
            let asked = started["challenge"].as_str().unwrap_or_default();
            let mut created = passkey.create(challenge.as_deref().unwrap_or(asked));
            created["code"] = code.as_str().into();
            created["ticket"] = ticket.map_or_else(|| started["ticket"].clone(), Value::from);
            let refused = stranger.json("/enroll/passkey", &created).await?;
            assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{why}: {}", refused.body);
            count += 1;
            let found = events(&site, "not_let_in")?;
            assert_eq!(found.len(), count, "{name}: {why}");
            let last = found.last().ok_or("it is on record")?;
            assert_eq!((&last["operator"], &last["entry"]), (operator, &json!("enrolment")));
            assert!(last["why"].as_str().is_some_and(|words| words.contains(why)), "{last}");
        }
    }
    let (names, passkeys, _) = enrolled(&site)?;
    assert_eq!((names, passkeys), (before.0, before.1), "nobody was enrolled");
    site.sound().await
}

#[tokio::test]
async fn nobody_fills_the_record_with_passkeys_they_make_up() -> Result {
    const TRIED: usize = 100;
    let site = Site::new(OUT_OF_BAND).await?;
    let (_, mut passkey) = site.enrolled("ada").await?;
    let mut unknown = Authenticator::new(&site.origin, 3)?;
    for _ in 0..TRIED {
        assert_eq!(sign_in(&site, &mut unknown).await?.status, 403);
    }
    let kept = events(&site, "not_let_in")?.len();
    assert!((1..TRIED / 2).contains(&kept), "{kept} of {TRIED}");
    // What somebody's own passkey shows is written down all the same.
    passkey.flags = PRESENT;
    assert_eq!(sign_in(&site, &mut passkey).await?.status, 403);
    let found = events(&site, "not_let_in")?;
    assert!(found.iter().any(|event| event["why"].to_string().contains("has not verified the person")), "{found:?}");
    site.sound().await
}
