//! Tokens, buckets, listening.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::super::auth::bearer;
use super::super::limits::{Buckets, peer_key};
use super::super::{Token, TokenError, Tokens, may_listen};

/// SHA-256 of `open sesame`.
pub(super) const SESAME: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

#[test]
fn a_token_is_known_by_its_digest_alone() {
    let token = |digest: &str, user: &str| Token::new(digest, user, vec!["dev".to_owned()]);
    let tokens =
        Tokens::new(vec![token(&"0".repeat(64), "bob").unwrap(), token(&format!("sha256:{SESAME}"), "alice").unwrap()])
            .unwrap();
    assert_eq!(tokens.principal("open sesame").unwrap().user, "alice");
    assert_eq!(tokens.principal("open sesam"), None);
    assert_eq!(tokens.principal(""), None);
    assert_eq!(tokens.principal(&"x".repeat(5000)), None);
    assert_eq!(token("abc", "eve").unwrap_err(), TokenError::Digest { user: "eve".to_owned() });
    let twice = Tokens::new(vec![token(SESAME, "alice").unwrap(), token(SESAME, "eve").unwrap()]);
    assert_eq!(twice.unwrap_err(), TokenError::Twice { user: "eve".to_owned() });
    assert!(!format!("{tokens:?}").contains("sesame"));
}

#[test]
fn reads_one_bearer_token() {
    let headers = |values: &[&str]| {
        let mut headers = http::HeaderMap::new();
        for value in values {
            headers.append(http::header::AUTHORIZATION, value.parse().unwrap());
        }
        headers
    };
    assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
    assert_eq!(bearer(&headers(&["bearer  abc "])), Some("abc"));
    for none in [&[][..], &["Basic abc"], &["Bearer"], &["Bearer "], &["Bearer a", "Bearer b"], &["abc"]] {
        assert_eq!(bearer(&headers(none)), None, "{none:?}");
    }
}

#[test]
fn a_bucket_empties_and_fills() {
    let buckets = Buckets::new(2, 3, 2);
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(buckets.take(&"a", begun), Ok(()));
    }
    assert_eq!(buckets.take(&"a", begun), Err(Duration::from_millis(500)));
    assert_eq!(buckets.has(&"b", begun), Ok(()));
    assert_eq!(buckets.take(&"a", begun + Duration::from_millis(500)), Ok(()));
    assert!(buckets.take(&"a", begun + Duration::from_millis(500)).is_err());
    // `b` is full and forgotten for `c`; then both buckets are in use, and `d` has to wait.
    assert_eq!(buckets.take(&"c", begun), Ok(()));
    assert!(buckets.take(&"d", begun).is_err());
    assert_eq!(buckets.take(&"d", begun + Duration::from_secs(60)), Ok(()));
}

#[test]
fn a_peer_is_an_address_or_an_ipv6_network() {
    let key = |text: &str| peer_key(text.parse::<IpAddr>().unwrap());
    assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2::1"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
}

#[test]
fn without_tokens_only_loopback_is_listened_on() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    for open in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "[2001:db8::1]:80"] {
        assert!(may_listen(at(open), false).unwrap_err().to_string().contains(open));
        assert!(may_listen(at(open), true).is_ok());
    }
    for local in ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(may_listen(at(local), false).is_ok());
    }
}
