//! What a no, an open question and a yes are about, however a call is spelled: on a real gateway, with what became of the
//! database looked up behind its back.

use std::sync::Arc;

use mollyguard_record::model::{Assurance, Confirmation, Principal};
use mollyguard_record::store::harness::text;
use mollyguard_record::store::{People as _, Questions as _};
use serde_json::{Value, json};

use super::world::{World, visit};
use super::*;
use crate::call::call;

async fn make(world: &World, tool: &str, args: Value) -> Reply {
    call(&Arc::clone(&world.gateway), Request::new(tool, args, principal("alice"))).await.unwrap()
}

#[track_caller]
fn refused(reply: Reply) -> Box<Refusal> {
    match reply {
        Reply::Refused(refusal) => refusal,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[track_caller]
fn asked(reply: Reply) -> Uuid {
    match reply {
        Reply::Ask(question) => question.confirmation,
        other => panic!("nobody is asked: {other:?}"),
    }
}

/// How many questions were ever asked.
fn questions(world: &World) -> String {
    text(&world.folder.path().join("state/mollyguard.db"), "SELECT cast(count(*) AS TEXT) FROM confirmations")
}

/// Every way to spell the same table.
fn spellings() -> Vec<String> {
    let mut all = vec![String::new()];
    for letter in "visits".chars() {
        all =
            all.iter().flat_map(|name| [letter, letter.to_ascii_uppercase()].map(|it| format!("{name}{it}"))).collect();
    }
    all
}

#[tokio::test]
async fn a_no_to_the_end_of_a_table_holds_however_it_is_spelled_and_whatever_is_in_it() {
    let world = World::new().await;
    for tool in ["sqlite_drop_table", "sqlite_purge_table"] {
        let before = questions(&world).parse::<u32>().unwrap();
        asked(make(&world, tool, json!({"target": "vault", "table": "visits"})).await);
        world.decline(&world.question().await).await;
        for (n, table) in spellings().into_iter().enumerate() {
            world.sql("vault", &format!("INSERT INTO visits (at) VALUES ('{tool} {n}')"));
            let refusal = refused(make(&world, tool, json!({"target": "vault", "table": table})).await);
            assert_eq!(refusal.reason_code, ReasonCode::ConfirmationDeclined, "{table}: {}", refusal.message);
        }
        assert_eq!(questions(&world).parse::<u32>().unwrap(), before + 1, "one question");
    }
    // Another table is another thing, and so is another database.
    world.sql("vault", "CREATE TABLE others (id INTEGER PRIMARY KEY)");
    asked(make(&world, "sqlite_drop_table", json!({"target": "vault", "table": "others"})).await);
    asked(make(&world, "sqlite_drop_table", json!({"target": "crown", "table": "visits"})).await);
    assert_eq!(world.visits("vault"), 128, "and nothing was taken away");
}

#[tokio::test]
async fn a_no_to_a_statement_holds_for_the_same_done_to_the_same_table_and_for_nothing_else() {
    let world = World::new().await;
    world.sql("vault", "INSERT INTO visits (id, at) VALUES (1, 'a'), (2, 'b'); CREATE TABLE others (id, at); INSERT INTO others VALUES (1, 'a')");
    let write = async |sql: &str| make(&world, "sqlite_write", json!({"target": "vault", "sql": sql})).await;
    asked(write("DELETE FROM visits WHERE id = 1").await);
    world.decline(&world.question().await).await;
    for (n, same) in [
        "DELETE FROM visits WHERE id=1",
        "delete from VISITS where id = 1 -- please",
        "DELETE FROM main.visits WHERE id < 2",
        "DELETE FROM visits WHERE at = 'a' AND id IN (1)",
        "DELETE FROM visits WHERE 2 = id",
        "WITH x AS (SELECT 1 AS one) DELETE FROM visits AS v WHERE v.id = (SELECT one FROM x)",
        "DELETE FROM visits",
        "REPLACE INTO visits (id, at) VALUES (1, 'x')",
    ]
    .into_iter()
    .enumerate()
    {
        let refusal = refused(write(same).await);
        assert_eq!(refusal.reason_code, ReasonCode::ConfirmationDeclined, "{same}: {}", refusal.message);
        world.sql("vault", &format!("UPDATE visits SET at = 'c{n}'; INSERT INTO visits (at) VALUES ('new')"));
    }
    assert_eq!(questions(&world), "1");
    let others = [
        "UPDATE visits SET at = 'c' WHERE id = 1",
        "INSERT INTO visits (at) VALUES ('e')",
        "DELETE FROM others WHERE id = 1",
        "UPDATE others SET at = 'c'",
    ];
    for other in others {
        asked(write(other).await);
    }
    assert_eq!((questions(&world).as_str(), world.visits("vault")), ("5", 10));
}

/// Another person's no is theirs, and so is another database's.
#[tokio::test]
async fn a_no_holds_for_the_user_and_the_target_it_was_said_about() {
    let world = World::new().await;
    asked(make(&world, "sqlite_write", visit("vault")).await);
    world.decline(&world.question().await).await;
    asked(make(&world, "sqlite_write", visit("crown")).await);
    let bob = call(&world.gateway, Request::new("sqlite_write", visit("vault"), principal("bob"))).await;
    asked(bob.unwrap());
    let chief = Principal { roles: vec!["chief".into()], ..principal("alice") };
    let again = call(&Arc::clone(&world.gateway), Request::new("sqlite_write", visit("vault"), chief)).await.unwrap();
    assert_eq!(refused(again).reason_code, ReasonCode::ConfirmationDeclined, "whatever else they are");
}

/// Whoever says yes for a while after a no has changed their mind.
#[tokio::test]
async fn a_yes_that_stands_for_a_while_ends_an_earlier_no_to_the_same() {
    let world = World::new().await;
    let insert = |at: &str| json!({"target": "vault", "sql": format!("INSERT INTO visits (at) VALUES ('{at}')")});
    let (first, second) = (
        asked(make(&world, "sqlite_write", insert("one")).await),
        asked(make(&world, "sqlite_write", insert("two")).await),
    );
    let question = async |id| world.page.confirmation(id).await.unwrap().unwrap().0;
    world.decline(&question(first).await).await;
    let refusal = refused(make(&world, "sqlite_write", insert("three")).await);
    assert_eq!(refusal.reason_code, ReasonCode::ConfirmationDeclined);
    // So that the yes is later than the no by the clock, too.
    let no = now();
    while now() <= no {
        tokio::task::yield_now().await;
    }
    let hour = Some(std::time::Duration::from_secs(3600));
    world.approve_for(&question(second).await, 0, Assurance::OutOfBand, hour).await.unwrap();
    for at in ["two", "three", "four"] {
        assert!(matches!(make(&world, "sqlite_write", insert(at)).await, Reply::Done(_)), "{at}");
    }
    assert_eq!(world.visited_at("vault"), "two,three,four");
    assert_eq!(questions(&world), "2");
}

/// Somebody says no while others of the call's spellings are on their way.
#[tokio::test]
async fn a_no_said_between_the_look_and_the_question_holds_already() {
    let world = World::new().await;
    asked(make(&world, "sqlite_write", visit("vault")).await);
    let first = world.question().await;
    world.decline(&first).await;
    // As a call has it that looked before the no: nothing but the store can tell.
    let late = Confirmation { id: Uuid::now_v7(), request: first.call, effect: Some(first.call), ..first.clone() };
    let about = mollyguard_record::store::laws::subject(late.id);
    let bounds = |denial| mollyguard_record::store::Bounds { denial, open: 100, flood: 100 };
    let hour = bounds(std::time::Duration::from_secs(3600));
    let asking = world.page.ask(about.clone(), late.clone(), None, hour).await.unwrap();
    assert!(matches!(&asking, mollyguard_record::store::Asking::Declined(no, _) if no.id == first.id), "{asking:?}");
    assert_eq!(questions(&world), "1");
    let asking = world.page.ask(about, late, None, bounds(std::time::Duration::ZERO)).await.unwrap();
    assert!(matches!(asking, mollyguard_record::store::Asking::Asked), "once it does not hold any more: {asking:?}");
}

/// Every way of a file through changes that nobody is asked about, on a real gateway.
#[cfg(feature = "files")]
#[tokio::test]
async fn a_no_to_the_end_of_a_file_holds_whatever_becomes_of_it() {
    let world = World::new().await;
    let file = world.folder.path().join("uploads/folder/plan.txt");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "1").unwrap();
    let purge = async |path: &str| make(&world, "files_purge", json!({"target": "uploads", "path": path})).await;
    asked(purge("folder/plan.txt").await);
    world.decline(&world.question().await).await;
    let aside = file.with_file_name("aside");
    for n in 0..24 {
        match n % 4 {
            0 => std::fs::write(&file, format!("written {n}")).unwrap(),
            // A new file of that name.
            1 => {
                std::fs::write(&aside, format!("new {n}")).unwrap();
                std::fs::rename(&aside, &file).unwrap();
            }
            2 => {
                std::fs::rename(&file, &aside).unwrap();
                std::fs::rename(&aside, &file).unwrap();
            }
            _ => std::fs::File::open(&file)
                .unwrap()
                .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o640))
                .unwrap(),
        }
        let path = ["folder/plan.txt", "./folder//plan.txt", "folder/./plan.txt", "folder/Plan.txt"][n % 3];
        let refusal = refused(purge(path).await);
        assert_eq!(refusal.reason_code, ReasonCode::ConfirmationDeclined, "{n}: {}", refusal.message);
    }
    assert_eq!(questions(&world), "1");
    std::fs::write(file.with_file_name("other.txt"), "1").unwrap();
    asked(purge("folder/other.txt").await);
    assert!(file.exists());
}

