//! Logs go to standard error, without secrets. `MOLLYGUARD_LOG` sets what is logged, as `tracing` filters are written.

use std::io::{self, IsTerminal as _, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::credentials::Redactor;

/// rmcp logs arguments at `debug`, so it stays at `warn` unless somebody asks for more.
const DEFAULT: &str = "warn,mollyguard=info";

/// Starts logging. A second start in one process is ignored.
pub(crate) fn start(redactor: Redactor) {
    let filter = std::env::var("MOLLYGUARD_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(DEFAULT)))
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_writer(Clean(redactor))
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was started already");
    }
}

/// Standard error without secrets.
struct Clean(Redactor);

impl<'a> MakeWriter<'a> for Clean {
    type Writer = CleanStderr<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        CleanStderr(&self.0)
    }
}

/// The subscriber writes one whole event at a time, so a secret is never cut in two.
struct CleanStderr<'a>(&'a Redactor);

impl Write for CleanStderr<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(&self.0.bytes(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
