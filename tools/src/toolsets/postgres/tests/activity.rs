//! What is said about sessions, waits and locks, to those who may see it.

use serde_json::{Value, json};

use super::others::{Other, until};
use super::world::Ground;

async fn activity(ground: &Ground) -> Value {
    ground.call("postgres_activity", json!({})).await.unwrap().output
}

fn session(found: &Value, pid: i32) -> Value {
    let sessions = found["sessions"].as_array().unwrap();
    sessions.iter().find(|one| one["pid"] == pid).unwrap_or_else(|| panic!("{pid}: {found}")).clone()
}

#[tokio::test]
async fn who_waits_for_whom_is_seen() {
    let ground = Ground::roles("CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'a')");
    ground.sql(&format!("GRANT pg_read_all_stats TO {}", ground.reader));
    let holder = Other::connect(&ground, &ground.role, "importer").await;
    let waiter = Other::connect(&ground, &ground.role, "web").await;
    holder.run("BEGIN; UPDATE t SET name = 'b'; SELECT 'the last statement'").await;
    let pid = waiter.pid;
    let waits = tokio::spawn(async move { waiter.try_run("UPDATE t SET name = 'c'").await.is_ok() });
    until(&ground, &format!("SELECT cardinality(pg_blocking_pids({pid})) = 1")).await;

    let found = activity(&ground).await;
    let importer = session(&found, holder.pid);
    assert_eq!((&importer["state"], &importer["application"]), (&json!("idle in transaction"), &json!("importer")));
    assert!(importer["query"].as_str().unwrap().contains("the last statement"), "{importer}");
    assert!(importer["transaction_seconds"].is_i64() && importer["client"] == "127.0.0.1", "{importer}");
    assert_eq!(found["sessions"][0]["pid"], pid, "who waits comes first");
    assert!(session(&found, pid)["waits_for"].as_str().unwrap().starts_with("Lock: "), "{found}");
    assert_eq!(found["blocked"][0]["pid"], pid);
    assert_eq!(found["blocked"][0]["blocked_by"], json!([holder.pid]));
    let lock = json!({"pid": holder.pid, "on": "public.t", "mode": "RowExclusiveLock", "granted": true});
    assert!(found["locks"].as_array().unwrap().contains(&lock), "{found}");
    assert_eq!(found["largest"][0]["table"], "public.t");
    let bytes: i64 = ground.sql("SELECT pg_total_relation_size('t')").trim().parse().unwrap();
    assert_eq!(found["largest"][0]["bytes"], bytes);
    assert_eq!((&found["server"]["replica"], &found["truncated"]), (&json!(false), &json!(false)));
    holder.run("COMMIT").await;
    assert!(waits.await.unwrap());
}

#[tokio::test]
async fn what_the_role_may_not_see_is_null_and_what_it_is_not_about_is_absent() {
    let ground = Ground::roles("CREATE TABLE t (id int)");
    let other = Ground::roles("CREATE TABLE t (id int)");
    let elsewhere = Other::connect(&other, &other.role, "elsewhere").await;
    let hidden = Other::connect(&ground, &ground.role, "web").await;
    hidden.run("BEGIN; LOCK TABLE t; SELECT 'a secret in a statement'").await;
    let found = activity(&ground).await;
    let web = session(&found, hidden.pid);
    assert_eq!((&web["application"], &web["query"], &web["state"]), (&json!("web"), &Value::Null, &Value::Null));
    assert!(!found.to_string().contains("a secret in a statement"), "{found}");
    assert!(found["sessions"].as_array().unwrap().iter().all(|one| one["pid"] != elsewhere.pid), "{found}");
    let lock = json!({"pid": hidden.pid, "on": "public.t", "mode": "AccessExclusiveLock", "granted": true});
    assert!(found["locks"].as_array().unwrap().contains(&lock), "{found}");
    assert_eq!(found["largest"], json!([]), "the size of a locked table is not waited for");
}

#[tokio::test]
async fn a_prepared_transaction_and_a_slot_are_seen() {
    let ground = Ground::superuser("CREATE TABLE t (id int)");
    let other = Other::connect(&ground, "postgres", "web").await;
    other.run("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'half way'").await;
    other.run("SELECT pg_create_physical_replication_slot('kept', true)").await;
    let found = activity(&ground).await;
    assert_eq!(found["prepared"][0]["id"], "half way");
    let lock = json!({"pid": null, "on": "public.t", "mode": "RowExclusiveLock", "granted": true});
    assert!(found["locks"].as_array().unwrap().contains(&lock), "{found}");
    assert_eq!((&found["slots"][0]["name"], &found["slots"][0]["active"]), (&json!("kept"), &json!(false)));
    assert!(found["slots"][0]["retained_bytes"].is_i64(), "{found}");
    other.run("ROLLBACK PREPARED 'half way'").await;
    other.run("SELECT pg_drop_replication_slot('kept')").await;
}

#[tokio::test]
async fn what_does_not_fit_is_told() {
    let mut ground = Ground::superuser("CREATE TABLE t (id int)");
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(Other::connect(&ground, "postgres", "web").await);
    }
    ground.limits.output_rows = 3;
    let found = activity(&ground).await;
    assert_eq!((found["sessions"].as_array().unwrap().len(), &found["truncated"]), (3, &json!(true)));
}
