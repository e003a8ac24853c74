//! Why a server could not be connected to, in words without secrets, and what would help.

use std::error::Error as _;
use std::io;

use rustls::CertificateError;

/// What helps where the authorities to trust cannot be read.
pub(crate) const ROOTS: &str = "correct `sslrootcert` in the connection URL: a PEM file, or `system`";

/// Why no connection came to be.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Unreachable {
    /// In words without secrets.
    pub reason: String,
    /// What would help, where that is known.
    pub next: Option<&'static str>,
}

impl Unreachable {
    pub(crate) fn told(reason: impl Into<String>, next: &'static str) -> Self {
        Self { reason: reason.into(), next: Some(next) }
    }
}

impl From<String> for Unreachable {
    fn from(reason: String) -> Self {
        Self { reason, next: None }
    }
}

/// A connection's error without what it was asked: a server may repeat that.
pub(crate) fn explain(error: &tokio_postgres::Error) -> Unreachable {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned().into();
    }
    let Some(source) = error.source() else { return error.to_string().into() };
    let inner = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => certificate(why),
        Some(other) => Unreachable::told(
            format!("TLS failed before the password was sent: {other}"),
            "a person looks at the TLS settings of the server, and at what stands between it and here",
        ),
        // tokio-postgres has no kind of its own for a server that answers a request for TLS with no.
        None if source.to_string() == "server does not support TLS" => Unreachable::told(
            "it offers no TLS, which `sslmode` asks for, so the password was not sent",
            "a person switches `ssl` on at the server; `sslmode=prefer` does without where nobody can listen in between",
        ),
        None => source.to_string().into(),
    }
}

fn certificate(why: &CertificateError) -> Unreachable {
    use CertificateError as Why;
    let (what, next) = match why {
        Why::UnknownIssuer | Why::BadSignature => (
            "is signed by no authority that is trusted here".to_owned(),
            "name that authority's certificate in `sslrootcert`, after a person has compared it with the server's",
        ),
        Why::NotValidForName | Why::NotValidForNameContext { .. } => (
            "is for another host than the one in the connection URL".into(),
            "connect by a name the certificate is for, with the address in `hostaddr`; `sslmode=verify-ca` accepts any name \
             the authority signed",
        ),
        Why::Expired | Why::ExpiredContext { .. } => ("has expired".into(), "a person renews the server's certificate"),
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            ("is not valid yet".into(), "a person compares the clocks here and at the server")
        }
        other => (format!("is not accepted: {other}"), "a person gives the server another certificate"),
    };
    Unreachable::told(format!("the server's certificate {what}, so the password was not sent"), next)
}
