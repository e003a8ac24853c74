//! Who may know whom: the rooms of each package in order, of which each knows only those before it, and no circle of files
//! anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mollyguard_tests::Result;

use super::imports::{Import, imports};
use super::{Source, none, sources};

/// The rooms of a package, or of one part of it, from the lowest to the highest: a folder, or a file, directly below it.
struct House {
    src: &'static str,
    /// The part's folder below `src`; empty for the whole package.
    part: &'static [&'static str],
    rooms: &'static [&'static str],
    /// Rooms that stand side by side: none of them knows another.
    apart: &'static [&'static str],
}

const HOUSES: &[House] = &[
    House {
        src: "gateway/src",
        part: &[],
        rooms: &[
            "platform",
            "config",
            "policy",
            "confirm",
            "registry",
            "operators",
            "targets",
            "credentials",
            "reply",
            "limits",
            "notify",
            "gateway",
            "retention",
            "call",
            "local",
            "operator_socket",
            "page",
            "mcp",
            "doctor",
            "cli",
        ],
        apart: &["mcp", "page", "operator_socket", "notify"],
    },
    House {
        src: "gateway/record/src",
        part: &[],
        rooms: &["webauthn", "model", "state", "audit", "store", "verify"],
        apart: &[],
    },
    House {
        src: "tools/contract/src",
        part: &[],
        rooms: &[
            "canonical",
            "digest",
            "declaration",
            "target",
            "held",
            "outcome",
            "thread",
            "preflight",
            "lease",
            "tool",
            "typed",
            "laws",
        ],
        apart: &[],
    },
    House { src: "tools/src", part: &[], rooms: &["failpoint", "turns", "text", "sql", "toolsets"], apart: &[] },
    House { src: "tools/src", part: &["toolsets"], rooms: &["files", "sqlite", "postgres"], apart: SETS },
    House { src: "tools/src", part: &["toolsets", "files"], rooms: TOOLSET, apart: &[] },
    House { src: "tools/src", part: &["toolsets", "sqlite"], rooms: TOOLSET, apart: &[] },
    House { src: "tools/src", part: &["toolsets", "postgres"], rooms: TOOLSET, apart: &[] },
];

const SETS: &[&str] = &["files", "sqlite", "postgres"];

/// The rooms of each toolset: what is asked of a target goes through its connection, so that is the lowest.
const TOOLSET: &[&str] = &["connect", "model", "check", "tools"];

/// A module by its path from the crate's root.
type Module = Vec<String>;

/// The modules of a package that are built for users, and what each imports.
struct Plan {
    files: BTreeMap<Module, String>,
    imports: BTreeMap<Module, Vec<Import>>,
}

impl Plan {
    fn of(src: &str, sources: &[Source]) -> Self {
        let (mut files, mut found) = (BTreeMap::new(), BTreeMap::new());
        for source in sources.iter().filter(|source| !source.is_tests) {
            let Some(path) = source.path.strip_prefix(src).and_then(|path| path.strip_prefix('/')) else { continue };
            let module = module(path);
            found.insert(module.clone(), imports(&source.text));
            files.insert(module, source.path.clone());
        }
        assert!(files.len() > 5, "`{src}` has hardly any modules");
        Self { files, imports: found }
    }

    /// Where what a path names is defined, through whatever hands it on; `None` where it is of another crate.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            name => {
                let child = joined(from, name);
                if !self.files.contains_key(&child) {
                    return None;
                }
                child
            }
        };
        while let Some((name, after)) = rest.split_first() {
            let next = if name == "super" { at.split_last()?.1.to_vec() } else { joined(&at, name) };
            if name != "super" && !self.files.contains_key(&next) {
                break;
            }
            (at, rest) = (next, after);
        }
        if let (Some(name), true) = (rest.first(), depth < 8) {
            let handed_on = self.imports.get(&at)?.iter().filter(|import| import.is_handed_on && import.name == *name);
            for import in handed_on {
                if let Some(there) = self.resolve(&at, &import.path, depth + 1) {
                    return Some(there);
                }
            }
        }
        self.files.contains_key(&at).then_some(at)
    }

    /// Which modules a module knows. A folder and what is in it are one thing to others, so those do not count as two.
    fn knows(&self, module: &Module) -> BTreeSet<Module> {
        let imports = self.imports.get(module).into_iter().flatten().filter(|import| !import.is_handed_on);
        let known = imports.filter_map(|import| self.resolve(module, &import.path, 0));
        known.filter(|known| !known.starts_with(module) && !module.starts_with(known)).collect()
    }
}

fn joined(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// The path of a module below that part of its package, where it lies there.
fn within<'a>(module: &'a [String], part: &[&str]) -> Option<&'a [String]> {
    let (above, below) = module.split_at_checked(part.len())?;
    (above == part).then_some(below)
}

