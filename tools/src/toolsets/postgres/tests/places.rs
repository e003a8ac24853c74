//! Every place where a server runs code that a statement need not name, with a side effect that no rollback takes back in it:
//! looks, previews, reads and calls that run unasked leave no trace of it. Ordinary things in the same places keep working.

use std::fmt::Write as _;

use proptest::prelude::{Strategy as _, any};
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::hostile::folder;
use super::others::Other;
use super::places_render::{
    Call, EFFECTS, Effect, Load, Place, carriers, harmless, harmless_ones, hostile, nothing, read,
};
use super::world::{Ground, find};
use crate::contract::{Access, Preflight, Reversibility, ToolError};

/// The lists of places.
const LISTS: [&str; 6] = ["tables", "triggers", "bodies", "statements", "types", "changes"];

/// What the places with a table `t` are looked at with besides their own calls, a third of it each.
const COMMON: &[&str] = &[
    "query SELECT * FROM t",
    "query EXPLAIN SELECT count(*) FROM t WHERE id = 3",
    "write INSERT INTO t (id) VALUES (91)",
    "write UPDATE t SET id = 92 WHERE id = 1",
    "write DELETE FROM t WHERE id = 2",
    "describe",
    "describe t",
    "alter ALTER TABLE t ALTER COLUMN id SET NOT NULL",
    "alter CREATE INDEX ON t (id)",
    "purge column t id",
    "drop column t id",
    "truncate t",
    "purge table t",
    "drop table t",
];

/// A database in which one place after the other is made, and what tells whether something happened.
struct Scene {
    ground: Ground,
    /// The superuser's session that prepares and compares.
    admin: Client,
    other: String,
    victim: Option<Other>,
}

