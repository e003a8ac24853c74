//! The law is `mollyguard_fuzz::seal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mollyguard_fuzz::seal(input));
