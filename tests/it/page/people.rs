//! Who is let in at the page, in a real browser.

use mollyguard_tests::Result;
use mollyguard_tests::browser::{Browser, Setup};
use serde_json::json;

use super::{OUT_OF_BAND, PURGE, Site, codes, enrol, open_questions, somebody, yeses};
use crate::behind::{calls, store};

/// How many people are enrolled, as the store has it.
fn enrolled(site: &Site) -> Result<i64> {
    let store = store(&site.world.state())?;
    Ok(store.query_row("SELECT count(*) FROM operators WHERE removed_at IS NULL", [], |row| row.get(0))?)
}

/// In another browser, with a passkey of its own.
#[tokio::test]
async fn another_device_is_enrolled_by_its_owner() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let before = site.world.dump("fleet")?;
    let (browser, ada, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let code = super::invited(&ada, "ada").await?;
    ada.sees("It adds a passkey to ada, who is enrolled already").await?;
    let phone = browser.open(&site.origin, &Setup::PHONE).await?;
    phone.authenticator(true).await?;
    phone.go("/enroll").await?;
    phone.fill("One-time code", &code).await?;
    phone.press("Enrol with a passkey").await?;
    phone.sees("ada (you)").await?;
    assert_eq!(enrolled(&site)?, 1);
    let passkeys =
        "[...document.querySelectorAll('.person .meta')].filter((m) => m.textContent.startsWith('passkey')).length";
    assert_eq!(phone.run(passkeys).await?, 2);
    phone.press("Sign out").await?;
    phone.press("Sign in with a passkey").await?;
    phone.sees("Nothing waits.").await?;
    let id = site.ask_to_delete().await?;
    phone.go(&format!("/questions/{id}")).await?;
    phone.fill("To approve, type", "bookings").await?;
    phone.press("Approve with your passkey").await?;
    phone.sees("Approved.").await?;
    assert_eq!((yeses(&site.world, &id)?, site.world.dump("fleet")?), (1, before.clone()));
    site.repeat_delete().await?.done();
    assert_ne!(site.world.dump("fleet")?, before);
    site.sound().await
}

/// Without any script: who has a code needs none.
#[tokio::test]
async fn a_code_answers_what_needs_no_more_than_a_name() -> Result {
    let site = Site::new("").await?;
    let browser = Browser::start().await?;
    let tab = browser.open(&site.origin, &Setup { script: false, ..Setup::DESK }).await?;
    tab.go("/enroll").await?;
    assert!(tab.text().await?.contains("Passkeys need this page's script"));
    tab.fill("One-time code", &site.code("cleo").await?).await?;
    tab.press("Enrol without one").await?;
    tab.sees("You are enrolled").await?;
    let code = codes(&tab.text().await?).next().ok_or("their own code is shown")?;
    tab.follow("I have written it down").await?;
    tab.press("Sign out").await?;
    tab.fill("Or your code", "00000-00000-00000-00000").await?;
    tab.key("Enter").await?;
    tab.sees("That is nobody's code").await?;
    tab.go("/sign-in").await?;
    tab.fill("Or your code", &code.to_lowercase()).await?;
    tab.key("Enter").await?;
    tab.sees("Nothing waits.").await?;
    let id = site.ask(PURGE, &json!({"target": "fleet", "table": "bookings"})).await?;
    tab.go("/").await?;
    tab.follow("PRODUCTION").await?;
    tab.fill("To approve, type", "bookings").await?;
    tab.fill("Your code", "00000-00000-00000-00000").await?;
    tab.press("Approve").await?;
    tab.sees("the code is not theirs").await?;
    assert_eq!(yeses(&site.world, &id)?, 0);
    tab.go(&format!("/questions/{id}")).await?;
    tab.fill("To approve, type", "bookings").await?;
    tab.fill("Your code", &code).await?;
    tab.press("Approve").await?;
    tab.sees("Approved.").await?;
    assert_eq!(yeses(&site.world, &id)?, 1);
    site.agent.call(PURGE, json!({"target": "fleet", "table": "bookings"})).await?.done();
    assert!(site.world.rows("fleet", "bookings").is_err(), "the table is gone");
    site.sound().await
}

