//! Settings of agents' own programs with which nobody is asked: those that answer the gateway's questions in a person's name,
//! and those that let every call through unseen. What is given on their command lines cannot be seen here.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Finding, Ground, jsonc};

/// The longest settings file that is read.
const LONGEST: u64 = 1 << 20;

/// What settings amount to.
enum Sees {
    /// A program answers questions.
    Answers(String),
    /// Calls go through without anybody seeing them; the gateway still asks.
    Passes(String),
}

pub(super) fn check(ground: &Ground) -> Vec<Finding> {
    let found = [
        family("claude-code", &claude_paths(ground), claude),
        family("cursor", &cursor_paths(ground), cursor),
        family("codex", &codex_paths(ground), codex),
        family("vscode", &vscode_paths(ground), vscode),
    ];
    found.into_iter().flatten().collect()
}

/// What one program's settings amount to; nothing where there are none.
fn family(id: &'static str, paths: &[PathBuf], read: fn(&str) -> Vec<Sees>) -> Option<Finding> {
    let mut looked = Vec::new();
    let mut passes = None;
    for path in paths.iter().filter(|path| path.is_file()) {
        let Some(text) = text(path) else {
            return Some(Finding::unknown(id, format!("`{}` cannot be read", path.display())));
        };
        for sees in read(&text) {
            match sees {
                Sees::Answers(what) => {
                    let what = format!("`{}`: {what}", path.display());
                    let mend = "remove it: an answer from a program is not an answer from a person";
                    return Some(Finding::wrong(id, what, mend));
                }
                Sees::Passes(what) => {
                    passes.get_or_insert_with(|| format!("`{}`: {what}", path.display()));
                }
            }
        }
        looked.push(format!("`{}`", path.display()));
    }
    match passes {
        Some(what) => {
            Some(Finding::weak(id, what, "let the program ask before it calls a tool that changes something"))
        }
        None if looked.is_empty() => None,
        None => Some(Finding::ok(id, format!("nothing in {} answers or passes calls by itself", looked.join(", ")))),
    }
}

fn text(path: &Path) -> Option<String> {
    let fits = fs::metadata(path).is_ok_and(|found| found.len() <= LONGEST);
    fits.then(|| fs::read_to_string(path).ok()).flatten()
}

