//! What was dropped or deleted is kept for as long, and for as much, as the configuration says; then it goes for good, by calls
//! that policy decides and the record tells of.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use mollyguard_tests::servers::postgres::Cluster;
use mollyguard_tests::{Agent, Era, Person, Reply, Result, World, until};
use mollyguard_tools::contract::now;
use serde_json::{Value, json};

use crate::behind::{calls, records, sound, tree};

const DAY: u64 = 86_400;

/// A database, a folder and a PostgreSQL database, in each of which three things can be taken away.
struct Firm {
    world: World,
    cluster: &'static Cluster,
    database: String,
}

/// A thing that was taken away: where, the call that did, and what finds it in its quarantine.
struct Gone {
    target: &'static str,
    call: String,
    id: String,
}

impl Firm {
    fn new() -> Result<Self> {
        let mut world = World::empty()?;
        world.default_policies();
        let tables = "CREATE TABLE a (n); INSERT INTO a VALUES (1); CREATE TABLE b (n); CREATE INDEX bn ON b (n);
                      CREATE TABLE c (n); INSERT INTO c VALUES (zeroblob(20000));";
        world.database("fleet", "development", tables)?;
        world.folder("uploads", "development", &[("a", "first"), ("b/b", "second"), ("c", &"third".repeat(4_000))])?;
        let (cluster, database) = postgres(&mut world);
        Ok(Self { world, cluster, database })
    }

    /// Takes one thing away in each target.
    async fn take(&self, agent: &Agent, name: &str) -> Result<Vec<Gone>> {
        let path = if name == "b" { "b/b" } else { name };
        let cases = [
            ("fleet", "sqlite_drop_table", json!({"target": "fleet", "table": name}), "quarantine_id"),
            ("uploads", "files_delete", json!({"target": "uploads", "path": path}), "trash_entry"),
            ("orders", "postgres_drop", json!({"target": "orders", "object": "table", "name": name}), "quarantine_id"),
        ];
        let mut all = Vec::new();
        for (target, tool, args, key) in cases {
            let reply = agent.call(tool, args).await?;
            let id = reply.done()[key].as_str().ok_or("it says what finds it")?.to_owned();
            all.push(Gone { target, call: reply.call_id().to_owned(), id });
        }
        Ok(all)
    }

    /// Has a quarantine say that it has kept something for so long.
    fn set_back(&self, gone: &Gone, days: u64) -> Result {
        let then = now() - Duration::from_secs(days * DAY);
        let id = &gone.id;
        match gone.target {
            "fleet" => self.world.sql("fleet", &format!("UPDATE mollyguard_trash SET at = '{then}' WHERE id = '{id}'")),
            "orders" => {
                let kept = format!("jsonb_set(kept::jsonb, '{{at}}', '\"{then}\"')::text");
                let sql = format!("UPDATE mollyguard_trash.dropped SET at = '{then}', kept = {kept} WHERE id = '{id}'");
                self.cluster.sql(&self.database, &sql);
                Ok(())
            }
            _ => {
                let entry = self.world.path().join("uploads/.mollyguard-trash").join(id);
                let mut about: Value = serde_json::from_slice(&fs::read(entry.join("about.json"))?)?;
                about["at"] = json!(then);
                fs::write(entry.join("about.json"), about.to_string())?;
                Ok(File::open(entry)?.set_modified(SystemTime::from(then))?)
            }
        }
    }

    /// Whether it is still in its quarantine.
    fn keeps(&self, gone: &Gone) -> Result<bool> {
        let id = &gone.id;
        Ok(match gone.target {
            "fleet" => self.world.dump("fleet")?.contains(&format!("table mollyguard_trash_{id}_")),
            "orders" => {
                let sql = format!("SELECT count(*) FROM pg_namespace WHERE nspname = 'mollyguard_trash_{id}'");
                self.cluster.sql(&self.database, &sql).trim() == "1"
            }
            _ => self.world.path().join("uploads/.mollyguard-trash").join(id).join("item").exists(),
        })
    }

    /// All that is in the targets and their quarantines.
    fn all(&self) -> Result<(String, Vec<String>, Vec<String>, String)> {
        let root = self.world.path().join("uploads");
        let trash = tree(&root.join(".mollyguard-trash"))?;
        let sql = "SELECT n.nspname, c.relname, (SELECT string_agg(d.kept, ',' ORDER BY d.id) FROM mollyguard_trash.dropped d) \
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' ORDER BY 1, 2";
        Ok((self.world.dump("fleet")?, tree(&root)?, trash, self.cluster.sql(&self.database, sql)))
    }

    async fn agent(&self) -> Result<Agent> {
        self.world.stdio(Era::Modern, Person::absent()).await
    }

