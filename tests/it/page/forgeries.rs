//! Signatures that are used where they were not made for.

use mollyguard_tests::{RawResponse, Result};
use serde_json::{Value, json};

use super::authenticator::{Authenticator, PRESENT};
use super::{OUT_OF_BAND, Site, TWO_PEOPLE, Visitor, WRITE, codes, open_questions, succeeded, yeses};
use crate::behind::records;

/// Asserts that an approval was refused, and how many yeses there still are.
#[track_caller]
fn assert_refused(site: &Site, question: &str, refused: &RawResponse, what: &str, still: usize) -> Result {
    assert!(matches!(refused.status, 403 | 409), "{what}: {} {}", refused.status, refused.body);
    assert!(refused.body.contains("Nothing was changed"), "{what}: {}", refused.body);
    assert_eq!(yeses(&site.world, question)?, still, "{what}");
    Ok(())
}

/// How many answers that did not hold are on record.
fn rejected(site: &Site) -> Result<usize> {
    let records = records(&site.world.state())?;
    Ok(records.iter().filter(|record| record["event"].to_string().contains("rejected")).count())
}

#[tokio::test]
async fn a_signature_holds_for_one_question_once() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let before = site.world.dump("fleet")?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let question = site.ask_to_delete().await?;
    let other = json!({"target": "fleet", "sql": "DELETE FROM bookings WHERE vehicle = 1"});
    let other_question = site.ask(WRITE, &other).await?;
    let (challenge, other_challenge) = (ada.challenge(&question).await?, ada.challenge(&other_question).await?);
    assert_ne!(challenge, other_challenge);
    // What the browser signed for the one is no answer to the other.
    let signed = passkey.sign(&challenge)?;
    let swapped = ada.approve(&other_question, Some("bookings"), &signed).await?;
    assert_refused(&site, &other_question, &swapped, "another question's", 0)?;
    let taken = ada.approve(&question, Some("bookings"), &signed).await?;
    assert_eq!((taken.status, yeses(&site.world, &question)?), (200, 1), "{}", taken.body);
    let replayed = ada.approve(&question, Some("bookings"), &signed).await?;
    assert_refused(&site, &question, &replayed, "a second time", 1)?;
    site.repeat_delete().await?.done();
    let after = site.world.dump("fleet")?;
    assert_ne!(after, before);
    let spent = ada.approve(&question, Some("bookings"), &signed).await?;
    assert_refused(&site, &question, &spent, "after it was used", 0)?;
    // The same call, asked about again, is another question.
    let again = site.ask_to_delete().await?;
    let replayed = ada.approve(&again, Some("bookings"), &signed).await?;
    assert_refused(&site, &again, &replayed, "for the next question about the same", 0)?;
    assert_eq!((site.world.dump("fleet")?, succeeded(&site.world)?), (after, 1));
    assert_eq!(open_questions(&site.world)?.len(), 2);
    site.sound().await
}

#[tokio::test]
async fn what_does_not_hold_is_refused_and_written_down() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let question = site.ask_to_delete().await?;
    let challenge = ada.challenge(&question).await?;
    let mut stranger = Authenticator::new(&site.origin, 9)?;
    let mut copy = Authenticator::new(&site.origin, 7)?;
    let mut lies: Vec<(&str, Value)> = vec![
        ("another's passkey", stranger.sign(&challenge)?),
        ("another key under the same id", copy.sign(&challenge)?),
        ("no challenge", passkey.sign("")?),
        ("a challenge of its own", passkey.sign(&"A".repeat(43))?),
        ("nothing", Value::Null),
    ];
    for flags in [PRESENT, 0x04, 0] {
        passkey.flags = flags;
        lies.push(("an owner who was not verified", passkey.sign(&challenge)?));
    }
    passkey.flags = super::authenticator::VERIFIED;
    for origin in ["https://localhost", "http://localhost:1", "http://evil.example", "null"] {
        origin.clone_into(&mut passkey.origin);
        lies.push(("another page", passkey.sign(&challenge)?));
    }
    passkey.origin.clone_from(&site.origin);
    let honest = passkey.sign(&challenge)?;
    for (field, byte) in [("signature", 12), ("authenticator_data", 2), ("client_data_json", 60)] {
        let mut bent = honest.clone();
        let mut text = bent[field].as_str().unwrap_or_default().to_owned();
        let other = if text.as_bytes()[byte] == b'A' { "B" } else { "A" };
        text.replace_range(byte..=byte, other);
        bent[field] = text.into();
        lies.push(("one letter changed", bent));
    }
    for (n, (what, lie)) in lies.iter().enumerate() {
        let refused = ada.approve(&question, Some("bookings"), lie).await?;
        assert_refused(&site, &question, &refused, what, 0)?;
        assert_eq!(rejected(&site)?, n + 1, "{what} is on record");
    }
    let unnamed = ada.approve(&question, None, &honest).await?;
    assert_refused(&site, &question, &unnamed, "no name typed", 0)?;
    site.repeat_delete().await?.refused("confirmation_required");
    assert_eq!((open_questions(&site.world)?, succeeded(&site.world)?), (vec![question.clone()], 0));
    let taken = ada.approve(&question, Some("bookings"), &honest).await?;
    assert_eq!((taken.status, yeses(&site.world, &question)?), (200, 1), "{}", taken.body);
    site.sound().await
}

