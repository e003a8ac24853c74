//! Calls under an approval for a while, on a real gateway: what it covers runs unasked, and everything else is asked about.
//! Every test looks into the database behind the gateway's back.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::audit::AuditEvent;
use mollyguard_record::model::{Confirmation, LONGEST};
use mollyguard_record::store::{Calls as _, Grants as _, People as _, Questions as _, Store as _, StoreError};
use mollyguard_record::verify::verify_store;
use serde_json::{Value, json};

use super::world::{World, visit};
use super::*;
use crate::call::call;
use crate::config::Config;
use crate::gateway::Gateway;

const QUARTER: Duration = Duration::from_secs(15 * 60);

async fn make(gateway: &Arc<Gateway>, tool: &str, args: Value, principal: Principal) -> Reply {
    call(gateway, Request::new(tool, args, principal)).await.unwrap()
}

fn alice() -> Principal {
    Principal { client: Some("probe".into()), ..principal("alice") }
}

async fn write(world: &World, args: Value) -> Reply {
    make(&world.gateway, "sqlite_write", args, alice()).await
}

/// The question a call asks.
#[track_caller]
fn asked(reply: Reply) -> Uuid {
    match reply {
        Reply::Ask(question) => question.confirmation,
        other => panic!("nobody is asked: {other:?}"),
    }
}

#[track_caller]
fn done(reply: Reply) -> About {
    match reply {
        Reply::Done(receipt) => receipt.about,
        other => panic!("it did not run: {other:?}"),
    }
}

async fn question(world: &World, id: Uuid) -> Confirmation {
    world.page.confirmation(id).await.unwrap().unwrap().0
}

/// A visit of this target is asked about, approved by olga for so long, and made; the approval for a while.
async fn granted(world: &World, target: &str, lasts: Duration) -> Uuid {
    let before = world.visits(target);
    let id = asked(write(world, visit(target)).await);
    world.approve_for(&question(world, id).await, 0, Assurance::OutOfBand, Some(lasts)).await.unwrap();
    let about = done(write(world, visit(target)).await);
    assert_eq!((about.decision, about.grant), ("confirmed", None), "its own approval comes first");
    assert_eq!(world.visits(target), before + 1);
    let grants = world.page.grants().await.unwrap();
    grants.into_iter().find(|granted| granted.grant.confirmation == id).unwrap().grant.id
}

/// Asserts that a visit of the vault is asked about and that nothing ran.
async fn asks_again(world: &World) {
    let before = world.visits("vault");
    asked(write(world, visit("vault")).await);
    assert_eq!(world.visits("vault"), before);
}

fn sound(world: &World) {
    let report = verify_store(&world.folder.path().join("state"), None).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
}

#[tokio::test]
async fn what_is_approved_for_a_while_runs_unasked_and_is_recorded_with_it() {
    let world = World::new().await;
    let grant = granted(&world, "vault", QUARTER).await;
    let about = done(write(&world, visit("vault")).await);
    let under = about.grant.unwrap();
    assert_eq!((about.decision, under.id, under.by.as_str()), ("granted", grant, "olga"));
    assert_eq!(world.visits("vault"), 2);
    // With other arguments, and through another client of the same person.
    let two = json!({"target": "vault", "sql": "INSERT INTO visits (at) VALUES ('a'), ('b')"});
    let other = Principal { client: Some("another".into()), ..alice() };
    done(make(&world.gateway, "sqlite_write", two, other).await);
    assert_eq!(world.visits("vault"), 4);
    let stored = world.page.call(about.id).await.unwrap().unwrap();
    assert_eq!((stored.grant, stored.confirmation), (Some(grant), None));
    let records = world.records().await;
    let named = records
        .iter()
        .filter(|record| matches!(record.event, AuditEvent::Started { grant: Some(id), .. } if id == grant));
    assert_eq!(named.count(), 2);
    let asked = records.iter().filter(|record| matches!(record.event, AuditEvent::Asked { .. })).count();
    assert_eq!(asked, 1, "nobody was asked again");
    assert_eq!(world.page.grants().await.unwrap()[0].uses, 2);

    // On the wire, the reply says so.
    let mut raw = Raw::new(world.wire(Duration::ZERO));
    let reply = raw.ask("tools/call", newest_with("sqlite_write", &visit("vault"), &json!({}))).await;
    let meta = &reply["result"]["_meta"]["dev.mollyguard/call"];
    assert_eq!((&meta["decision"], &meta["grant"]["id"]), (&json!("granted"), &json!(grant)), "{reply}");
    assert_eq!(meta["grant"]["until"], json!(under.until));
    assert_eq!(world.visits("vault"), 5);
    sound(&world);
}

