//! The file's own shape, and turning it into a [`Config`].

mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mollyguard_record::store::Room;
use mollyguard_tools::contract::{Digest, Environment, Limits, Tier, Toolset};
use serde::{Deserialize, Serialize};

use super::confirm::ConfirmTable;
use super::find::{OwnState, own_state};
use super::notify::NotifyTable;
use super::reading::Reading;
use super::trusted::{List, Trusted};
use super::{Config, ConfigError, Http, Quarantine, Socket, Token};

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    gateway: GatewayTable,
    policies: PoliciesTable,
    limits: LimitsTable,
    confirm: ConfirmTable,
    notify: NotifyTable,
    audit: AuditTable,
    retention: RetentionTable,
    redact: RedactTable,
    http: HttpTable,
    socket: SocketTable,
    environments: BTreeMap<String, EnvironmentTable>,
    targets: BTreeMap<String, toml::Table>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct GatewayTable {
    state: Option<String>,
    user: Option<String>,
    roles: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct PoliciesTable {
    defaults: bool,
    directories: Vec<String>,
}

impl Default for PoliciesTable {
    fn default() -> Self {
        Self { defaults: true, directories: Vec::new() }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    undo_bytes: u64,
    output_bytes: u64,
    output_rows: u64,
    count: u64,
    call_timeout_ms: u64,
    concurrent_calls: usize,
    waiting_calls: usize,
    kept_bytes: u64,
    free_bytes: u64,
}

impl Default for LimitsTable {
    fn default() -> Self {
        let (limits, room) = (Limits::default(), Room::default());
        Self {
            undo_bytes: limits.undo_bytes,
            output_bytes: limits.output_bytes,
            output_rows: limits.output_rows,
            count: limits.count,
            call_timeout_ms: u64::try_from(limits.deadline.as_millis()).unwrap_or(u64::MAX),
            concurrent_calls: 32,
            waiting_calls: 256,
            kept_bytes: room.kept,
            free_bytes: room.free,
        }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct AuditTable {
    checkpoint: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct RetentionTable {
    keep_days: Option<u32>,
    quarantine_days: Option<u32>,
    quarantine_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct RedactTable {
    secrets: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct HttpTable {
    tokens: Vec<TokenTable>,
    allowed_hosts: Vec<String>,
    allowed_origins: Vec<String>,
    body_bytes: usize,
    requests_per_minute: u32,
    sessions: usize,
}

impl Default for HttpTable {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            body_bytes: 4 << 20,
            requests_per_minute: 6_000,
            sessions: 1_024,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TokenTable {
    digest: Digest,
    user: String,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct SocketTable {
    connections: usize,
    connections_each: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    users: BTreeMap<String, UserTable>,
}

impl Default for SocketTable {
    fn default() -> Self {
        Self { connections: 128, connections_each: 32, users: BTreeMap::new() }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    roles: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EnvironmentTable {
    tier: Tier,
}

/// Every key with its default, as `mollyguard config --defaults` prints it.
#[derive(Debug, Default, Serialize)]
pub struct Defaults {
    gateway: GatewayTable,
    policies: PoliciesTable,
    limits: LimitsTable,
    confirm: ConfirmTable,
    notify: NotifyTable,
    audit: AuditTable,
    retention: RetentionTable,
    redact: RedactTable,
    http: HttpTable,
    socket: SocketTable,
}

/// The defaults as TOML. Keys without a default of their own stand as comments.
#[must_use]
pub fn defaults_toml() -> String {
    const STATE: &str = "[gateway]\n# state = a folder of this file's own in \"~/.local/state/mollyguard\", or below $XDG_STATE_HOME\n# user = $USER\n";
    const CHECKPOINT: &str = "[audit]\n# checkpoint = \"FILE\" for signed heads; none unless set\n";
    const KEEP: &str = "[retention]\n# keep_days = DAYS, 7 or more; older calls and records are pruned. Everything is kept unless set
# quarantine_days = DAYS, 7 or more; what was dropped or deleted before, and lies in the quarantine of a database or the trash of
# a folder, is removed for good. Everything is kept unless set
# quarantine_bytes = BYTES; while more is kept of one target, the oldest that has been there for 7 days is removed for good
";
    const PAGE: &str = "\n\n[notify]\n";
    const NOTIFY: &str = "
# page_url = \"https://NAME\" where `serve --http` is reached by browsers; http://localhost:PORT unless set

[notify]
# command, told of each question without a shell, such as [\"notify-send\", \"Mollyguard\", \"{what}\"]; the places are
# {what}, {where}, {need}, {page} and {confirmation}
# [[notify.webhooks]]
# url = an https:// URL, or where it comes from if it is a secret, such as \"env:NAME\"
# secret = where a signing secret comes from (Standard Webhooks: whsec_...); unsigned unless set
# tiers = only questions about these, such as [\"production\"]; about all unless set
";
    const NAMED: &str = "
# [socket.users.NAME]
# roles = the roles of the operating system user NAME on `serve --socket`; other users have none

# [environments.NAME]
# tier = \"production\", \"staging\" or \"development\"

# [targets.NAME]
# kind = a toolset of `mollyguard tools`
# environment = the NAME of one
# environments = { THEIRS = \"NAME\" } for a kind whose targets hold several; what is not mapped counts as production
# identity = what `mollyguard targets check` shows; a target with another identity is refused
# secret = where its credential comes from, such as \"env:NAME\", for the kinds that take one
# read_secret = the same for reads, which should have a credential that can do no more
# and the kind's own keys: `path` for sqlite; `root` and `backups` for files; `connections`, `trial_ms`, `lock_ms` for postgres
";
    let defaults = toml::to_string_pretty(&Defaults::default()).unwrap_or_default();
    let defaults = defaults
        .replace("[gateway]\n", STATE)
        .replace("[audit]\n", CHECKPOINT)
        .replace("[retention]\n", KEEP)
        .replace(PAGE, NOTIFY);
    format!("{defaults}{NAMED}")
}

/// The keys of every target, whatever its kind.
#[cfg(all(test, feature = "files"))]
pub(crate) const TARGET_KEYS: [&str; 6] = ["kind", "environment", "environments", "secret", "read_secret", "identity"];

/// Keys that look like those of secrets of any kind.
const SECRET_KEYS: [&str; 2] = ["secret", "read_secret"];

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn load(path: &Path, toolsets: &[Arc<dyn Toolset>]) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|reason| ConfigError::Unreadable { path: path.to_path_buf(), reason })?;
        Self::parse(&text, path, toolsets)
    }

    /// Checks the text of a configuration file that lies at `path`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str, path: &Path, toolsets: &[Arc<dyn Toolset>]) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.to_path_buf(),
            reason: place_and_reason(text, &error),
        })?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let base = absolute.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let reading = Reading { path, base, trusted: List::default() };
        let environments: BTreeMap<_, _> = file
            .environments
            .iter()
            .map(|(name, table)| (name.clone(), Environment { name: name.clone(), tier: table.tier }))
            .collect();
        let mut targets = BTreeMap::new();
        for (name, table) in file.targets {
            let target = target::target(&reading, &name, table, &environments, toolsets)?;
            targets.insert(name, target);
        }
        let redact = file.redact.secrets.iter().map(|text| reading.secret("redact.secrets", text));
        let limits = limits(&reading, &file.limits)?;
        let (state, own_state) = state(&reading, file.gateway.state.as_deref())?;
        let (directories, checkpoint) = (file.policies.directories.iter(), file.audit.checkpoint.as_deref());
        Ok(Self {
            path: path.to_path_buf(),
            digest: Digest::of_bytes(text.as_bytes()),
            state,
            own_state,
            user: user(&reading, file.gateway.user)?,
            roles: file.gateway.roles,
            default_policies: file.policies.defaults,
            policy_directories: directories
                .map(|folder| reading.path("policies", "policies.directories", folder))
                .collect(),
            limits,
            concurrent_calls: file.limits.concurrent_calls,
            waiting_calls: file.limits.waiting_calls,
            room: Room { kept: file.limits.kept_bytes, free: file.limits.free_bytes },
            confirm: file.confirm.read(&reading)?,
            page: file.confirm.page(&reading)?,
            notify: file.notify.read(&reading)?,
            checkpoint: checkpoint.map(|path| reading.path("checkpoint file", "audit.checkpoint", path)),
            keep: days(&reading, "keep_days", file.retention.keep_days)?,
            quarantine: Quarantine {
                age: days(&reading, "quarantine_days", file.retention.quarantine_days)?,
                bytes: file.retention.quarantine_bytes,
            },
            redact: redact.collect::<Result<_, _>>()?,
            http: http(&reading, file.http)?,
            socket: socket(&reading, file.socket)?,
            environments,
            targets,
            trusted: reading.trusted.whole(path),
        })
    }
}

/// Line, column and reason, but nothing of what is written there: it may be a secret pasted where a reference belongs.
fn place_and_reason(text: &str, error: &toml::de::Error) -> String {
    let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
    let (line, column) =
        (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
    let reason = without_value(error.message().trim_end());
    format!("line {line}, column {column}: {reason}")
}

/// serde says `invalid type: string "…", expected a sequence`, and of numbers and booleans alike, in backticks.
fn without_value(reason: &str) -> String {
    for (kind, quote) in [("string", '"'), ("integer", '`'), ("floating point", '`'), ("boolean", '`')] {
        if let Some((wrong, rest)) = reason.split_once(&format!(": {kind} {quote}")) {
            let expected = rest.rfind(&format!("{quote}, ")).and_then(|end| rest.get(end + 1..)).unwrap_or_default();
            let article = if kind == "integer" { "an" } else { "a" };
            return format!("{wrong}: {article} {kind}{expected}");
        }
    }
    reason.to_owned()
}

/// Where the state is, and whose that is where the file does not say where.
fn state(reading: &Reading<'_>, configured: Option<&str>) -> Result<(PathBuf, Option<OwnState>), ConfigError> {
    const KEY: &str = "gateway.state";
    const STATE: &str = "state directory";
    if let Some(path) = configured {
        return Ok((reading.path(STATE, KEY, path), None));
    }
    let own = own_state(reading.path);
    let own = own.ok_or_else(|| reading.wrong(KEY, "there is no home directory, so it must be set"))?;
    reading
        .trusted
        .add([Trusted::path(STATE, KEY, &own.path), Trusted::path("state directory of others", KEY, &own.all)]);
    Ok((own.path.clone(), Some(own)))
}

fn user(reading: &Reading<'_>, configured: Option<String>) -> Result<String, ConfigError> {
    let user = configured.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "local".to_owned());
    if user.trim().is_empty() || user.len() > 128 || user.chars().any(char::is_control) {
        return Err(reading.wrong("gateway.user", "a user is a name of 1 to 128 printable characters"));
    }
    Ok(user)
}

fn limits(reading: &Reading<'_>, table: &LimitsTable) -> Result<Limits, ConfigError> {
    let positive = [
        ("output_bytes", table.output_bytes),
        ("output_rows", table.output_rows),
        ("count", table.count),
        ("call_timeout_ms", table.call_timeout_ms),
        ("concurrent_calls", table.concurrent_calls as u64),
    ];
    if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
        return Err(reading.wrong(format!("limits.{key}"), "must be more than 0"));
    }
    if table.undo_bytes > 1 << 30 || table.output_bytes > 64 << 20 {
        return Err(reading.wrong("limits", "`undo_bytes` is at most 1 GiB and `output_bytes` at most 64 MiB"));
    }
    Ok(Limits {
        undo_bytes: table.undo_bytes,
        output_bytes: table.output_bytes,
        output_rows: table.output_rows,
        count: table.count,
        deadline: Duration::from_millis(table.call_timeout_ms),
    })
}

/// The shortest time that what was recorded or put away is kept, where not everything is: longer than a no holds, and long
/// enough for a weekend to pass before somebody looks.
pub(crate) const SHORTEST_DAYS: u32 = 7;

fn days(reading: &Reading<'_>, key: &str, days: Option<u32>) -> Result<Option<Duration>, ConfigError> {
    match days {
        Some(days) if !(SHORTEST_DAYS..=36_500).contains(&days) => {
            Err(reading.wrong(format!("retention.{key}"), format!("must be {SHORTEST_DAYS} to 36500 days")))
        }
        days => Ok(days.map(|days| Duration::from_secs(u64::from(days) * 86_400))),
    }
}

fn http(reading: &Reading<'_>, table: HttpTable) -> Result<Http, ConfigError> {
    if table.body_bytes == 0 || table.requests_per_minute == 0 || table.sessions == 0 {
        return Err(reading.wrong("http", "`body_bytes`, `requests_per_minute` and `sessions` must be more than 0"));
    }
    if let Some(token) = table.tokens.iter().find(|token| token.user.trim().is_empty()) {
        return Err(reading.wrong("http.tokens", format!("the token `{}` has no user", token.digest)));
    }
    let tokens = table
        .tokens
        .into_iter()
        .map(|token| Token { digest: token.digest, user: token.user, roles: token.roles })
        .collect();
    Ok(Http {
        tokens,
        allowed_hosts: table.allowed_hosts,
        allowed_origins: table.allowed_origins,
        body_bytes: table.body_bytes,
        requests_per_minute: table.requests_per_minute,
        sessions: table.sessions,
    })
}

fn socket(reading: &Reading<'_>, table: SocketTable) -> Result<Socket, ConfigError> {
    let SocketTable { connections, connections_each, users } = table;
    if connections == 0 || connections_each == 0 {
        return Err(reading.wrong("socket", "`connections` and `connections_each` must be more than 0"));
    }
    let roles = users.into_iter().map(|(name, user)| (name, user.roles)).collect();
    Ok(Socket { connections, connections_each, roles })
}
