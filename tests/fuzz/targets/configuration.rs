//! The law is `mollyguard_fuzz::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mollyguard_fuzz::configuration(input));