#[tokio::test]
async fn a_code_does_not_answer_what_needs_a_person_out_of_band() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let before = site.world.dump("fleet")?;
    let (browser, ada, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let code = super::invited(&ada, "cleo").await?;
    let cleo = browser.open(&site.origin, &Setup::DESK).await?;
    cleo.go("/enroll").await?;
    cleo.fill("One-time code", &code).await?;
    cleo.press("Enrol without one").await?;
    cleo.sees("You are enrolled").await?;
    let id = site.ask_to_delete().await?;
    cleo.go(&format!("/questions/{id}")).await?;
    cleo.sees("This needs out of band, and what you can show here proves typed at most.").await?;
    assert_eq!(cleo.run("document.querySelectorAll('.choice button').length").await?, 1, "only the no is left");
    let yes =
        format!("post('/questions/{id}/answer', {{decision: 'approve', typed: 'bookings'}}).catch((no) => no.message)");
    let refused = cleo.run(&yes).await?;
    assert!(refused.as_str().is_some_and(|words| words.starts_with("Not approved:")), "{refused}");
    assert_eq!((open_questions(&site.world)?, yeses(&site.world, &id)?), (vec![id], 0));
    site.repeat_delete().await?.refused("confirmation_required");
    assert_eq!((site.world.dump("fleet")?, calls(&site.world)?.len()), (before, 0));
    site.sound().await
}

#[tokio::test]
async fn a_passkey_nobody_has_enrolled_is_nobody() -> Result {
    let site = Site::new("").await?;
    let (browser, _ada, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let mallory = browser.open(&site.origin, &Setup::DESK).await?;
    mallory.strange_authenticator().await?;
    mallory.go("/sign-in").await?;
    mallory.press("Sign in with a passkey").await?;
    mallory.sees("This passkey is nobody's here").await?;
    mallory.go("/").await?;
    mallory.at("/sign-in").await?;
    site.sound().await
}

#[tokio::test]
async fn one_whose_owner_is_not_verified_enrols_nobody() -> Result {
    let site = Site::new("").await?;
    let code = site.code("ada").await?;
    let browser = Browser::start().await?;
    let tab = browser.open(&site.origin, &Setup::DESK).await?;
    let authenticator = tab.authenticator(false).await?;
    tab.go("/enroll").await?;
    tab.fill("One-time code", &code).await?;
    tab.press("Enrol with a passkey").await?;
    tab.sees("The passkey was not used. Nothing was changed.").await?;
    assert_eq!(enrolled(&site)?, 0);
    // The code is not used up, and Enter is the passkey's button.
    tab.verifies(&authenticator, true).await?;
    tab.fill("One-time code", &code).await?;
    tab.key("Enter").await?;
    tab.sees("Nothing waits.").await?;
    assert_eq!(enrolled(&site)?, 1);
    let again = browser.open(&site.origin, &Setup::DESK).await?;
    again.authenticator(true).await?;
    again.go("/enroll").await?;
    again.fill("One-time code", &code).await?;
    again.press("Enrol with a passkey").await?;
    again.sees("That code is nobody's, was used").await?;
    assert_eq!(enrolled(&site)?, 1);
    site.sound().await
}

#[tokio::test]
async fn who_is_removed_is_gone_at_once() -> Result {
    let site = Site::new("").await?;
    let (browser, ada, _) = somebody(&site, "ada", &Setup::DESK).await?;
    ada.go("/people").await?;
    assert_eq!(ada.run("document.querySelectorAll('details').length").await?, 0, "the last one stays");
    let code = super::invited(&ada, "bea").await?;
    let bea = browser.open(&site.origin, &Setup::DESK).await?;
    enrol(&bea, &code).await?;
    ada.go("/people").await?;
    ada.run("[...document.querySelectorAll('details')].forEach((details) => (details.open = true))").await?;
    ada.press("Remove bea").await?;
    ada.lacks("bea").await?;
    assert_eq!(enrolled(&site)?, 1);
    bea.go("/history").await?;
    bea.at("/sign-in").await?;
    bea.press("Sign in with a passkey").await?;
    bea.sees("This passkey is nobody's here").await?;
    site.sound().await
}

#[tokio::test]
async fn a_browser_without_passkeys_is_told() -> Result {
    let site = Site::new("").await?;
    let code = site.code("ada").await?;
    let browser = Browser::start().await?;
    let tab = browser.open(&site.origin, &Setup::DESK).await?;
    tab.before(
        "delete window.PublicKeyCredential; Object.defineProperty(navigator, 'credentials', {value: undefined})",
    )
    .await?;
    tab.go("/enroll").await?;
    tab.sees("This browser offers no passkeys here").await?;
    tab.fill("One-time code", &code).await?;
    tab.press("Enrol without one").await?;
    tab.follow("I have written it down").await?;
    tab.sees("Nothing waits.").await?;
    // What does not need them works on, live.
    site.ask(PURGE, &json!({"target": "fleet", "table": "bookings"})).await?;
    tab.sees("One question.").await?;
    tab.press("Sign out").await?;
    tab.sees("This browser offers no passkeys here").await?;
    assert_eq!(tab.said().await?, [""; 0]);
    site.sound().await
}
