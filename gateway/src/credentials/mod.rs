//! The broker that lends credentials for one call.
/// Lends credentials.
#[derive(Debug)]
pub struct Broker {}
