//! Generated statements: something that acts, in every place that a query has for an expression, nested and disguised.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::hostile::{Victim, world};
use super::world::Ground;

/// Something to be put into a query: an expression, and a CTE where it needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Load {
    cte: &'static str,
    expression: &'static str,
}

const fn load(expression: &'static str) -> Load {
    Load { cte: "", expression }
}

const fn with(cte: &'static str) -> Load {
    Load { cte, expression: "(SELECT count(*) FROM d)" }
}

/// Keywords are in capitals here and below, names are not.
const ACTS: &[Load] = &[
    load("nextval('public.counter')"),
    load("setval('public.counter', (SELECT c.last_value + 7 FROM public.counter AS c))"),
    load("lo_create(0)"),
    load("lo_from_bytea(0, 'kept')"),
    load(
        "(SELECT bool_or(pg_terminate_backend(a.pid, 9000)) FROM pg_stat_activity AS a WHERE a.application_name = 'victim')",
    ),
    load("set_config('application_name', md5(random()::text), FALSE)"),
    load("pg_advisory_lock((random() * 2000000000)::int4)"),
    load("pg_try_advisory_lock_shared((random() * 2000000000)::int4)"),
    with("DELETE FROM public.doomed WHERE id = (SELECT min(x.id) FROM public.doomed AS x) RETURNING id"),
    with("INSERT INTO public.doomed (name) VALUES ('new') RETURNING id"),
    with("UPDATE public.doomed SET name = name || 'x' WHERE id > 590 RETURNING id"),
    load("(SELECT count(*) FROM (SELECT r.id FROM public.lockable AS r FOR UPDATE) AS s)"),
    load("(SELECT count(*) FROM (SELECT r.id FROM public.lockable AS r FOR KEY SHARE) AS s)"),
    load("public.act_program()"),
    load("act_path()"),
    load("act_row()"),
    load("public.act_stable()"),
    load("act_immutable(1)"),
    load("(1 @#@ 2)"),
    load("(1 OPERATOR(public.@#@) 2)"),
    load("('fine'::mood::money)"),
    load("CAST(CAST('fine' AS public.mood) AS money)"),
    load("(SELECT v.one FROM acting AS v)"),
    load("(SELECT v.one FROM public.taking AS v)"),
    load("'x'::checked"),
    load("CAST('x' AS public.checked)"),
    load("(SELECT a.act_attribute FROM plain AS a LIMIT 1)"),
    load("(SELECT (a).act_attribute FROM public.plain AS a LIMIT 1)"),
    load("query_to_xml('SELECT pg_catalog.nextval(''public.counter'')', TRUE, TRUE, '')"),
    load("lower('X'::varchar)"),
];

const HARMLESS: &[Load] = &[
    load("1"),
    load("'x'"),
    load("length('abc')"),
    load("upper('abc')"),
    load("(1 + 2)"),
    load("('1'::int8)"),
    load("(SELECT min(x.id) FROM public.plain AS x)"),
    load("now()"),
    Load { cte: "SELECT id FROM plain", expression: "(SELECT count(*) FROM d)" },
];