#[tokio::test]
async fn what_it_is_not_about_is_asked_about() {
    let world = World::with(|config| config.limits.undo_bytes = 10_000).await;
    for target in ["vault", "fleet"] {
        world.sql(target, "CREATE TABLE others (id INTEGER PRIMARY KEY, at TEXT)");
    }
    granted(&world, "vault", LONGEST).await;
    world.sql("vault", "INSERT INTO visits (at) VALUES (printf('%.*c', 100000, 'x'))");
    let before = world.visited_at("vault");
    let sql = |sql: &str| json!({"target": "vault", "sql": sql});
    let (alice, roles) = (self::alice(), vec!["somebody".to_owned()]);
    let others = [
        ("another tool", "sqlite_drop_table", json!({"target": "vault", "table": "visits"}), alice.clone()),
        ("another table", "sqlite_write", sql("INSERT INTO others (at) VALUES ('now')"), alice.clone()),
        ("another database", "sqlite_write", visit("fleet"), alice.clone()),
        ("another person", "sqlite_write", visit("vault"), Principal { user: "bob".into(), ..alice.clone() }),
        ("other roles", "sqlite_write", visit("vault"), Principal { roles, ..alice.clone() }),
        ("what cannot be undone", "sqlite_write", sql("DELETE FROM visits"), alice.clone()),
    ];
    for (what, tool, args, principal) in others {
        let reply = make(&world.gateway, tool, args, principal).await;
        assert!(matches!(reply, Reply::Ask(_)), "{what}: {reply:?}");
        assert_eq!((world.visited_at("vault"), world.visits("fleet")), (before.clone(), 0), "{what}");
    }
    // An undo of what ran under it is a call of its own, and asks.
    let ran = done(write(&world, visit("vault")).await);
    assert_eq!(ran.decision, "granted");
    let visits = world.visits("vault");
    let reply = make(&world.gateway, "undo_call", json!({"call_id": ran.id}), alice).await;
    let undo = asked(reply);
    assert_eq!(world.visits("vault"), visits);
    // And cannot itself be approved for a while.
    let undo = question(&world, undo).await;
    assert!(!undo.may_last);
    let refused = world.approve_for(&undo, 0, Assurance::OutOfBand, Some(QUARTER)).await;
    assert!(matches!(refused, Err(StoreError::NotApproved(..))), "{refused:?}");
    sound(&world);
}

#[tokio::test]
async fn what_cannot_be_undone_or_needs_two_is_not_approved_for_a_while() {
    let world = World::with(|config| config.limits.undo_bytes = 10_000).await;
    world.sql("vault", "INSERT INTO visits (at) VALUES (printf('%.*c', 100000, 'x'))");
    for args in [json!({"target": "vault", "sql": "DELETE FROM visits"}), visit("crown")] {
        let asked = question(&world, asked(write(&world, args).await)).await;
        assert!(!asked.may_last);
        let refused = world.approve_for(&asked, 0, Assurance::OutOfBand, Some(QUARTER)).await;
        assert!(matches!(refused, Err(StoreError::NotApproved(..))), "{refused:?}");
    }
    assert!(world.page.grants().await.unwrap().is_empty());
    assert_eq!((world.visits("vault"), world.visits("crown")), (1, 0));
}

