//! The `mollyguard` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mollyguard::cli::main()
}
