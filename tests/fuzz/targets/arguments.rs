//! The law is `mollyguard_fuzz::arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mollyguard_fuzz::arguments(input));