#[tokio::test]
async fn it_stands_in_only_for_what_it_proves() {
    let world = World::new().await;
    let id = asked(write(&world, visit("fleet")).await);
    let first = question(&world, id).await;
    world.approve_for(&first, 0, Assurance::Acknowledged, Some(QUARTER)).await.unwrap();
    done(write(&world, visit("fleet")).await);
    assert_eq!(done(write(&world, visit("fleet")).await).decision, "granted");
    assert_eq!(world.visits("fleet"), 2);
    // The same on more rows needs a stronger yes.
    let many = json!({"target": "fleet", "sql": "INSERT INTO visits (at) VALUES (1), (2), (3), (4)"});
    let stronger = question(&world, asked(write(&world, many.clone()).await)).await;
    assert_eq!((stronger.need.assurance, world.visits("fleet")), (Assurance::OutOfBand, 2));
    world.approve_for(&stronger, 1, Assurance::OutOfBand, Some(QUARTER)).await.unwrap();
    done(write(&world, many.clone()).await);
    let about = done(write(&world, many).await);
    assert_eq!((about.decision, about.grant.unwrap().by.as_str()), ("granted", "piet"));
    assert_eq!(world.visits("fleet"), 10);
    sound(&world);
}

#[tokio::test]
async fn after_its_time_people_are_asked_again() {
    let world = World::new().await;
    granted(&world, "vault", Duration::from_secs(2)).await;
    let until = world.page.grants().await.unwrap().first().map(|granted| granted.grant.expires_at);
    let left =
        until.map_or(Duration::ZERO, |until| Duration::try_from(until.duration_since(now())).unwrap_or_default());
    tokio::time::sleep(left + Duration::from_millis(1)).await;
    asks_again(&world).await;
    assert!(world.page.grants().await.unwrap().is_empty());
    sound(&world);
}

#[tokio::test]
async fn after_its_end_people_are_asked_again() {
    let world = World::new().await;
    let grant = granted(&world, "vault", QUARTER).await;
    world.page.revoke(grant, Some(world.people[1].id)).await.unwrap();
    asks_again(&world).await;

    // A no to the same: to the question that is open now.
    let declined = question(&world, asked(write(&world, visit("vault")).await)).await;
    world.approve(&declined, 0).await.unwrap();
    done(write(&world, visit("vault")).await);
    granted(&world, "vault", QUARTER).await;
    let other = json!({"target": "vault", "sql": "UPDATE visits SET at = 'then'"});
    assert_eq!(done(write(&world, visit("vault")).await).decision, "granted");
    // An irreversible one of the same tool and table is asked about, and declined.
    let ahead = question(
        &world,
        asked(make(&world.gateway, "sqlite_drop_table", json!({"target": "vault", "table": "visits"}), alice()).await),
    )
    .await;
    world.decline(&ahead).await;
    assert_eq!(done(write(&world, other).await).decision, "granted", "a no to another tool is no no to this");
    sound(&world);
}

#[tokio::test]
async fn a_no_to_the_same_ends_it() {
    let world = World::new().await;
    // Asked before the first is approved for a while, and answered after.
    let first = question(&world, asked(write(&world, visit("vault")).await)).await;
    let other = json!({"target": "vault", "sql": "INSERT INTO visits (at) VALUES ('later')"});
    let second = question(&world, asked(write(&world, other.clone()).await)).await;
    world.approve_for(&first, 0, Assurance::OutOfBand, Some(QUARTER)).await.unwrap();
    done(write(&world, visit("vault")).await);
    assert_eq!(done(write(&world, visit("vault")).await).decision, "granted");
    world.decline(&second).await;
    assert!(world.page.grants().await.unwrap().is_empty());
    // Nor is anybody asked for another insert into the same table: that is what the no was to.
    let Reply::Refused(refusal) = write(&world, visit("vault")).await else { panic!("it is not refused") };
    assert_eq!((refusal.reason_code, world.visits("vault")), (ReasonCode::ConfirmationDeclined, 2));
    sound(&world);
}

#[tokio::test]
async fn whoever_is_in_quarantine_has_none() {
    let world = World::new().await;
    granted(&world, "vault", QUARTER).await;
    world.page.quarantine(alice(), "as told".into()).await.unwrap();
    let Reply::Refused(refusal) = write(&world, visit("vault")).await else { panic!("nobody is asked") };
    assert_eq!((refusal.reason_code, world.visits("vault")), (ReasonCode::Denied, 1));
    world.page.lift("alice".into(), None).await.unwrap();
    asks_again(&world).await;
    sound(&world);
}

