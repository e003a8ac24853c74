//! What must hold for any input at all. libFuzzer tries to break it (`tests/fuzz/run`); a test replays the kept inputs.
//!
//! Each law takes bytes and panics where it is broken. `tests/fuzz/corpus` holds real inputs to start from and every input
//! that once broke a law.

mod arguments;
mod audit;
mod configuration;
mod policies;
mod seal;
mod setup;
mod sql;

pub use arguments::arguments;
pub use audit::audit;
pub use configuration::configuration;
pub use policies::policies;
pub use seal::seal;
pub use sql::sql;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    fn replay(target: &str, law: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let mut inputs: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(inputs.len() > 3, "`{}` holds hardly anything to start from", corpus.display());
        for input in inputs {
            println!("{}", input.display());
            law(&fs::read(&input).unwrap());
        }
    }

    #[test]
    fn the_laws_hold_for_every_kept_input() {
        replay("arguments", super::arguments);
        replay("audit", super::audit);
        replay("configuration", super::configuration);
        replay("policies", super::policies);
        replay("seal", super::seal);
        replay("sql", super::sql);
    }
}
