//! What targets reach, and what they must not: overlaps with what the gateway trusts and with one another, one thing under two
//! names, and held secrets in what they hand out.

pub mod exposed;
mod identities;
pub mod overlap;

pub(crate) use identities::AliasGuard;