impl Scene {
    async fn start(superuser: bool) -> Self {
        let mut ground = if superuser { Ground::superuser_apart("") } else { Ground::roles_apart("") };
        // One credential for everything is what most people have.
        ground.reader.clone_from(&ground.role);
        let other = ground.cluster.name("other");
        let url = ground.cluster.url("postgres", &ground.database);
        let (admin, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        admin
            .batch_execute(&format!(
                "SET client_min_messages = error; CREATE ROLE {other}; GRANT {other} TO {role}; CREATE SCHEMA keep; \
                 CREATE SEQUENCE keep.mark; CREATE TABLE keep.log (n int); CREATE EXTENSION pg_walinspect SCHEMA keep; \
                 CREATE EXTENSION dblink SCHEMA keep; \
                 CREATE TABLE keep.since AS SELECT pg_current_wal_insert_lsn() AS lsn, 0 AS messages, 0 AS marks; GRANT USAGE ON SCHEMA keep TO PUBLIC; \
                 GRANT ALL ON SEQUENCE keep.mark TO PUBLIC; ALTER DATABASE {database} SET search_path = public; \
                 GRANT CREATE ON DATABASE {database} TO {role}, {other}",
                role = ground.role,
                database = ground.database,
            ))
            .await
            .unwrap();
        Self { ground, admin, other, victim: None }
    }

    fn role(&self) -> &str {
        &self.ground.role
    }

    /// Runs a script, then the setting it may have left is reset. Says what the server complained about.
    async fn script(&self, role: &str, sql: &str) -> Result<(), String> {
        let sql = format!("SET SESSION AUTHORIZATION {role}; SET search_path = public; {sql}");
        let ran = self.admin.batch_execute(&sql).await;
        self.admin
            .batch_execute("ROLLBACK; RESET SESSION AUTHORIZATION; RESET ALL; SET client_min_messages = error")
            .await
            .unwrap();
        ran.map_err(|error| error.as_db_error().map_or(error.to_string(), ToString::to_string))
    }

    /// Takes away what the last place made, and its traces.
    async fn clear(&mut self) {
        self.admin.batch_execute(CLEAR).await.unwrap();
        self.admin.batch_execute(FORGET).await.unwrap();
        let gone = match &self.victim {
            None => true,
            Some(victim) => victim.try_run("SELECT").await.is_err(),
        };
        if gone {
            self.victim = Some(Other::connect(&self.ground, self.role(), "victim").await);
        }
    }

    /// Words that every place may use.
    fn words(&self) -> Vec<(&'static str, String)> {
        let loopback = format!(
            "host={} port={} user=postgres dbname={}",
            self.ground.cluster.folder.display(),
            self.ground.cluster.port,
            self.ground.database
        );
        let pid = self.victim.as_ref().map_or(0, |victim| victim.pid);
        vec![
            ("{loopback}", loopback),
            ("{pid}", pid.to_string()),
            ("{role}", self.role().to_owned()),
            ("{other}", self.other.clone()),
            ("{port}", self.ground.cluster.port.to_string()),
            ("{folder}", self.ground.cluster.folder.display().to_string()),
            ("{database}", self.ground.database.clone()),
        ]
    }

    /// Makes a place anew, with something in its holes.
    async fn make(&mut self, place: &Place, load: &Load) -> Place {
        let filled = self.prepare(place, load).await;
        let made = self.script(self.role(), &filled.setup).await;
        made.unwrap_or_else(|error| panic!("{} with {}: {error}\n{}", place.name, load.name, filled.setup));
        // What the setup's own rows set off is not what the calls do, and the server's statistics tell of them some time later.
        self.admin.batch_execute(FORGET).await.unwrap();
        self.admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        filled
    }

    /// The same where the two may not go together.
    async fn try_make(&mut self, place: &Place, load: &Load) -> Option<Place> {
        let filled = self.prepare(place, load).await;
        let made = self.script(self.role(), &filled.setup).await;
        self.admin.batch_execute(FORGET).await.unwrap();
        made.is_ok().then_some(filled)
    }

    async fn prepare(&mut self, place: &Place, load: &Load) -> Place {
        self.clear().await;
        place.filled(load, &self.words())
    }

    /// Ends what [`Scene::make`] made and dropping the schema would not.
    async fn unmake(&self, place: &Place) {
        if !place.cleanup.is_empty() {
            self.script("postgres", &place.cleanup).await.unwrap();
        }
    }

    /// What every effect moves.
    async fn mark(&mut self) -> Vec<String> {
        // The first of them writes out the log: a message is found in no other way.
        self.admin.batch_execute("UPDATE keep.since SET marks = marks + 1").await.unwrap();
        self.admin.batch_execute(MESSAGES).await.unwrap();
        let rows = self.admin.simple_query(MARK).await.unwrap();
        let rows = rows.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        rows.collect()
    }

    async fn has_table(&self) -> bool {
        let sql = "SELECT to_regclass('public.t') IS NOT NULL";
        self.admin.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Runs statements as the target's role and rolls them back. Whether that left a trace.
    async fn acts_bare(&mut self, statements: &str) -> Result<bool, String> {
        let before = self.mark().await;
        let told = self.script(self.role(), &format!("BEGIN; {statements} ROLLBACK")).await;
        let acted = before != self.mark().await;
        if acted { Ok(true) } else { told.map(|()| false) }
    }
}

/// Counts the messages in the log since it was last read.
const MESSAGES: &str = "UPDATE keep.since SET messages = messages + (SELECT count(*) \
      FROM keep.pg_get_wal_records_info_till_end_of_wal((SELECT lsn FROM keep.since)) \
      WHERE resource_manager = 'LogicalMessage' AND description LIKE '%hit%'), lsn = pg_current_wal_insert_lsn()";

/// A change under way holds a lock of its own, whose key is large.
const MARK: &str = "SELECT last_value || ' ' || is_called FROM keep.mark; SELECT 'rows ' || count(*) FROM keep.log; \
    SELECT 'file ' || f FROM pg_ls_dir('.') f WHERE f LIKE 'hit%' ORDER BY 1; \
    SELECT 'slot ' || slot_name FROM pg_replication_slots; \
    SELECT 'reset ' || coalesce(stats_reset::text, 'never') FROM pg_stat_database WHERE datname = current_database(); \
    SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid < 1000; \
    SELECT 'victim ' || pid FROM pg_stat_activity WHERE application_name = 'victim' AND datname = current_database() ORDER BY pid; \
    SELECT 'messages ' || messages FROM keep.since";

/// Roles outlive it, and what is PostgreSQL's own.
const CLEAR: &str = "SET session_replication_role = replica; DROP SCHEMA IF EXISTS public CASCADE; \
    DO $$ DECLARE s name; BEGIN FOR s IN SELECT nspname FROM pg_namespace WHERE nspname LIKE 'mollyguard%' OR nspname = 'made' \
      LOOP EXECUTE format('DROP SCHEMA %I CASCADE', s); END LOOP; END $$; \
    RESET session_replication_role; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC;";

/// No statement of it is one that an event trigger fires on.
const FORGET: &str = "SELECT setval('keep.mark', 1, false); DELETE FROM keep.log; \
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots; \
    SELECT lo_unlink(oid) FROM pg_largeobject_metadata; SELECT lo_from_bytea(77001, 'kept'); \
    COPY (SELECT 1) TO PROGRAM 'cat; rm -f hit*'; UPDATE keep.since SET lsn = pg_current_wal_insert_lsn(), messages = 0";

/// What a call's look came to, in a word.
fn outcome(call: &Call, looked: &Result<Preflight, ToolError>) -> String {
    match looked {
        Err(error) => format!("refused: {}", error.to_string().chars().take(110).collect::<String>()),
        Ok(_) if call.tool == "postgres_query" || call.tool == "postgres_describe" => "answered".into(),
        Ok(seen) => {
            let untried = seen.evidence.iter().any(|one| one.what.contains("not tried out"));
            let class = if unasked(call, seen) { "reversible" } else { "asked about" };
            if untried { format!("{class}, untried") } else { class.into() }
        }
    }
}

/// Whether the gateway would run it outside of production without asking.
fn unasked(call: &Call, seen: &Preflight) -> bool {
    seen.class(find(&call.tool).declaration()) <= Reversibility::Reversible
}

/// Every call in turn: looked at, and run where nobody would be asked; if not `all`, those that what follows needs.
/// `noticed` is told what left a trace.
async fn play(scene: &mut Scene, calls: &[Call], all: bool, noticed: &mut Vec<String>) -> Vec<String> {
    let mut outcomes = Vec::new();
    let mut before = scene.mark().await;
    let mut calls: Vec<Call> = calls.iter().rev().cloned().collect();
    while let Some(call) = calls.pop() {
        let mut compare = |stage: &str, before: &mut Vec<String>, after: Vec<String>| {
            if *before != after {
                let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
                let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
                noticed.push(format!("{stage} {}: {gone:?} became {new:?}", call.line));
                *before = after;
            }
        };
        let looked = scene.ground.look(&call.tool, call.args.clone()).await;
        compare("the look at", &mut before, scene.mark().await);
        outcomes.push(format!("{} | {}", call.line, outcome(&call, &looked)));
        let Ok(seen) = looked else { continue };
        let reads = !find(&call.tool).declaration().mutates();
        if !unasked(&call, &seen) || !(all || reads || is_kept(&call)) {
            continue;
        }
        let tool = find(&call.tool);
        let access = if tool.declaration().mutates() { Access::Write } else { Access::Read };
        let mut args = call.args.clone();
        args["target"] = json!("orders");
        let done = tool.execute(&args, &seen, &scene.ground.lend(access)).await;
        compare("running", &mut before, scene.mark().await);
        let last = outcomes.last_mut().unwrap();
        match done {
            Err(error) => write!(last, ", then {}", error.to_string().chars().take(110).collect::<String>()).unwrap(),
            Ok(done) => {
                // What nobody is asked about is undone likewise, and then is there for the next call.
                if let (Some(undo), false) = (done.undo, is_kept(&call)) {
                    let line = format!("{UNDO}{}", call.line);
                    calls.push(Call { line, tool: undo.tool, args: undo.args });
                }
            }
        }
    }
    outcomes
}

const UNDO: &str = "the undo of ";

/// The calls that follow need what it made, or it is an undo itself.
fn is_kept(call: &Call) -> bool {
    let made = call.tool == "postgres_alter" && call.sql().is_some_and(|sql| sql.contains("made"));
    made || call.line.starts_with(UNDO)
}

/// The place's own calls, then those that every table is looked at with.
async fn calls_of(scene: &Scene, place: &Place) -> Vec<Call> {
    let mut calls = place.calls.clone();
    if scene.has_table().await {
        let half = |&(at, _): &(usize, &&str)| (at + place.number()).is_multiple_of(3);
        calls.extend(COMMON.iter().enumerate().filter(half).map(|(_, line)| Call::read(line)));
    }
    calls
}

/// An alteration whose text holds what is hostile, and that nobody would be asked about.
async fn made_unasked(scene: &Scene, place: &Place, filled: &Place, noticed: &mut Vec<String>) {
    for (call, filled) in place.calls.iter().zip(&filled.calls) {
        if filled.tool != "postgres_alter" || call.line == filled.line {
            continue;
        }
        let looked = scene.ground.look(&filled.tool, filled.args.clone()).await;
        if looked.is_ok_and(|seen| unasked(filled, &seen)) {
            noticed.push(format!("nobody is asked about {}", filled.line));
        }
    }
}

fn effect_for(place: &Place, superuser: bool, number: usize) -> Effect {
    let fit: Vec<Effect> = EFFECTS.iter().filter(|effect| effect.1 == superuser).copied().collect();
    fit[(place.number() / 7 + number) % fit.len()]
}

/// Something hostile for the place, another one for another number.
fn hostile_for(place: &Place, superuser: bool, number: usize) -> Load {
    if place.fixed {
        return nothing();
    }
    let immutable = place.immutable();
    hostile(effect_for(place, superuser, number), (place.number() + number) % carriers(immutable), immutable)
}

/// The first that does leave a trace without the tools: some disguises do not fit some places, and some effects cannot be
/// told apart from those of the setup.
async fn acting(scene: &mut Scene, place: &Place, superuser: bool) -> Load {
    let mut told = String::new();
    for number in 0..12 {
        let load = hostile_for(place, superuser, number);
        if let Some(filled) = scene.try_make(place, &load).await {
            let acts = scene.acts_bare(&filled.acts()).await;
            scene.unmake(&filled).await;
            match acts {
                Ok(true) => return load,
                other => writeln!(told, "{}: {other:?}", load.name).unwrap(),
            }
        }
    }
    panic!("{} does nothing without the tools:\n{told}", place.name)
}

/// What is made as a superuser, and what as a role that owns its database and is no more.
fn of_role(list: &str, superuser: bool) -> Vec<Place> {
    let mut places = read(list);
    // A read changes nothing by the transaction's own rules, except for what only a superuser may do.
    let reads = |place: &Place| place.calls.first().is_some_and(|call| call.tool == "postgres_query");
    places.retain(|place| superuser == (place.superuser || reads(place)));
    if let Ok(only) = std::env::var("PLACE") {
        places.retain(|place| place.name.contains(&only));
    }
    places
}

/// One list, as both roles: no trace of what is hostile.
async fn leaves_no_trace(list: &str) {
    let (mut tried, mut broken) = (0, Vec::new());
    for superuser in [false, true] {
        let places = of_role(list, superuser);
        if places.is_empty() {
            continue;
        }
        let mut scene = Scene::start(superuser).await;
        for place in places {
            let load = acting(&mut scene, &place, superuser).await;
            let filled = scene.make(&place, &load).await;
            let mut noticed = Vec::new();
            made_unasked(&scene, &place, &filled, &mut noticed).await;
            let calls = calls_of(&scene, &filled).await;
            let outcomes = play(&mut scene, &calls, true, &mut noticed).await;
            scene.unmake(&filled).await;
            tried += 1;
            if std::env::var_os("SHOW_REFUSALS").is_some() {
                for outcome in &outcomes {
                    println!("{} with {} | {outcome}", place.name, load.name);
                }
            }
            if !noticed.is_empty() {
                broken.push(format!("{} with {}:\n    {}", place.name, load.name, noticed.join("\n    ")));
            }
        }
    }
    println!("{list}: {tried} places, {} broken", broken.len());
    assert!(broken.is_empty(), "{} of {tried} places:\n{}", broken.len(), broken.join("\n"));
}

/// The same places with something harmless in them: what their calls come to is in `places/LIST.harmless`.
async fn goes_on_working(list: &str) {
    let mut told = String::new();
    for superuser in [false, true] {
        let places: Vec<Place> = of_role(list, superuser).into_iter().filter(|place| !place.fixed).collect();
        if places.is_empty() {
            continue;
        }
        let mut scene = Scene::start(superuser).await;
        for place in places {
            let load = harmless(place.number() % harmless_ones());
            let filled = scene.make(&place, &load).await;
            let mut noticed = Vec::new();
            let outcomes = play(&mut scene, &filled.calls, true, &mut noticed).await;
            scene.unmake(&filled).await;
            assert!(noticed.is_empty(), "{} with {}: {noticed:?}", place.name, load.name);
            writeln!(told, "{} with {}", place.name, load.name).unwrap();
            for outcome in outcomes {
                writeln!(told, "    {outcome}").unwrap();
            }
        }
    }
    let golden = folder().join("places").join(format!("{list}.harmless"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &told).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap(), told, "{list}");
}

/// Other syntax around an expression.
const WRAPPINGS: [&str; 8] = [
    "E",
    "coalesce(E, 0::int8)",
    "CASE WHEN E IS NULL THEN 1::int8 ELSE 2::int8 END",
    "(ARRAY[0::int8, E])[2]",
    "greatest(E, -1::int8)",
    "CASE WHEN ROW(E, 1) IS NOT NULL THEN 1::int8 END",
    "(E)::text::int8",
    "nullif(E, -99::int8)",
];

/// How many compositions are played with each role.
const COMPOSED: usize = 30;

/// Any place with any effect in any disguise and any syntax around it. `SEED` gives others.
async fn composed(superuser: bool) -> (usize, usize, Vec<String>) {
    let mut places: Vec<Place> = LISTS.iter().flat_map(|list| read(list)).filter(|place| !place.fixed).collect();
    places.retain(|place| superuser || !place.superuser);
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7_u8);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let choice = (any::<Index>(), any::<Index>(), any::<Index>(), any::<Index>());
    let mut scene = Scene::start(superuser).await;
    let (mut acted, mut broken) = (0, Vec::new());
    for _ in 0..COMPOSED {
        let (place, effect, carrier, wrapping) = choice.new_tree(&mut runner).unwrap().current();
        let place = &places[place.index(places.len())];
        let effects: Vec<Effect> = EFFECTS.iter().filter(|effect| superuser || !effect.1).copied().collect();
        let immutable = place.immutable();
        let load = hostile(effects[effect.index(effects.len())], carrier.index(carriers(immutable)), immutable);
        let load = load.within(WRAPPINGS[wrapping.index(WRAPPINGS.len())]);
        let Some(filled) = scene.try_make(place, &load).await else { continue };
        let acts = scene.acts_bare(&filled.acts()).await == Ok(true);
        scene.unmake(&filled).await;
        if !acts {
            continue;
        }
        acted += 1;
        let filled = scene.make(place, &load).await;
        let mut noticed = Vec::new();
        made_unasked(&scene, place, &filled, &mut noticed).await;
        play(&mut scene, &filled.calls, true, &mut noticed).await;
        scene.unmake(&filled).await;
        if !noticed.is_empty() {
            broken.push(format!("{} with {}:\n    {}", place.name, load.name, noticed.join("\n    ")));
        }
    }
    (COMPOSED, acted, broken)
}

/// What composes must mostly act, or nothing is learnt from it.
async fn composed_leave_no_trace(superuser: bool) {
    let (made, acted, broken) = composed(superuser).await;
    println!("{acted} of {made} compositions act, {} broken", broken.len());
    assert!(acted * 3 >= made * 2, "only {acted} of {made} act");
    assert!(broken.is_empty(), "{} of {acted}:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test]
async fn what_a_table_computes_by_itself() {
    leaves_no_trace("tables").await;
}

#[tokio::test]
async fn what_runs_because_something_changes() {
    leaves_no_trace("triggers").await;
}

#[tokio::test]
async fn what_a_body_can_hold() {
    leaves_no_trace("bodies").await;
}

#[tokio::test]
async fn what_a_statement_calls_without_naming_it() {
    leaves_no_trace("statements").await;
}

#[tokio::test]
async fn what_types_and_extensions_bring() {
    leaves_no_trace("types").await;
}

#[tokio::test]
async fn what_a_change_of_schema_makes() {
    leaves_no_trace("changes").await;
}

#[tokio::test]
async fn any_effect_in_any_disguise_in_any_place_of_an_owner() {
    composed_leave_no_trace(false).await;
}

#[tokio::test]
async fn any_effect_in_any_disguise_in_any_place_of_a_superuser() {
    composed_leave_no_trace(true).await;
}

#[tokio::test]
async fn what_is_harmless_in_a_table_or_body_goes_on_working() {
    for list in &LISTS[..3] {
        goes_on_working(list).await;
    }
}

#[tokio::test]
async fn what_is_harmless_in_a_statement_goes_on_working() {
    for list in &LISTS[3..] {
        goes_on_working(list).await;
    }
}

/// Schemas as people have them: what their calls come to is written behind each, `>>> CALL => OUTCOME`.
#[tokio::test]
async fn ordinary_schemas_cost_no_question() {
    let mut scene = Scene::start(false).await;
    let mut wrong = Vec::new();
    for place in read("ordinary") {
        let made = scene.make(&place, &nothing()).await;
        for call in &made.calls {
            let (line, wanted) = call.line.split_once(" => ").expect("an outcome");
            let call = Call::read(line);
            let looked = scene.ground.look(&call.tool, call.args.clone()).await;
            let found = outcome(&call, &looked);
            if found != wanted {
                wrong.push(format!("{}: {line} is {found}, not {wanted}: {looked:?}", place.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
