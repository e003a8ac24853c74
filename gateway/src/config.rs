//! `mollyguard.toml`: every key, its default and unit. Unknown keys are errors.
/// The configuration.
#[derive(Debug)]
pub struct Config {}
