//! A connection lent to one call, and the transactions it runs there. Everything waits no longer than the call's deadline;
//! a call that is cut off stops its statement on the server.

pub(super) mod address;
mod clock;
mod flood;
pub(super) mod link;
mod lost;
pub(super) mod metered;
pub(super) mod pool;
mod server;
mod site;
mod slow;
mod trial;
pub(super) mod trouble;
mod turn;
mod under_way;
pub(super) mod unreachable;
mod vouched;
mod written;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Portal, Row, Statement, Transaction};

use crate::contract::{About, Evidence, Lease, Target, ToolError};
use crate::failpoint;
use crate::text::{shown, shown_sentence};
use clock::Clock;
use link::Connection;
use pool::{Lent, Pool, Pools};
pub(crate) use server::Server;
pub(crate) use site::{Site, dotted, dotted_part};
pub(crate) use slow::Slow;
pub(crate) use turn::{Turn, Turns};
pub(crate) use under_way::is_over;
use unreachable::Unreachable;
pub(crate) use vouched::Vouched;

/// One target's own settings, with its open connections.
pub(crate) struct Settings {
    /// The most connections at once for one credential.
    pub connections: usize,
    /// Those that are open.
    pub pools: Pools,
    /// Functions that an operator takes for harmless.
    pub vouched: Arc<[Vouched]>,
    /// How long a try may hold locks, all in all.
    pub trial: Duration,
    /// How long a change that nobody need be asked about may lock a whole table.
    pub lock: Duration,
    /// Whose turn it is to try something out.
    pub turns: Arc<Turns>,
    /// Changes that locked a table for too long.
    pub slow: Slow,
}

/// How long a change waits for somebody else's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for a look: nobody's work is to queue behind a question.
const PATIENCE_OF_A_LOOK: Duration = Duration::from_secs(1);

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Reading one state of everything.
    ReadOnly,
    /// Trying a change out: it cannot be committed, and waits for locks only briefly.
    Trial,
    /// Changing.
    Change,
}

/// A connection for one call.
pub(crate) struct Session {
    /// What it works on.
    pub site: Site,
    /// For whom, in whose turn.
    user: Arc<str>,
    /// The server, as it calls itself.
    pub server: Server,
    pool: Arc<Pool>,
    lent: Option<Lent>,
    ends: Instant,
    busy: Arc<AtomicBool>,
    /// A look's turn at trying something out.
    turn: Option<Arc<Turn>>,
}

const WHO: &str = "SELECT s.system_identifier::text, d.datname::text, d.oid, \
                   pg_catalog.current_setting('server_version_num')::int4, session_user::text \
                   FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d \
                   WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()";

/// How much a read may write to the server's disk while it sorts and joins, in kilobytes.
const FILES_OF_A_READ: i64 = 1 << 20;

/// What is set now in kilobytes, or -1, where the role may set it.
const FILES: &str = "SELECT CASE WHEN pg_catalog.has_parameter_privilege('temp_file_limit', 'SET') THEN \
    (SELECT s.setting::int8 FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'temp_file_limit') END";

const FILES_BEFORE_15: &str = "SELECT CASE WHEN r.rolsuper THEN \
    (SELECT s.setting::int8 FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'temp_file_limit') END \
    FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user";

impl Session {
    /// A clean connection to the lease's target.
    ///
    /// # Errors
    /// `Untouched`: the credential is none, or the server cannot be reached in time.
    pub(crate) async fn open(lease: &Lease) -> Result<Self, ToolError> {
        let (target, limits) = (lease.target(), *lease.limits());
        let settings = lease.settings::<Settings>()?;
        let site = Site {
            name: target.name.clone(),
            environment: target.environment.clone(),
            access: lease.access(),
            limits,
            vouched: Arc::clone(&settings.vouched),
            trial: settings.trial,
            lock: settings.lock,
        };
        let secret = lease.secret().ok_or_else(|| {
            ToolError::unavailable(format!("there is no credential for `{}`", site.name))
                .with_next(format!("set `secret` of `[targets.{}]`", site.name))
        })?;
        let pool = settings.pools.of(secret, settings.connections).map_err(|reason| {
            ToolError::unavailable(format!("the secret of `{}` {reason}", site.name))
                .with_next("correct what `secret` or `read_secret` of the target refers to")
        })?;
        let ends = Instant::now() + limits.deadline;
        let unreachable = |why: Unreachable| {
            let reason = shown_sentence(&why.reason);
            let error = ToolError::unavailable(format!("cannot connect to `{}`: {reason}", site.name));
            why.next.into_iter().fold(error, ToolError::with_next)
        };
        let lent = match tokio::time::timeout_at(ends.into(), pool.get(lease.user())).await {
            Ok(lent) => lent.map_err(unreachable)?,
            Err(_) => return Err(unreachable(format!("no answer within {:?}", limits.deadline).into())),
        };
        let user = Arc::from(lease.user());
        let mut session = Self {
            site,
            user,
            server: Server::default(),
            pool,
            lent: Some(lent),
            ends,
            busy: Arc::default(),
            turn: None,
        };
        session.server = session.who().await?;
        Ok(session)
    }

