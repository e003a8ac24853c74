//! How the tools of this set reach a database: a connection lent to one call, and one transaction on it, which is rolled back
//! unless it is the change that was decided on.

use async_trait::async_trait;

use crate::contract::{Evidence, Kind, Lease, Purpose, ToolError, Unsure, Waiting};
use crate::toolsets::postgres::connect::{Mode, Session, Tx};

/// PostgreSQL databases.
pub(crate) struct Databases;

#[async_trait]
impl Kind for Databases {
    const NAME: &'static str = "postgres";
    const CREDENTIAL: Option<&'static str> = Some("a connection URL");
    const TARGET: &'static str = "The configured database.";
    const BLOCKS: bool = false;

    type Conn = Session;
    type Tx<'c> = Tx<'c>;

    async fn connect(lease: &Lease, _waiting: Waiting) -> Result<Session, ToolError> {
        Session::open(lease).await
    }

    async fn begin<'c>(session: &'c mut Session, purpose: Purpose<'_>) -> Result<Tx<'c>, ToolError> {
        match purpose {
            Purpose::Look => session.begin(Mode::ReadOnly).await,
            Purpose::Trial | Purpose::Probe => session.begin(Mode::Trial).await,
            Purpose::Change(agreed) => session.begin_change(agreed.fingerprint).await,
        }
    }

    fn whereabouts(tx: &Tx<'_>) -> Evidence {
        tx.whereabouts()
    }

    async fn roll_back(tx: Tx<'_>) -> Result<(), ToolError> {
        tx.rollback().await
    }

    async fn commit(tx: Tx<'_>) -> Result<(), Unsure> {
        tx.commit().await
    }

    async fn was_committed(session: &mut Session, receipt: &str) -> Option<bool> {
        session.was_committed(receipt).await
    }
}
