//! `mollyguard tools`: what can be done, and what each doing promises.

use std::path::Path;

use clap::Args;
use mollyguard_tools::contract::{Audience, Declaration};
use serde_json::{Value, json};

use super::{Done, print, print_json};
use crate::registry::BuiltinTool;

/// Arguments of `tools`.
#[derive(Debug, Args)]
pub(crate) struct Tools {
    /// Print JSON with the schemas.
    #[arg(long)]
    json: bool,
}

impl Tools {
    /// Needs no configuration: it shows everything this binary can do.
    pub(crate) fn run(self, _config: Option<&Path>) -> Done {
        let toolsets = mollyguard_tools::toolsets();
        if self.json {
            let mut all: Vec<Value> = Vec::new();
            for toolset in &toolsets {
                all.extend(toolset.tools().iter().map(|tool| shown(tool.declaration())));
            }
            all.extend(BuiltinTool::ALL.map(|own| shown(&own.declaration())));
            return print_json(&all);
        }
        let mut text = String::new();
        for toolset in &toolsets {
            text.push_str(&format!("{} — {}\n", toolset.name(), toolset.about()));
            for tool in toolset.tools() {
                text.push_str(&line(tool.declaration()));
            }
            text.push('\n');
        }
        text.push_str("gateway — looking ahead, looking back, taking back.\n");
        for own in BuiltinTool::ALL {
            text.push_str(&line(&own.declaration()));
        }
        print(&text)
    }
}

fn line(declaration: &Declaration) -> String {
    let mut promise = declaration.reversibility.as_str().to_owned();
    for condition in &declaration.softened_by {
        promise.push_str(&format!(", {} if {}", condition.to.as_str(), condition.means));
    }
    let undo = if declaration.audience == Audience::Undo { " (only to undo)" } else { "" };
    format!("  {:<24} {promise}{undo}\n", declaration.name)
}

fn shown(declaration: &Declaration) -> Value {
    json!(declaration)
}
