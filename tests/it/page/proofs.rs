//! What a session alone can do, and what it cannot: everything that makes more possible brings its own proof.

use mollyguard_tests::{Result, codes};
use serde_json::json;

use super::{OUT_OF_BAND, PURGE, Site, TWO_PEOPLE, Visitor, open_questions, succeeded, yeses};
use crate::behind::store;

fn purge() -> serde_json::Value {
    json!({"target": "fleet", "table": "bookings"})
}

/// How many people are enrolled, and how many invitations there are.
fn people(site: &Site) -> Result<(i64, i64)> {
    let store = store(&site.world.state())?;
    let count = |sql: &str| store.query_row(sql, [], |row| row.get(0));
    Ok((count("SELECT count(*) FROM operators WHERE removed_at IS NULL")?, count("SELECT count(*) FROM invitations")?))
}

impl Site {
    fn operator(&self, name: &str) -> Result<String> {
        let store = store(&self.world.state())?;
        let sql = "SELECT id FROM operators WHERE name = ?1 AND removed_at IS NULL";
        Ok(store.query_row(sql, [name], |row| row.get(0))?)
    }
}

/// A server on another port of this host is sent the cookie as well: with it alone it sees and declines, and no more.
#[tokio::test]
async fn a_stolen_cookie_invites_nobody_and_approves_nothing() -> Result {
    let site = Site::new(OUT_OF_BAND).await?;
    let (ada, mut passkey) = site.enrolled("ada").await?;
    let thief = Visitor { origin: site.origin.clone(), cookie: ada.cookie.clone() };
    let question = site.ask(PURGE, &purge()).await?;
    let before = people(&site)?;
    let own = site.operator("ada")?;
    for (path, body) in [
        (format!("/questions/{question}/answer"), "decision=approve&typed=bookings".to_owned()),
        ("/people/invite".to_owned(), "name=mallory".to_owned()),
        (format!("/people/{own}/remove"), String::new()),
        ("/people/lift".to_owned(), "name=alice".to_owned()),
    ] {
        for more in ["", "&code=00000-00000-00000-00000", "&assertion=%7B%7D"] {
            let refused = thief.form(&path, &format!("{body}{more}")).await?;
            assert!(matches!(refused.status, 403 | 409 | 422), "{path} {more}: {} {}", refused.status, refused.body);
        }
    }
    // What she signs for one thing is good for that, once.
    let wanted = json!({"act": "invite", "whom": "bea"});
    let wanted: serde_json::Value = serde_json::from_str(&thief.json("/proof", &wanted).await?.body)?;
    let signed = passkey.sign(wanted["challenge"].as_str().unwrap_or_default())?.to_string();
    let signed: String = signed.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let with =
        |name: &str| format!("name={name}&ticket={}&assertion={signed}", wanted["ticket"].as_str().unwrap_or(""));
    assert_eq!(thief.form("/people/invite", &with("mallory")).await?.status, 403);
    assert_eq!(thief.form("/people/invite", &with("bea")).await?.status, 403, "its ticket is used up");
    assert_eq!((people(&site)?, yeses(&site.world, &question)?), (before, 0));
    assert_eq!(open_questions(&site.world)?, std::slice::from_ref(&question));

    let invited = ada.acts(&mut passkey, ("invite", "bea"), "/people/invite", "name=bea").await?;
    assert_eq!((invited.status, codes(&invited.body).count()), (200, 1), "{}", invited.body);
    // Declining makes less possible.
    assert_eq!(thief.form(&format!("/questions/{question}/answer"), "decision=decline").await?.status, 303);
    assert_eq!((open_questions(&site.world)?.len(), site.world.rows("fleet", "bookings")?), (0, 12));
    site.sound().await
}

/// Whoever was removed has said nothing that still counts: not what they approved, nor as one of two.
#[tokio::test]
async fn what_somebody_approved_who_was_removed_does_not_run() -> Result {
    for (policy, needed) in [(OUT_OF_BAND, 1), (TWO_PEOPLE, 2)] {
        let site = Site::new(policy).await?;
        let (ada, mut adas) = site.enrolled("ada").await?;
        let invited = ada.invite(&mut adas, "bea").await?;
        let code = codes(&invited.body).next().ok_or("a code is shown")?;
        let (bea, mut beas) = Visitor::enrolled(&site.origin, &code, 8).await?;
        let invited = ada.invite(&mut adas, "eve").await?;
        let code = codes(&invited.body).next().ok_or("a code is shown")?;
        Visitor::enrolled(&site.origin, &code, 9).await?;
        let question = site.ask_to_delete().await?;
        let signed = beas.sign(&bea.challenge(&question).await?)?;
        assert_eq!(bea.approve(&question, Some("bookings"), &signed).await?.status, 200);
        let before = site.world.dump("fleet")?;

        let id = site.operator("bea")?;
        let removed = ada.acts(&mut adas, ("remove", &id), &format!("/people/{id}/remove"), "").await?;
        assert_eq!(removed.status, 303, "{}", removed.body);
        if needed == 1 {
            let refused = site.repeat_delete().await?;
            let said = refused.refused("confirmation_spent").text();
            assert!(said.contains("`bea`, who approved it, may not answer any more"), "{said}");
        } else {
            let signed = adas.sign(&ada.challenge(&question).await?)?;
            assert_eq!(ada.approve(&question, Some("bookings"), &signed).await?.status, 200);
            assert_eq!(open_questions(&site.world)?, [question], "hers counts no more");
            site.repeat_delete().await?.refused("confirmation_required");
        }
        assert_eq!((site.world.dump("fleet")?, succeeded(&site.world)?), (before, 0));
        site.sound().await?;
    }
    Ok(())
}
