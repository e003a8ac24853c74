//! Sessions are ended when they are the ones that were looked at, and no others.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::others::{Other, until};
use super::world::{Ground, find};
use crate::contract::{Access, Cause, Configured, Limits, Probe, Secret, ToolError};
use crate::laws::{World, declares_well, needs_a_write_lease};
use crate::toolsets::postgres::Postgres;

const TOOL: &str = "postgres_terminate";

fn lives(ground: &Ground, pid: i32) -> bool {
    ground.sql(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")).trim() == "1"
}

fn refused(result: Result<impl std::fmt::Debug, ToolError>, word: &str) {
    let error = result.unwrap_err();
    let refused = matches!(&error, ToolError::Untouched { cause: Cause::Refused, .. });
    assert!(refused && error.to_string().contains(word), "{error:?}");
}

#[tokio::test]
async fn a_session_ends_with_everything_told_before() {
    let ground = Ground::roles("CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'a')");
    let holder = Other::connect(&ground, &ground.role, "importer").await;
    let waiter = Other::connect(&ground, &ground.role, "web").await;
    holder.run("BEGIN; UPDATE t SET name = 'b'").await;
    let pid = waiter.pid;
    let waits = tokio::spawn(async move { waiter.try_run("UPDATE t SET name = 'c'").await.is_ok() });
    until(&ground, &format!("SELECT cardinality(pg_blocking_pids({pid})) = 1")).await;

    let seen = ground.look(TOOL, json!({"pid": holder.pid})).await.unwrap();
    assert!(lives(&ground, holder.pid), "a look ends nothing");
    let told: Vec<&str> = seen.evidence.iter().map(|evidence| evidence.what.as_str()).collect();
    let told = told.join("\n");
    for word in ["idle in transaction", "UPDATE t SET name = 'b'", "public.t (RowExclusiveLock)", "is rolled back"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(told.contains(&format!("1 session waits for it: {pid}")), "{told}");
    assert!(seen.summary.contains("importer"), "{}", seen.summary);
    assert!(seen.targets[0].uid.as_ref().unwrap().contains(&format!("#{}@", holder.pid)));

    let done = ground.call(TOOL, json!({"pid": holder.pid})).await.unwrap();
    assert_eq!((&done.output["gone"], &done.output["application"]), (&json!(true), &json!("importer")));
    assert!(done.undo.is_none() && !lives(&ground, holder.pid));
    assert!(waits.await.unwrap(), "who waited goes on");
    assert_eq!(ground.sql("SELECT name FROM t").trim(), "c");
    let error = ground.call(TOOL, json!({"pid": holder.pid})).await.unwrap_err();
    assert!(matches!(error, ToolError::Untouched { cause: Cause::NotFound, .. }), "{error:?}");
}

#[tokio::test]
async fn another_session_of_the_same_process_id_is_not_ended() {
    let ground = Ground::roles("CREATE TABLE t (id int)");
    let (one, other) =
        (Other::connect(&ground, &ground.role, "web").await, Other::connect(&ground, &ground.role, "web").await);
    // The operating system gives process ids anew when it likes: a look at another session is what that comes to.
    let seen = ground.look(TOOL, json!({"pid": one.pid})).await.unwrap();
    let args = json!({"target": "orders", "pid": other.pid});
    let error = find(TOOL).execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap_err();
    assert!(matches!(error, ToolError::Untouched { cause: Cause::Changed, .. }), "{error:?}");
    assert!(lives(&ground, one.pid) && lives(&ground, other.pid));
    // Another role or program behind the same connection is another session, too.
    one.run("SET application_name = 'payroll'").await;
    let args = json!({"target": "orders", "pid": one.pid});
    let error = find(TOOL).execute(&args, &seen, &ground.lend(Access::Write)).await.unwrap_err();
    assert!(matches!(error, ToolError::Untouched { cause: Cause::Changed, .. }), "{error:?}");
    assert!(lives(&ground, one.pid));
}

#[tokio::test]
async fn what_is_no_clients_session_here_is_refused() {
    let ground = Ground::superuser("CREATE TABLE t (id int)");
    let elsewhere = Ground::superuser("CREATE TABLE t (id int)");
    let other = Other::connect(&elsewhere, "postgres", "web").await;
    refused(ground.look(TOOL, json!({"pid": other.pid})).await, "another database");
    let ours = Other::connect(&ground, "postgres", "mollyguard").await;
    refused(ground.look(TOOL, json!({"pid": ours.pid})).await, "gateway's own");
    for kind in ["checkpointer", "logical replication launcher"] {
        let pid = ground.sql(&format!("SELECT pid FROM pg_stat_activity WHERE backend_type = '{kind}'"));
        let pid: i32 = pid.trim().parse().unwrap();
        refused(ground.look(TOOL, json!({"pid": pid})).await, "belongs to the server itself");
        assert!(lives(&ground, pid));
    }
    assert!(lives(&ground, other.pid) && lives(&ground, ours.pid));
}

#[tokio::test]
async fn whom_the_role_may_not_end_is_told_before_anybody_is_asked() {
    let ground = Ground::roles("CREATE TABLE t (id int)");
    let administrator = Other::connect(&ground, "postgres", "psql").await;
    refused(ground.look(TOOL, json!({"pid": administrator.pid})).await, "of the superuser `postgres`");
    let reader = Other::connect(&ground, &ground.reader, "report").await;
    refused(ground.look(TOOL, json!({"pid": reader.pid})).await, "may not see or end the sessions of");
    ground.sql(&format!("GRANT pg_signal_backend, pg_read_all_stats TO {}", ground.role));
    ground.call(TOOL, json!({"pid": reader.pid})).await.unwrap();
    assert!(!lives(&ground, reader.pid) && lives(&ground, administrator.pid));
    refused(ground.look(TOOL, json!({"pid": administrator.pid})).await, "of the superuser `postgres`");
}

#[tokio::test]
async fn what_became_of_a_cut_off_call_is_found_by_looking() {
    let ground = Ground::roles("CREATE TABLE t (id int)");
    let session = Other::connect(&ground, &ground.role, "web").await;
    let seen = ground.look(TOOL, json!({"pid": session.pid})).await.unwrap();
    let args = json!({"target": "orders", "pid": session.pid});
    let probe = || async { find(TOOL).probe(&args, &seen, &ground.lend(Access::Trial)).await };
    assert_eq!(probe().await, Probe::Unchanged);
    ground.sql(&format!("SELECT pg_terminate_backend({}, 60000)", session.pid));
    assert_eq!(probe().await, Probe::Changed);
}

/// The sessions of a database as a world.
struct Sessions(Ground);

#[async_trait]
impl World for Sessions {
    fn target(&self) -> Arc<Configured> {
        self.0.target()
    }

    fn secret(&self, access: Access) -> Option<Arc<Secret>> {
        Some(self.0.secret(access))
    }

    fn limits(&self) -> Limits {
        self.0.limits
    }

    async fn state(&self) -> Value {
        json!(self.0.sql("SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = 'web' ORDER BY 1"))
    }

    async fn disturb(&self, _args: &Value) -> bool {
        false
    }
}

#[tokio::test]
async fn a_lease_for_looking_ends_nothing() {
    declares_well(&Postgres::new()).unwrap();
    let world = Sessions(Ground::roles("CREATE TABLE t (id int)"));
    let session = Other::connect(&world.0, &world.0.role, "web").await;
    let args = json!({"target": "orders", "pid": session.pid});
    needs_a_write_lease(&world, &Postgres::new(), TOOL, &args).await.unwrap();
    assert!(lives(&world.0, session.pid));
}
