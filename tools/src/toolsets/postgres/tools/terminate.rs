//! `postgres_terminate`: ends one session of somebody else. A process id is given anew once its process is gone, so a
//! session is its process id and the moment it began.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use crate::contract::{
    About, Applied, Cause, Change, Digest, Evidence, Findings, Fingerprint, Preflight, Probe, Purpose, Reversibility,
    Spec, ToolError,
};
use crate::failpoint;
use crate::text::{count, shown, shown_sentence};
use crate::toolsets::postgres::connect::{Manner, Param, Session, Tx};
use crate::toolsets::postgres::model::catalog::cell;
use crate::toolsets::postgres::model::kind::Databases;
use crate::toolsets::postgres::model::listing::{OURSELVES, Room, plain_path};

/// How long a session may take to end before the answer says that it is still there.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a session at rest may take to notice that it was told to end.
const NOTICE: Duration = Duration::from_secs(1);

/// Between two looks for a session.
const PAUSE: Duration = Duration::from_millis(20);

/// Ends a session.
pub(crate) struct Terminate;

/// Which session to end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The session's process id, as postgres_activity shows it.
    #[schemars(range(min = 1))]
    pid: i32,
}

/// What became of the session.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    pid: i32,
    user: String,
    application: String,
    connected_at: String,
    /// It is gone. If false, it was told to end and has not ended yet: it may be rolling back.
    gone: bool,
}

/// A session that can be ended, since the moment it began.
pub(crate) struct Seen {
    victim: Victim,
    began: String,
    fingerprint: Digest,
}

