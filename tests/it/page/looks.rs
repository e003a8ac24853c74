//! How the pages look and are used: to everybody, in both colour schemes, on a phone, and by keyboard alone.

use mollyguard_tests::browser::{Setup, Tab};
use mollyguard_tests::{Result, World};
use serde_json::{Value, json};

use super::{
    OUT_OF_BAND, PURGE, Site, TWO_PEOPLE, WRITE, delete, enrol, first_code, invited, rental, somebody, succeeded,
};

/// What nobody would write, and somebody will.
fn long() -> String {
    "überlang".repeat(50)
}

/// The rental firm with a table whose name is as long as names get, and people whose names are.
fn overlong(policy: &str) -> Result<World> {
    let mut world = rental(policy)?;
    world.sql(
        "fleet",
        &format!("CREATE TABLE \"{}\" (id INTEGER PRIMARY KEY); INSERT INTO \"{0}\" VALUES (1)", long()),
    )?;
    world.set("gateway.user", "a".repeat(100));
    Ok(world)
}

fn purge_long() -> Value {
    json!({"target": "fleet", "table": long()})
}

/// A statement of a screen, with a word that is wider than one.
fn long_sql() -> String {
    let rows: Vec<_> = (0..40).map(|n| format!("(note = 'row {n} of many, which says nothing')")).collect();
    format!("DELETE FROM bookings WHERE vehicle = 3 OR note = '{}' OR {}", long(), rows.join(" OR "))
}

/// Takes a picture of the page as it is, and asserts that everybody can use it: axe finds nothing wrong, and it fits.
async fn fits(tab: &Tab, name: &str, scheme: &str) -> Result {
    tab.picture(&format!("{name}-{scheme}")).await?;
    let wrong = tab.wrong().await?;
    assert_eq!(wrong, [""; 0], "{name}, {scheme}");
    let [content, window] = ["scrollWidth", "clientWidth"].map(|width| format!("document.documentElement.{width}"));
    let (content, window) = (tab.run(&content).await?.as_i64(), tab.run(&window).await?.as_i64());
    assert!(content <= window, "{name}, {scheme}: {content:?} in {window:?}");
    Ok(())
}

/// Every page there is, one after the other, with everything on it as long as it can be.
async fn every_page(setup: &Setup, scheme: &str) -> Result {
    let site = Site::of(overlong(OUT_OF_BAND)?).await?;
    let browser = mollyguard_tests::browser::Browser::start().await?;
    let tab = browser.open(&site.origin, setup).await?;
    tab.go("/").await?;
    tab.at("/sign-in").await?;
    fits(&tab, "sign-in-first", scheme).await?;
    tab.go("/enroll").await?;
    fits(&tab, "enroll", scheme).await?;
    enrol(&tab, &first_code(&site.world, &"w".repeat(64)).await?).await?;
    fits(&tab, "inbox-empty", scheme).await?;
    tab.go("/history").await?;
    fits(&tab, "history-empty", scheme).await?;
    tab.go("/people").await?;
    fits(&tab, "people-one", scheme).await?;

    let code = invited(&tab, "Beatrix").await?;
    fits(&tab, "invited", scheme).await?;
    let other = browser.open(&site.origin, setup).await?;
    other.go("/enroll").await?;
    other.fill("One-time code", &code).await?;
    other.press("Enrol without one").await?;
    other.sees("You are enrolled").await?;
    fits(&other, "enrolled-with-code", scheme).await?;
    tab.go("/people").await?;
    tab.run("document.querySelector('details').open = true").await?;
    fits(&tab, "people", scheme).await?;

    let write = json!({"target": "fleet", "sql": long_sql()});
    let reversible = site.ask(WRITE, &write).await?;
    let purge = site.ask(PURGE, &purge_long()).await?;
    tab.go("/").await?;
    tab.sees("2 questions.").await?;
    fits(&tab, "inbox", scheme).await?;
    for (name, id) in [("question-reversible", &reversible), ("question-irreversible", &purge)] {
        tab.go(&format!("/questions/{id}")).await?;
        tab.sees("Approve with your passkey").await?;
        fits(&tab, name, scheme).await?;
        assert_alike(&tab).await?;
    }
    other.go(&format!("/questions/{purge}")).await?;
    other.sees("This needs out of band").await?;
    fits(&other, "question-too-weak", scheme).await?;
    tab.fill("To approve, type", "wrong").await?;
    tab.press("Approve with your passkey").await?;
    tab.sees("What was typed is not the name").await?;
    fits(&tab, "question-mistyped", scheme).await?;
    tab.press("Decline").await?;
    tab.sees("Not approved: declined").await?;
    fits(&tab, "question-declined", scheme).await?;

    tab.go(&format!("/questions/{reversible}")).await?;
    tab.fill("To approve, type", "bookings").await?;
    tab.choose("Approve for", "1 hour").await?;
    fits(&tab, "question-for-an-hour", scheme).await?;
    tab.press("Approve with your passkey").await?;
    tab.sees("Approved.").await?;
    fits(&tab, "question-approved", scheme).await?;
    tab.go("/").await?;
    tab.sees("not used yet").await?;
    fits(&tab, "inbox-approved-for-a-while", scheme).await?;
    tab.go(&format!("/questions/{reversible}")).await?;
    site.agent.call(WRITE, write).await?.done();
    tab.sees("It was done.").await?;
    fits(&tab, "question-done", scheme).await?;
    tab.go("/history").await?;
    fits(&tab, "history", scheme).await?;
    tab.go("/nowhere").await?;
    fits(&tab, "nowhere", scheme).await?;
    tab.go("/questions/00000000-0000-7000-8000-000000000000").await?;
    fits(&tab, "no-question", scheme).await?;
    tab.go("/").await?;
    tab.press("Sign out").await?;
    tab.sees("Sign in with a passkey").await?;
    fits(&tab, "sign-in", scheme).await?;
    site.sound().await
}

