//! `pipewarden rules`.

use std::path::PathBuf;

use clap::Args;

/// `pipewarden rules`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden rules                      the built-in rules, and which are on by default
  pipewarden rules --write rules/       their files, to keep, change and add to
  pipewarden replay --rules rules/ recordings/

A folder of rules replaces the built-in ones.")]
pub struct RulesArgs {
    /// Write the built-in rules and their cases into this folder, which must have none of these files
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}