impl Fingerprint for Seen {
    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn moved(&self) -> String {
        format!("process {} is no longer the session that was looked at", self.victim.pid)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Victim {
    pid: i32,
    user: Option<String>,
    application: Option<String>,
    database: Option<String>,
    client: Option<String>,
    kind: Option<String>,
    /// To the microsecond.
    began: Option<String>,
    state: Option<String>,
    session_seconds: Option<i64>,
    transaction_seconds: Option<i64>,
    statement_seconds: Option<i64>,
    query: Option<String>,
    /// Its transaction has changed something.
    has_changed: bool,
    here: bool,
    own: bool,
    /// The server would let the role do it.
    allowed: bool,
    superuser: bool,
    locks: Vec<String>,
    /// How many more locks.
    more_locks: u64,
    blocks: Vec<i32>,
}

#[async_trait]
impl Change for Terminate {
    type Kind = Databases;
    type Args = Args;
    type Output = Output;
    type Seen = Seen;
    // Not idempotent: another session can have been given the same process id since.
    const SPEC: Spec = Spec::change(
        "postgres_terminate",
        "End a session of a PostgreSQL database",
        "Ends one client's session: its open transaction is rolled back, its locks are released, and the \
         client has to connect again. postgres_activity shows sessions and who blocks whom. Sessions of \
         other databases, of the gateway, and of the server itself are refused.",
        Reversibility::Compensable,
    )
    .on_whole_things();

    async fn prepare(_args: &Args, _purpose: Purpose<'_>, session: &mut Session) -> Result<(), ToolError> {
        // A replica takes no other transactions, and ending a session is no change of the database.
        session.manner = Manner::ReadOnly;
        Ok(())
    }

    async fn observe(args: &Args, tx: &mut Tx<'_>) -> Result<Seen, ToolError> {
        plain_path(tx).await?;
        let params: [Param<'_>; 2] = [(&args.pid, Type::INT4), (&OURSELVES, Type::TEXT)];
        let found: Option<Victim> = Room::of(tx).first(tx, VICTIM, &params).await?;
        let victim = found.ok_or_else(|| {
            let (pid, name) = (args.pid, &tx.site().name);
            ToolError::not_found(format!("there is no session with the process id {pid} in `{name}`"))
                .with_next("`postgres_activity` lists the sessions")
        })?;
        let began = may_be_ended(tx, &victim)?;
        let fingerprint = Digest::of(&json!({
            "database": tx.server.identity(),
            "pid": victim.pid,
            "began": began,
            "user": victim.user,
            "application": victim.application,
        }));
        Ok(Seen { victim, began, fingerprint })
    }

    async fn describe(_args: &Args, seen: &Seen, tx: &mut Tx<'_>) -> Result<Findings, ToolError> {
        Ok(findings(tx, seen))
    }

    async fn apply(
        args: &Args,
        seen: Seen,
        _agreed: &Preflight,
        tx: &mut Tx<'_>,
    ) -> Result<Applied<Output>, ToolError> {
        match tell(tx, &seen.victim, &seen.began).await {
            Ok(Some(true)) => {}
            Ok(Some(false) | None) => return Err(ToolError::changed(seen.moved())),
            // The server said no, so it did not send the signal.
            Err(error @ ToolError::Untouched { cause: Cause::Failed | Cause::Refused, .. }) => return Err(error),
            Err(error) => {
                let reason = format!("nobody knows whether process {} was told to end: {error}", args.pid);
                return Err(ToolError::uncertain(reason));
            }
        }
        let gone = is_gone(tx, args.pid, &seen.began).await;
        let Seen { victim, began, .. } = seen;
        let (user, application) = (victim.user.unwrap_or_default(), victim.application.unwrap_or_default());
        Ok(Applied::new(Output { pid: args.pid, user, application, connected_at: began, gone }, None))
    }

    fn aim(_args: &Args, seen: &Preflight) -> Vec<Value> {
        // Its number is another session's once it has ended; its id never is.
        seen.targets.iter().filter_map(|session| session.uid.as_ref()).map(|id| json!(id)).collect()
    }

    async fn probe(args: &Args, agreed: &Preflight, tx: &mut Tx<'_>) -> Result<Probe, ToolError> {
        let ends = Instant::now() + NOTICE;
        loop {
            match Self::observe(args, tx).await {
                Ok(seen) if seen.fingerprint == agreed.fingerprint => {
                    let at_rest = seen.victim.state.is_some_and(|state| state.starts_with("idle"));
                    if Instant::now() >= ends {
                        // At rest, nothing would have kept it from ending.
                        return Ok(if at_rest { Probe::Unchanged } else { Probe::Unknown });
                    }
                }
                // It is gone, or its process id is another session's: what the call would have come to.
                Ok(_) | Err(ToolError::Untouched { cause: Cause::NotFound, .. }) => return Ok(Probe::Changed),
                Err(_) => return Ok(Probe::Unknown),
            }
            tokio::time::sleep(PAUSE).await;
            tx.restart().await?;
        }
    }
}

/// Refuses what is not somebody's session in this database; gives the moment it began.
fn may_be_ended(tx: &Tx<'_>, victim: &Victim) -> Result<String, ToolError> {
    let (pid, site) = (victim.pid, &tx.site().name);
    let whose = || shown(victim.user.as_deref().unwrap_or("?"));
    if victim.own {
        return Err(ToolError::refused(format!("process {pid} is a connection of the gateway's own")));
    }
    let process = match victim.kind.as_deref() {
        // Shown to nobody who may not see the session.
        None | Some("client backend") => None,
        Some("walsender") => Some("sends changes to a replica or a subscriber"),
        Some("autovacuum worker") => Some("is an autovacuum worker, which gives way by itself"),
        Some("parallel worker") => Some("works for another session: end that one"),
        Some(_) => Some("belongs to the server itself"),
    };
    if let Some(process) = process {
        return Err(ToolError::refused(format!("process {pid} {process}: only clients' sessions are ended here")));
    }
    if !victim.here {
        let database = shown(victim.database.as_deref().unwrap_or("?"));
        return Err(ToolError::refused(format!("process {pid} works in another database, `{database}`"))
            .with_next("name the target that database is configured as"));
    }
    if victim.superuser && !victim.allowed {
        return Err(ToolError::refused(format!("process {pid} is a session of the superuser `{}`", whose())));
    }
    let Some(began) = victim.began.clone().filter(|_| victim.allowed) else {
        let reason =
            format!("`{}` may not see or end the sessions of `{}` on `{site}`", shown(&tx.server.user), whose());
        return Err(ToolError::refused(reason).with_next(format!(
            "a person who administers the database can make it a member of `{}`, or of pg_signal_backend and \
             pg_read_all_stats",
            whose()
        )));
    };
    Ok(began)
}

fn findings(tx: &Tx<'_>, Seen { victim, began, .. }: &Seen) -> Findings {
    let named = |name: &Option<String>| shown(name.as_deref().filter(|name| !name.is_empty()).unwrap_or("unnamed"));
    let (user, application) = (named(&victim.user), named(&victim.application));
    let uid = format!("{}#{}@{began}", tx.server.identity(), victim.pid);
    let target = tx.site().target("postgres_session", &victim.pid.to_string(), uid);
    let summary = format!("end the session {} of `{user}` (`{application}`) in {}", victim.pid, tx.site().name);
    let query = victim.query.as_ref().map(|query| {
        let verb = if victim.state.as_deref() == Some("active") { "runs" } else { "ran last" };
        Evidence::seen(About::State, format!("it {verb}: {}", shown_sentence(query)), "pg_stat_activity")
    });
    let waiting = (!victim.blocks.is_empty()).then(|| {
        let pids: Vec<String> = victim.blocks.iter().map(ToString::to_string).collect();
        let what = format!("{} for it: {}", count_waiting(victim.blocks.len()), pids.join(", "));
        Evidence::seen(About::Dependents, what, "pg_blocking_pids()")
    });
    let what = match (victim.transaction_seconds, victim.has_changed) {
        (None, _) => "no transaction is open: nothing is lost but the session's own settings and temporary tables",
        (Some(_), false) => "its open transaction has changed nothing yet",
        (Some(_), true) => "what its open transaction has changed is rolled back, and its client has to do it again",
    };
    Findings::on([target], summary)
        .fact(About::State, described(victim), "pg_stat_activity")
        .facts(query)
        .fact(About::Dependents, locked(victim), "pg_locks")
        .facts(waiting)
        .fact(About::Undo, what, "pg_stat_activity")
}

fn described(victim: &Victim) -> String {
    let state = victim.state.as_deref().unwrap_or("in an unknown state");
    let age = |what: &str, age: Option<i64>| age.map(|age| format!(", {what} {}", duration(age))).unwrap_or_default();
    format!(
        "connected {} ago from {}, {state}{}{}",
        duration(victim.session_seconds.unwrap_or_default()),
        shown(victim.client.as_deref().unwrap_or("an unknown address")),
        age("its transaction is open for", victim.transaction_seconds),
        age("its last statement began before", victim.statement_seconds),
    )
}

fn locked(victim: &Victim) -> String {
    if victim.locks.is_empty() {
        return "it locks no table beyond reading".into();
    }
    let locks: Vec<String> = victim.locks.iter().map(|lock| shown_sentence(lock)).collect();
    let more =
        if victim.more_locks > 0 { format!(", and {}", count(victim.more_locks, "more lock")) } else { String::new() };
    format!("it locks {}{more}", locks.join(", "))
}

fn count_waiting(waiting: usize) -> String {
    if waiting == 1 { "1 session waits".into() } else { format!("{waiting} sessions wait") }
}

fn duration(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Finds the session again and ends it, in one statement. `None`: it is another one now, or none.
async fn tell(tx: &Tx<'_>, victim: &Victim, began: &str) -> Result<Option<bool>, ToolError> {
    let sql = "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a \
        WHERE a.pid = $1 AND a.backend_start = $2::text::timestamptz AND a.datname = pg_catalog.current_database() \
        AND a.usename::text IS NOT DISTINCT FROM $3 AND a.application_name IS NOT DISTINCT FROM $4";
    let began = began.to_owned();
    let params: &[Param<'_>] = &[
        (&victim.pid, Type::INT4),
        (&began, Type::TEXT),
        (&victim.user, Type::TEXT),
        (&victim.application, Type::TEXT),
    ];
    let broken = |error: std::io::Error| ToolError::unavailable(error.to_string());
    failpoint::pass("postgres_signal").map_err(broken)?;
    let rows = tx.rows(sql, params).await?;
    failpoint::pass("postgres_signalled").map_err(broken)?;
    rows.first().map(|row| cell(row, 0)).transpose()
}

/// Looks for the session until it is gone, for a bounded time.
async fn is_gone(tx: &mut Tx<'_>, pid: i32, began: &str) -> bool {
    let (began, ends) = (began.to_owned(), Instant::now() + TIMEOUT);
    let sql = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1 \
               AND a.backend_start = $2::text::timestamptz)";
    loop {
        // Within one transaction the server shows the same sessions again.
        if tx.restart().await.is_err() {
            return false;
        }
        match tx.value(sql, &[(&pid, Type::INT4), (&began, Type::TEXT)]).await {
            Ok(true) => return true,
            Ok(false) if Instant::now() < ends => tokio::time::sleep(PAUSE).await,
            Ok(false) | Err(_) => return false,
        }
    }
}

const VICTIM: &str = "WITH held AS MATERIALIZED (SELECT l.relation, l.mode FROM pg_catalog.pg_locks l \
     JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_database d ON d.oid = l.database \
     WHERE l.pid = $1 AND l.granted AND l.locktype = 'relation' AND l.mode <> 'AccessShareLock' \
     AND c.relkind IN ('r', 'p', 'm', 'S', 'f') AND d.datname = pg_catalog.current_database()) \
    SELECT a.pid, a.usename AS \"user\", a.application_name AS application, a.datname AS database, \
    CASE WHEN a.client_port = -1 THEN 'a local socket' ELSE pg_catalog.host(a.client_addr) END AS client, \
    a.backend_type AS kind, a.backend_start::text AS began, a.state, \
    pg_catalog.date_part('epoch', t.now - a.backend_start)::int8 AS session_seconds, \
    pg_catalog.date_part('epoch', t.now - a.xact_start)::int8 AS transaction_seconds, \
    pg_catalog.date_part('epoch', t.now - a.query_start)::int8 AS statement_seconds, \
    CASE WHEN a.query NOT IN ('<insufficient privilege>', '') THEN pg_catalog.left(a.query, 500) END AS query, \
    a.backend_xid IS NOT NULL AS has_changed, \
    a.datname IS NOT DISTINCT FROM pg_catalog.current_database() AS here, \
    a.application_name = $2 OR a.pid = pg_catalog.pg_backend_pid() AS own, \
    COALESCE(me.rolsuper OR (NOT whose.rolsuper AND (pg_catalog.pg_has_role(whose.oid, 'USAGE') \
     OR pg_catalog.pg_has_role('pg_signal_backend'::name, 'USAGE'))), false) AS allowed, \
    COALESCE(whose.rolsuper, false) AS superuser, \
    ARRAY(SELECT pg_catalog.concat(l.relation::pg_catalog.regclass::text, ' (', l.mode, ')') FROM held l \
     ORDER BY l.mode DESC, 1 LIMIT 10) AS locks, \
    GREATEST((SELECT pg_catalog.count(*) FROM held) - 10, 0) AS more_locks, \
    ARRAY(SELECT w.pid FROM pg_catalog.pg_stat_activity w WHERE w.pid <> a.pid AND w.wait_event_type = 'Lock' \
     AND a.pid = ANY (pg_catalog.pg_blocking_pids(w.pid)) ORDER BY w.pid LIMIT 20) AS blocks \
    FROM pg_catalog.pg_stat_activity a CROSS JOIN (SELECT pg_catalog.clock_timestamp()) AS t (now) \
    JOIN pg_catalog.pg_roles me ON me.rolname = current_user LEFT JOIN pg_catalog.pg_roles whose ON whose.oid = a.usesysid \
    WHERE a.pid = $1";