    async fn prune(&self, args: &[&str]) -> Result<(Option<i32>, Value)> {
        let args: Vec<_> = ["prune", "--json"].into_iter().chain(args.iter().copied()).collect();
        let printed = self.world.run(&args).await?;
        let found = serde_json::from_str(&printed.stdout).map_err(|error| format!("{error}: {printed:?}"))?;
        Ok((printed.code, found))
    }

    /// The records of one kind that the gateway's own calls have left, each with its tool.
    fn recorded(&self, kind: &str) -> Result<Vec<Value>> {
        let own = |record: &Value| record["principal"]["client"] == "mollyguard prune";
        let found =
            records(&self.world.state())?.into_iter().filter(|record| own(record) && record["event"]["kind"] == kind);
        Ok(found.collect())
    }
}

/// A database with three tables, owned by the role that changes.
fn postgres(world: &mut World) -> (&'static Cluster, String) {
    let cluster = Cluster::shared();
    let (database, owner) = (cluster.database(), cluster.name("owner"));
    cluster.sql(
        &database,
        &format!(
            "CREATE ROLE {owner} LOGIN; ALTER DATABASE {database} OWNER TO {owner}; GRANT ALL ON SCHEMA public TO {owner}; \
             SET ROLE {owner}; CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id int); \
             CREATE TABLE c AS SELECT generate_series(1, 3000) AS id"
        ),
    );
    world.set("targets.orders.kind", "postgres").set("targets.orders.environment", "development");
    world.set("targets.orders.secret", "env:ORDERS").env("ORDERS", cluster.url(&owner, &database));
    // Machines that run tests are busy.
    world.set("targets.orders.trial_ms", 60_000).set("targets.orders.lock_ms", 60_000);
    (cluster, database)
}

/// The policies as they would be in production: everything is decided as it is there.
fn in_production(world: &mut World) {
    world.set("environments.development.tier", "production");
}

fn told_why(reply: &Reply) {
    let text = reply.text();
    assert!(
        text.contains("`[retention]` in the configuration has what was dropped or deleted removed for good"),
        "{text}"
    );
    assert!(text.contains("after 30 days") && text.contains("Nothing was changed"), "{text}");
}

#[tokio::test]
async fn what_was_kept_long_enough_goes_and_what_is_younger_stays() -> Result {
    let mut firm = Firm::new()?;
    let agent = firm.agent().await?;
    let (old, young) = (firm.take(&agent, "a").await?, firm.take(&agent, "b").await?);
    // An undo is of what is there as it was left, so of one that nobody has set back.
    let new = firm.take(&agent, "c").await?;
    agent.close().await?;
    for gone in &old {
        firm.set_back(gone, 31)?;
    }
    for gone in &young {
        firm.set_back(gone, 29)?;
    }
    in_production(&mut firm.world);
    firm.world.set("retention.quarantine_days", 30);

    let (was, recorded) = (firm.all()?, records(&firm.world.state())?.len());
    let (code, found) = firm.prune(&["--dry-run"]).await?;
    assert_eq!((code, &found["dry_run"]), (Some(0), &json!(true)), "{found}");
    let would: Vec<_> = found["quarantines"].as_array().into_iter().flatten().collect();
    assert_eq!(would.len(), 3, "{found}");
    assert!(
        would.iter().all(|one| one["fate"] == "would_go" && one["age_days"] == 31 && one["over_age"] == true),
        "{found}"
    );
    assert_eq!((firm.all()?, records(&firm.world.state())?.len()), (was, recorded), "showing it changes nothing");

    let (code, found) = firm.prune(&[]).await?;
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(found["quarantines"].as_array().map(Vec::len), Some(3), "{found}");
    for gone in &old {
        assert!(!firm.keeps(gone)?, "{} of {}: {found}", gone.id, gone.target);
    }
    for gone in young.iter().chain(&new) {
        assert!(firm.keeps(gone)?, "{} of {}: {found}", gone.id, gone.target);
    }
    // Ordinary calls, each on record with the policy that let it through, and with nobody asked.
    let begun = firm.recorded("started")?;
    let mut tools: Vec<_> = begun.iter().map(|record| record["tool"].as_str().unwrap_or_default()).collect();
    tools.sort_unstable();
    assert_eq!(tools, ["files_purge", "postgres_purge", "sqlite_purge_table"]);
    for record in &begun {
        let policies = &record["event"]["policies"];
        assert_eq!(policies, &json!(["kept-for-as-long-as-configured", "permit-what-nothing-forbids"]), "{record}");
        assert_eq!(record["principal"]["user"], "alice");
    }
    assert_eq!(firm.recorded("asked")?.len(), 0);

    for gone in &old {
        let undone = firm.world.run(&["undo", &gone.call]).await?;
        assert_eq!(undone.code, Some(1), "{}", undone.stdout);
        assert!(undone.stderr.contains("removed for good after 30 days"), "{}", undone.stderr);
    }
    firm.world.set("environments.development.tier", "development");
    let agent = firm.agent().await?;
    for gone in &old {
        told_why(&agent.call("undo_call", json!({"call_id": gone.call})).await?);
    }
    for gone in &new {
        agent.call("undo_call", json!({"call_id": gone.call})).await?.done();
        assert!(!firm.keeps(gone)?);
    }
    agent.close().await?;
    let (_, found) = firm.prune(&[]).await?;
    assert_eq!(found["quarantines"], json!([]), "nothing is left to go");
    sound(&firm.world).await
}

