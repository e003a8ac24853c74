//! Real servers for tests: started in a temporary folder, and gone with the test process.

pub mod postgres;