/// The module of a file, by its path below `src`.
fn module(path: &str) -> Module {
    let path = Path::new(path).with_extension("");
    let mut parts: Module = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

#[test]
fn no_room_knows_a_higher_one() -> Result {
    let (sources, mut found) = (sources()?, Vec::new());
    for house in HOUSES {
        let plan = Plan::of(house.src, &sources);
        let floor = |module: &Module| {
            let room = within(module, house.part)?.first()?;
            let floor = house.rooms.iter().position(|known| known == room);
            let part = house.part.join("/");
            assert!(floor.is_some(), "`{room}` of `{}/{part}` has no place in the order of the rooms", house.src);
            floor
        };
        for (module, file) in &plan.files {
            let Some(own) = floor(module) else { continue };
            let stands_apart = |at: usize| house.rooms.get(at).is_some_and(|room| house.apart.contains(room));
            for known in plan.knows(module) {
                let Some(other) = floor(&known) else { continue };
                if other > own || (other != own && stands_apart(other) && stands_apart(own)) {
                    found.push(format!("{file} knows `{}`", known.join("::")));
                }
            }
        }
    }
    none(&found, "a room knows only those before it in the order of `rooms.rs`");
    Ok(())
}

#[test]
fn no_tool_knows_another() -> Result {
    let sources = sources()?;
    let (plan, mut found, mut tools) = (Plan::of("tools/src", &sources), Vec::new(), 0);
    for set in SETS {
        let tool = |module: &Module| Some(within(module, &["toolsets", set, "tools"])?.first()?.clone());
        for (module, file) in &plan.files {
            let Some(own) = tool(module) else { continue };
            tools += 1;
            let others = plan.knows(module).into_iter().filter_map(|known| tool(&known)).filter(|other| *other != own);
            found.extend(others.map(|other| format!("{file} knows the tool `{other}`")));
        }
    }
    assert!(tools > 20, "only {tools} tools were found");
    none(&found, "what tools share lies in the `model` of their set");
    Ok(())
}

#[test]
fn no_files_know_each_other_in_a_circle() -> Result {
    let (sources, mut found) = (sources()?, Vec::new());
    for house in HOUSES.iter().filter(|house| house.part.is_empty()) {
        let plan = Plan::of(house.src, &sources);
        let knows: BTreeMap<_, _> = plan.files.keys().map(|module| (module, plan.knows(module))).collect();
        for (module, known) in &knows {
            for other in known {
                if let Some(way) = way_back(&knows, other, module) {
                    let names: Vec<_> = way.iter().map(|module| module.join("::")).collect();
                    found.push(format!("{}: {} → {}", house.src, module.join("::"), names.join(" → ")));
                }
            }
        }
    }
    none(&found, "these know each other in a circle");
    Ok(())
}

/// How one gets from `from` to `to`, both included, by the shortest way.
fn way_back<'a>(
    knows: &'a BTreeMap<&Module, BTreeSet<Module>>,
    from: &'a Module,
    to: &Module,
) -> Option<Vec<&'a Module>> {
    let mut ways = std::collections::VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = way.last()?;
        if *last == to {
            return Some(way);
        }
        for next in knows.get(last).into_iter().flatten().filter(|next| seen.insert(next)) {
            ways.push_back(way.iter().copied().chain([next]).collect());
        }
    }
    None
}

#[test]
fn a_name_is_found_where_it_is_defined() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned(), is_tests: false };
    let sources = [
        source("x/src/lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
        source("x/src/a/mod.rs", "mod inner;\npub use inner::{Thing, Other as Renamed};\npub fn here() {}"),
        source("x/src/a/inner.rs", "pub struct Thing; pub struct Other;"),
        source("x/src/b.rs", "use crate::{a::{self, Thing}, c};\nfn f() { c::g() }"),
        source("x/src/c.rs", "fn g(x: crate::a::Renamed) {}\n#[cfg(test)]\nmod tests { use crate::b; }"),
        source("x/src/d.rs", "use std::fmt; use serde::a;"),
        source("x/src/e.rs", "use super::b as other;"),
    ];
    let plan = Plan::of("x/src", &sources);
    let known = |module: &str| -> Vec<String> {
        plan.knows(&vec![module.to_owned()]).iter().map(|module| module.join("::")).collect()
    };
    assert_eq!(known("a"), Vec::<String>::new());
    assert_eq!(known("b"), ["a", "a::inner", "c"]);
    assert_eq!(known("c"), ["a::inner"]);
    assert_eq!(known("d"), Vec::<String>::new());
    assert_eq!(known("e"), ["b"]);
}
