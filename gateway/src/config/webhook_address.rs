//! Where a webhook is: over TLS, or on this machine.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// The URL of a webhook. Its path is often the secret, so it is shown without.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    host: String,
    port: u16,
    tls: bool,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.trim().parse().map_err(|_| "this is no URL")?;
        let authority = uri.authority().ok_or("this is no URL with a host")?;
        if authority.as_str().contains('@') {
            return Err("a user or a password in the URL is not sent, so it may not be there");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_loopback(&host) => false,
            Some("http") => return Err("only `https://` leaves this machine"),
            _ => return Err("this is no `https://` URL"),
        };
        if host.is_empty() {
            return Err("this is no URL with a host");
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { uri, host, port, tls })
    }

    /// The name or address of the host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is spoken to over TLS. Where not, it must be on this machine.
    #[must_use]
    pub const fn tls(&self) -> bool {
        self.tls
    }

    /// What stands in the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        self.uri.authority().map_or("", http::uri::Authority::as_str)
    }

    /// What stands in the request's first line.
    pub(crate) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// All of it, secret or not.
    pub(crate) fn reveal(&self) -> String {
        self.uri.to_string()
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", if self.tls { "https" } else { "http" }, self.authority())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for good in
            ["https://hooks.example/services/T/B", "http://127.0.0.1:9/x", "http://[::1]/", "http://localhost:80"]
        {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.example/x",
            "http://127.0.0.1.evil.example/x",
            "http://10.0.0.1/x",
            "http://0.0.0.0/x",
            "ftp://127.0.0.1/x",
            "https://user:password@hooks.example/x",
            "http://127.0.0.1@evil.example/x",
            "https:///x",
            "/x",
            "hooks.example",
            "",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_path_is_not_shown() {
        let address = Address::parse("https://hooks.example:8443/services/s3cret?token=s3cret").unwrap();
        assert_eq!(format!("{address} {address:?}"), "https://hooks.example:8443/… https://hooks.example:8443/…");
        assert_eq!(
            (address.host(), address.port(), address.path()),
            ("hooks.example", 8443, "/services/s3cret?token=s3cret")
        );
    }
}
