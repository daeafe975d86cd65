//! Arguments and exit code, nothing else.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    tallygate::cli::run(env::args_os())
}
