//! Approvals for a while as SQLite keeps them: the order between processes, rows edited by another program, and stores from
//! before there were any.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::End;
use crate::store::harness::{open, plain};
use crate::store::laws::grants::{given, operator, under};
use crate::store::laws::{ran, start};
use crate::store::{CallFilter, Calls as _, Grants as _};
use crate::verify::verify_store;

const QUARTER: Duration = Duration::from_secs(15 * 60);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_revokes_no_process_begins_a_call_after_it() {
    let place = tempfile::tempdir().unwrap();
    let stores = [Arc::new(open(place.path())), Arc::new(open(place.path()))];
    let olga = operator(&*stores[0], "olga").await;
    let mut after = 0;
    for round in 0..8 {
        let grant = given(&*stores[0], &olga, QUARTER).await.id;
        let racers: Vec<_> = (0..16)
            .map(|n| {
                let store = Arc::clone(&stores[n % 2]);
                tokio::spawn(async move {
                    if n == round {
                        store.revoke(grant, None).await.unwrap();
                        return false;
                    }
                    store.begin(under(grant)).await.is_ok()
                })
            })
            .collect();
        let mut begun = 0;
        for racer in racers {
            begun += usize::from(racer.await.unwrap());
        }
        // As they were committed, whichever process wrote them.
        let connection = plain(place.path());
        let mut query = connection.prepare("SELECT record FROM records ORDER BY rowid").unwrap();
        let texts = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let about: Vec<_> = texts.map(Result::unwrap).filter(|text| text.contains(&grant.to_string())).collect();
        let kinds: Vec<_> = ["granted", "started", "grant_ended"]
            .map(|kind| about.iter().filter(|text| text.contains(&format!("\"kind\":\"{kind}\""))).count())
            .into();
        assert_eq!(kinds, [1, begun, 1]);
        assert!(about.last().is_some_and(|text| text.contains("grant_ended")), "nothing after the end: {about:#?}");
        after += 15 - begun;
    }
    assert!(after > 0, "some came too late");
    drop(stores);
    let report = verify_store(place.path(), None).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
}

#[tokio::test]
async fn what_another_program_writes_is_no_approval() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let olga = operator(&store, "olga").await;
    let (kept, bent) = (given(&store, &olga, QUARTER).await, given(&store, &olga, QUARTER).await);
    let used = ran(&store, under(kept.id), End::Succeeded).await;
    let free = ran(&store, start(), End::Succeeded).await;
    let sound = || verify_store(place.path(), None).unwrap().findings;
    assert!(sound().is_empty());
    let (keep, bend, use_, other) = (kept.id, bent.id, used, free);
    let later = serde_json::to_string(&kept.given.at.saturating_add(QUARTER * 8).unwrap()).unwrap();
    let edits = [
        // A longer life, another person, a second life.
        format!("UPDATE grants SET words = json_set(words, '$.expires_at', json('{later}')) WHERE id = '{bend}'"),
        format!("UPDATE grants SET words = json_set(words, '$.principal.user', 'eve') WHERE id = '{bend}'"),
        format!("UPDATE grants SET about = 'ab', ended = NULL WHERE id = '{bend}'"),
        format!(
            "UPDATE grants SET ended = NULL, seal = (SELECT seal FROM grants WHERE id = '{keep}') WHERE id = '{bend}'"
        ),
        format!("UPDATE granted_calls SET granted = '{bend}' WHERE call = '{use_}'"),
        format!("DELETE FROM granted_calls WHERE call = '{use_}'"),
        format!("INSERT INTO granted_calls VALUES ('{other}', '{keep}')"),
        format!("DELETE FROM grants WHERE id = '{bend}'"),
        format!("PRAGMA foreign_keys = off; DELETE FROM grants WHERE id = '{keep}'"),
    ];
    for edit in edits {
        let copy = tempfile::tempdir().unwrap();
        plain(place.path()).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        for file in ["mollyguard.db", "args.key", "audit.key"] {
            std::fs::copy(place.path().join(file), copy.path().join(file)).unwrap();
        }
        std::fs::set_permissions(copy.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        plain(copy.path()).execute_batch(&edit).unwrap();
        let findings = verify_store(copy.path(), None).unwrap().findings;
        assert!(!findings.is_empty(), "{edit}");
        let store = open(copy.path());
        if edit.contains(&format!("WHERE id = '{bend}'")) {
            store.begin(under(bend)).await.unwrap_err();
            let left: Vec<_> = store.grants().await.unwrap().into_iter().map(|granted| granted.grant.id).collect();
            assert_eq!(left, [keep], "{edit}: a damaged one does not hide the other");
        }
    }
    assert!(sound().is_empty());
}

#[tokio::test]
async fn a_store_from_before_is_read_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let call = ran(&open(place.path()), start(), End::Succeeded).await;
    plain(place.path())
        .execute_batch(
            "DROP TABLE dialogs; DROP TABLE marks; DROP TABLE aims; DROP INDEX calls_by_undone; DROP INDEX calls_large;
             DROP INDEX confirmations_by_effect; DROP INDEX open_confirmations; ALTER TABLE operators DROP COLUMN user;
             ALTER TABLE confirmations DROP COLUMN effect; ALTER TABLE confirmations DROP COLUMN stands;
             DROP TABLE granted_calls; DROP TABLE grants;
             PRAGMA user_version = 3",
        )
        .unwrap();
    let store = open(place.path());
    assert_eq!(store.calls(CallFilter::default()).await.unwrap().len(), 1);
    assert_eq!(store.call(call).await.unwrap().unwrap().grant, None);
    let olga = operator(&store, "olga").await;
    let grant = given(&store, &olga, QUARTER).await.id;
    ran(&store, under(grant), End::Succeeded).await;
    drop(store);
    let report = verify_store(place.path(), None).unwrap();
    assert!(report.is_sound(), "{:#?}", report.findings);
}
