//! The law is `mollyguard_fuzz::sql`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mollyguard_fuzz::sql(input));
