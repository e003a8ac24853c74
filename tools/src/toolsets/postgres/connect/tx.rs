//! The transaction of a call: what is asked in it, and how it ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Portal, Row, Statement, Transaction};

use super::clock::Clock;
use super::pool::Pool;
use super::{FILES_OF_A_READ, Mode, Server, Site, Slow, Turn, settings, trouble};
use crate::contract::{About, Digest, Evidence, Target, ToolError, Unsure};
use crate::failpoint;
use crate::text::shown;

/// A parameter with its type: statements with those need one round trip.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// A running transaction.
pub(crate) struct Tx<'a> {
    pub(super) inner: Transaction<'a>,
    pub(super) mode: Mode,
    /// All of it sees one state.
    pub(super) isolated: bool,
    pub(super) clock: Clock<'a>,
    /// The fingerprint that was decided on, in the transaction of a change.
    pub(super) agreed: Option<Digest>,
    /// Others can see that it is under way.
    pub(super) shown: AtomicBool,
    /// Its turn, with what opens another connection.
    pub(super) in_turn: Option<(&'a Turn, &'a Arc<Pool>)>,
    pub(super) slow: &'a Slow,
    pub(super) id: OnceLock<String>,
    /// The server it runs on.
    pub server: &'a Server,
}

impl<'a> Tx<'a> {
    /// What the call works on.
    pub(crate) fn site(&self) -> &'a Site {
        self.clock.site
    }

    /// What was decided on, where this is the change.
    pub(crate) const fn agreed(&self) -> Option<Digest> {
        self.agreed
    }

    /// Whether this is the change that was decided on: what it observes, it locks.
    pub(crate) const fn is_change(&self) -> bool {
        self.agreed.is_some()
    }

    /// The database as a target.
    pub(crate) fn database(&self) -> Target {
        self.site().target("postgres_database", "", self.server.identity())
    }

    /// Which database this really is: a name is not an environment.
    pub(crate) fn whereabouts(&self) -> Evidence {
        let what = format!(
            "in database `{}` of cluster {} (PostgreSQL {}), configured as `{}`",
            shown(&self.server.database),
            shown(&self.server.system),
            self.server.version / 10_000,
            shown(&self.site().environment.name),
        );
        Evidence::seen(About::Boundary, what, "pg_control_system()")
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
        if let Some(known) = self.id.get() {
            return Ok(known.clone());
        }
        let sql = "SELECT pg_catalog.concat(pg_catalog.pg_current_xact_id(), '@', checkpoint_lsn) \
            FROM pg_catalog.pg_control_checkpoint()";
        let id: String = self.value(sql, &[]).await?;
        Ok(self.id.get_or_init(|| id).clone())
    }

    /// What it runs under, behind what comes before it.
    pub(super) async fn set_up(&self, before: &str) -> Result<(), ToolError> {
        let mut sql = format!("{before}{}", settings(self.mode, self.clock.left()));
        if self.mode == Mode::ReadOnly && self.server.bounds_files {
            sql += &format!("; SET LOCAL temp_file_limit = {FILES_OF_A_READ}");
        }
        self.run(&sql).await
    }

    /// Takes everything back and begins anew, as it was begun.
    pub(crate) async fn restart(&mut self) -> Result<(), ToolError> {
        self.at_rest()?;
        self.lift_bounds();
        (self.id, self.shown) = (OnceLock::new(), AtomicBool::new(false));
        // Said anew: where it has failed, what it was begun with is not known to the server any more.
        let level = if self.isolated { "ISOLATION LEVEL REPEATABLE READ, " } else { "" };
        let access = if self.mode == Mode::ReadOnly { "READ ONLY" } else { "READ WRITE" };
        self.set_up(&format!("ROLLBACK; START TRANSACTION {level}{access}; ")).await?;
        match self.agreed.filter(|_| self.mode == Mode::Change) {
            Some(agreed) => self.show_under_way(agreed).await,
            None => Ok(()),
        }
    }

    /// Takes everything back. A try that was given up is taken back whatever the server answers: its connection goes with it.
    pub(crate) async fn rollback(mut self) -> Result<(), ToolError> {
        self.note_if_slow();
        let gave_up = self.mode == Mode::Trial && self.gave_up().is_some();
        let ended = match self.at_rest() {
            Ok(()) => {
                self.lift_bounds();
                self.count_written().await;
                self.clock.over(self.inner.rollback()).await
            }
            Err(error) => Err(error),
        };
        if gave_up { Ok(()) } else { ended }
    }

    /// A server that is still at work is not waited for: dropping the session stops it.
    fn at_rest(&self) -> Result<(), ToolError> {
        if self.clock.busy.load(Ordering::Relaxed) { Err(trouble::too_long(self.clock.site)) } else { Ok(()) }
    }

    /// What holds no locks any more, or is to be kept, has the call's time.
    fn lift_bounds(&mut self) {
        (self.clock.lets_go, self.clock.flood) = (OnceLock::new(), OnceLock::new());
    }

    /// Keeps everything, telling "it did not happen" from "nobody knows". Use [`Session::was_committed`] on the latter.
    pub(crate) async fn commit(mut self) -> Result<(), Unsure> {
        if self.mode == Mode::ReadOnly && self.is_change() {
            // What it did is none of the database's rows or things.
            return Ok(());
        }
        if self.mode != Mode::Change {
            return Err(Unsure::No(ToolError::refused("what is only tried cannot be kept")));
        }
        if !self.shown.load(Ordering::Relaxed) {
            return Err(Unsure::No(ToolError::refused("nobody could see that this change is under way")));
        }
        self.clock.site.require_write().map_err(Unsure::No)?;
        let receipt = match self.id().await {
            Ok(receipt) => receipt,
            Err(error) => {
                self.note_if_slow();
                return Err(Unsure::No(error));
            }
        };
        if self.clock.left().is_zero() {
            return Err(Unsure::No(trouble::too_long(self.clock.site)));
        }
        self.lift_bounds();
        let Self { inner, clock, in_turn, .. } = self;
        let lost = |reason| Unsure::Lost { receipt: receipt.clone(), reason };
        // Told to fail, the connection breaks: before COMMIT has reached the server, or before its answer has come back.
        failpoint::pass("postgres_commit").map_err(|error| lost(error.to_string()))?;
        match clock.raw(inner.commit()).await {
            Ok(()) => failpoint::pass("postgres_committed").map_err(|error| lost(error.to_string()))?,
            Err(Some(error)) if trouble::is_an_answer(&error) => {
                return Err(Unsure::No(trouble::explain(clock.site, &error)));
            }
            Err(Some(error)) => return Err(lost(trouble::words(&error))),
            Err(None) => return Err(lost("no answer in time".into())),
        }
        if let Some((turn, _)) = in_turn {
            turn.keeps();
        }
        Ok(())
    }
}