    /// Which database answers on this connection: asked once, since a connection stays with the one it was opened to.
    async fn who(&mut self) -> Result<Server, ToolError> {
        if let Some(known) = self.lent.as_ref().and_then(|lent| lent.connection.server.clone()) {
            return Ok(known);
        }
        let server = self.ask_who().await?;
        if let Some(lent) = &mut self.lent {
            lent.connection.server = Some(server.clone());
        }
        Ok(server)
    }

    /// The same, asked anew.
    pub(crate) async fn ask_who(&mut self) -> Result<Server, ToolError> {
        let tx = self.begin(Mode::ReadOnly).await?;
        let rows = tx.rows(WHO, &[]).await?;
        let row = rows.first().ok_or_else(|| ToolError::unavailable("the server does not say who it is"))?;
        // Before PostgreSQL 15 only a superuser could be allowed to.
        let version: i32 = row.try_get(3).unwrap_or_default();
        let files: Option<i64> = tx.value(if version >= 150_000 { FILES } else { FILES_BEFORE_15 }, &[]).await?;
        tx.rollback().await?;
        let cell = |at| row.try_get::<_, String>(at).unwrap_or_default();
        Ok(Server {
            system: cell(0),
            database: cell(1),
            oid: row.try_get(2).unwrap_or_default(),
            version,
            user: cell(4),
            bounds_files: files.is_some_and(|set| !(0..=FILES_OF_A_READ).contains(&set)),
        })
    }

    /// Whether what is said to the server may be read or changed on the way.
    pub(crate) fn is_in_the_open(&self) -> bool {
        self.pool.address.is_in_the_open()
    }

    /// The database as a target.
    pub(crate) fn database(&self) -> Target {
        self.site.target("postgres_database", "", self.server.identity())
    }

    /// Which database this really is: a name is not an environment.
    pub(crate) fn whereabouts(&self) -> Evidence {
        let what = format!(
            "in database `{}` of cluster {} (PostgreSQL {}), configured as `{}`",
            shown(&self.server.database),
            shown(&self.server.system),
            self.server.version / 10_000,
            shown(&self.site.environment.name),
        );
        Evidence::seen(About::Boundary, what, "pg_control_system()")
    }

    /// Starts a transaction. What it is not ended with is rolled back.
    ///
    /// # Errors
    /// `Untouched`: the server did not start one, or the lease does not allow a change.
    pub(crate) async fn begin(&mut self, mode: Mode) -> Result<Tx<'_>, ToolError> {
        if mode == Mode::Change {
            self.site.require_write()?;
        }
        let Self { site, lent, ends, busy, server, turn, pool, .. } = self;
        let Some(lent) = lent else { return Err(ToolError::unavailable("the connection is gone")) };
        let Connection { client, meter, .. } = &mut lent.connection;
        let clock = Clock { changes: mode == Mode::Change, ..Clock::new(site, *ends, busy, meter) };
        let builder = client.build_transaction().read_only(mode == Mode::ReadOnly);
        let builder = match mode {
            Mode::ReadOnly => builder.isolation_level(tokio_postgres::IsolationLevel::RepeatableRead),
            Mode::Trial | Mode::Change => builder,
        };
        let inner = clock.over(builder.start()).await?;
        let in_turn = turn.as_deref().map(|turn| (turn, &*pool));
        let tx = Tx { inner, mode, clock, server, in_turn, shown: AtomicBool::new(false) };
        tx.run(&settings(mode, tx.clock.left())).await?;
        if mode == Mode::ReadOnly && tx.server.bounds_files {
            tx.run(&format!("SET LOCAL temp_file_limit = {FILES_OF_A_READ}")).await?;
        }
        Ok(tx)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(lent) = self.lent.take() else { return };
        if self.busy.load(Ordering::Relaxed) {
            // Cut off in the middle: the statement is stopped, and the connection closed with whatever it was doing.
            lent.connection.cancel.clone().send();
        } else if !lent.connection.client.is_closed() {
            Arc::clone(&self.pool).give_back(lent);
        }
    }
}

/// What a transaction runs under. The text forms of values follow these, so they are set and not left to a role.
fn settings(mode: Mode, left: Duration) -> String {
    let locks = if mode == Mode::Change { PATIENCE } else { PATIENCE_OF_A_LOOK }.min(left).as_millis().max(1);
    let left = left.as_millis().max(1);
    format!(
        "SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {locks}; \
         SET LOCAL idle_in_transaction_session_timeout = {left}; SET LOCAL TimeZone = 'UTC'; \
         SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex'; \
         SET LOCAL extra_float_digits = 1; SET LOCAL xmlbinary = 'base64'; \
         SET LOCAL standard_conforming_strings = on; SET LOCAL backslash_quote = safe_encoding"
    )
}