/// No is as near, as large and as plain as yes, and neither is chosen before anybody chooses.
async fn assert_alike(tab: &Tab) -> Result {
    let look = "[...document.querySelectorAll('.choice button')].map((button) => {
        const { backgroundColor, color, borderColor, fontSize, fontWeight } = getComputedStyle(button);
        const { width, height } = button.getBoundingClientRect();
        return [backgroundColor, color, borderColor, fontSize, fontWeight, width, height].join(' ');
    })";
    let looks: Vec<String> = serde_json::from_value(tab.run(look).await?)?;
    assert_eq!(looks.len(), 2);
    assert_eq!(looks[0], looks[1]);
    let preset = "[document.activeElement.localName, document.querySelector('#typed')?.value ?? '']";
    assert_eq!(tab.run(preset).await?, json!(["body", ""]), "nothing is focused or filled in");
    Ok(())
}

#[tokio::test]
async fn everybody_can_use_every_page_by_day() -> Result {
    every_page(&Setup::DESK, "desk-light").await
}

#[tokio::test]
async fn everybody_can_use_every_page_on_a_phone_by_night() -> Result {
    every_page(&Setup::PHONE, "phone-dark").await
}

#[tokio::test]
async fn everybody_can_use_every_page_by_night() -> Result {
    every_page(&Setup { dark: true, ..Setup::DESK }, "desk-dark").await
}

/// Presses Tab until what has the focus says this.
async fn tab_to(tab: &Tab, words: &str) -> Result {
    let focused = "(() => { const at = document.activeElement; return at.labels?.[0]?.innerText || at.innerText; })()";
    let mut seen = Vec::new();
    for _ in 0..20 {
        tab.key("Tab").await?;
        let at = tab.run(focused).await?.as_str().unwrap_or_default().to_owned();
        if at.contains(words) {
            let outline = "getComputedStyle(document.activeElement).outlineStyle";
            assert_eq!(tab.run(outline).await?, "solid", "where the focus is can be seen");
            return Ok(());
        }
        seen.push(at);
    }
    Err(format!("no `{words}` among {seen:?}").into())
}

#[tokio::test]
async fn a_keyboard_is_enough() -> Result {
    let site = Site::new(TWO_PEOPLE).await?;
    let before = site.world.dump("fleet")?;
    let (browser, ada, _) = somebody(&site, "ada", &Setup::DESK).await?;
    // By keyboard from the sign-in page on: sign in, open the question, type the name, approve.
    let code = invited(&ada, "bea").await?;
    let bea = browser.open(&site.origin, &Setup::DESK).await?;
    enrol(&bea, &code).await?;
    let id = site.ask_to_delete().await?;
    ada.go("/").await?;
    tab_to(&ada, "Sign out").await?;
    ada.key("Enter").await?;
    ada.sees("Sign in with a passkey").await?;
    tab_to(&ada, "Sign in with a passkey").await?;
    ada.key("Enter").await?;
    for tab in [&ada, &bea] {
        tab.sees("One question.").await?;
        tab_to(tab, "PRODUCTION").await?;
        // What is replaced under the focus keeps it.
        if std::ptr::eq(tab, &ada) {
            let other = json!({"target": "fleet", "sql": "DELETE FROM bookings WHERE vehicle = 1"});
            let other = site.ask(WRITE, &other).await?;
            tab.sees("2 questions.").await?;
            let at = tab.run("document.activeElement.getAttribute('href')").await?;
            assert_eq!(at, format!("/questions/{id}"));
            bea.go(&format!("/questions/{other}")).await?;
            tab_to(&bea, "Decline").await?;
            bea.key("Enter").await?;
            bea.sees("Not approved: declined by bea").await?;
            bea.go("/").await?;
        }
        tab.key("Enter").await?;
        tab.at(&format!("/questions/{id}")).await?;
        tab_to(tab, "To approve, type").await?;
        tab.types("bookings").await?;
        tab_to(tab, "Decline").await?;
        tab_to(tab, "Approve with your passkey").await?;
        tab.key("Enter").await?;
        tab.sees("ada said yes").await?;
    }
    // What ada said is there before bea has said anything.
    bea.sees("Approved.").await?;
    site.agent.call(WRITE, delete()).await?.done();
    assert_ne!(site.world.dump("fleet")?, before);
    assert_eq!(succeeded(&site.world)?, 1);
    site.sound().await
}
