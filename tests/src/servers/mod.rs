//! Real servers for tests: started in a temporary folder, and gone with the test process.

#[expect(clippy::panic, reason = "a test that cannot run is a failure")]
pub mod postgres;
