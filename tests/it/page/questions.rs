//! Questions that are answered in a real browser.

use mollyguard_tests::browser::Setup;
use mollyguard_tests::{Era, Person, Result, until, within};
use serde_json::{Value, json};

use super::{
    OUT_OF_BAND, PURGE, Site, TWO_PEOPLE, WRITE, delete, enrol, free_port, invited, open_questions, origin,
    questions_in, rental, somebody, succeeded, yeses,
};
use crate::behind::{calls, records};

/// Asks for somebody else than the person the call is made for.
const SOMEBODY_ELSE: &str = r#"
@id("production-needs-somebody-else")
@reason("It is production, and nobody says yes to a call of their own.")
forbid (principal, action, resource)
when { context.call.tier == "production" && context.call.reversibility != "read_only" }
unless { context has approval && context.approval.assurance >= 3 && context.approval.others >= 1 };
"#;

#[tokio::test]
async fn what_is_approved_with_a_passkey_runs_once_and_is_taken_back_on_the_page() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let before = site.world.dump("fleet")?;
    // Nobody is enrolled, so nobody could say yes out of band: that is a plain no.
    site.agent.call(WRITE, delete()).await?.refused("denied");
    let (_browser, tab, _) = somebody(&site, "ada", &Setup::DESK).await?;
    tab.press("Sign out").await?;
    tab.at("/sign-in").await?;
    tab.press("Sign in with a passkey").await?;
    tab.sees("Nothing waits.").await?;

    // From here on the page is never asked to load again.
    tab.run("window.stayed = true").await?;
    let id = site.ask_to_delete().await?;
    tab.sees("One question.").await?;
    assert_eq!(tab.run("window.stayed").await?, true, "it came without loading the page again");
    assert_eq!(site.world.dump("fleet")?, before);
    tab.follow("PRODUCTION").await?;
    tab.at(&format!("/questions/{id}")).await?;
    tab.sees("To approve, type").await?;
    tab.fill("To approve, type", "bookings").await?;
    tab.press("Approve with your passkey").await?;
    tab.sees("Approved. The agent has not made the call yet").await?;
    assert_eq!(site.world.dump("fleet")?, before, "the yes alone changes nothing");
    tab.run("window.stayed = true").await?;

    site.repeat_delete().await?.done();
    let after = site.world.dump("fleet")?;
    assert_ne!(after, before);
    tab.sees("Approved. It was done.").await?;
    assert_eq!(tab.run("window.stayed").await?, true, "the outcome came without loading the page again");
    assert_eq!(succeeded(&site.world)?, 1);
    // The yes is spent: the same call asks anew.
    let second = site.ask_to_delete().await?;
    assert_ne!(second, id);
    assert_eq!((site.world.dump("fleet")?, succeeded(&site.world)?), (after, 1));

    tab.press("Undo").await?;
    tab.at("/questions/").await?;
    tab.sees("TAKES BACK").await?;
    tab.fill("To approve, type", "bookings").await?;
    tab.press("Approve with your passkey").await?;
    tab.at("/history").await?;
    tab.sees("taken back").await?;
    assert_eq!(site.world.dump("fleet")?, before, "it is as it was");
    assert_eq!(succeeded(&site.world)?, 2);
    let signed = records(&site.world.state())?.iter().filter(|record| record.to_string().contains("signature")).count();
    assert_eq!(signed, 2, "both yeses are on record with what was signed");
    assert_eq!(tab.said().await?, [""; 0]);
    site.sound().await
}

