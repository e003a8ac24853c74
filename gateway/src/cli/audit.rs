//! `mollyguard audit`: is the record what was written, and all of it?

use std::path::PathBuf;

use clap::Subcommand;

use super::paint::Paint;
use super::{Done, Failure, load, print, print_json};
use crate::audit;

/// What to do with the record.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Find records that were edited, reordered, dropped or cut off.
    Verify {
        /// Also hold the record against the signed heads in this file, kept out of reach of whoever could rewrite it all.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Verify an exported file instead of the store.
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write every record as a line of JSON.
    Export {
        /// For scripts; the export is always JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Show the public key that signs the heads.
    Key,
}

impl Audit {
    pub(crate) fn run(self, config: Option<PathBuf>) -> Done {
        let config = load(config)?;
        match self {
            Self::Verify { checkpoint, export, json } => {
                let report = match export {
                    Some(file) => {
                        let key = audit::public_key(&config.state).ok();
                        audit::verify_export(&file, checkpoint.as_deref(), key.as_ref())
                    }
                    None => audit::verify_store(&config.state, checkpoint.as_deref()),
                };
                let report = report.map_err(Failure::usage)?;
                if json {
                    print_json(&report)?;
                } else {
                    print(&render(&report))?;
                }
                if report.is_sound() { Ok(()) } else { Err(Failure::found("")) }
            }
            Self::Export { json: _ } => {
                let mut out = std::io::BufWriter::new(std::io::stdout().lock());
                audit::export(&config.state, &mut out).map(|_| ()).map_err(Failure::usage)
            }
            Self::Key => print(&format!("{}\n", audit::public_key(&config.state).map_err(Failure::usage)?)),
        }
    }
}

/// The report for people.
pub(crate) fn render(report: &audit::Report) -> String {
    let paint = Paint::stdout();
    let verdict = if report.is_sound() { paint.green("sound") } else { paint.red("NOT SOUND") };
    let (records, streams) = (report.records, report.streams);
    let mut text = format!(
        "{verdict}: {records} records in {streams} streams, {} calls, {} checkpoints\n",
        report.calls, report.checkpoints
    );
    for finding in &report.findings {
        let place = match (finding.stream, finding.seq) {
            (Some(stream), Some(seq)) => format!("stream {stream}, record {seq}: "),
            (Some(stream), None) => format!("stream {stream}: "),
            _ => String::new(),
        };
        text.push_str(&format!("  {} {place}{}\n", paint.red("wrong:"), finding.what));
    }
    if report.left_off > 0 {
        text.push_str(&format!("  and {} more\n", report.left_off));
    }
    for note in &report.notes {
        text.push_str(&format!("  {} {note}\n", paint.dim("note:")));
    }
    text
}
