//! The law is `mollyguard_fuzz::audit`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mollyguard_fuzz::audit(input));