#[tokio::test]
async fn what_is_declined_does_not_run() -> Result {
    let site = Site::new("").await?;
    let before = site.world.dump("fleet")?;
    let (_browser, tab, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let id = site.ask(PURGE, &json!({"target": "fleet", "table": "bookings"})).await?;
    tab.go(&format!("/questions/{id}")).await?;
    // Nothing has to be typed for a no.
    tab.press("Decline").await?;
    tab.sees("Not approved: declined by ada").await?;
    tab.lacks("Approve with your passkey").await?;
    assert_eq!(questions_in(&site.world, "refused")?, [id]);
    assert!(!site.agent.call(PURGE, json!({"target": "fleet", "table": "bookings"})).await?.is_done());
    assert_eq!((site.world.dump("fleet")?, calls(&site.world)?.len()), (before, 0));
    site.sound().await
}

#[tokio::test]
async fn what_runs_out_while_it_is_looked_at_says_so() -> Result {
    let mut world = rental("")?;
    world.set("confirm.expires_s", 10);
    let site = Site::of(world).await?;
    let before = site.world.dump("fleet")?;
    let (_browser, tab, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let id = site.ask_to_delete().await?;
    tab.go(&format!("/questions/{id}")).await?;
    tab.sees("Open until").await?;
    let counted = "document.querySelector('[data-until]').textContent";
    let first = tab.run(counted).await?;
    assert!(first.as_str().is_some_and(|words| words.ends_with(" left)")), "{first}");
    // Each look is a round trip to the browser, so this does not spin.
    within("a moment less", async {
        while tab.run(counted).await? == first {}
        Result::Ok(())
    })
    .await??;
    tab.sees("Expired at").await?;
    assert_eq!(tab.run("document.querySelector('.answer')").await?, json!(null), "there is nothing left to press");
    tab.go("/").await?;
    tab.sees("Nothing waits.").await?;
    // Asked anew, not done.
    assert_ne!(site.ask_to_delete().await?, id);
    assert_eq!((site.world.dump("fleet")?, calls(&site.world)?.len()), (before, 0));
    site.sound().await
}

#[tokio::test]
async fn two_people_are_two_people() -> Result {
    let site = Site::new(TWO_PEOPLE).await?;
    let before = site.world.dump("fleet")?;
    let (browser, ada, _) = somebody(&site, "ada", &Setup::DESK).await?;
    // As long as only one can say yes, two cannot.
    site.agent.call(WRITE, delete()).await?.refused("denied");
    let code = invited(&ada, "bea").await?;
    let bea = browser.open(&site.origin, &Setup::PHONE).await?;
    enrol(&bea, &code).await?;

    let id = site.ask_to_delete().await?;
    bea.sees("One question.").await?;
    let path = format!("/questions/{id}");
    ada.go(&path).await?;
    // The page as it was before the first yes, kept for a second one.
    let keep = "Object.assign({}, document.querySelector('form[data-sign]').dataset)";
    let kept = ada.run(keep).await?;
    ada.fill("To approve, type", "bookings").await?;
    ada.press("Approve with your passkey").await?;
    ada.sees("You have said yes. Others must, too.").await?;
    assert_eq!(yeses(&site.world, &id)?, 1);
    let again = format!(
        "(async () => {{ const {{ challenge, rp, credentials }} = {kept};
         while (typeof sign !== 'function') await new Promise((done) => setTimeout(done, 10));
         const assertion = await sign(challenge, rp, credentials.split(' '));
         return post('{path}/answer', {{ decision: 'approve', typed: 'bookings', assertion }}).then(() => 'yes', (no) => no.message); }})()"
    );
    let refused = ada.run(&again).await?;
    assert!(refused.as_str().is_some_and(|words| words.contains("Nothing was changed")), "{refused}");
    assert_eq!(yeses(&site.world, &id)?, 1, "the same person twice is one person");
    site.repeat_delete().await?.refused("confirmation_required");
    assert_eq!((site.world.dump("fleet")?, calls(&site.world)?.len()), (before.clone(), 0));

    bea.follow("PRODUCTION").await?;
    bea.sees("ada said yes").await?;
    bea.fill("To approve, type", "bookings").await?;
    bea.press("Approve with your passkey").await?;
    bea.sees("Approved. The agent has not made the call yet").await?;
    ada.sees("Approved. The agent has not made the call yet").await?;
    site.repeat_delete().await?.done();
    bea.sees("It was done.").await?;
    ada.sees("It was done.").await?;
    assert_ne!(site.world.dump("fleet")?, before);
    assert_eq!(succeeded(&site.world)?, 1);
    site.sound().await
}