#[tokio::test]
async fn one_question_is_open_about_one_effect_and_its_answer_is_for_the_words_it_was_asked_in() {
    let world = World::new().await;
    let drop = async |table: &str| make(&world, "sqlite_drop_table", json!({"target": "vault", "table": table})).await;
    let id = asked(drop("visits").await);
    for table in spellings().into_iter().skip(1) {
        let refusal = refused(drop(&table).await);
        assert_eq!(refusal.reason_code, ReasonCode::ConfirmationRequired, "{table}");
        assert_eq!(refusal.confirmation.map(|pending| pending.id), Some(id), "{table}");
    }
    assert_eq!((questions(&world).as_str(), world.question().await.id), ("1", id));
    world.approve(&world.question().await, 0).await.unwrap();
    let refusal = refused(drop("Visits").await);
    assert_eq!(
        refusal.reason_code,
        ReasonCode::ConfirmationRequired,
        "a yes is for the exact call: {}",
        refusal.message
    );
    assert_eq!(world.visits("vault"), 0, "and the table is there");
    assert!(matches!(drop("visits").await, Reply::Done(_)));
    let gone = text(
        &world.folder.path().join("vault.db"),
        "SELECT cast(count(*) AS TEXT) FROM sqlite_master WHERE name = 'visits'",
    );
    assert_eq!(gone, "0");
}

