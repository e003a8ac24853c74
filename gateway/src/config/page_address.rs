//! Where browsers reach the page.

use http::Uri;
use http::uri::Scheme;

/// The port unless the configuration names another.
pub const USUAL_PORT: u16 = 7_420;

/// Where browsers reach the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageAt {
    is_secure: bool,
    host: String,
    /// What stands in a request's `Host`: the name, and the port if it is not the scheme's own.
    authority: String,
}

impl PageAt {
    /// On this machine. Passkeys are made for a name: no address is a valid one (Web Authentication §5.1.2).
    #[must_use]
    pub fn local(port: u16) -> Self {
        Self::new(false, "localhost".to_owned(), port)
    }

    fn new(is_secure: bool, host: String, port: u16) -> Self {
        let own = if is_secure { 443 } else { 80 };
        let authority = if port == own { host.clone() } else { format!("{host}:{port}") };
        Self { is_secure, host, authority }
    }

    /// Reads `https://NAME`, with a port if it is another than 443; or `http` for `localhost`, which browsers trust as much
    /// (Secure Contexts §3.1).
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "it is `https://NAME`, with nothing behind it; a name and no address, since passkeys are made \
                             for names; `http://` only for localhost";
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(SHAPE) };
        let host = authority.host().to_ascii_lowercase();
        let is_secure = *scheme == Scheme::HTTPS;
        let is_name = host.chars().any(|c| c.is_ascii_alphabetic())
            && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        let plain = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
        if !is_name || !plain || !(is_secure || *scheme == Scheme::HTTP && host == "localhost") {
            return Err(SHAPE);
        }
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Ok(Self::new(is_secure, host, port))
    }

    /// The name browsers reach it by.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What a browser sends as `Host`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Exactly what a browser sends as its origin.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.is_secure { "https" } else { "http" }, self.authority)
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_browsers_send_it() {
        for (text, origin, authority) in [
            ("https://gate.example", "https://gate.example", "gate.example"),
            ("https://Gate.Example:443/", "https://gate.example", "gate.example"),
            ("https://gate.example:8443", "https://gate.example:8443", "gate.example:8443"),
            ("http://localhost:7420", "http://localhost:7420", "localhost:7420"),
        ] {
            let at = PageAt::parse(text).unwrap();
            assert_eq!((at.origin().as_str(), at.authority()), (origin, authority), "{text}");
        }
        assert_eq!(PageAt::local(80).origin(), "http://localhost");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "gate.example",
            "http://gate.example",
            "https://192.0.2.1",
            "https://[::1]",
            "https://gate.example/mollyguard",
            "https://gate.example?x",
            "https://ada@gate.example",
            "ftp://gate.example",
            "https://",
            "",
        ] {
            assert!(PageAt::parse(text).is_err(), "{text}");
        }
    }
}