/// The places: `@E` is any expression, `@B` a boolean one, `@I` an integer one.
const PLACES: &[&str] = &[
    "SELECT @E AS x",
    "SELECT p.id, @E FROM plain AS p",
    "SELECT * FROM generate_series(1, 1 + @I) AS g(n)",
    "SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, @I)) AS g(n, m)",
    "SELECT * FROM plain AS p, LATERAL (SELECT @E, p.id AS other) AS l",
    "SELECT * FROM plain AS p CROSS JOIN LATERAL generate_series(p.id, p.id + @I) AS l",
    "SELECT (SELECT @E)",
    "WITH c AS MATERIALIZED (SELECT @E AS x) SELECT * FROM c",
    "WITH c(x) AS (VALUES (@I)) SELECT c.x FROM c",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT r.i + 1 + @I * 0 FROM r WHERE r.i < 3) SELECT * FROM r",
    "SELECT p.id FROM plain AS p WHERE @B",
    "SELECT p.id FROM plain AS p WHERE NOT (p.id > 0 AND @B)",
    "SELECT p.id FROM plain AS p JOIN plain AS q ON @B AND p.id = q.id",
    "SELECT p.id FROM plain AS p LEFT JOIN plain AS q ON q.id = p.id + @I",
    "SELECT count(*) FROM plain AS p GROUP BY @B",
    "SELECT count(*) FROM plain AS p GROUP BY GROUPING SETS ((@B), ())",
    "SELECT count(*) FROM plain AS p GROUP BY ROLLUP (p.id, @B)",
    "SELECT count(*) FROM plain AS p HAVING @B",
    "SELECT p.id FROM plain AS p ORDER BY @B, p.id DESC NULLS LAST",
    "SELECT p.id FROM plain AS p LIMIT 1 + @I",
    "SELECT p.id FROM plain AS p OFFSET @I",
    "SELECT p.id FROM plain AS p ORDER BY 1 FETCH FIRST (@I) ROWS ONLY",
    "SELECT CASE WHEN @B THEN 1 ELSE 2 END",
    "SELECT CASE p.id WHEN @I THEN 1 ELSE @I END FROM plain AS p",
    "SELECT COALESCE(NULL, @B)",
    "SELECT NULLIF(@I, 7), GREATEST(@I, 3)",
    "SELECT ARRAY[@B, FALSE]",
    "SELECT (ARRAY[1, 2])[@I]",
    "SELECT ARRAY(SELECT @I)",
    "SELECT ROW(@E, 1)",
    "SELECT concat('a', @B, jsonb_build_object('k', @I))",
    "SELECT sum(p.id) OVER (PARTITION BY @B) FROM plain AS p",
    "SELECT sum(p.id) OVER (ORDER BY @B) FROM plain AS p",
    "SELECT sum(p.id) OVER w FROM plain AS p WINDOW w AS (ORDER BY @B)",
    "SELECT sum(p.id) OVER (ORDER BY p.id ROWS BETWEEN @I PRECEDING AND CURRENT ROW) FROM plain AS p",
    "SELECT sum(p.id) FILTER (WHERE @B) FROM plain AS p",
    "SELECT string_agg(p.name, ',' ORDER BY @B) FROM plain AS p",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY @I) FROM plain AS p",
    "VALUES (1), (@I)",
    "SELECT 1 UNION ALL SELECT @I",
    "SELECT @I INTERSECT SELECT 1",
    "(SELECT 1) EXCEPT (SELECT @I LIMIT 1)",
    "SELECT p.id FROM plain AS p WHERE EXISTS (SELECT 1 FROM plain AS q WHERE @B)",
    "SELECT p.id FROM plain AS p WHERE p.id IN (SELECT @I)",
    "SELECT p.id FROM plain AS p WHERE p.id IN (5, @I)",
    "SELECT p.id FROM plain AS p WHERE p.id = ANY (ARRAY[@I])",
    "SELECT p.id FROM plain AS p WHERE p.id BETWEEN @I AND 5",
    "SELECT p.id FROM plain AS p WHERE p.name LIKE '%' || @I::text",
    "SELECT @B::text, CAST(@I AS numeric(9, 2))",
    "SELECT @B IS DISTINCT FROM TRUE",
    "SELECT substring('abc' FROM @I), EXTRACT(epoch FROM make_interval(days => @I))",
    "SELECT DISTINCT ON (@B) p.id FROM plain AS p",
    "SELECT p.id FROM plain AS p TABLESAMPLE bernoulli (@I * 100)",
    "SELECT p.id FROM plain AS p TABLESAMPLE system (100) REPEATABLE (@I)",
    "SELECT * FROM (SELECT @E) AS s(x)",
    "SELECT * FROM XMLTABLE('/a' PASSING ('<a/>'::xml) COLUMNS b text PATH 'b' DEFAULT @B::text)",
];

/// A query as an expression.
const NESTINGS: &[&str] = &[
    "(SELECT count(*) FROM (@Q) AS z)",
    "ARRAY(SELECT 1 FROM (@Q) AS z)",
    "EXISTS (@Q)",
    "(SELECT z IS NULL FROM (@Q) AS z LIMIT 1)",
    "(WITH z AS MATERIALIZED (@Q) SELECT count(*) FROM z)",
];

