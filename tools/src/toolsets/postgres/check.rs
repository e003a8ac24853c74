//! Looking at a database as a whole, for `targets check`: what it is, and what its roles could do that they should not, or
//! could not do that they should.

pub(super) mod exposed;
pub(super) mod kept;

use serde::{Deserialize, Serialize};

use super::connect::{Mode, Session, Tx};
use super::model::listing::{Room, plain_path};
use crate::contract::{Access, Lease, TargetReport, ToolError};
use crate::text::{count, grouped, shown, size};

/// The oldest version the tools are written for.
const OLDEST: i32 = 14;

/// What the database says it is, and what a careful operator should know. A lease for reading is for the role that reads,
/// any other for the role that changes.
pub(crate) async fn check(lease: &Lease) -> Result<TargetReport, ToolError> {
    let mut session = Session::open(lease).await?;
    let server = session.server.clone();
    let open = session.is_in_the_open();
    let tx = session.begin(Mode::ReadOnly).await?;
    plain_path(&tx).await?;
    let what: What = one(&tx, WHAT).await?;
    let summary = format!(
        "PostgreSQL {}, database `{}`, role `{}`, {}, {}{}",
        shown(what.version.split(' ').next().unwrap_or_default()),
        shown(&server.database),
        shown(&server.user),
        count(what.tables, "table"),
        size(what.bytes),
        if what.replica { ", a replica" } else { "" },
    );
    let role = shown(&server.user);
    let mut warnings: Vec<String> = Vec::new();
    for power in Room::of(&tx).list::<Power>(&tx, POWERS, &[]).await? {
        warnings.push(format!("the role `{role}` {}: give the gateway a role that cannot", power.power));
    }
    let may: May = one(&tx, MAY).await?;
    warnings.extend(if lease.access() == Access::Read { reads(&may, &role) } else { changes(&may, &role, &what) });
    if open {
        warnings
            .push("the server's certificate is not verified: add `sslmode=verify-full` to the connection URL".into());
    }
    warnings.extend(about_the_server(&what, server.version / 10_000));
    tx.rollback().await?;
    Ok(TargetReport { identity: server.identity(), summary, warnings })
}

async fn one<T: serde::de::DeserializeOwned + Serialize>(tx: &Tx<'_>, sql: &str) -> Result<T, ToolError> {
    let found = Room::of(tx).first(tx, sql, &[]).await?;
    found.ok_or_else(|| ToolError::unavailable("the server gave no row where one is certain"))
}

/// A role that only reads should be able to do no more.
fn reads(may: &May, role: &str) -> Vec<String> {
    let advice = "give reads a role of their own with `read_secret`";
    match (may.owned, may.changeable) {
        // Told already.
        _ if may.superuser => Vec::new(),
        (0, 0) => Vec::new(),
        (0, changeable) => {
            vec![format!(
                "the role `{role}` may change the rows of {} it only reads: {advice}",
                count(changeable, "table")
            )]
        }
        (owned, _) => vec![format!("the role `{role}` owns {} it only reads: {advice}", count(owned, "relation"))],
    }
}

/// What will be refused to the role that changes, told before somebody needs it.
fn changes(may: &May, role: &str, what: &What) -> Vec<String> {
    let mut warnings = Vec::new();
    let all = what.tables;
    let of = |some: u64| if some == 0 { "none".to_owned() } else { format!("only {}", grouped(some)) };
    if what.replica {
        warnings.push("it is a replica: changes are refused here, and belong to its primary".to_owned());
    }
    if may.changeable < all {
        let some = of(may.changeable);
        warnings
            .push(format!("the role `{role}` that changes may change the rows of {some} of {}", count(all, "table")));
    }
    if may.owned_tables < all {
        let some = of(may.owned_tables);
        let all = count(all, "table");
        warnings.push(format!(
            "the role `{role}` that changes owns {some} of {all}: only an owner may drop a table into the quarantine, or alter it"
        ));
    }
    if !may.quarantine {
        warnings.push(format!(
            "the role `{role}` that changes may not make the quarantine: grant it CREATE on the database, and let it own the \
             schema `mollyguard_trash` where there is one"
        ));
    }
    warnings
}

