//! One database of the test cluster as a configured target, looked at by other means than the tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::contract::{
    Access, Configured, Environment, Lease, Limits, Outcome, Preflight, Secret, Tier, Tool, ToolError, Toolset as _,
};
use crate::toolsets::postgres::Postgres;

thread_local! {
    /// Every test has a thread of its own, also where all tests are one process.
    static OWN: &'static Cluster = started();
}

fn own_cluster() -> &'static Cluster {
    OWN.with(|cluster| *cluster)
}

fn started() -> &'static Cluster {
    let cluster = Cluster::start("").unwrap_or_else(|error| panic!("PostgreSQL does not start: {error}"));
    Box::leak(Box::new(cluster))
}

/// A database with its roles.
pub(super) struct Ground {
    /// The server.
    pub cluster: &'static Cluster,
    /// The database's name.
    pub database: String,
    /// The role that changes.
    pub role: String,
    /// The role that reads.
    pub reader: String,
    /// How much a call may take.
    pub limits: Limits,
    configured: Arc<Configured>,
}

/// The target `orders`, whose tries may take as long as these keys say.
pub(super) fn configured(patient: &[&str]) -> Arc<Configured> {
    let patient = patient.iter().map(|key| ((*key).to_owned(), toml::Value::Integer(60_000)));
    let settings = Postgres::new().settings(patient.collect(), std::path::Path::new("/")).unwrap();
    let environment = Environment { name: "staging".into(), tier: Tier::Staging };
    let (name, kind, environments) = ("orders".into(), "postgres".into(), BTreeMap::new());
    Arc::new(Configured { name, kind, environment, environments, settings })
}

impl Ground {
    /// A database made by this script, used as the superuser.
    pub(super) fn superuser(script: &str) -> Self {
        Self::on(Cluster::shared(), script, "postgres", "postgres")
    }

    /// A database owned by a role that is nothing more, with another one that may only read it.
    pub(super) fn roles(script: &str) -> Self {
        Self::with_roles(Cluster::shared(), script)
    }

    /// The same on a server that no other test uses: for those that compare all of it.
    pub(super) fn roles_apart(script: &str) -> Self {
        Self::with_roles(own_cluster(), script)
    }

    /// As [`Ground::superuser`], on a server that no other test uses.
    pub(super) fn superuser_apart(script: &str) -> Self {
        Self::on(own_cluster(), script, "postgres", "postgres")
    }

    fn with_roles(cluster: &'static Cluster, script: &str) -> Self {
        let (owner, reader) = (cluster.name("owner"), cluster.name("reader"));
        cluster.sql(
            "postgres",
            &format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {reader} LOGIN IN ROLE pg_read_all_data"),
        );
        Self::on(cluster, script, &owner, &reader)
    }

    /// A database of a server of its own, used as the superuser.
    pub(super) fn alone() -> Self {
        Self::on(started(), "", "postgres", "postgres")
    }

    fn on(cluster: &'static Cluster, script: &str, role: &str, reader: &str) -> Self {
        Self::in_database(cluster, cluster.database(), script, role, reader)
    }

    /// An existing database of a server, used as the superuser.
    pub(super) fn existing(cluster: &'static Cluster, database: String, script: &str) -> Self {
        Self::in_database(cluster, database, script, "postgres", "postgres")
    }

    fn in_database(cluster: &'static Cluster, database: String, script: &str, role: &str, reader: &str) -> Self {
        if role != "postgres" {
            cluster.sql("postgres", &format!("ALTER DATABASE {database} OWNER TO {role}"));
            cluster.sql(&database, &format!("GRANT ALL ON SCHEMA public TO {role}"));
        }
        let made = cluster.try_sql(role, &database, script);
        made.unwrap_or_else(|error| panic!("{script}: {error}"));
        // Machines that run tests are busy: only the tests of it go by how long a try may take.
        let configured = configured(&["trial_ms", "lock_ms"]);
        let (role, reader) = (role.to_owned(), reader.to_owned());
        Self { cluster, database, role, reader, limits: Limits::default(), configured }
    }

    /// The same with settings of its own.
    pub(super) fn with(mut self, settings: toml::Table) -> Self {
        let settings = Postgres::new().settings(settings, std::path::Path::new("/")).unwrap();
        self.configured = Arc::new(Configured { settings, ..(*self.configured).clone() });
        self
    }

    /// The configured target.
    pub(super) fn target(&self) -> Arc<Configured> {
        Arc::clone(&self.configured)
    }

    /// The secret that is lent for this access.
    pub(super) fn secret(&self, access: Access) -> Arc<Secret> {
        let role = if access == Access::Read { &self.reader } else { &self.role };
        Arc::new(Secret::new(self.cluster.url(role, &self.database)))
    }

    /// A lease, as the broker would lend it.
    pub(super) fn lend(&self, access: Access) -> Lease {
        Lease::new(access, self.target(), Some(self.secret(access)), self.limits)
    }

    /// Runs a script as the superuser, behind the tools' back.
    pub(super) fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.database, sql)
    }

    /// Looks, as the gateway does.
    pub(super) async fn look(&self, tool: &str, mut args: Value) -> Result<Preflight, ToolError> {
        args["target"] = json!("orders");
        let tool = find(tool);
        let access = if tool.declaration().mutates() { Access::Trial } else { Access::Read };
        tool.preflight(&args, &self.lend(access)).await
    }

    /// Looks and executes, as the gateway does for a permitted call.
    pub(super) async fn call(&self, tool: &str, mut args: Value) -> Result<Outcome, ToolError> {
        let seen = self.look(tool, args.clone()).await?;
        args["target"] = json!("orders");
        let tool = find(tool);
        let access = if tool.declaration().mutates() { Access::Write } else { Access::Read };
        tool.execute(&args, &seen, &self.lend(access)).await
    }
}

/// A tool by name.
pub(super) fn find(name: &str) -> Arc<dyn Tool> {
    Postgres::new().tools().into_iter().find(|tool| tool.declaration().name == name).expect("a tool of that name")
}
