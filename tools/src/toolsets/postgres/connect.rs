//! A connection lent to one call, and the transactions it runs there. Everything waits no longer than the call's deadline;
//! a call that is cut off stops its statement on the server.

pub(super) mod address;
mod clock;
mod flood;
mod in_turn;
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
mod tx;
mod under_way;
pub(super) mod unreachable;
mod vouched;
mod written;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio_postgres::IsolationLevel;

use crate::contract::{Lease, ToolError};
use crate::text::shown_sentence;
use clock::Clock;
use link::Connection;
use pool::{Lent, Pool, Pools};
pub(crate) use server::Server;
pub(crate) use site::{Site, dotted, dotted_part};
pub(crate) use slow::Slow;
pub(crate) use turn::{Turn, Turns};
pub(crate) use tx::{Param, Tx};
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
    pub slow: Arc<Slow>,
}

/// How long a change waits for somebody else's lock.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The same for a look: nobody's work is to queue behind a question.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

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

/// What the transaction of a call is like, where its purpose does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Each statement sees what was committed before it.
    #[default]
    Usual,
    /// All of it sees one state, that of its first statement.
    Isolated,
    /// It could change nothing either: a replica takes no others.
    ReadOnly,
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
    /// What its transactions are like.
    pub manner: Manner,
    turns: Arc<Turns>,
    /// Its turn at trying something out, or at locking a table unasked.
    turn: Option<Turn>,
    slow: Arc<Slow>,
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
            manner: Manner::default(),
            turns: Arc::clone(&settings.turns),
            turn: None,
            slow: Arc::clone(&settings.slow),
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

    /// Starts a transaction. What it is not ended with is rolled back.
    ///
    /// # Errors
    /// `Untouched`: the server did not start one, or the lease does not allow a change.
    pub(crate) async fn begin(&mut self, mode: Mode) -> Result<Tx<'_>, ToolError> {
        if mode == Mode::Change {
            self.site.require_write()?;
        }
        let Self { site, lent, ends, busy, server, turn, pool, manner, slow, .. } = self;
        let Some(lent) = lent else { return Err(ToolError::unavailable("the connection is gone")) };
        let Connection { client, meter, .. } = &mut lent.connection;
        let mode = if *manner == Manner::ReadOnly { Mode::ReadOnly } else { mode };
        let clock = Clock { changes: mode == Mode::Change, ..Clock::new(site, *ends, busy, meter) };
        let isolated = mode == Mode::ReadOnly || *manner == Manner::Isolated;
        let builder = client.build_transaction().read_only(mode == Mode::ReadOnly);
        let builder = if isolated { builder.isolation_level(IsolationLevel::RepeatableRead) } else { builder };
        let inner = clock.over(builder.start()).await?;
        let in_turn = turn.as_ref().map(|turn| (turn, &*pool));
        let (shown, id) = (AtomicBool::new(false), OnceLock::new());
        let tx = Tx { inner, mode, isolated, clock, agreed: None, shown, in_turn, slow, id, server };
        tx.set_up("").await?;
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
    let locks = if mode == Mode::Change { TIMEOUT } else { LOOK_TIMEOUT }.min(left).as_millis().max(1);
    let left = left.as_millis().max(1);
    format!(
        "SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {locks}; \
         SET LOCAL idle_in_transaction_session_timeout = {left}; SET LOCAL TimeZone = 'UTC'; \
         SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex'; \
         SET LOCAL extra_float_digits = 1; SET LOCAL xmlbinary = 'base64'; \
         SET LOCAL standard_conforming_strings = on; SET LOCAL backslash_quote = safe_encoding"
    )
}
