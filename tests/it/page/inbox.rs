//! The inbox is laid out once for all who look: each sees the questions of that moment, under their own name, and nobody
//! else sees them.

use mollyguard_tests::{Era, Person, Result};
use serde_json::{Value, json};

use super::{OUT_OF_BAND, Site, Visitor, WRITE, codes, open_questions};

/// A change like no other.
fn change(n: usize) -> Value {
    json!({"target": "fleet", "sql": format!("UPDATE bookings SET price_cents = {n} WHERE id = 3")})
}

/// The questions that an inbox links to, in order.
fn linked(page: &str) -> Vec<&str> {
    page.split("href=\"/questions/").skip(1).filter_map(|rest| rest.get(..36)).collect()
}

#[tokio::test]
async fn everybody_sees_the_questions_of_the_moment_and_only_in_their_own_session() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut hers) = site.enrolled("ada").await?;
    let invited = ada.invite(&mut hers, "bea").await?;
    let code = codes(&invited.body).next().ok_or("a one-time code")?;
    let (bea, _) = Visitor::enrolled(&site.origin, &code, 8).await?;
    let first = site.ask(WRITE, &change(1)).await?;

    // The same questions, each in their own frame.
    for (visitor, own, other) in [(&ada, "ada", "bea"), (&bea, "bea", "ada"), (&ada, "ada", "bea")] {
        let page = visitor.get("/").await?;
        assert_eq!((page.status, linked(&page.body)), (200, vec![first.as_str()]));
        assert!(page.body.contains(&format!(">{own}</span>")) && !page.body.contains(other), "{}", page.body);
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    // Whoever is not signed in sees nothing of what was laid out for others.
    let stranger = Visitor::stranger(&site.origin);
    let guessed = Visitor { cookie: "mollyguard_session=guessed".to_owned(), ..ada.clone() };
    for nobody in [&stranger, &guessed] {
        let page = nobody.get("/").await?;
        assert_eq!((page.status, page.header("location")), (303, Some("/sign-in")));
        assert!(!page.body.contains(&first), "{}", page.body);
    }

    // Another process asks, and an answer is given here: the very next look shows each.
    let other = site.world.serve().await?;
    let agent = other.agent(Era::Modern, Person::absent()).await?;
    agent.call(WRITE, change(2)).await?.refused("confirmation_required");
    let both = open_questions(&site.world)?;
    assert_eq!(linked(&ada.get("/").await?.body), [both[1].as_str(), &first]);
    assert_eq!(ada.form(&format!("/questions/{first}/answer"), "decision=decline").await?.status, 303);
    assert_eq!(linked(&bea.get("/").await?.body), [both[1].as_str()]);

    // A session that is over shows nothing, though its holder saw it a moment ago.
    assert_eq!(ada.form("/sign-out", "").await?.status, 303);
    let after = ada.get("/").await?;
    assert_eq!((after.status, after.body.contains(&both[1])), (303, false));
    assert_eq!(linked(&bea.get("/").await?.body), [both[1].as_str()]);
    assert!(other.terminate().await?.success());
    site.sound().await
}

#[tokio::test]
async fn more_than_a_hundred_are_shown_by_the_hundred() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, _) = site.enrolled("ada").await?;
    for n in 0..101 {
        site.agent.call(WRITE, change(n)).await?.refused("confirmation_required");
    }
    let mut newest_first = open_questions(&site.world)?;
    newest_first.reverse();
    assert_eq!(newest_first.len(), 101);

    let first = ada.get("/").await?.body;
    assert!(first.contains("101 questions. Here are 1 to 100, newest first."), "{first}");
    assert_eq!(linked(&first), newest_first[..100]);
    let second = ada.get("/?part=2").await?.body;
    assert!(second.contains("101 questions. Here are 101 to 101, newest first."), "{second}");
    assert_eq!(linked(&second), newest_first[100..]);
    for (nonsense, same) in [("/?part=0", &first), ("/?part=x", &first), ("/?part=9999", &second)] {
        assert_eq!(&ada.get(nonsense).await?.body, same, "{nonsense}");
    }
    // With one less they are on one page again, also for whoever looks at the second.
    let gone = format!("/questions/{}/answer", newest_first[100]);
    assert_eq!(ada.form(&gone, "decision=decline").await?.status, 303);
    let left = ada.get("/?part=2").await?.body;
    assert!(left.contains("100 questions.<") && !left.contains("?part="), "{left}");
    assert_eq!(linked(&left), newest_first[..100]);
    site.sound().await
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_written_is_told_above_the_questions() -> Result {
    let mut world = super::rental(OUT_OF_BAND)?;
    world.set("audit.checkpoint", "nowhere/heads.txt");
    let site = Site::of(world).await?;
    let (ada, _) = site.enrolled("ada").await?;
    // It is written some seconds after a change.
    let told = async {
        while !ada.get("/").await?.body.contains("checkpoint could not be written") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(())
    };
    mollyguard_tests::within("the page says so", told).await?
}
