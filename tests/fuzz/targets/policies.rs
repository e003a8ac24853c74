//! The law is `mollyguard_fuzz::policies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mollyguard_fuzz::policies(input));