#[tokio::test]
async fn what_policy_refuses_stays_and_is_on_record() -> Result {
    let mut firm = Firm::new()?;
    let agent = firm.agent().await?;
    let gone = firm.take(&agent, "a").await?;
    agent.close().await?;
    for gone in &gone {
        firm.set_back(gone, 400)?;
    }
    firm.world.set("retention.quarantine_days", 30);
    // The first is a no; the second would have a person asked.
    let policies = [
        ("a no", "", "Keep it."),
        ("a question", "unless { context has approval && context.approval.assurance >= 1 }", "Ask the archivist."),
    ];
    for (name, unless, reason) in policies {
        let folder = firm.world.path().join("own");
        fs::create_dir_all(&folder)?;
        fs::write(
            folder.join("own.cedar"),
            format!(
                "@id(\"archive\") @reason(\"{reason}\") forbid (principal, action, resource)
                 when {{ context.call has retention && context.call.retention.age_days > 300 }} {unless};"
            ),
        )?;
        firm.world.set("policies.directories", vec!["own"]);
        let before = firm.recorded("denied")?.len();
        let was = firm.all()?;
        let printed = firm.world.run(&["prune"]).await?;
        assert_eq!(printed.code, Some(1), "{name}: {printed:?}");
        assert_eq!(printed.stdout.matches("Could not remove for good from").count(), 3, "{}", printed.stdout);
        assert_eq!(printed.stdout.matches(reason).count(), 3, "{}", printed.stdout);
        assert_eq!(firm.all()?, was, "{name}: it stays");
        let denied = firm.recorded("denied")?.split_off(before);
        assert_eq!(denied.len(), 3, "{name}: {denied:?}");
        for record in &denied {
            assert_eq!(record["event"]["because"][0]["policy"], "archive", "{record}");
            assert!(record["tool"].as_str().is_some_and(|tool| tool.contains("purge")), "{record}");
        }
        assert_eq!((firm.recorded("asked")?.len(), firm.recorded("started")?.len()), (0, 0), "{name}: nobody is asked");
    }
    sound(&firm.world).await
}

#[tokio::test]
async fn of_more_than_is_to_be_kept_the_oldest_goes_first() -> Result {
    let mut firm = Firm::new()?;
    let agent = firm.agent().await?;
    let (large, middle, small) =
        (firm.take(&agent, "c").await?, firm.take(&agent, "b").await?, firm.take(&agent, "a").await?);
    agent.close().await?;
    // The large one is neither the oldest nor younger than a week.
    for (things, days) in [(&middle, 20), (&large, 12), (&small, 2)] {
        for gone in things {
            firm.set_back(gone, days)?;
        }
    }
    in_production(&mut firm.world);
    // More than all of them: nothing goes.
    firm.world.set("retention.quarantine_bytes", 10_000_000);
    let was = firm.all()?;
    assert_eq!(firm.prune(&[]).await?.1["quarantines"], json!([]));
    assert_eq!(firm.all()?, was);
    // Room for the large one: what is younger than a week does not count, and an empty table of PostgreSQL takes up no room.
    let of = |found: &Value, target: &str| -> Vec<(u64, bool)> {
        let all = found["quarantines"].as_array().cloned().unwrap_or_default();
        let of = all.iter().filter(|one| one["target"] == target);
        of.map(|one| (one["age_days"].as_u64().unwrap_or_default(), one["over_size"] == true)).collect()
    };
    firm.world.set("retention.quarantine_bytes", 20_000);
    let (code, found) = firm.prune(&["--dry-run"]).await?;
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(of(&found, "uploads"), [(20, true)], "the 20,000 bytes that are left are not too much: {found}");
    // Room for next to nothing: what has been there for two days stays all the same.
    firm.world.set("retention.quarantine_bytes", 1);
    let (code, found) = firm.prune(&[]).await?;
    assert_eq!(code, Some(0), "{found}");
    for target in ["fleet", "uploads"] {
        assert_eq!(of(&found, target), [(20, true), (12, true)], "{found}");
    }
    assert_eq!(of(&found, "orders"), [(12, true)], "{found}");
    for gone in large.iter().chain(middle.iter().filter(|gone| gone.target != "orders")) {
        assert!(!firm.keeps(gone)?, "{} of {}: {found}", gone.id, gone.target);
    }
    for gone in small.iter().chain(middle.iter().filter(|gone| gone.target == "orders")) {
        assert!(firm.keeps(gone)?, "{} of {}: {found}", gone.id, gone.target);
    }
    sound(&firm.world).await
}

