//! Places with a hole for an expression, and what is put into the hole: a side effect in some disguise, or something harmless.

use serde_json::{Value, json};

use super::hostile::folder;

/// Somewhere the server runs code that a statement need not name.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// What it is called, within all files.
    pub name: String,
    /// Only a superuser can make it, or it is about a target whose role is one.
    pub superuser: bool,
    /// It has no hole: it acts by itself, so that there is no harmless one.
    pub fixed: bool,
    /// The statements that make it.
    pub setup: String,
    /// The calls, in order.
    pub calls: Vec<Call>,
    /// The statements that act without the tools; the calls' own if there are none.
    pub bare: String,
    /// What makes the server ordinary again beyond dropping the schema.
    pub cleanup: String,
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// As it is written in the list.
    pub line: String,
    /// The tool's name.
    pub tool: String,
    /// Without the target.
    pub args: Value,
}

impl Call {
    /// From `verb argument …`, as a line of a list has it.
    pub(super) fn read(line: &str) -> Self {
        let asked = line.split(" => ").next().unwrap_or(line);
        let (verb, rest) = asked.split_once(' ').unwrap_or((asked, ""));
        let words: Vec<&str> = rest.split(' ').collect();
        let args = match verb {
            "query" | "write" | "alter" => json!({ "sql": rest.replace('⏎', "\n") }),
            "drop" | "purge" => match words.as_slice() {
                ["column", table, column] => json!({ "object": "column", "name": table, "column": column }),
                [object, name] => json!({ "object": object, "name": name }),
                _ => panic!("{line}"),
            },
            "truncate" => json!({ "table": words[0], "cascade": words.get(1) == Some(&"cascade") }),
            "describe" if rest.is_empty() => json!({}),
            "describe" => json!({ "table": rest }),
            _ => panic!("{line}"),
        };
        Self { line: line.to_owned(), tool: format!("postgres_{verb}"), args }
    }

    /// The statement it sends, where it is one.
    pub(super) fn sql(&self) -> Option<&str> {
        self.args["sql"].as_str()
    }
}

/// Reads a list. An entry is `=== NAME [superuser]`, statements, then `>>> CALL`, `!!! BARE` and `<<< CLEANUP` lines. Its
/// holes are `{v}`, a bigint that may be volatile; `{i}` and `{x}`, an immutable one of a constant and of the column `id`; and
/// `{body}`, a statement of PL/pgSQL. Every hole of an entry does the same.
pub(super) fn read(list: &str) -> Vec<Place> {
    let path = folder().join("places").join(format!("{list}.sql"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut places: Vec<Place> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("--") && !line.is_empty()) {
        if let Some(title) = line.strip_prefix("=== ") {
            let name = title.trim_end_matches(" [superuser]").to_owned();
            let superuser = title.ends_with(" [superuser]");
            let empty = String::new;
            let fixed = true;
            let (setup, bare, cleanup) = (empty(), empty(), empty());
            places.push(Place { name, superuser, fixed, setup, calls: Vec::new(), bare, cleanup });
            continue;
        }
        let place = places.last_mut().unwrap();
        if HOLES.iter().any(|hole| line.contains(hole)) {
            place.fixed = false;
        }
        if let Some(call) = line.strip_prefix(">>> ") {
            place.calls.push(Call::read(call));
        } else if let Some(bare) = line.strip_prefix("!!! ") {
            place.bare += &format!("{bare};\n");
        } else if let Some(cleanup) = line.strip_prefix("<<< ") {
            place.cleanup += &format!("{cleanup};\n");
        } else {
            place.setup += &format!("{line}\n");
        }
    }
    places
}

const HOLES: [&str; 4] = ["{v}", "{i}", "{x}", "{body}"];

impl Place {
    /// Whether what fills it must be, or look, immutable.
    pub(super) fn immutable(&self) -> bool {
        let text =
            self.setup.clone() + &self.bare + &self.calls.iter().map(|call| call.line.as_str()).collect::<String>();
        text.contains("{i}") || text.contains("{x}")
    }

    /// The place with something in its holes, beside words that every place may use.
    pub(super) fn filled(&self, load: &Load, words: &[(&str, String)]) -> Self {
        let fill = |text: &str| {
            let mut text = text
                .replace("{body}", &load.body)
                .replace("{v}", &load.of("1::int8"))
                .replace("{i}", &load.of("1::int8"))
                .replace("{x}", &load.of("id"));
            for (word, value) in words {
                text = text.replace(word, value);
            }
            text
        };
        let calls = self.calls.iter().map(|call| Call::read(&fill(&call.line))).collect();
        let setup = fill(&(load.prelude.clone() + "\n" + &self.setup));
        Self { setup, calls, bare: fill(&self.bare), cleanup: fill(&self.cleanup), ..self.clone() }
    }

    /// What acts without the tools, in a transaction that is rolled back.
    pub(super) fn acts(&self) -> String {
        if !self.bare.is_empty() {
            return self.bare.clone();
        }
        self.calls.iter().filter_map(Call::sql).map(|sql| format!("{sql};\n")).collect()
    }

    /// A number that stays the same when other places come and go.
    pub(super) fn number(&self) -> usize {
        self.name.bytes().fold(7, |sum: usize, byte| (sum * 31 + usize::from(byte)) % 1_000_003)
    }
}

/// What fills the holes.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// What it is called.
    pub name: String,
    /// What has to be made before.
    prelude: String,
    /// A bigint; `@` is its argument.
    expression: String,
    /// A statement of PL/pgSQL.
    body: String,
}

