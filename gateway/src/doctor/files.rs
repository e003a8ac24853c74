//! Who can read or change what the gateway goes by: its state, configuration, policies, secrets, sockets and checkpoint.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use mollyguard_record::state::directory;
use mollyguard_record::verify::behind;
use mollyguard_tools::contract::Exposed;
use mollyguard_tools::text::moment;
use rustix::process::geteuid;

use super::{Finding, Ground};
use crate::config::{Config, SecretSource, Url, Webhook};
use crate::platform::user_name;
use crate::targets::exposed::{Findings, Looked};

/// The most secrets that are told.
const TOLD: usize = 8;

pub(super) fn check(ground: &Ground, apart: bool) -> Vec<Finding> {
    let mut findings = match &ground.config {
        Some(config) => {
            vec![
                state(config),
                written(config),
                policies(config),
                secrets(config, apart),
                exposed(config),
                checkpoint(config, apart),
            ]
        }
        None if apart => {
            vec![Finding::ok("files", "this user cannot read the gateway's configuration, as it should be")]
        }
        None => vec![Finding::unknown("files", "there is no configuration to look at")],
    };
    findings.extend(sockets(ground));
    findings
}

fn state(config: &Config) -> Finding {
    let path = config.state.display();
    if !config.state.exists() {
        let what = format!("`{path}` is made on first use, for its owner alone");
        return Finding::ok(
            "state",
            match config.own_state.as_ref().and_then(|own| own.earlier.as_ref()) {
                Some(earlier) => format!("{what}; what earlier versions wrote is in `{}`", earlier.display()),
                None => what,
            },
        );
    }
    match directory::check(&config.state) {
        Ok(()) => Finding::ok("state", format!("only its owner can change `{path}`")),
        Err(what) => Finding::wrong("state", what, format!("`chmod 700 {path}`")),
    }
}

/// Why others than this user and root could change a file or folder.
fn changeable(path: &Path) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    let (mode, owner) = (found.mode() & 0o777, found.uid());
    // In a sticky folder nobody can replace what is another's.
    if mode & 0o022 != 0 && found.mode() & 0o1000 == 0 {
        return Some(format!("other users can change `{}` (mode {mode:03o})", path.display()));
    }
    let me = geteuid().as_raw();
    (owner != 0 && owner != me && me != 0)
        .then(|| format!("`{}` belongs to another user, `{}`, who can change it", path.display(), user_name(owner)))
}

fn written(config: &Config) -> Finding {
    let folder = config.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match changeable(&config.path).or_else(|| folder.and_then(changeable)) {
        Some(what) => Finding::wrong("configuration", what, format!("`chmod go-w {}`", config.path.display())),
        None => Finding::ok("configuration", format!("only its owner can change `{}`", config.path.display())),
    }
}

fn policies(config: &Config) -> Finding {
    for folder in &config.policy_directories {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(what) = std::iter::once(folder.clone()).chain(files).find_map(|path| changeable(&path)) {
            return Finding::wrong("policies", what, format!("`chmod -R go-w {}`", folder.display()));
        }
    }
    let shipped =
        if config.default_policies { "the shipped ones are in the program" } else { "the shipped ones are off" };
    let own: Vec<String> = config.policy_directories.iter().map(|folder| format!("`{}`", folder.display())).collect();
    match own.is_empty() {
        true => Finding::ok("policies", format!("{shipped}, and there are no others")),
        false => Finding::ok("policies", format!("{shipped}; only the owner can change those in {}", own.join(", "))),
    }
}

fn secrets(config: &Config, apart: bool) -> Finding {
    let targets = config.targets.values().flat_map(|target| target.secrets.values());
    let webhooks = config.notify.webhooks.iter().flat_map(secrets_of);
    let all: Vec<&SecretSource> = targets.chain(webhooks).chain(&config.redact).collect();
    for path in all.iter().filter_map(|source| file(source)) {
        match fs::metadata(path).map(|found: Metadata| found.mode() & 0o777) {
            Ok(mode) if mode & 0o077 != 0 => {
                let what = format!("others can read the secret `{}` (mode {mode:03o})", path.display());
                return Finding::wrong("secrets", what, format!("`chmod 600 {}`", path.display()));
            }
            Ok(_) => {}
            Err(_) => {
                let what = format!("the secret `{}` is not there", path.display());
                return Finding::wrong("secrets", what, "put it there, or name another place");
            }
        }
    }
    match all.len() {
        0 => Finding::ok("secrets", "none is configured"),
        n if apart => Finding::ok("secrets", format!("{n} configured, and no agent's user can read them")),
        n => Finding::weak(
            "secrets",
            format!(
                "{n} configured; every program of this user, the agent's included, can read them as the gateway does"
            ),
            "run it as a user of its own: examples/separate-user",
        ),
    }
}

