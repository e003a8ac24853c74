//! Which database a connection leads to.

/// Which database answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    /// `system_identifier` of the cluster: made by `initdb`, kept by its replicas and physical copies.
    pub system: String,
    /// The database's name.
    pub database: String,
    /// The database's oid.
    pub oid: u32,
    /// `server_version_num`.
    pub version: i32,
    /// Who the session is.
    pub user: String,
    /// The role may bound how much a read writes to the server's disk, and nobody has bounded it as tightly.
    pub bounds_files: bool,
}

impl Server {
    /// What a target is pinned to.
    pub(crate) fn identity(&self) -> String {
        format!("pg:{}/{}", self.system, self.database)
    }
}
