//! What the demo prints.

use mollyguard_record::audit::Report;
use mollyguard_record::model::Answer;
use mollyguard_tools::text::grouped;
use serde_json::Value;

use super::company::{Company, PRECIOUS_TABLE};
use crate::cli::paint::Paint;
use crate::mcp::Called;

/// Prints the story.
pub(super) struct Show {
    paint: Paint,
}

impl Show {
    pub(super) fn new() -> Self {
        Self { paint: Paint::stdout() }
    }

    pub(super) fn opening(&self, company: &Company) {
        println!("{}", self.paint.bold("Mollyguard: the accident of 2026-04-24, with a guard over the switch"));
        println!("A small car-rental company lives in {}:", company.folder().display());
        println!("  fleet          production  SQLite, 1,508 bookings");
        println!("  fleet-staging  staging     SQLite, the same cars");
        println!("  uploads        production  a folder: 40 contracts, and 3 backups in the same volume");
    }

    pub(super) fn act(&self, title: &str) {
        println!("\n{}", self.paint.bold(&format!("━━ {title}")));
    }

    pub(super) fn note(&self, words: &str) {
        println!("  {}", self.paint.dim(words));
    }

    pub(super) fn call(&self, tool: &str, args: &Value) {
        let words: Vec<String> = args.as_object().into_iter().flatten().map(|(_, value)| plain(value)).collect();
        println!("\n  {} {} {}", self.paint.cyan("agent →"), self.paint.bold(tool), words.join(" · "));
    }

    pub(super) fn reply(&self, called: &Called) {
        let about = &called.about;
        if let Some(target) = about["targets"].get(0) {
            let tier = target["environment"]["tier"].as_str().unwrap_or_default();
            let tier = if tier == "production" { self.paint.red(tier) } else { self.paint.green(tier) };
            let reversibility = about["reversibility"].as_str().unwrap_or_default();
            println!(
                "  {} {} · {tier} · {reversibility}{}",
                self.paint.dim("saw    "),
                plain(&target["path"]),
                amount(about)
            );
        }
        let decision = about["decision"].as_str().unwrap_or_default();
        let policies: Vec<&str> = about["policies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|because| because["policy"].as_str())
            .collect();
        let painted = match decision {
            "allow" | "confirmed" => self.paint.green(decision),
            _ => self.paint.red(decision),
        };
        let policies = if policies.is_empty() { String::new() } else { format!(" ({})", policies.join(", ")) };
        println!("  {} {painted}{policies}", self.paint.dim("decided"));
        let mark = if called.is_error { self.paint.red("refused") } else { self.paint.green("done   ") };
        println!("  {mark} {}", outcome(called));
    }

    /// What a person's answer came to.
    pub(super) fn aftermath(&self, purged: &Called, company: &Company) {
        let left = company.rows("production", PRECIOUS_TABLE).ok().flatten();
        match (purged.is_error, left) {
            (true, Some(rows)) => {
                self.note(&format!(
                    "{} bookings are still there. The agent could not answer for the person.",
                    grouped(rows.unsigned_abs())
                ));
            }
            (false, None) => {
                self.note("A person approved exactly this, by name, and it is gone: as the question said.");
            }
            (refused, left) => self.note(&format!("refused: {refused}, rows left: {left:?}")),
        }
    }

    /// The calls that changed something, newest first.
    pub(super) fn journal(&self, listed: &Called) {
        for call in listed.content["calls"].as_array().into_iter().flatten() {
            let undo = match (call["undoable"] == true, call["undone_by"].is_null()) {
                (_, false) => self.paint.yellow("taken back"),
                (true, true) => self.paint.green("can be undone"),
                (false, true) => self.paint.red("for good"),
            };
            let (tool, summary) = (plain(&call["tool"]), plain(&call["summary"]));
            println!("  {} {tool:<19} {summary} · {undo}", plain(&call["ended"]));
        }
    }

    /// The world as it is, read behind the gateway's back.
    pub(super) fn world(&self, company: &Company) -> Result<(), String> {
        self.act("The world as it is, read behind the gateway's back");
        match company.rows("production", PRECIOUS_TABLE)? {
            Some(rows) => println!("  production  bookings {} rows", self.paint.green(&grouped(rows.unsigned_abs()))),
            None => println!("  production  bookings {}", self.paint.red("gone")),
        }
        println!("  staging     daily rates add up to {}, as at the start", company.staging_rates()?);
        println!("  uploads     {} contracts, {} backups", company.files("contracts"), company.files("backups"));
        Ok(())
    }

    pub(super) fn record(&self, report: &Report) {
        self.act("The record, and whether anybody edited it");
        print!("  {}", crate::cli::audit::render(report));
        println!("\nYour own: start from examples/quickstart, or see `mollyguard --help`.");
    }
}

/// The question with its labels painted.
pub(super) fn question(text: &str) {
    let paint = Paint::stdout();
    for line in text.lines() {
        let (label, rest) = line.split_once(": ").unwrap_or_default();
        if !label.is_empty() && label.chars().all(|c| c.is_ascii_uppercase() || c == ' ') {
            println!("  {} {} {rest}", paint.yellow("│"), paint.cyan(&format!("{label:<14}")));
        } else {
            println!("  {} {line}", paint.yellow("│"));
        }
    }
    println!();
}

pub(super) fn answer(answer: &Answer) {
    let words = match answer {
        Answer::Accept { typed } => format!("typed `{}`", typed.as_deref().unwrap_or_default()),
        Answer::Decline => "declined".to_owned(),
        Answer::Cancel | Answer::Timeout | Answer::Failed => "gave no answer".to_owned(),
    };
    println!("  {} {words}\n", Paint::stdout().yellow("person →"));
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn amount(about: &Value) -> String {
    let rows = about["blast_radius"]["rows"].as_u64().map(|rows| format!(" · {} rows", grouped(rows)));
    rows.unwrap_or_default()
}

/// One line on what came back.
fn outcome(called: &Called) -> String {
    let content = &called.content;
    if called.is_error {
        let code = content["reason_code"].as_str().unwrap_or_default();
        let why: Vec<String> =
            content["because"].as_array().into_iter().flatten().map(|because| plain(&because["reason"])).collect();
        let why = if why.is_empty() { String::new() } else { format!("\n          {}", why.join(" ")) };
        let changed =
            if content["changed"] == false { "nothing was changed" } else { "it is unknown whether anything changed" };
        return format!("{code}: {}; {changed}{why}", content["message"].as_str().unwrap_or_default());
    }
    let undo = if called.about["undo"].is_null() { String::new() } else { "; can be undone".to_owned() };
    if let Some(rows) = content["rows"].as_array() {
        let first: Vec<String> = rows.iter().take(5).map(cells).collect();
        return format!("{} rows: {}", rows.len(), first.join(", "));
    }
    let mut text = content.to_string();
    if text.chars().count() > 110 {
        text = text.chars().take(109).chain(['…']).collect();
    }
    format!("{text}{undo}")
}

fn cells(row: &Value) -> String {
    let cells: Vec<String> = row.as_array().into_iter().flatten().map(plain).collect();
    cells.join(" ")
}
