//! The binary `owaim`.

use std::process::ExitCode;

use clap::Parser as _;
use owaim::cli::Cli;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nowhere is left to say that this cannot be printed.
            let _ = error.print();
            let asked_for_help = !error.use_stderr();
            return if asked_for_help {
                ExitCode::SUCCESS
            } else {
                owaim::outcome::ExitCode::Invalid.number().into()
            };
        }
    };
    owaim::commands::run(cli).number().into()
}
