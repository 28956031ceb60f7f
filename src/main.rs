//! Parses arguments and calls one command.

use std::process::ExitCode;

use clap::Parser as _;
use pipewarden::cli::{Cli, Command};
use pipewarden::commands;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no failure; nothing can be done where even printing fails.
            let _ = error.print();
            return if error.use_stderr() {
                commands::USAGE
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let outcome = match &cli.command {
        Command::Check(args) => commands::check::run(args),
        Command::Demo(args) => commands::demo::run(args),
        Command::Exceptions(args) => commands::exceptions::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Generate(args) => commands::generate::run(args),
        Command::Health(args) => commands::health::run(args),
        Command::Inventory(args) => commands::inventory::run(args),
        Command::Replay(args) => commands::replay::run(args),
        Command::Rules(args) => commands::rules::run(args),
        Command::Run(args) => commands::run::run(args),
        Command::Test(args) => commands::test::run(args),
        Command::Topics(args) => commands::topics::run(args),
        Command::Ui(args) => commands::ui::run(args),
    };
    outcome.unwrap_or_else(|error| {
        // As `check | head` does: nobody is left to be told anything.
        if commands::is_broken_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        commands::report(&error);
        commands::USAGE
    })
}
