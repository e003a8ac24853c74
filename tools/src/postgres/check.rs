//! Looking at a database as a whole, for `targets check`: what it is, and what its role could do that it should not.

use super::session::{Mode, Session};
use crate::contract::{Access, Lease, TargetReport, ToolError};
use crate::text::{count, shown, size};

/// What the database says it is, and what a careful operator should know.
pub(super) async fn check(lease: &Lease) -> Result<TargetReport, ToolError> {
    let mut session = Session::open(lease).await?;
    let server = session.server.clone();
    let open = session.is_in_the_open();
    let tx = session.begin(Mode::ReadOnly).await?;
    let rows = tx.rows(WHAT, &[]).await?;
    let row = rows.first().ok_or_else(|| ToolError::unavailable("the server gave no row where one is certain"))?;
    let get = |error: tokio_postgres::Error| ToolError::failed(error.to_string());
    let (version, tables): (String, i64) = (row.try_get(0).map_err(get)?, row.try_get(1).map_err(get)?);
    let (bytes, replica): (i64, bool) = (row.try_get(2).map_err(get)?, row.try_get(3).map_err(get)?);
    let summary = format!(
        "PostgreSQL {}, database `{}`, role `{}`, {}, {}{}",
        shown(version.split(' ').next().unwrap_or_default()),
        shown(&server.database),
        shown(&server.user),
        count(tables.unsigned_abs(), "table"),
        size(bytes.unsigned_abs()),
        if replica { ", a replica" } else { "" },
    );
    let mut warnings = Vec::new();
    let role = shown(&server.user);
    let reads = lease.access() == Access::Read;
    let powers = tx.rows(POWERS, &[]).await?;
    for row in &powers {
        let power: String = row.try_get(0).map_err(get)?;
        warnings.push(format!("the role `{role}` {power}: give the gateway a role that cannot"));
    }
    let owned: i64 = tx.value(OWNED, &[]).await?;
    if reads && owned > 0 {
        warnings.push(format!(
            "the role `{role}` owns {} it only reads: give reads a role of their own with \
                               `read_secret`",
            count(owned.unsigned_abs(), "relation")
        ));
    }
    if open {
        warnings
            .push("the server's certificate is not verified: add `sslmode=verify-full` to the connection URL".into());
    }
    tx.rollback().await?;
    Ok(TargetReport { identity: server.identity(), summary, warnings })
}

const WHAT: &str = "SELECT pg_catalog.current_setting('server_version'), \
    (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'), \
    pg_catalog.pg_database_size(pg_catalog.current_database()), pg_catalog.pg_is_in_recovery()";

/// What reaches beyond rows: attributes of the role, and memberships that act on the server itself.
const POWERS: &str = "SELECT p.power FROM pg_catalog.pg_roles r, LATERAL (VALUES \
    (r.rolsuper, 'is a superuser'), (r.rolcreaterole, 'may create roles'), (r.rolcreatedb, 'may create databases'), \
    (r.rolreplication, 'may replicate'), (r.rolbypassrls, 'passes over row security')) AS p (has, power) \
    WHERE r.rolname = session_user AND p.has \
    UNION ALL SELECT 'is a member of `' || m.rolname || '`' FROM pg_catalog.pg_roles m \
    WHERE m.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files', \
     'pg_signal_backend', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription', 'pg_write_all_data') \
    AND pg_catalog.pg_has_role(session_user, m.oid, 'MEMBER') \
    AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user)";

const OWNED: &str = "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE r.rolname = session_user AND NOT r.rolsuper \
    AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT LIKE 'pg\\_%'";