fn about_the_server(what: &What, version: i32) -> Vec<String> {
    let mut warnings = Vec::new();
    if version < OLDEST {
        warnings.push(format!("PostgreSQL {version} is older than {OLDEST}, the oldest that is supported"));
    }
    if !what.fsync {
        warnings.push("`fsync` is off: a crash of its machine can destroy the database".into());
    }
    if !what.full_page_writes {
        warnings.push("`full_page_writes` is off: a crash of its machine can leave pages half written".into());
    }
    if what.unvalidated > 0 {
        let keys = count(what.unvalidated, "foreign key");
        warnings.push(format!("not validated, so that older rows may point nowhere: {keys}"));
    }
    if what.kept > 0 {
        let kept = count(what.kept, "dropped relation");
        warnings.push(format!("taking up {} in the quarantine: {kept}", size(what.kept_bytes)));
    }
    warnings
}

#[derive(Serialize, Deserialize)]
struct What {
    version: String,
    tables: u64,
    bytes: u64,
    replica: bool,
    fsync: bool,
    full_page_writes: bool,
    unvalidated: u64,
    kept: u64,
    kept_bytes: u64,
}

/// Sizes by pages: the size of what is exclusively locked would be waited for.
const WHAT: &str = "SELECT pg_catalog.current_setting('server_version') AS version, \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' \
     AND n.nspname NOT LIKE 'mollyguard\\_trash%') AS tables, \
    pg_catalog.pg_database_size(pg_catalog.current_database()) AS bytes, pg_catalog.pg_is_in_recovery() AS replica, \
    pg_catalog.current_setting('fsync')::bool AS fsync, \
    pg_catalog.current_setting('full_page_writes')::bool AS full_page_writes, \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND NOT k.convalidated \
     AND k.conparentid = 0) AS unvalidated, kept.number AS kept, kept.bytes AS kept_bytes \
    FROM (SELECT pg_catalog.count(*) AS number, COALESCE(pg_catalog.sum(c.relpages), 0)::int8 \
      * pg_catalog.current_setting('block_size')::int8 AS bytes \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname LIKE 'mollyguard\\_trash%' \
     AND NOT (n.nspname = 'mollyguard_trash' AND c.relname = 'dropped')) AS kept";

#[derive(Serialize, Deserialize)]
struct Power {
    power: String,
}

/// What reaches beyond rows: attributes of the role, and memberships that act on the server itself.
const POWERS: &str = "SELECT p.power FROM pg_catalog.pg_roles r, LATERAL (VALUES \
    (r.rolsuper, 'is a superuser'), (r.rolcreaterole, 'may create roles'), (r.rolcreatedb, 'may create databases'), \
    (r.rolreplication, 'may replicate'), (r.rolbypassrls, 'passes over row security')) AS p (has, power) \
    WHERE r.rolname = session_user AND p.has \
    UNION ALL SELECT 'is a member of `' || m.rolname || '`' FROM pg_catalog.pg_roles m \
    WHERE (m.rolsuper OR m.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files', \
     'pg_signal_backend', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription', 'pg_write_all_data')) \
    AND m.rolname <> session_user AND pg_catalog.pg_has_role(session_user, m.oid, 'MEMBER') \
    AND NOT (SELECT s.rolsuper FROM pg_catalog.pg_roles s WHERE s.rolname = session_user)";

#[derive(Serialize, Deserialize)]
struct May {
    superuser: bool,
    /// Relations of any kind that it owns by itself.
    owned: u64,
    /// Tables that it owns, itself or as a member of their owner.
    owned_tables: u64,
    /// Tables of which it may change rows.
    changeable: u64,
    /// It can move tables into the quarantine.
    quarantine: bool,
}

const MAY: &str = "SELECT me.rolsuper AS superuser, \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE r.rolname = session_user AND NOT r.rolsuper \
     AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname NOT LIKE 'pg\\_%') AS owned, \
    pg_catalog.count(*) FILTER (WHERE pg_catalog.pg_has_role(t.relowner, 'USAGE')) AS owned_tables, \
    pg_catalog.count(*) FILTER (WHERE pg_catalog.has_schema_privilege(t.relnamespace, 'USAGE') \
     AND pg_catalog.has_table_privilege(t.oid, 'INSERT, UPDATE, DELETE')) AS changeable, \
    (pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') \
     AND COALESCE((SELECT pg_catalog.pg_has_role(q.nspowner, 'USAGE') FROM pg_catalog.pg_namespace q \
      WHERE q.nspname = 'mollyguard_trash'), true)) AS quarantine \
    FROM pg_catalog.pg_roles me LEFT JOIN (SELECT c.oid, c.relowner, c.relnamespace FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') \
     AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT LIKE 'mollyguard\\_trash%') AS t ON true \
    WHERE me.rolname = current_user GROUP BY me.rolsuper";