#[tokio::test]
async fn a_gateway_that_serves_does_it_only_where_that_is_configured() -> Result {
    let mut firm = Firm::new()?;
    let agent = firm.agent().await?;
    let gone = firm.take(&agent, "a").await?;
    agent.close().await?;
    for gone in &gone {
        firm.set_back(gone, 4_000)?;
    }
    let was = firm.all()?;
    let printed = firm.world.run(&["prune"]).await?;
    assert_eq!(printed.code, Some(2), "{printed:?}");
    let agent = firm.agent().await?;
    agent.call("list_calls", json!({})).await?.done();
    agent.close().await?;
    assert_eq!(firm.all()?, was, "everything is kept unless configured otherwise");

    in_production(&mut firm.world);
    firm.world.set("retention.quarantine_days", 3_650);
    let agent = firm.agent().await?;
    let third = || -> Result<Option<()>> {
        let purges = calls(&firm.world)?.into_iter().filter(|call| call.tool.contains("purge"));
        Ok(purges.filter(|call| call.ended.is_some()).nth(2).map(|_| ()))
    };
    until("three things to be purged", third).await?;
    agent.close().await?;
    for gone in &gone {
        assert!(!firm.keeps(gone)?, "{} of {}", gone.id, gone.target);
    }
    sound(&firm.world).await
}

#[tokio::test]
async fn an_undo_says_until_when_it_works() -> Result {
    let mut firm = Firm::new()?;
    let day = |days: u64| (now() + Duration::from_secs(days * DAY)).strftime("%Y-%m-%d").to_string();
    firm.world.set("retention.quarantine_days", 30);
    let agent = firm.agent().await?;
    let first = day(30);
    let dropped = agent.call("sqlite_drop_table", json!({"target": "fleet", "table": "a"})).await?;
    dropped.done();
    let overwritten = agent.call("files_write", json!({"target": "uploads", "path": "a", "content": "other"})).await?;
    overwritten.done();
    let made = agent.call("files_write", json!({"target": "uploads", "path": "new", "content": "new"})).await?;
    made.done();
    let rows = agent.call("sqlite_write", json!({"target": "fleet", "sql": "DELETE FROM c"})).await?;
    rows.done();
    let last = day(30);
    let is_then =
        |until: &Value| until.as_str().is_some_and(|until| until.starts_with(&first) || until.starts_with(&last));
    let listed = agent.call("list_calls", json!({})).await?.done()["calls"].clone();
    let of = |reply: &Reply| -> Result<Value> {
        let calls = listed.as_array().into_iter().flatten();
        Ok(calls.clone().find(|call| call["call_id"] == reply.call_id()).cloned().ok_or("it is listed")?)
    };
    for reply in [&dropped, &overwritten] {
        assert!(is_then(&reply.about()["undo"]["until"]), "{}", reply.about());
        assert!(is_then(&of(reply)?["undo_until"]), "{listed}");
        let json: Value =
            serde_json::from_str(&firm.world.run(&["calls", "show", reply.call_id(), "--json"]).await?.stdout)?;
        assert!(is_then(&json["undo"]["until"]), "{json}");
        let shown = firm.world.run(&["calls", "show", reply.call_id()]).await?;
        let said = [&first, &last].map(|day| format!("can be undone until {day} at the latest"));
        assert!(said.iter().any(|said| shown.stdout.contains(said)), "{}", shown.stdout);
    }
    // What nothing is put away for is not said to end.
    for reply in [&made, &rows] {
        assert_eq!((&reply.about()["undo"]["until"], &of(reply)?["undo_until"]), (&Value::Null, &Value::Null));
    }
    agent.close().await?;

    // A question says it as well.
    in_production(&mut firm.world);
    let agent = firm.world.stdio(Era::Modern, Person::declines()).await?;
    agent.call("sqlite_drop_table", json!({"target": "fleet", "table": "b"})).await?.refused("confirmation_declined");
    let asked = agent.asked();
    let text = asked.first().map(|asked| format!("{asked:?}")).unwrap_or_default();
    let said =
        [first, day(30)].map(|day| format!("undo_call puts the prior state back exactly, until {day} at the latest"));
    assert!(said.iter().any(|said| text.contains(said)), "{text}");
    agent.close().await?;
    Ok(())
}
