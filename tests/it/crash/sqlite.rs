//! The calls on SQLite databases that are cut off.

use mollyguard_tests::{Result, World};
use serde_json::json;

use super::matrix::{Case, at_the_rental, table};

const COMMIT: &[(&str, &[&str])] = &[("sqlite_commit", &["kill", "fail"]), ("sqlite_committed", &["kill", "fail"])];

/// The database without the names and times of what is in the quarantine.
fn state(world: &World) -> Result<String> {
    let dump = world.dump("fleet_dev")?;
    let plain = |line: &&str| !line.contains("mollyguard_trash");
    let kept = dump.lines().filter(|line| line.starts_with("table ") && !plain(line)).count();
    let lines: Vec<_> = dump.lines().filter(plain).collect();
    // The quarantine's own list stays once it is made, with or without entries.
    Ok(format!("{}\nin the quarantine: {}", lines.join("\n"), kept.saturating_sub(1)))
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name, tool, args, undo| Case {
        name,
        tool,
        args,
        ground: at_the_rental,
        types: "bookings",
        undo,
        state,
        places: COMMIT,
        only: None,
    };
    let delete = json!({"target": "fleet_dev", "sql": "DELETE FROM bookings WHERE id > 3"});
    let table = json!({"target": "fleet_dev", "table": "bookings"});
    let read = json!({"target": "fleet_dev", "sql": "SELECT count(*) FROM bookings"});
    vec![
        Case { places: &[], ..case("sqlite_query", "sqlite_query", read, false) },
        case("sqlite_write", "sqlite_write", delete.clone(), false),
        case("sqlite_drop_table", "sqlite_drop_table", table.clone(), false),
        case("sqlite_purge_table", "sqlite_purge_table", table.clone(), false),
        case("undo of sqlite_write", "sqlite_write", delete, true),
        case("undo of sqlite_drop_table", "sqlite_drop_table", table, true),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_call_on_a_database_is_cut_off_nothing_is_lost() -> Result {
    table("sqlite", cases()).await
}
