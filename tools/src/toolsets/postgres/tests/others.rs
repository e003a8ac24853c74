//! Sessions of somebody else, open at the same time.

use std::time::Duration;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::world::Ground;

/// Longer than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A session of another program.
pub(super) struct Other {
    client: Client,
    /// Its backend's.
    pub pid: i32,
}

impl Other {
    /// A session of `role` that calls itself `application`.
    pub(super) async fn connect(ground: &Ground, role: &str, application: &str) -> Self {
        let url = format!("{}?application_name={application}", ground.cluster.url(role, &ground.database));
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let pid = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        Self { client, pid }
    }

    /// Runs statements to their end.
    pub(super) async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// Runs statements, whatever comes of them.
    pub(super) async fn try_run(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, tokio_postgres::Error> {
        self.client.simple_query(sql).await
    }
}

/// Waits until a query of the superuser gives `t`.
pub(super) async fn until(ground: &Ground, sql: &str) {
    let watcher = Other::connect(ground, "postgres", "watcher").await;
    let wait = async {
        loop {
            let row = watcher.client.query_one(sql, &[]).await.unwrap();
            if row.get::<_, bool>(0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, wait).await.unwrap_or_else(|_| panic!("never true: {sql}"));
}