/// A parameter with its type: statements with those need one round trip.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// A running transaction.
pub(crate) struct Tx<'a> {
    inner: Transaction<'a>,
    mode: Mode,
    clock: Clock<'a>,
    /// Others can see that it is under way.
    shown: AtomicBool,
    /// A look's turn, with what opens another connection.
    in_turn: Option<(&'a Turn, &'a Arc<Pool>)>,
    /// The server it runs on.
    pub server: &'a Server,
}

/// How a commit ended, where it did not succeed.
pub(crate) enum Unsure {
    /// Nothing was changed.
    No(ToolError),
    /// The server's answer was lost after COMMIT was sent.
    Lost(String),
}

impl<'a> Tx<'a> {
    /// What the call works on.
    pub(crate) fn site(&self) -> &'a Site {
        self.clock.site
    }

    /// Runs one of our own statements with typed parameters and gives all of its rows, by the extended protocol.
    pub(crate) async fn rows(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, ToolError> {
        let params: Vec<_> = params.iter().map(|(value, kind)| (*value, kind.clone())).collect();
        self.clock.over(self.inner.query_typed(sql, &params)).await
    }

    /// The single value of a statement of ours.
    pub(crate) async fn value<T>(&self, sql: &str, params: &[Param<'_>]) -> Result<T, ToolError>
    where
        T: for<'r> tokio_postgres::types::FromSql<'r>,
    {
        let rows = self.rows(sql, params).await?;
        let row = rows.first().ok_or_else(|| ToolError::failed("the server gave no row where one is certain"))?;
        row.try_get(0).map_err(|error| ToolError::failed(error.to_string()))
    }

    /// Runs statements of ours that give no rows, by the simple protocol. Never text from outside.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), ToolError> {
        self.clock.over(self.inner.batch_execute(sql)).await
    }

    /// Prepares a statement from outside: the extended protocol takes exactly one.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<Statement, ToolError> {
        self.clock.over(self.inner.prepare(sql)).await
    }

    /// Binds parameters to a prepared statement.
    pub(crate) async fn bind(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Portal, ToolError> {
        self.clock.over(self.inner.bind(statement, params)).await
    }

    /// The next rows of a bound statement, at most so many.
    pub(crate) async fn page(&self, portal: &Portal, most: i32) -> Result<Vec<Row>, ToolError> {
        self.clock.over(self.inner.query_portal(portal, most)).await
    }

    /// Runs a prepared statement to its end and counts the rows it touched.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, ToolError> {
        self.clock.over(self.inner.execute(statement, params)).await
    }

    /// This transaction's id, for asking later what became of it.
    pub(crate) async fn id(&self) -> Result<String, ToolError> {
        let sql = "SELECT pg_catalog.concat(pg_catalog.pg_current_xact_id(), '@', checkpoint_lsn) \
            FROM pg_catalog.pg_control_checkpoint()";
        self.value(sql, &[]).await
    }

    /// Takes everything back.
    pub(crate) async fn rollback(self) -> Result<(), ToolError> {
        let Self { inner, mut clock, .. } = self;
        // A server that is still at work is not waited for: dropping the session stops it.
        if clock.busy.load(Ordering::Relaxed) {
            return Err(trouble::too_long(clock.site));
        }
        (clock.lets_go, clock.flood) = (OnceLock::new(), OnceLock::new());
        clock.over(inner.rollback()).await
    }

    /// Keeps everything, telling "it did not happen" from "nobody knows". Use [`Session::was_committed`] on the latter.
    pub(crate) async fn commit(self) -> Result<(), Unsure> {
        let Self { inner, mut clock, mode, shown, .. } = self;
        if mode != Mode::Change {
            return Err(Unsure::No(ToolError::refused("what is only tried cannot be kept")));
        }
        if !shown.into_inner() {
            return Err(Unsure::No(ToolError::refused("nobody could see that this change is under way")));
        }
        if let Err(error) = clock.site.require_write() {
            return Err(Unsure::No(error));
        }
        if clock.left().is_zero() {
            return Err(Unsure::No(trouble::too_long(clock.site)));
        }
        // What is to be kept is decided: its answer has the call's time.
        clock.lets_go = OnceLock::new();
        // Told to fail, the connection breaks: before COMMIT has reached the server, or before its answer has come back.
        failpoint::pass("postgres_commit").map_err(|error| Unsure::Lost(error.to_string()))?;
        match clock.raw(inner.commit()).await {
            Ok(()) => failpoint::pass("postgres_committed").map_err(|error| Unsure::Lost(error.to_string())),
            Err(Some(error)) if trouble::is_an_answer(&error) => Err(Unsure::No(trouble::explain(clock.site, &error))),
            Err(Some(error)) => Err(Unsure::Lost(trouble::words(&error))),
            Err(None) => Err(Unsure::Lost("no answer in time".into())),
        }
    }
}