impl Load {
    fn of(&self, argument: &str) -> String {
        format!("({})", self.expression.replace('@', argument))
    }

    /// The same within other syntax.
    pub(super) fn within(mut self, wrapping: &str) -> Self {
        self.expression = wrapping.replace('E', &format!("({})", self.expression));
        self.name = format!("{} in {wrapping}", self.name);
        self
    }
}

/// Something that no rollback takes back: name, whether a superuser's rights are needed, what has to be made, the expression.
pub(super) type Effect = (&'static str, bool, &'static str, &'static str);

/// Each is taken notice of by [`super::places`]'s mark.
pub(super) const EFFECTS: &[Effect] = &[
    ("setval", false, "", "setval('keep.mark'::regclass, 7::int8)"),
    ("terminate", false, "", "pg_terminate_backend({pid}, 5000::int8)::int4::int8"),
    (
        "dynamic nextval",
        false,
        "CREATE FUNCTION public.effect() RETURNS int8 LANGUAGE plpgsql AS $e$ DECLARE n int8; BEGIN \
           EXECUTE 'SELECT next' || 'val(''ke' || 'ep.mark'')' INTO n; RETURN n; END $e$;",
        "public.effect()",
    ),
    ("message", false, "", "(pg_logical_emit_message(false, 'hit'::text, 'x'::text) - '0/0'::pg_lsn)::int8"),
    ("lo_export", true, "", "lo_export(77001::oid, 'hit_export'::text)::int8"),
    ("slot", true, "", "length(pg_create_physical_replication_slot('hit'::name)::text)::int8"),
    ("statistics", true, "", "length(pg_stat_reset()::text)::int8"),
    ("dblink", true, "", "length(keep.dblink_exec('{loopback}'::text, 'INSERT INTO keep.log VALUES (1)'::text))::int8"),
    (
        "program",
        true,
        "CREATE FUNCTION public.effect() RETURNS int8 LANGUAGE plpgsql AS $e$ BEGIN \
           COPY (SELECT 1) TO PROGRAM 'cat; touch hit_program'; RETURN 1; END $e$;",
        "public.effect()",
    ),
];

/// How an effect is disguised: name, what has to be made, the expression. `%E` is the effect, `%V` how volatile it says it is.
const CARRIERS: &[(&str, &str, &str)] = &[
    (
        "a PL/pgSQL function",
        "CREATE FUNCTION public.acts(int8) RETURNS int8 LANGUAGE plpgsql %V AS $f$ BEGIN PERFORM %E; \
      RETURN $1; END $f$;",
        "public.acts(@)",
    ),
    (
        "dynamic SQL",
        "CREATE FUNCTION public.acts(int8) RETURNS int8 LANGUAGE plpgsql %V AS $f$ BEGIN EXECUTE \
      $q$ SELECT %E $q$; RETURN $1; END $f$;",
        "public.acts(@)",
    ),
    (
        "an SQL function",
        "CREATE FUNCTION public.acts(int8) RETURNS int8 LANGUAGE sql %V AS $f$ \
      SELECT CASE WHEN %E IS NOT NULL THEN $1 ELSE $1 END $f$;",
        "public.acts(@)",
    ),
    (
        "an SQL function with a body of the standard",
        "CREATE FUNCTION public.acts(int8) RETURNS int8 LANGUAGE sql %V \
      RETURN CASE WHEN %E IS NOT NULL THEN $1 ELSE $1 END;",
        "public.acts(@)",
    ),
    (
        "a variadic function",
        "CREATE FUNCTION public.acts(VARIADIC int8[]) RETURNS int8 LANGUAGE plpgsql %V AS $f$ BEGIN \
      PERFORM %E; RETURN $1[1]; END $f$;",
        "public.acts(@, 2)",
    ),
    (
        "a polymorphic function",
        "CREATE FUNCTION public.acts(anyelement) RETURNS anyelement LANGUAGE plpgsql %V AS $f$ BEGIN \
      PERFORM %E; RETURN $1; END $f$;",
        "public.acts(@)",
    ),
    (
        "an operator",
        "CREATE FUNCTION public.acts(int8, int8) RETURNS int8 LANGUAGE plpgsql %V AS $f$ BEGIN PERFORM %E; \
      RETURN $1; END $f$; CREATE OPERATOR public.|#| (FUNCTION = public.acts, LEFTARG = int8, RIGHTARG = int8);",
        "@ OPERATOR(public.|#|) 2::int8",
    ),
    (
        "a cast",
        "CREATE TYPE public.wrap AS (w int8); CREATE FUNCTION public.acts(int8) RETURNS public.wrap LANGUAGE plpgsql \
      %V AS $f$ BEGIN PERFORM %E; RETURN ROW($1); END $f$; CREATE CAST (int8 AS public.wrap) WITH FUNCTION \
      public.acts(int8);",
        "((@)::public.wrap).w",
    ),
    ("a domain", "CREATE DOMAIN public.held AS int8 CHECK (%E IS NOT NULL);", "((@)::public.held)::int8"),
    (
        "a domain over a domain",
        "CREATE DOMAIN public.inner_held AS int8 CHECK (%E IS NOT NULL); CREATE DOMAIN public.held AS \
      public.inner_held;",
        "((@)::public.held)::int8",
    ),
    (
        "an overload of a built-in function",
        "CREATE FUNCTION public.length(varchar) RETURNS int4 LANGUAGE plpgsql %V AS $f$ \
      BEGIN PERFORM %E; RETURN 1; END $f$;",
        "length((@)::varchar)::int8",
    ),
    (
        "an attribute",
        "CREATE TYPE public.comp AS (c int8); CREATE FUNCTION public.sneak(public.comp) RETURNS int8 LANGUAGE \
      plpgsql %V AS $f$ BEGIN PERFORM %E; RETURN ($1).c; END $f$;",
        "(ROW(@)::public.comp).sneak",
    ),
    (
        "a definer's function",
        "CREATE FUNCTION public.acts(int8) RETURNS int8 LANGUAGE plpgsql %V SECURITY DEFINER AS $f$ BEGIN \
      IF (%E) IS NULL THEN RETURN 1; END IF; RETURN $1; END $f$;",
        "public.acts(@)",
    ),
    (
        "a function called by a function",
        "CREATE FUNCTION public.deep(int8) RETURNS int8 LANGUAGE plpgsql AS $f$ BEGIN \
      RETURN (SELECT CASE WHEN %E IS NOT NULL THEN $1 END); END $f$; CREATE FUNCTION public.acts(int8) RETURNS int8 LANGUAGE sql %V AS \
      'SELECT public.deep($1)';",
        "public.acts(@)",
    ),
];

/// Those that only fit where volatile functions do.
const VOLATILE_CARRIERS: &[(&str, &str, &str)] = &[
    ("nothing", "", "%E"),
    (
        "a default argument",
        "CREATE FUNCTION public.acts(int8, int8 DEFAULT %E) RETURNS int8 LANGUAGE plpgsql AS \
      $f$ BEGIN RETURN $1; END $f$;",
        "public.acts(@)",
    ),
];

/// How many disguises there are.
pub(super) fn carriers(immutable: bool) -> usize {
    CARRIERS.len() + if immutable { 0 } else { VOLATILE_CARRIERS.len() }
}

/// An effect in a disguise.
pub(super) fn hostile(effect: Effect, carrier: usize, immutable: bool) -> Load {
    let (name, _, needs, effect) = effect;
    let carrier = CARRIERS.iter().chain(VOLATILE_CARRIERS).nth(carrier).unwrap();
    let (how, prelude, expression) = *carrier;
    let volatility = if immutable { "IMMUTABLE" } else { "VOLATILE" };
    let put = |text: &str| text.replace("%E", effect).replace("%V", volatility);
    load(&format!("{name} by {how}"), &format!("{needs} {}", put(prelude)), &put(expression))
}

fn load(name: &str, prelude: &str, expression: &str) -> Load {
    let body = format!("PERFORM {};", expression.replace('@', "1::int8"));
    let expression = expression.to_owned();
    Load { name: name.to_owned(), prelude: prelude.to_owned(), expression, body }
}

/// What is harmless: PostgreSQL's own functions, and functions of the owner that only compute.
const HARMLESS: &[(&str, &str, &str)] = &[
    ("abs", "", "abs(@)"),
    ("an addition", "", "@ + 1::int8"),
    ("greatest", "", "greatest(@, 0::int8)"),
    ("length", "", "length(lower((@)::text))::int8"),
    (
        "the owner's SQL function",
        "CREATE FUNCTION public.add_one(int8) RETURNS int8 LANGUAGE sql IMMUTABLE AS \
      'SELECT $1 + 1';",
        "public.add_one(@)",
    ),
    (
        "the owner's SQL function with a body of the standard",
        "CREATE FUNCTION public.add_one(int8) RETURNS int8 LANGUAGE sql \
      IMMUTABLE RETURN $1 + 1;",
        "public.add_one(@)",
    ),
    (
        "the owner's PL/pgSQL function",
        "CREATE FUNCTION public.add_one(int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS $f$ \
      BEGIN RETURN $1 + 1; END $f$;",
        "public.add_one(@)",
    ),
    ("the owner's domain", "CREATE DOMAIN public.amount AS int8 CHECK (VALUE >= 0);", "((@)::public.amount)::int8"),
];

/// How many harmless ones there are.
pub(super) const fn harmless_ones() -> usize {
    HARMLESS.len()
}

/// Something harmless.
pub(super) fn harmless(which: usize) -> Load {
    let (name, prelude, expression) = HARMLESS[which % HARMLESS.len()];
    load(name, prelude, expression)
}

/// For places without holes.
pub(super) fn nothing() -> Load {
    load("itself", "", "1::int8")
}