#[tokio::test]
async fn it_goes_with_who_gave_it() {
    let world = World::new().await;
    granted(&world, "vault", QUARTER).await;
    world.page.remove(world.people[1].id, None).await.unwrap();
    assert_eq!(done(write(&world, visit("vault")).await).decision, "granted", "piet has given none");
    assert_eq!(world.visits("vault"), 2);
    sound(&world);

    let world = World::new().await;
    granted(&world, "vault", QUARTER).await;
    world.page.remove(world.people[0].id, None).await.unwrap();
    asked(write(&world, visit("vault")).await);
    assert_eq!(world.visits("vault"), 1);
    sound(&world);
}

#[tokio::test]
async fn under_other_policies_it_covers_nothing() {
    let world = World::new().await;
    granted(&world, "vault", QUARTER).await;
    let at = |name: &str| world.folder.path().join(name);
    let policy = std::fs::read_to_string(at("policies/people.cedar")).unwrap();
    std::fs::write(at("policies/people.cedar"), policy.replace("It is the crown.", "It is the crown jewel.")).unwrap();
    let toolsets = mollyguard_tools::toolsets();
    let mut gateway = Gateway::open(Config::load(&at("mollyguard.toml"), &toolsets).unwrap(), toolsets).unwrap();
    (gateway.separation, gateway.dumpable) = (crate::operators::Separation::OwnUser, false);
    let gateway = Arc::new(gateway);
    asked(make(&gateway, "sqlite_write", visit("vault"), alice()).await);
    assert_eq!(world.visits("vault"), 1);
    assert_eq!(done(write(&world, visit("vault")).await).decision, "granted", "under its own it does");
}

#[tokio::test]
async fn replies_that_say_what_would_be_asked_say_what_covers_it() {
    let world = World::new().await;
    let before = asked(write(&world, visit("vault")).await);
    let tell = async |tool: &str, args: Value| match make(&world.gateway, tool, args, alice()).await {
        Reply::Done(receipt) => receipt.output,
        other => panic!("{other:?}"),
    };
    let preview = async || tell("preview_call", json!({"tool": "sqlite_write", "arguments": visit("vault")})).await;
    let status = async || tell("confirmation_status", json!({"confirmation_id": before})).await;
    assert_eq!((&preview().await["decision"], &preview().await["grant"]), (&json!("confirm"), &Value::Null));
    assert_eq!(status().await["grant"], Value::Null);
    world.approve_for(&question(&world, before).await, 0, Assurance::OutOfBand, Some(QUARTER)).await.unwrap();
    let grant = world.page.grants().await.unwrap()[0].grant.clone();
    let told = json!({"id": grant.id, "by": "olga", "until": grant.expires_at});
    let seen = preview().await;
    assert_eq!((&seen["decision"], &seen["grant"]), (&json!("granted"), &told));
    assert_eq!(seen["need"]["assurance"], "out_of_band", "what would be asked for is told all the same");
    assert_eq!(status().await["grant"], told);
    world.page.revoke(grant.id, None).await.unwrap();
    assert_eq!((&preview().await["decision"], &status().await["grant"]), (&json!("confirm"), &Value::Null));
    assert_eq!(world.visits("vault"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_stops_every_call_that_has_not_begun() {
    let world = World::new().await;
    let grant = granted(&world, "vault", QUARTER).await;
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let (gateway, principal) = (Arc::clone(&world.gateway), alice());
            tokio::spawn(async move { make(&gateway, "sqlite_write", visit("vault"), principal).await })
        })
        .collect();
    // Once the first has begun.
    let mut changes = world.page.changes();
    while world.page.grants().await.unwrap().first().is_some_and(|granted| granted.uses == 0) {
        changes.changed().await;
    }
    world.page.revoke(grant, None).await.unwrap();
    let begun = world.page.calls(mollyguard_record::store::CallFilter::default()).await.unwrap();
    let begun = begun.iter().filter(|call| call.grant == Some(grant)).count();
    let mut ran = 0;
    for call in calls {
        match call.await.unwrap() {
            Reply::Done(_) => ran += 1,
            Reply::Ask(_) => {}
            Reply::Refused(refusal) => assert_ne!(refusal.reason_code, ReasonCode::Uncertain, "{refusal:?}"),
        }
    }
    assert!((1..=begun).contains(&ran), "{ran} ran of {begun} that had begun");
    assert_eq!(world.visits("vault"), 1 + u32::try_from(ran).unwrap());
    asks_again(&world).await;
    sound(&world);
}
