//! What is kept is the store's state at every moment: whoever changes it, and however.

use std::sync::Arc;
use std::time::Duration;

use mollyguard_tools::contract::now;
use uuid::Uuid;

use crate::audit::End;
use crate::store::harness::{open, plain};
use crate::store::laws::{self, approve, ask, ran, start};
use crate::store::sqlite::SqliteStore;
use crate::store::{OpenQuestions, Questions as _, StoreError};
use crate::verify::verify_store;

async fn shown(store: &SqliteStore) -> OpenQuestions {
    store.open_questions().await.unwrap()
}

fn ids(open: &OpenQuestions) -> Vec<Uuid> {
    open.iter().map(|open| open.0.id).collect()
}

#[tokio::test]
async fn the_same_is_given_until_it_changes() {
    let place = tempfile::tempdir().unwrap();
    let (here, there) = (open(place.path()), open(place.path()));
    let [one, two] = [(); 2].map(|()| laws::question(Duration::from_secs(600)));
    ask(&here, &one).await;
    let first = shown(&here).await;
    assert_eq!(ids(&first), [one.id]);
    // Something is written, and none of it is a question.
    ran(&there, start(), End::Succeeded).await;
    assert!(Arc::ptr_eq(&first, &shown(&here).await));

    // Another process asks, this one answers, and each sees it with its very next look.
    ask(&there, &two).await;
    let both = shown(&here).await;
    assert_eq!(ids(&both), [two.id, one.id], "newest first");
    assert!(Arc::ptr_eq(&both[1], &first[0]), "what has not changed is not read again");
    assert_eq!(ids(&shown(&there).await), [two.id, one.id]);
    approve(&here, one.id).await.unwrap();
    assert_eq!(ids(&shown(&there).await), [two.id]);
    approve(&there, two.id).await.unwrap();
    assert!(shown(&here).await.is_empty());
    assert_eq!(ids(&first), [one.id], "what somebody holds does not change in their hands");
}

#[tokio::test]
async fn what_runs_out_is_not_given_though_nobody_writes_that() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let [short, long] = [1, 600].map(|seconds| laws::question(Duration::from_secs(seconds)));
    ask(&store, &short).await;
    ask(&store, &long).await;
    while now() < short.expires_at {
        assert!(ids(&shown(&store).await).contains(&long.id));
        tokio::task::yield_now().await;
    }
    assert_eq!(ids(&shown(&store).await), [long.id]);
}

#[tokio::test]
async fn an_edited_row_is_not_believed_though_it_was_before() {
    let columns = ["confirmation", "standing", "request", "state", "seal", "effect"];
    for column in columns {
        let place = tempfile::tempdir().unwrap();
        let store = open(place.path());
        let [edited, other] = [(); 2].map(|()| laws::question(Duration::from_secs(600)));
        ask(&store, &edited).await;
        ask(&store, &other).await;
        assert_eq!(ids(&shown(&store).await), [other.id, edited.id]);
        let edit = format!("UPDATE confirmations SET {column} = replace({column}, 'a', 'b') || ' ' WHERE id = ?1");
        let was = plain(place.path());
        let before: String = was
            .query_row(&format!("SELECT {column} FROM confirmations WHERE id = ?1"), [edited.id.to_string()], |row| {
                row.get(0)
            })
            .unwrap();
        was.execute(&edit, [edited.id.to_string()]).unwrap();
        assert_eq!(ids(&shown(&store).await), [other.id], "{column}");
        // Put back as it was, it is the question that was asked.
        let undo = format!("UPDATE confirmations SET {column} = ?2 WHERE id = ?1");
        was.execute(&undo, [edited.id.to_string(), before]).unwrap();
        assert_eq!(ids(&shown(&store).await), [other.id, edited.id], "{column}");
    }
}

#[tokio::test]
async fn no_more_is_kept_than_is_shown() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let question = laws::question(Duration::from_secs(600));
    ask(&store, &question).await;
    assert_eq!(ids(&shown(&store).await), [question.id]);
    // So many newer rows that the first is not among the newest any more; none of them is sealed.
    let newer = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                 INSERT INTO confirmations (id, request, state, confirmation, standing, seal, stands)
                 SELECT 'STANDS' || i, 'r', 's', '{}', '{\"state\":\"STANDS\"}', 'x', 'STANDS' FROM n";
    let answered = newer.replace("STANDS", "spent");
    plain(place.path()).execute(&answered, []).unwrap();
    assert_eq!(ids(&shown(&store).await), [question.id], "what is answered pushes nothing out");
    let open = newer.replace("STANDS", "open");
    plain(place.path()).execute(&open, []).unwrap();
    assert!(shown(&store).await.is_empty());
    assert_eq!(store.open.lock().unwrap().rows.len(), 1_000);
}

#[tokio::test]
async fn what_was_answered_is_not_even_read() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    ask(&store, &laws::question(Duration::from_secs(600))).await;
    let plan: String = plain(place.path())
        .query_row(&format!("EXPLAIN QUERY PLAN {}", super::select()), [], |row| row.get(3))
        .unwrap();
    assert!(plan.contains("open_confirmations"), "{plan}");
}

/// Each is led to by columns of its own, which say what the question says, or it is not believed.
#[tokio::test]
async fn what_a_question_is_found_by_is_what_it_says() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let question = laws::question(Duration::from_secs(600));
    ask(&store, &question).await;
    let editor = plain(place.path());
    let json: i64 = editor
        .query_row(
            "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND (sql LIKE '%json%' OR sql LIKE '%substr%')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(json, 0, "no index is over what has to be parsed");
    for (edit, back) in
        [("stands = 'spent'", "stands = 'open'"), ("effect = NULL", "effect = json_extract(confirmation, '$.effect')")]
    {
        editor.execute(&format!("UPDATE confirmations SET {edit}"), []).unwrap();
        assert!(shown(&store).await.is_empty(), "{edit}");
        assert!(matches!(store.confirmation(question.id).await, Err(StoreError::Corrupt(_))), "{edit}");
        assert!(!verify_store(place.path(), None).unwrap().is_sound(), "{edit}");
        editor.execute(&format!("UPDATE confirmations SET {back}"), []).unwrap();
        assert!(verify_store(place.path(), None).unwrap().is_sound(), "{back}");
    }
}