#[tokio::test]
async fn of_two_people_one_no_ends_it() -> Result {
    let site = Site::new(TWO_PEOPLE).await?;
    let before = site.world.dump("fleet")?;
    let (browser, ada, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let code = invited(&ada, "bea").await?;
    let bea = browser.open(&site.origin, &Setup::DESK).await?;
    enrol(&bea, &code).await?;
    let id = site.ask_to_delete().await?;
    ada.go(&format!("/questions/{id}")).await?;
    ada.fill("To approve, type", "bookings").await?;
    ada.press("Approve with your passkey").await?;
    ada.sees("You have said yes. Others must, too.").await?;
    assert_eq!((yeses(&site.world, &id)?, site.world.dump("fleet")?), (1, before.clone()));
    bea.follow("PRODUCTION").await?;
    bea.sees("ada said yes").await?;
    bea.press("Decline").await?;
    for tab in [&bea, &ada] {
        tab.sees("Not approved: declined by bea").await?;
        assert_eq!(tab.run("document.querySelector('.answer')").await?, json!(null), "nothing is left to press");
    }
    assert_eq!((questions_in(&site.world, "refused")?, open_questions(&site.world)?), (vec![id], vec![]));
    assert!(!site.repeat_delete().await?.is_done());
    assert_eq!((site.world.dump("fleet")?, calls(&site.world)?.len()), (before, 0));
    site.sound().await
}

/// Nobody says yes to a call of their own where somebody else is needed.
#[tokio::test]
async fn who_a_call_is_made_for_is_not_somebody_else() -> Result {
    let site = Site::new(SOMEBODY_ELSE).await?;
    let before = site.world.dump("fleet")?;
    let (browser, alice, _) = somebody(&site, "alice", &Setup::DESK).await?;
    let code = invited(&alice, "bea").await?;
    let bea = browser.open(&site.origin, &Setup::DESK).await?;
    enrol(&bea, &code).await?;
    let id = site.ask_to_delete().await?;
    let path = format!("/questions/{id}");
    alice.go(&path).await?;
    alice.sees("The call is made for you, so somebody else must say yes.").await?;
    alice.lacks("Approve with your passkey").await?;
    // Signed all the same, as bea's page says what to sign.
    bea.go(&path).await?;
    let challenge = bea.run("document.querySelector('form[data-sign]').dataset.challenge").await?;
    let yes = format!(
        "sign({challenge}, 'localhost', [])
         .then((assertion) => post('{path}/answer', {{ decision: 'approve', typed: 'bookings', assertion }}))
         .then(() => 'yes', (no) => no.message)"
    );
    let refused = alice.run(&yes).await?;
    let words = "Not approved: the call is made for the same person, and somebody else is needed. Nothing was changed.";
    assert_eq!(refused, words);
    let rejected = |record: &Value| record["event"].to_string().contains("somebody else is needed");
    assert_eq!(records(&site.world.state())?.iter().filter(|record| rejected(record)).count(), 1);
    assert_eq!((open_questions(&site.world)?, yeses(&site.world, &id)?), (vec![id], 0));
    site.repeat_delete().await?.refused("confirmation_required");
    assert_eq!((site.world.dump("fleet")?, calls(&site.world)?.len()), (before.clone(), 0));

    bea.fill("To approve, type", "bookings").await?;
    bea.press("Approve with your passkey").await?;
    bea.sees("Approved. The agent has not made the call yet").await?;
    site.repeat_delete().await?.done();
    assert_ne!(site.world.dump("fleet")?, before);
    assert_eq!(succeeded(&site.world)?, 1);
    site.sound().await
}

#[tokio::test]
async fn the_wrong_name_is_no_yes() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let before = site.world.dump("fleet")?;
    let (_browser, tab, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let id = site.ask_to_delete().await?;
    tab.go(&format!("/questions/{id}")).await?;
    for wrong in ["booking", "Bookings"] {
        tab.fill("To approve, type", wrong).await?;
        tab.press("Approve with your passkey").await?;
        tab.sees("What was typed is not the name that was asked for. Nothing was changed.").await?;
        assert_eq!((open_questions(&site.world)?, yeses(&site.world, &id)?), (vec![id.clone()], 0), "{wrong}");
    }
    site.repeat_delete().await?.refused("confirmation_required");
    assert_eq!(site.world.dump("fleet")?, before);
    tab.fill("To approve, type", "bookings").await?;
    tab.press("Approve with your passkey").await?;
    tab.sees("Approved.").await?;
    site.repeat_delete().await?.done();
    site.sound().await
}

#[tokio::test]
async fn three_wrong_names_close_the_question_and_are_on_record() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let before = site.world.dump("fleet")?;
    let (_browser, tab, _) = somebody(&site, "ada", &Setup::DESK).await?;
    let id = site.ask_to_delete().await?;
    tab.go(&format!("/questions/{id}")).await?;
    for (wrong, said) in [("bookings;", "Nothing was changed"), ("yes", "Nothing was changed"), ("no", "is closed now")]
    {
        tab.fill("To approve, type", wrong).await?;
        tab.press("Approve with your passkey").await?;
        tab.sees(said).await?;
    }
    assert_eq!((open_questions(&site.world)?, yeses(&site.world, &id)?), (Vec::new(), 0));
    let again = site.ask_to_delete().await?;
    assert_ne!(again, id);
    assert_eq!(site.world.dump("fleet")?, before);
    site.sound().await
}