/// What `targets check` last found of held secrets in what targets hold.
fn exposed(config: &Config) -> Finding {
    let id = "exposed-secrets";
    if config.targets.is_empty() {
        return Finding::ok(id, "there are no targets that could hold one");
    }
    let findings = Findings::load(&config.state);
    let (mut told, mut partly, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
    for name in config.targets.keys() {
        match findings.of(name) {
            None => unseen.push(format!("`{name}`")),
            Some(Looked { at, search }) => {
                let place = |exposed: &Exposed| {
                    format!("`{}` in {} of target `{name}` ({})", exposed.secret, exposed.place, moment(*at))
                };
                told.extend(search.found.iter().map(place));
                if search.partial {
                    partly.push(format!("`{name}`"));
                }
            }
        }
    }
    if !told.is_empty() {
        let more = told.len().saturating_sub(TOLD);
        told.truncate(TOLD);
        told.extend((more > 0).then(|| format!("{more} more")));
        let what = format!("calls could read secrets the gateway holds: {}", told.join(", "));
        return Finding::weak(id, what, "take them out there, replace them, and run `mollyguard targets check`");
    }
    match (unseen.is_empty(), partly.is_empty()) {
        (false, _) => {
            let what =
                format!("nobody looked for held secrets in {} yet: `mollyguard targets check` does", unseen.join(", "));
            Finding::unknown(id, what)
        }
        (true, false) => {
            Finding::unknown(id, format!("none was found, but not all of {} was looked at", partly.join(", ")))
        }
        (true, true) => Finding::ok(id, "`mollyguard targets check` found none in what the targets hold"),
    }
}

/// Whoever knows where a webhook is may post to it, so that can be a secret as well.
fn secrets_of(webhook: &Webhook) -> impl Iterator<Item = &SecretSource> {
    let url = match &webhook.url {
        Url::Secret(source) => Some(source),
        Url::Plain(_) => None,
    };
    url.into_iter().chain(&webhook.secret)
}

fn file(source: &SecretSource) -> Option<&PathBuf> {
    match source {
        SecretSource::File(path) => Some(path),
        SecretSource::Env(_) | SecretSource::Command(_) => None,
    }
}

fn checkpoint(config: &Config, apart: bool) -> Finding {
    let id = "checkpoint";
    let Some(path) = &config.checkpoint else {
        let mend = "set `audit.checkpoint` to a file that is kept on another machine";
        return Finding::weak(
            id,
            "no checkpoint file is configured: somebody could rewrite the whole record unnoticed",
            mend,
        );
    };
    let place = if path.exists() { path.as_path() } else { path.parent().unwrap_or(path) };
    if let Some(what) = changeable(place) {
        return Finding::wrong(id, what, format!("`chmod go-w {}`", place.display()));
    }
    if let Ok(Some(behind)) = behind(&config.state, path) {
        return Finding::wrong(
            id,
            behind.to_string(),
            "let the gateway write there; its log says what keeps it from that",
        );
    }
    if apart {
        return Finding::ok(id, format!("only the gateway writes `{}`; copy it elsewhere", path.display()));
    }
    let what = format!("what the agent runs as this user can change `{}`", path.display());
    Finding::weak(id, what, "have it kept where this user cannot write, such as on another machine")
}

fn sockets(ground: &Ground) -> Option<Finding> {
    let (agents, operators) = (fs::symlink_metadata(&ground.socket).ok()?, fs::metadata(&ground.operators).ok());
    let id = "sockets";
    for path in [&ground.socket, &ground.operators] {
        let Some(folder) = path.parent() else { continue };
        let Ok(found) = fs::metadata(folder) else { continue };
        if found.mode() & 0o022 != 0 {
            let what = format!("others could put a socket of theirs into `{}`", folder.display());
            return Some(Finding::wrong(id, what, format!("`chmod go-w {}`", folder.display())));
        }
    }
    if agents.mode() & 0o002 != 0 || operators.as_ref().is_some_and(|found| found.mode() & 0o002 != 0) {
        let what = format!("every user may open `{}` or `{}`", ground.socket.display(), ground.operators.display());
        return Some(Finding::wrong(id, what, "restart the gateway: it makes them for one group each"));
    }
    let me = geteuid();
    let mine = agents.uid() == me.as_raw() || me.is_root();
    if !mine && operators.is_some() && std::os::unix::net::UnixStream::connect(&ground.operators).is_ok() {
        return Some(Finding::weak(
            id,
            "this user may open both sockets: where agents run as it, what it answers proves no more than typed",
            "let agents and operators be different users, in one of the two groups each",
        ));
    }
    let what = format!("`{}` is open to one group, and no other user can replace it", ground.socket.display());
    Some(Finding::ok(id, what))
}
