//! A connection URL taken apart: where to connect, as whom, and how far TLS is verified.
//!
//! `sslmode` and `sslrootcert` mean what they mean to libpq
//! (<https://www.postgresql.org/docs/current/libpq-ssl.html>): `verify-ca` and `verify-full` verify the server, the milder
//! ones only encrypt, except that `require` with a root certificate verifies like `verify-ca`.

use std::path::PathBuf;
use std::str::FromStr as _;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How far the server's certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Not at all: whoever sits in between can read along.
    Nothing,
    /// That a trusted authority signed it.
    Authority(Roots),
    /// That, and that it was issued for the host that was asked for.
    Full(Roots),
}

/// Which authorities are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Those of the system.
    System,
    /// Those in this PEM file.
    File(PathBuf),
}

/// Where to connect, and as whom.
#[derive(Clone)]
pub(crate) struct Address {
    /// What tokio-postgres connects with. Holds the password: never shown.
    pub config: Config,
    /// How far TLS is verified.
    pub verify: Verify,
}

impl Address {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What is wrong with it, in words that hold nothing of it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let url = url.trim();
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err("is no connection URL: it does not start with `postgresql://`".into());
        }
        let (mut kept, mut mode, mut root) = (Vec::new(), None, None);
        let (head, query) = url.split_once('?').unwrap_or((url, ""));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root = Some(unescaped(value)?),
                _ => kept.push(pair),
            }
        }
        let rest = if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) };
        // The parser's own words may repeat what it could not read, a password among it.
        let mut config =
            Config::from_str(&rest).map_err(|_| "is no connection URL that can be understood".to_owned())?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("names no host".into());
        }
        if config.get_dbname().is_none() && config.get_user().is_none() {
            return Err("names neither a user nor a database".into());
        }
        let roots = |root: Option<String>| match root.as_deref() {
            None | Some("system") => Roots::System,
            Some(path) => Roots::File(PathBuf::from(path)),
        };
        let (mode, verify) = match mode.unwrap_or("prefer") {
            "disable" => (SslMode::Disable, Verify::Nothing),
            "allow" | "prefer" => (SslMode::Prefer, Verify::Nothing),
            "require" if root.is_some() => (SslMode::Require, Verify::Authority(roots(root))),
            "require" => (SslMode::Require, Verify::Nothing),
            "verify-ca" => (SslMode::Require, Verify::Authority(roots(root))),
            "verify-full" => (SslMode::Require, Verify::Full(roots(root))),
            _ => return Err("has an `sslmode` that is none of disable, prefer, require, verify-ca, verify-full".into()),
        };
        config.ssl_mode(mode);
        config.application_name("mollyguard");
        Ok(Self { config, verify })
    }

    /// The local files that decide which server is spoken to: the authority it is verified by, and sockets.
    pub(crate) fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let authority = match &self.verify {
            Verify::Authority(Roots::File(path)) | Verify::Full(Roots::File(path)) => {
                Some(("sslrootcert", path.clone()))
            }
            Verify::Nothing | Verify::Authority(Roots::System) | Verify::Full(Roots::System) => None,
        };
        let ports = self.config.get_ports();
        let sockets = self.config.get_hosts().iter().enumerate().filter_map(|(at, host)| match host {
            Host::Unix(folder) => {
                let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
                Some(("socket", folder.join(format!(".s.PGSQL.{port}"))))
            }
            Host::Tcp(_) => None,
        });
        authority.into_iter().chain(sockets).collect()
    }

    /// Whether what is said to the server may be read or changed on the way.
    pub(crate) fn is_in_the_open(&self) -> bool {
        let local = self.config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => is_loopback(name),
            Host::Unix(_) => true,
        });
        !local && self.verify == Verify::Nothing
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn unescaped(value: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().unwrap_or_default(), rest.next().unwrap_or_default()];
        let text = std::str::from_utf8(&digits).unwrap_or_default();
        bytes.push(u8::from_str_radix(text, 16).map_err(|_| "has a broken escape in `sslrootcert`".to_owned())?);
    }
    String::from_utf8(bytes).map_err(|_| "has an `sslrootcert` that is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_far_to_trust() {
        let parse =
            |query: &str| Address::parse(&format!("postgresql://anna:s3cret@db.example/orders{query}")).unwrap();
        assert_eq!(parse("").verify, Verify::Nothing);
        assert_eq!(parse("?sslmode=require").verify, Verify::Nothing);
        assert!(parse("?sslmode=require").is_in_the_open());
        let pinned = Roots::File("/etc/my ca.pem".into());
        let full = parse("?sslmode=verify-full&sslrootcert=/etc/my%20ca.pem&connect_timeout=3");
        assert_eq!(full.verify, Verify::Full(pinned.clone()));
        assert!(!full.is_in_the_open() && full.config.get_ssl_mode() == SslMode::Require);
        assert_eq!(parse("?sslmode=require&sslrootcert=/etc/my%20ca.pem").verify, Verify::Authority(pinned));
        assert_eq!(parse("?sslmode=verify-ca").verify, Verify::Authority(Roots::System));
        assert!(!Address::parse("postgresql://anna@localhost/orders").unwrap().is_in_the_open());
        assert!(!Address::parse("postgresql://anna@/orders?host=/run/pg").unwrap().is_in_the_open());
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        for url in [
            "s3cret",
            "host=localhost password=s3cret",
            "mysql://anna:s3cret@localhost/x",
            "postgresql://anna:s3cret@localhost:notaport/x",
            "postgresql://anna:s3cret@localhost/x?sslmode=s3cret",
            "postgresql://anna:s3cret@localhost/x?s3cret=1",
            "postgresql://anna:s3cret@localhost/x?sslrootcert=%zz",
            "postgresql://",
        ] {
            let error = Address::parse(url).map(drop).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
