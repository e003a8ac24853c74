//! `postgres_activity`: who does what in a database right now, who waits for whom, what is locked, and how large things
//! are.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_postgres::types::Type;

use crate::contract::{Digest, Findings, Read, Spec, ToolError};
use crate::toolsets::postgres::connect::Tx;
use crate::toolsets::postgres::model::answer::{known_by, reading};
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::listing::{OURSELVES, Room, plain_path};

/// A transaction open for so long holds back cleaning up, and other sessions.
const LONG: i64 = 60;

/// Shows what goes on.
pub(crate) struct Activity;

/// Where to look.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {}

/// What goes on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    server: ServerOut,
    /// Sessions in this database, those that wait or have the oldest transaction first. Where the role may not see what
    /// another one does, everything but its user and program is null.
    sessions: Vec<SessionOut>,
    /// Who waits for whom.
    blocked: Vec<BlockedOut>,
    /// Processes whose transaction is open for more than a minute.
    long_transactions: Vec<i32>,
    /// Transactions prepared for a two-phase commit: they hold their locks without any session.
    prepared: Vec<PreparedOut>,
    /// Locks on tables other than those of plain reads, and all locks that are waited for.
    locks: Vec<LockOut>,
    /// The largest tables with their indexes, without those that somebody locks exclusively.
    largest: Vec<SizeOut>,
    /// What streams changes from this server, where the role may see it.
    replication: Vec<ReplicationOut>,
    /// Replication slots: an inactive one keeps the server from removing its log.
    slots: Vec<SlotOut>,
    /// There is more than this.
    truncated: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ServerOut {
    version: String,
    started_at: String,
    /// It replays another server's changes.
    replica: bool,
    /// How far behind that one it is, by its last replayed transaction.
    replica_delay_seconds: Option<i64>,
    max_connections: i64,
    /// In all databases of the cluster.
    connections: i64,
    database_bytes: i64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct SessionOut {
    pid: i32,
    user: Option<String>,
    application: Option<String>,
    client: Option<String>,
    /// `client backend`, `autovacuum worker`, `walsender` …
    kind: Option<String>,
    /// `active`, `idle`, `idle in transaction` …
    state: Option<String>,
    /// What it waits for, such as `Lock: relation` or `Client: ClientRead`.
    waits_for: Option<String>,
    connected_at: Option<String>,
    transaction_seconds: Option<i64>,
    /// Since the current or last statement began.
    statement_seconds: Option<i64>,
    /// Since the state began.
    state_seconds: Option<i64>,
    /// The current or last statement, cut after 500 characters.
    query: Option<String>,
    /// It is a connection of a gateway.
    ours: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct BlockedOut {
    pid: i32,
    /// 0 stands for a prepared transaction.
    blocked_by: Vec<i32>,
    waits_for_seconds: Option<i64>,
    /// The lock it wants, such as `AccessExclusiveLock`, and on what.
    wants: Option<String>,
    on: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct PreparedOut {
    id: String,
    owner: Option<String>,
    age_seconds: i64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct LockOut {
    /// Null for a prepared transaction.
    pid: Option<i32>,
    /// What is locked: a relation, or `transactionid`, `advisory` …
    on: String,
    mode: String,
    granted: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct SizeOut {
    table: String,
    bytes: i64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ReplicationOut {
    pid: i32,
    application: Option<String>,
    client: Option<String>,
    state: Option<String>,
    lag_bytes: Option<i64>,
    lag_seconds: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct SlotOut {
    name: String,
    kind: String,
    database: Option<String>,
    active: bool,
    /// How much of the log is kept for it.
    retained_bytes: Option<i64>,
}

#[async_trait]
impl Read for Activity {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Digest;
    const SPEC: Spec = Spec::read(
        "postgres_activity",
        "See what goes on in a PostgreSQL database",
        "Shows the sessions of the database with state, ages, wait and statement, who blocks whom, long \
         transactions, locks, the largest tables, and replication, as far as the role may see them. \
         postgres_terminate ends a session.",
    );

    async fn observe(_args: &Args, tx: &mut Tx<'_>) -> Result<Digest, ToolError> {
        Ok(known_by(tx, &json!("activity")))
    }

    fn describe(_args: &Args, _seen: &Digest, tx: &Tx<'_>) -> Findings {
        reading(tx, "look at what goes on in")
    }

    async fn read(_args: &Args, _seen: Digest, tx: &mut Tx<'_>) -> Result<Output, ToolError> {
        output(tx).await
    }
}

async fn output(tx: &Tx<'_>) -> Result<Output, ToolError> {
    plain_path(tx).await?;
    let mut room = Room::of(tx);
    let nowhere = || ToolError::failed("the server gave no row where one is certain");
    let server = room.first(tx, SERVER, &[]).await?.ok_or_else(nowhere)?;
    // Who waits comes first: it is what the look is for where there is not room for everything.
    let blocked = room.list(tx, BLOCKED, &[]).await?;
    let sessions: Vec<SessionOut> = room.list(tx, SESSIONS, &[(&OURSELVES, Type::TEXT)]).await?;
    let long = sessions.iter().filter(|one| one.transaction_seconds.is_some_and(|age| age > LONG));
    Ok(Output {
        server,
        long_transactions: long.map(|one| one.pid).collect(),
        sessions,
        blocked,
        prepared: room.list(tx, PREPARED, &[]).await?,
        locks: room.list(tx, LOCKS, &[]).await?,
        largest: room.list(tx, LARGEST, &[]).await?,
        replication: room.list(tx, &replication(), &[]).await?,
        slots: room.list(tx, &slots(), &[]).await?,
        truncated: room.truncated,
    })
}

const SERVER: &str = "SELECT pg_catalog.current_setting('server_version') AS version, \
    pg_catalog.pg_postmaster_start_time() AS started_at, pg_catalog.pg_is_in_recovery() AS replica, \
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.date_part('epoch', \
     pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::int8 END AS replica_delay_seconds, \
    pg_catalog.current_setting('max_connections')::int8 AS max_connections, \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'client backend' \
     OR a.backend_type IS NULL) AS connections, \
    pg_catalog.pg_database_size(pg_catalog.current_database()) AS database_bytes";

/// The server shows what another role's session does only to a member of that role and of `pg_read_all_stats`.
const SESSIONS: &str = "SELECT a.pid, a.usename AS \"user\", a.application_name AS application, \
    CASE WHEN a.client_port = -1 THEN 'local' ELSE pg_catalog.host(a.client_addr) END AS client, a.backend_type AS kind, \
    a.state, a.wait_event_type || ': ' || a.wait_event AS waits_for, a.backend_start AS connected_at, \
    pg_catalog.date_part('epoch', t.now - a.xact_start)::int8 AS transaction_seconds, \
    pg_catalog.date_part('epoch', t.now - a.query_start)::int8 AS statement_seconds, \
    pg_catalog.date_part('epoch', t.now - a.state_change)::int8 AS state_seconds, \
    CASE WHEN a.query NOT IN ('<insufficient privilege>', '') THEN pg_catalog.left(a.query, 500) END AS query, \
    a.application_name = $1 AS ours \
    FROM pg_catalog.pg_stat_activity a, (SELECT pg_catalog.clock_timestamp()) AS t (now) \
    WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() \
    ORDER BY a.wait_event_type IS NOT DISTINCT FROM 'Lock' DESC, a.xact_start NULLS LAST, a.query_start NULLS LAST, a.pid";

const BLOCKED: &str = "SELECT a.pid, pg_catalog.pg_blocking_pids(a.pid) AS blocked_by, \
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.query_start)::int8 AS waits_for_seconds, \
    w.mode AS wants, w.what AS \"on\" FROM pg_catalog.pg_stat_activity a LEFT JOIN LATERAL \
    (SELECT l.mode, pg_catalog.concat_ws(' ', l.locktype, l.relation::pg_catalog.regclass::text) AS what \
     FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND NOT l.granted LIMIT 1) w ON true \
    WHERE a.datname = pg_catalog.current_database() AND w.mode IS NOT NULL ORDER BY a.query_start, a.pid";

const PREPARED: &str = "SELECT p.gid AS id, p.owner, \
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared)::int8 AS age_seconds \
    FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database() ORDER BY p.prepared, p.gid";

const LOCKS: &str = "SELECT l.pid, pg_catalog.concat_ws(' ', CASE WHEN l.locktype <> 'relation' THEN l.locktype END, \
     l.relation::pg_catalog.regclass::text) AS \"on\", l.mode, l.granted \
    FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_database d ON d.oid = l.database \
    WHERE l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
    AND (d.datname = pg_catalog.current_database() OR (l.database IS NULL AND NOT l.granted)) \
    AND (NOT l.granted OR l.locktype = 'advisory' OR (l.locktype = 'relation' AND l.mode <> 'AccessShareLock' \
     AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = l.relation AND c.relkind IN ('r', 'p', 'm', 'S')))) \
    ORDER BY l.granted, 2, l.pid, l.mode";

/// Asking for the size of what is exclusively locked would wait for the lock; the pages known beforehand choose.
const LARGEST: &str = "SELECT c.oid::pg_catalog.regclass::text AS \"table\", pg_catalog.pg_total_relation_size(c.oid) AS bytes \
    FROM (SELECT r.oid FROM pg_catalog.pg_class r WHERE r.relkind IN ('r', 'm') AND r.oid >= 16384 AND r.oid NOT IN \
      (SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' \
       AND l.relation IS NOT NULL) ORDER BY r.relpages DESC, r.oid LIMIT 10) AS c ORDER BY 2 DESC NULLS LAST, 1";

/// How far the log has come here, on a primary and on a replica.
const HERE: &str = "CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn() \
    ELSE pg_catalog.pg_current_wal_lsn() END";

fn replication() -> String {
    format!(
        "SELECT r.pid, r.application_name AS application, pg_catalog.host(r.client_addr) AS client, r.state, \
         pg_catalog.pg_wal_lsn_diff({HERE}, r.replay_lsn)::int8 AS lag_bytes, \
         pg_catalog.date_part('epoch', r.replay_lag)::int8 AS lag_seconds \
         FROM pg_catalog.pg_stat_replication r ORDER BY r.pid"
    )
}

fn slots() -> String {
    format!(
        "SELECT s.slot_name AS name, s.slot_type AS kind, s.database, s.active, \
         pg_catalog.pg_wal_lsn_diff({HERE}, s.restart_lsn)::int8 AS retained_bytes \
         FROM pg_catalog.pg_replication_slots s ORDER BY s.slot_name"
    )
}