/// What was found has changed since it was asked in other words: that question is closed, and one is open.
#[tokio::test]
async fn a_stale_question_in_other_words_stands_in_nobodys_way() {
    let world = World::new().await;
    let drop = async |table: &str| make(&world, "sqlite_drop_table", json!({"target": "vault", "table": table})).await;
    let first = asked(drop("visits").await);
    world.sql("vault", "INSERT INTO visits (at) VALUES ('now')");
    let second = asked(drop("VISITS").await);
    assert_ne!(first, second);
    assert_eq!(world.question().await.id, second);
}

/// Two who are linked to nobody are not two people, and nobody is asked in vain: what would help is said.
#[tokio::test]
async fn what_needs_two_people_is_refused_until_they_are_linked() {
    let world = World::of(|_| {}, false).await;
    let refusal = refused(make(&world, "sqlite_write", visit("crown")).await);
    assert_eq!(refusal.reason_code, ReasonCode::Denied, "{}", refusal.message);
    assert!(refusal.next.contains("mollyguard operator link NAME --for USER"), "{}", refusal.next);
    assert_eq!(questions(&world), "0");
    for operator in &world.people {
        world.page.link(operator.id, operator.name.clone()).await.unwrap();
    }
    asked(make(&world, "sqlite_write", visit("crown")).await);
    assert_eq!(world.visits("crown"), 0);
}

/// The answer cannot be used any more, since who gave it was removed: the call is told so once, and then asks anew.
#[tokio::test]
async fn a_yes_of_somebody_who_was_removed_does_not_leave_the_question_stuck() {
    let world = World::new().await;
    let first = asked(make(&world, "sqlite_write", visit("vault")).await);
    world.approve(&world.question().await, 1).await.unwrap();
    world.page.remove(world.people[1].id, None).await.unwrap();
    let refusal = refused(make(&world, "sqlite_write", visit("vault")).await);
    assert_eq!(refusal.reason_code, ReasonCode::ConfirmationSpent, "{}", refusal.message);
    let records = world.records().await;
    let last = records.iter().rfind(|record| record.subject.call == Some(refusal.about.id)).unwrap();
    assert!(matches!(&last.event, mollyguard_record::audit::AuditEvent::Denied { .. }), "on record: {last:?}");
    let second = asked(make(&world, "sqlite_write", visit("vault")).await);
    assert_ne!(first, second);
    world.approve(&world.question().await, 0).await.unwrap();
    assert!(matches!(make(&world, "sqlite_write", visit("vault")).await, Reply::Done(_)));
    assert_eq!(world.visits("vault"), 1);
}
