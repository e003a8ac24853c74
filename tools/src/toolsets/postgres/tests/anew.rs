//! A transaction that is begun anew within a call is as it was begun.

use tokio_postgres::types::Type;

use super::world::Ground;
use crate::contract::{Access, Digest};
use crate::toolsets::postgres::connect::{Manner, Mode, Session, Tx};

/// What a transaction of ours runs under, and whether others can see that it is under way.
const UNDER: &str = "SELECT pg_catalog.concat_ws(' ', current_setting('transaction_isolation'), \
    current_setting('transaction_read_only'), current_setting('TimeZone'), current_setting('lock_timeout'), \
    current_setting('statement_timeout') <> '0', current_setting('search_path'), \
    EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid()))";

async fn under(tx: &Tx<'_>) -> String {
    tx.value(UNDER, &[]).await.unwrap()
}

#[tokio::test]
async fn a_change_begun_anew_keeps_what_it_runs_under_and_nothing_of_what_it_did() {
    let ground = Ground::roles("CREATE TABLE t (id int PRIMARY KEY)");
    let mut session = Session::open(&ground.lend(Access::Write)).await.map_err(|error| error.to_string()).unwrap();
    session.manner = Manner::Isolated;
    let mut tx = session.begin_change(Digest::of(&"this one")).await.unwrap();
    let begun = under(&tx).await;
    assert!(begun.starts_with("repeatable read off UTC 5s t") && begun.ends_with(" t"), "{begun}");
    let first = tx.id().await.unwrap();
    tx.run("SET LOCAL search_path = pg_catalog; INSERT INTO public.t VALUES (1)").await.unwrap();
    // Also where it has failed.
    tx.run("SELECT 1 / 0").await.unwrap_err();
    tx.restart().await.unwrap();
    assert_eq!(under(&tx).await, begun);
    assert_ne!(tx.id().await.unwrap(), first);
    tx.run("INSERT INTO t VALUES (2)").await.unwrap();
    tx.commit().await.map_err(|unsure| format!("{unsure:?}")).unwrap();
    assert_eq!(ground.sql("SELECT * FROM t").trim(), "2");
}

#[tokio::test]
async fn what_reads_sees_what_others_have_done_once_it_is_begun_anew_and_still_changes_nothing() {
    let ground = Ground::roles("CREATE TABLE t (id int PRIMARY KEY)");
    let mut session = Session::open(&ground.lend(Access::Trial)).await.map_err(|error| error.to_string()).unwrap();
    session.manner = Manner::ReadOnly;
    let mut tx = session.begin(Mode::Trial).await.unwrap();
    let count = "SELECT count(*) FROM t WHERE id = $1";
    let seen = async |tx: &Tx<'_>| tx.value::<i64>(count, &[(&1, Type::INT4)]).await.unwrap();
    assert_eq!(seen(&tx).await, 0);
    ground.sql("INSERT INTO t VALUES (1)");
    assert_eq!(seen(&tx).await, 0, "one state of everything");
    tx.restart().await.unwrap();
    assert_eq!(seen(&tx).await, 1);
    tx.run("INSERT INTO t VALUES (2)").await.unwrap_err();
    assert_eq!(ground.sql("SELECT count(*) FROM t").trim(), "1");
}