#[tokio::test]
async fn a_passkey_whose_owner_is_not_verified_is_no_yes() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let before = site.world.dump("fleet")?;
    let (_browser, tab, authenticator) = somebody(&site, "ada", &Setup::DESK).await?;
    let id = site.ask_to_delete().await?;
    tab.go(&format!("/questions/{id}")).await?;
    tab.verifies(&authenticator, false).await?;
    tab.fill("To approve, type", "bookings").await?;
    tab.press("Approve with your passkey").await?;
    tab.sees("The passkey was not used. Nothing was changed.").await?;
    assert_eq!((open_questions(&site.world)?, yeses(&site.world, &id)?), (vec![id], 0));
    site.repeat_delete().await?.refused("confirmation_required");
    assert_eq!((site.world.dump("fleet")?, calls(&site.world)?.len()), (before, 0));
    tab.verifies(&authenticator, true).await?;
    tab.press("Approve with your passkey").await?;
    tab.sees("Approved.").await?;
    site.sound().await
}

#[tokio::test]
async fn another_gateway_takes_the_page_over() -> Result {
    let mut world = rental(OUT_OF_BAND)?;
    world.set("confirm.page_port", i64::from(free_port()?));
    let first = world.stdio(Era::Modern, Person::absent()).await?;
    let page = origin(&world).await?;
    let agent = world.stdio(Era::Modern, Person::absent()).await?;
    let site = Site { world, served: None, agent, origin: page.clone() };
    let before = site.world.dump("fleet")?;
    let (browser, tab, _) = somebody(&site, "ada", &Setup::DESK).await?;
    // Asked through the gateway that does not serve the page.
    let id = site.ask_to_delete().await?;
    tab.sees("One question.").await?;
    tab.run("window.stayed = true").await?;

    first.kill().await?;
    // Of the new holder: the lock's file is the same one, and says the same.
    until("the page, served again", || Ok(mollyguard_record::state::where_page_is(&site.world.state()))).await?;
    assert_eq!(origin(&site.world).await?, page, "it is where it was");
    assert_eq!(open_questions(&site.world)?, std::slice::from_ref(&id));
    // The page that was open all the time comes back by itself.
    let other = site.agent.call(WRITE, json!({"target": "fleet", "sql": "DELETE FROM bookings WHERE vehicle = 1"}));
    other.await?.refused("confirmation_required");
    tab.sees("2 questions.").await?;
    assert_eq!(tab.run("window.stayed").await?, true);
    tab.go(&format!("/questions/{id}")).await?;
    tab.fill("To approve, type", "bookings").await?;
    tab.press("Approve with your passkey").await?;
    tab.sees("Approved.").await?;
    site.repeat_delete().await?.done();
    tab.sees("It was done.").await?;
    assert_ne!(site.world.dump("fleet")?, before);
    assert_eq!(succeeded(&site.world)?, 1);
    drop(browser);
    site.sound().await
}