fn below(ground: &Ground, home: &[&str], folder: &[&str]) -> Vec<PathBuf> {
    let at_home = ground.home.iter().flat_map(|base| home.iter().map(move |path| base.join(path)));
    let mut paths: Vec<PathBuf> = at_home.collect();
    for path in folder.iter().map(|path| ground.folder.join(path)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn claude_paths(ground: &Ground) -> Vec<PathBuf> {
    let files = [".claude/settings.json", ".claude/settings.local.json"];
    below(ground, &files, &files)
}

/// Claude Code: hooks by event, and `permissions.defaultMode` (its settings reference).
fn claude(text: &str) -> Vec<Sees> {
    let Some(settings) = jsonc::parse(text) else { return Vec::new() };
    let mut seen = Vec::new();
    let hooks = |event: &str| settings["hooks"][event].as_array().cloned().unwrap_or_default();
    for event in ["Elicitation", "ElicitationResult"] {
        if !hooks(event).is_empty() && settings["disableAllHooks"] != true {
            seen.push(Sees::Answers(format!("a hook on `{event}` can answer the gateway's questions")));
        }
    }
    let mode = settings["permissions"]["defaultMode"].as_str().unwrap_or_default();
    if ["bypassPermissions", "dontAsk"].contains(&mode) {
        seen.push(Sees::Passes(format!("`permissions.defaultMode` is `{mode}`: no call is shown before it is made")));
    }
    for event in ["PreToolUse", "PermissionRequest"] {
        if hooks(event).iter().any(catches_ours) && settings["disableAllHooks"] != true {
            seen.push(Sees::Passes(format!("a hook on `{event}` can let calls to this gateway through unseen")));
        }
    }
    seen
}

/// Whether a hook's matcher takes in the tools of an MCP server.
fn catches_ours(hook: &Value) -> bool {
    let matcher = hook["matcher"].as_str().unwrap_or_default();
    ["", "*", ".*"].contains(&matcher) || matcher.contains("mcp") || matcher.contains("mollyguard")
}

fn cursor_paths(ground: &Ground) -> Vec<PathBuf> {
    let home = [".cursor/permissions.json", ".cursor/cli-config.json"];
    below(ground, &home, &[".cursor/permissions.json", ".cursor/cli.json"])
}

/// Cursor: `mcpAllowlist` of `permissions.json`; `permissions.allow` and `approvalMode` of its command line.
fn cursor(text: &str) -> Vec<Sees> {
    let Some(settings) = jsonc::parse(text) else { return Vec::new() };
    let mut seen = Vec::new();
    for (key, list) in
        [("mcpAllowlist", &settings["mcpAllowlist"]), ("permissions.allow", &settings["permissions"]["allow"])]
    {
        let entries = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut ours = entries.filter(|entry| {
            let is_tool = key == "mcpAllowlist" || entry.starts_with("Mcp(");
            is_tool && (entry.contains("mollyguard") || entry.trim_start_matches("Mcp(").starts_with('*'))
        });
        if let Some(entry) = ours.next() {
            seen.push(Sees::Passes(format!(
                "`{key}` has `{entry}`: calls to this gateway are not shown before they are made"
            )));
        }
    }
    if settings["approvalMode"] == "unrestricted" {
        seen.push(Sees::Passes("`approvalMode` is `unrestricted`: no call is shown before it is made".to_owned()));
    }
    seen
}

fn codex_paths(ground: &Ground) -> Vec<PathBuf> {
    let home = std::env::var_os("CODEX_HOME").map(|home| PathBuf::from(home).join("config.toml"));
    home.into_iter().chain(below(ground, &[".codex/config.toml"], &[".codex/config.toml"])).collect()
}

/// Codex: with `approval_policy = "never"` and full access it accepts a form without fields by itself.
fn codex(text: &str) -> Vec<Sees> {
    let Ok(settings) = text.parse::<toml::Table>() else { return Vec::new() };
    let profiles = settings.get("profiles").and_then(toml::Value::as_table);
    let named = profiles.into_iter().flatten().filter_map(|(_, profile)| profile.as_table());
    let mut seen = Vec::new();
    for table in std::iter::once(&settings).chain(named) {
        let is = |key: &str, value: &str| table.get(key).and_then(toml::Value::as_str) == Some(value);
        if is("approval_policy", "never") {
            seen.push(Sees::Passes("`approval_policy` is `never`: no call is shown before it is made".to_owned()));
        }
        if is("sandbox_mode", "danger-full-access") {
            seen.push(Sees::Passes(
                "`sandbox_mode` is `danger-full-access`: what the agent runs reaches all that this user can".to_owned(),
            ));
        }
    }
    seen
}

fn vscode_paths(ground: &Ground) -> Vec<PathBuf> {
    let home = [
        ".config/Code/User/settings.json",
        ".config/Code - Insiders/User/settings.json",
        ".vscode-server/data/Machine/settings.json",
        "Library/Application Support/Code/User/settings.json",
    ];
    below(ground, &home, &[".vscode/settings.json"])
}

/// VS Code: `chat.tools.global.autoApprove`, and its former name.
fn vscode(text: &str) -> Vec<Sees> {
    let Some(settings) = jsonc::parse(text) else { return Vec::new() };
    let keys = ["chat.tools.global.autoApprove", "chat.tools.autoApprove"].into_iter();
    let on = keys.filter(|key| settings[*key] == true);
    on.map(|key| Sees::Passes(format!("`{key}` is on: no call is shown before it is made"))).collect()
}