#[tokio::test]
async fn a_counter_that_goes_back_is_a_copy() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let question = site.ask_to_delete().await?;
    let sign_in = async |passkey: &mut Authenticator, count: u32| -> Result<RawResponse> {
        let started = ada.json("/sign-in/challenge", &json!({})).await?;
        let started: Value = serde_json::from_str(&started.body)?;
        passkey.count = count;
        let assertion = passkey.sign(started["challenge"].as_str().unwrap_or_default())?;
        ada.json("/sign-in/passkey", &json!({"ticket": started["ticket"], "assertion": assertion})).await
    };
    assert_eq!(sign_in(&mut passkey, 5).await?.status, 200);
    assert_ne!(sign_in(&mut passkey, 5).await?.status, 200);
    assert_ne!(sign_in(&mut passkey, 4).await?.status, 200);
    passkey.count = 3;
    let signed = passkey.sign(&ada.challenge(&question).await?)?;
    let refused = ada.approve(&question, Some("bookings"), &signed).await?;
    assert_refused(&site, &question, &refused, "a counter that went back", 0)?;
    assert_eq!(sign_in(&mut passkey, 6).await?.status, 200);
    site.sound().await
}

#[tokio::test]
async fn signing_in_is_no_approval_and_is_not_repeated() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let question = site.ask_to_delete().await?;
    let stranger = Visitor::stranger(&site.origin);
    let started: Value = serde_json::from_str(&stranger.json("/sign-in/challenge", &json!({})).await?.body)?;
    let assertion = passkey.sign(started["challenge"].as_str().unwrap_or_default())?;
    let refused = ada.approve(&question, Some("bookings"), &assertion).await?;
    assert_refused(&site, &question, &refused, "a signature that was to sign in", 0)?;
    // And the other way round: what approves opens no session.
    let approves = passkey.sign(&ada.challenge(&question).await?)?;
    let swapped =
        stranger.json("/sign-in/passkey", &json!({"ticket": started["ticket"], "assertion": approves})).await?;
    assert_eq!((swapped.status, swapped.header("set-cookie")), (403, None));
    let signed = json!({"ticket": started["ticket"], "assertion": assertion});
    let late = stranger.json("/sign-in/passkey", &signed).await?;
    assert_eq!((late.status, late.header("set-cookie")), (403, None), "each challenge is answered once");
    site.sound().await
}

#[tokio::test]
async fn nobody_answers_with_another_persons_passkey_or_session() -> Result {
    let site = Site::new(TWO_PEOPLE).await?;
    let (ada, mut hers) = site.enrolled("ada").await?;
    let shown = ada.invite(&mut hers, "bea").await?;
    let code = codes(&shown.body).next().ok_or_else(|| format!("no code in {}", shown.body))?;
    let (bea, mut other) = Visitor::enrolled(&site.origin, &code, 8).await?;
    let question = site.ask_to_delete().await?;
    let challenge = ada.challenge(&question).await?;
    let (by_ada, by_bea) = (hers.sign(&challenge)?, other.sign(&challenge)?);
    let crossed = [(&ada, &by_bea, "bea's passkey in ada's session"), (&bea, &by_ada, "ada's in bea's")];
    for (visitor, signed, what) in crossed {
        let refused = visitor.approve(&question, Some("bookings"), signed).await?;
        assert_refused(&site, &question, &refused, what, 0)?;
    }
    assert_eq!(ada.approve(&question, Some("bookings"), &by_ada).await?.status, 200);
    let twice = ada.approve(&question, Some("bookings"), &hers.sign(&challenge)?).await?;
    assert_refused(&site, &question, &twice, "the same person twice", 1)?;
    assert_eq!(bea.approve(&question, Some("bookings"), &by_bea).await?.status, 200);
    assert_eq!(yeses(&site.world, &question)?, 2);
    site.repeat_delete().await?.done();
    assert_eq!(succeeded(&site.world)?, 1);
    site.sound().await
}