/// What a choice of load, places and nestings reads like before it is disguised.
fn plain(load: Load, levels: &[(&str, &str)], explained: bool) -> String {
    let mut inner = load.expression.to_owned();
    let mut query = String::new();
    for (at, (place, nesting)) in levels.iter().enumerate() {
        if at > 0 {
            inner = nesting.replace("@Q", &query);
        }
        let boolean = format!("(({inner}) IS NOT NULL)");
        query = place.replace("@E", &inner).replace("@I", &format!("({boolean}::int4)")).replace("@B", &boolean);
    }
    if !load.cte.is_empty() {
        query = format!("WITH d AS ({}) SELECT * FROM ({query}) AS top", load.cte);
    }
    if explained { format!("EXPLAIN (ANALYZE, COSTS FALSE) {query}") } else { query }
}

/// The same statement with other capitals, quotes, spaces and comments: a byte decides at each place that allows it.
fn disguised(plain: &str, choices: &[u8]) -> String {
    const GAPS: &[&str] = &[" ", " ", "\n", "\t ", "/**/", " /* ; ' */ ", "/* a /* b */ c */", " -- ' \" /*\n", "\r\n"];
    let mut choices = choices.iter().copied().cycle();
    let mut choose = |among: usize| usize::from(choices.next().unwrap_or(0)) % among;
    let mut told = String::new();
    let mut rest = plain;
    while let Some(first) = rest.chars().next() {
        let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let long = match first {
            '\'' => rest[1..].find('\'').map_or(rest.len(), |at| at + 2),
            'a'..='z' | 'A'..='Z' | '_' => rest.find(|letter| !word(letter)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(long);
        let name = first.is_ascii_lowercase();
        let upper = |token: &str| match token.len() % 2 {
            0 => token.to_uppercase(),
            _ => {
                token.chars().enumerate().map(|(at, l)| if at % 2 == 0 { l.to_ascii_uppercase() } else { l }).collect()
            }
        };
        match first {
            ' ' => told.push_str(GAPS[choose(GAPS.len())]),
            _ if name && choose(4) == 0 => write!(told, "\"{token}\"").unwrap(),
            _ if name && choose(3) == 0 => told.push_str(&upper(token)),
            'A'..='Z' if choose(3) == 0 => told.push_str(&token.to_lowercase()),
            _ => told.push_str(token),
        }
        if name && after.starts_with('(') && choose(4) == 0 {
            told.push_str(GAPS[choose(GAPS.len())]);
        }
        rest = after;
    }
    told
}

/// Statements that carry one of these loads, each with its load.
fn statements(loads: &'static [Load], count: usize) -> Vec<(Load, String)> {
    let level = (select(PLACES), select(NESTINGS));
    let strategy = (vec(level, 1..4), any::<u8>(), vec(any::<u8>(), 16..80));
    let mut runner = TestRunner::new(Config::default());
    let mut one = |at: usize| {
        let load = loads[at % loads.len()];
        let (levels, explained, choices) = strategy.new_tree(&mut runner).unwrap().current();
        (load, disguised(&plain(load, &levels, explained % 8 == 0), &choices))
    };
    (0..count).map(&mut one).collect()
}

/// The objects; with whose rights the functions run.
fn plant(ground: &Ground, rights: &str) {
    let script = include_str!("generator.sql").replace("RIGHTS", rights);
    ground.sql(&script.replace("FOLDER", &ground.cluster.folder.display().to_string()));
}

/// What is looked at beyond [`world`]: how long files are, who locked rows, and what sessions are called.
const MORE: &str = "SELECT 'length', f, (pg_catalog.pg_stat_file(f)).size FROM pg_catalog.pg_ls_dir('.') f WHERE f LIKE 'hit%' ORDER BY 2; \
    SELECT 'locked', r.ctid, r.xmin, r.xmax FROM public.lockable AS r ORDER BY 2; \
    SELECT 'counter', last_value, is_called FROM public.counter; \
    SELECT 'named', a.application_name FROM pg_stat_activity a WHERE a.application_name ~ '^[0-9a-f]{32}$' ORDER BY 2;\n";

fn state(ground: &Ground) -> String {
    world(ground) + &ground.sql(MORE)
}

/// Each in a transaction of its own that may write, and that is committed; errors are passed over.
fn bare(statement: &str) -> String {
    format!("BEGIN READ WRITE;\n{statement}\n;\nCOMMIT;\n")
}

/// Sends them through the tool; which were accepted. Nothing may change.
async fn refused_or_harmless(ground: &Ground, statements: &[String]) -> Vec<String> {
    let mut accepted = Vec::new();
    let mut before = state(ground);
    for batch in statements.chunks(25) {
        for statement in batch {
            if ground.call("postgres_query", json!({ "sql": statement })).await.is_ok() {
                accepted.push(statement.clone());
            }
        }
        if before == state(ground) {
            continue;
        }
        for statement in batch {
            before = state(ground);
            let answer = ground.call("postgres_query", json!({ "sql": statement })).await;
            assert_eq!(before, state(ground), "{statement}\n{answer:?}");
        }
        panic!("one of these changed something, once: {batch:#?}");
    }
    accepted
}

/// What was accepted changes nothing in a transaction that may write, either.
fn bare_changes_nothing(ground: &Ground, accepted: &[String]) {
    let run = |some: &[String]| {
        let script: String = some.iter().map(|statement| bare(statement)).collect();
        let before = state(ground);
        let after = ground.sql(&format!("{script}\\echo -- state\n{}{MORE}", include_str!("world_state.sql")));
        let after = after.split("-- state\n").nth(1).unwrap().to_owned();
        (before, after)
    };
    for batch in accepted.chunks(50) {
        let (before, after) = run(batch);
        if before != after {
            for statement in batch {
                let (before, after) = run(std::slice::from_ref(statement));
                assert_eq!(before, after, "{statement}");
            }
            assert_eq!(before, after, "{batch:#?}");
        }
    }
}

async fn nothing_acts(ground: &Ground, rights: &str, who: &str) -> (Vec<String>, Victim) {
    plant(ground, rights);
    let victim = Victim::of(ground);
    let only = |made: Vec<(Load, String)>| made.into_iter().map(|(_, statement)| statement).collect::<Vec<_>>();
    let (acting, harmless) = (only(statements(ACTS, 150)), only(statements(HARMLESS, 72)));
    let mut accepted = refused_or_harmless(ground, &acting).await;
    let answered = refused_or_harmless(ground, &harmless).await;
    println!(
        "{who}: {} of {} that act were accepted, {} of {} harmless ones",
        accepted.len(),
        acting.len(),
        answered.len(),
        harmless.len()
    );
    if std::env::var_os("SHOW_REFUSALS").is_some() {
        for statement in &accepted {
            println!("ACCEPTED {statement}");
        }
        for statement in harmless.iter().filter(|statement| !answered.contains(statement)) {
            println!("REFUSED {statement}\n  {:?}", ground.call("postgres_query", json!({ "sql": statement })).await);
        }
    }
    assert!(answered.len() * 10 >= harmless.len() * 6, "{who}: harmless ones are refused");
    accepted.extend(answered);
    (accepted, victim)
}

#[tokio::test]
async fn what_acts_does_not_act_for_a_superuser() {
    let ground = Ground::superuser("");
    let (accepted, _victim) = nothing_acts(&ground, "", "superuser").await;
    bare_changes_nothing(&ground, &accepted);
}

#[tokio::test]
async fn what_acts_does_not_act_for_a_reader() {
    nothing_acts(&Ground::roles(""), "", "reader").await;
    nothing_acts(&Ground::roles(""), "SECURITY DEFINER", "reader with lent rights").await;
}

#[tokio::test]
async fn the_same_statements_act_without_the_tool() {
    let ground = Ground::alone();
    plant(&ground, "");
    let _victim = Victim::of(&ground);
    let made = statements(ACTS, 180);
    let looked = format!("\\echo -- state\n{}{MORE}\\echo -- run\n", include_str!("world_state.sql"));
    let mut script = format!("\\set ON_ERROR_STOP off\n{looked}");
    for (_, statement) in &made {
        script += &(bare(statement) + &looked);
    }
    let told = ground.sql(&script);
    let states: Vec<_> = told.split("-- state\n").skip(1).map(|part| part.split("-- run\n").next().unwrap()).collect();
    assert_eq!(states.len(), made.len() + 1);
    let acted = |at: usize| states[at] != states[at + 1];
    let count = (0..made.len()).filter(|&at| acted(at)).count();
    println!("{count} of {} act", made.len());
    for load in ACTS {
        let some = (0..made.len()).filter(|&at| made[at].0 == *load && acted(at)).count();
        println!("{some} {load:?}");
        assert!(some > 0, "{load:?} never acts, so nothing is learnt from it");
    }
    assert!(count * 2 >= made.len(), "only {count} of {} act", made.len());
}
