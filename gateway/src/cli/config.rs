//! `mollyguard config`: the configuration in force, and every key with its default.

use std::collections::BTreeMap;

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Done, load, print, print_json};
use crate::config::{Config, PageAt, defaults_toml};

/// Arguments of `config`.
#[derive(Debug, Args)]
pub(crate) struct ShowConfig {
    /// Print every key with its default as TOML instead.
    #[arg(long)]
    defaults: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "defaults")]
    json: bool,
}

impl ShowConfig {
    pub(crate) fn run(self, asked: Option<&Path>) -> Done {
        if self.defaults {
            return print(&format!(
                "# Every key of mollyguard.toml with its default. Sizes in bytes, times as the key says.\n{}",
                defaults_toml()
            ));
        }
        let config = load(asked)?;
        let targets: Vec<_> = config
            .targets
            .iter()
            .map(|(name, target)| {
                let it = &target.configured;
                let secrets: BTreeMap<_, _> =
                    target.secrets.iter().map(|(key, source)| (key, source.to_string())).collect();
                json!({"name": name, "kind": it.kind, "environment": it.environment.name, "tier": it.environment.tier,
                       "secrets": secrets, "identity": target.identity})
            })
            .collect();
        let shown = json!({
            "file": config.path, "state": config.state, "user": config.user, "roles": config.roles,
            "policies": {"defaults": config.default_policies, "directories": config.policy_directories},
            "limits": {
                "undo_bytes": config.limits.undo_bytes, "output_bytes": config.limits.output_bytes,
                "output_rows": config.limits.output_rows, "count": config.limits.count,
                "call_timeout_ms": config.limits.deadline.as_millis() as u64,
                "concurrent_calls": config.concurrent_calls, "waiting_calls": config.waiting_calls,
                "kept_bytes": config.room.kept, "free_bytes": config.room.free,
            },
            "confirm": {
                "expires_s": config.confirm.expires.as_secs(), "wait_s": config.confirm.wait.as_secs(),
                "denial_s": config.confirm.denial.as_secs(), "open_questions": config.confirm.open_questions,
                "flood": config.confirm.flood,
                "page": config.page.is_some(), "page_port": config.page.as_ref().map(|page| page.port),
                "page_url": config.page.as_ref().and_then(|page| page.url.as_ref()).map(PageAt::origin),
            },
            "notify": {"command": config.notify.command.as_ref().map_or(&[][..], |command| command.written()),
                       "webhooks": webhooks(&config)},
            "retention": {"keep_days": config.keep.map(days), "quarantine_days": config.quarantine.age.map(days),
                          "quarantine_bytes": config.quarantine.bytes},
            "audit": {"checkpoint": config.checkpoint},
            "http": {"tokens": config.http.tokens.len(), "allowed_hosts": config.http.allowed_hosts,
                     "allowed_origins": config.http.allowed_origins, "body_bytes": config.http.body_bytes,
                     "requests_per_minute": config.http.requests_per_minute, "sessions": config.http.sessions},
            "socket": {"connections": config.socket.connections, "connections_each": config.socket.connections_each,
                       "users": config.socket.roles},
            "redact": config.redact.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "environments": config.environments.values().collect::<Vec<_>>(),
            "targets": targets,
        });
        if self.json {
            return print_json(&shown);
        }
        let mut text = String::new();
        flatten("", &shown, &mut text);
        print(&text)
    }
}

fn days(duration: Duration) -> u64 {
    duration.as_secs() / 86_400
}

/// The webhooks by what is shown of their URLs.
fn webhooks(config: &Config) -> Vec<serde_json::Value> {
    let shown = config.notify.webhooks.iter().map(|webhook| {
        json!({"name": webhook.url.to_string(), "secret": webhook.secret.as_ref().map(ToString::to_string),
               "tiers": webhook.tiers})
    });
    shown.collect()
}

/// One `key = value` a line.
fn flatten(prefix: &str, value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, value, text);
            }
        }
        serde_json::Value::Array(items) if items.iter().any(serde_json::Value::is_object) => {
            for item in items {
                let name = item["name"].as_str().unwrap_or_default();
                flatten(&format!("{prefix}.{name}"), item, text);
            }
        }
        serde_json::Value::Null => text.push_str(&format!("{prefix} is not set\n")),
        other => text.push_str(&format!("{prefix} = {other}\n")),
    }
}
