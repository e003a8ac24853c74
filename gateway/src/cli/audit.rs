//! `mollyguard audit`: is the record what was written, and all of it?

use std::path::{Path, PathBuf};

use clap::Subcommand;
use mollyguard_record::audit::PublicKey;
use mollyguard_record::{audit, verify};
use mollyguard_tools::text::count;

use super::paint::Paint;
use super::{Done, Failure, load, print, print_json};
use crate::config::{Config, ConfigError, find};

/// What to do with the record.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Find records that were edited, reordered, dropped or cut off.
    Verify {
        /// Also compare the record with the signed heads in this file. Keep the file where nobody who can change the record can write.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Verify an exported file instead of the store. With --key, no configuration and no state directory is needed.
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
        /// The key to verify the export's signatures with, as `mollyguard audit key` prints it.
        #[arg(long, value_name = "PUBLICKEY", requires = "export", value_parser = read_key)]
        key: Option<Box<PublicKey>>,
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
    pub(crate) fn run(self, config: Option<&Path>) -> Done {
        match self {
            Self::Verify { checkpoint, export, key, json } => {
                let report = match export {
                    Some(file) => {
                        let key = key.map_or_else(|| own_key(config), |key| Ok(Some(*key)))?;
                        verify::verify_export(&file, checkpoint.as_deref(), key.as_ref())
                    }
                    None => {
                        let config = load(config)?;
                        verify::verify_store(&config.state, checkpoint.as_deref())
                            .map(|report| as_kept(report, &config))
                    }
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
                verify::export(&load(config)?.state, &mut out).map(|_| ()).map_err(Failure::usage)
            }
            Self::Key => print(&format!("{}\n", verify::public_key(&load(config)?.state).map_err(Failure::usage)?)),
        }
    }
}

/// Says so where records were pruned though the configuration keeps everything.
fn as_kept(mut report: audit::Report, config: &Config) -> audit::Report {
    if report.pruned.is_some() && config.keep.is_none() {
        report
            .notes
            .push("records were pruned, but this configuration keeps everything: another configuration was used to prune them".into());
    }
    report
}

fn read_key(text: &str) -> Result<Box<PublicKey>, String> {
    PublicKey::parse(text)
        .map(Box::new)
        .ok_or_else(|| "this is not a key as `mollyguard audit key` prints it".to_owned())
}

/// The key of the installation here, where there is one: an export may be verified where there is none.
fn own_key(config: Option<&Path>) -> Result<Option<PublicKey>, Failure> {
    let named = config.is_some() || std::env::var_os("MOLLYGUARD_CONFIG").is_some();
    if !named && matches!(find(None), Err(ConfigError::Missing(_))) {
        return Ok(None);
    }
    Ok(verify::public_key(&load(config)?.state).ok())
}

/// The report for people.
pub(crate) fn render(report: &audit::Report) -> String {
    let paint = Paint::stdout();
    let verdict = match (report.is_sound(), report.signatures || report.records == 0) {
        (true, true) => paint.green("sound"),
        (true, false) => paint.yellow("sound, but signatures were not looked at"),
        (false, _) => paint.red("NOT SOUND"),
    };
    let (records, streams) = (report.records, report.streams);
    let mut text = format!(
        "{verdict}: {} in {}, {}, {}\n",
        count(records, "record"),
        count(streams, "stream"),
        count(report.calls, "call"),
        count(report.checkpoints, "checkpoint"),
    );
    if report.signed > 0 {
        text.push_str(&format!("  {} signed by a passkey, and verified\n", count(report.signed, "answer")));
    }
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use mollyguard_record::audit::End;
    use mollyguard_record::store::harness::open;
    use mollyguard_record::store::laws::{ran, start};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        audit: Audit,
    }

    /// An export far from its installation, and the key as it was printed there.
    async fn exported(place: &tempfile::TempDir) -> (PathBuf, String) {
        let state = place.path().join("state");
        ran(&open(&state), start(), End::Succeeded).await;
        let file = place.path().join("export.jsonl");
        verify::export(&state, &mut std::fs::File::create(&file).unwrap()).unwrap();
        let key = verify::public_key(&state).unwrap().to_string();
        std::fs::remove_dir_all(&state).unwrap();
        (file, key)
    }

    fn verify(file: &std::path::Path, key: Option<&str>) -> Result<Audit, clap::Error> {
        let mut words = vec!["audit".into(), "verify".into(), "--export".into(), file.as_os_str().to_owned()];
        words.extend(key.map(|key| format!("--key={key}").into()));
        Line::try_parse_from(words).map(|line| line.audit)
    }

    #[tokio::test]
    async fn an_export_is_verified_with_its_key_alone() {
        let place = tempfile::tempdir().unwrap();
        let (file, key) = exported(&place).await;
        let nowhere = || Some(place.path().join("nowhere.toml"));
        verify(&file, Some(&key)).unwrap().run(nowhere().as_deref()).unwrap();
        assert_eq!(
            verify(&file, None).unwrap().run(nowhere().as_deref()).unwrap_err().code,
            2,
            "a named configuration is read"
        );

        let (_, other) = exported(&tempfile::tempdir().unwrap()).await;
        assert_eq!(verify(&file, Some(&other)).unwrap().run(nowhere().as_deref()).unwrap_err().code, 1);
        let error = verify(&file, Some("mollyguard.dev/audit/1")).unwrap_err().to_string();
        assert!(error.contains("not a key as `mollyguard audit key` prints it"), "{error}");
    }

    #[tokio::test]
    async fn says_when_signatures_were_not_looked_at() {
        let place = tempfile::tempdir().unwrap();
        let (file, key) = exported(&place).await;
        let text = render(&verify::verify_export(&file, None, None).unwrap());
        assert!(text.contains("sound, but signatures were not looked at"), "{text}");
        let text = render(&verify::verify_export(&file, None, PublicKey::parse(&key).as_ref()).unwrap());
        assert!(text.contains("sound") && !text.contains("not looked at"), "{text}");
    }
}
