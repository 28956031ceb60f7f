//! The command line.

mod choices;
mod demo;
mod exceptions;
mod generate;
mod replay;
mod rules;
mod ui;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
pub use demo::DemoArgs;
pub use exceptions::{ExceptionsAction, ExceptionsArgs, ProposeArgs};
pub use generate::{Compression, GenerateArgs};
pub use replay::{Format, ReplayArgs};
pub use rules::RulesArgs;
pub use ui::{BoundsArgs, ServerArgs, UiArgs};

use crate::export::Target;
use crate::inventory::Role;

/// Finds remote use of sensitive named pipes, shares and accounts on protected Windows hosts, and says who did it.
#[derive(Debug, Parser)]
#[command(name = "pipewarden", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pipewarden replay samples/                     who touched winreg in these recordings
  pipewarden replay --inventory hosts.yaml *.evtx
  pipewarden check --config pipewarden.yaml      what is in force, and what is wrong with it
  pipewarden test                                rules against their cases
  pipewarden rules --write rules/                the built-in rules, to keep, change and add to
  pipewarden inventory import roles.csv > hosts.yaml
  pipewarden exceptions propose recordings/      entries for what recurs, to fill in
  pipewarden export --rule detect-8 --to sigma   the rule for another system
  pipewarden topics create --config pipewarden.yaml
  pipewarden run --config pipewarden.yaml        the service
  pipewarden demo                                a made-up fleet that is attacked, in a browser
  pipewarden ui --config pipewarden.yaml         alerts in a browser
  pipewarden generate --output events.ndjson --truth truth.ndjson

Exit status: 0 done, 1 usage or configuration, 2 input that could not be read.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service: read Winlogbeat's topics, write alerts
    Run(RunArgs),
    /// Run the same detection over files and print the alerts
    Replay(ReplayArgs),
    /// Create or check the topics that the service needs
    Topics(TopicsArgs),
    /// Validate settings, inventory and rules, and print what is in force
    Check(CheckArgs),
    /// Run rules against their cases: what must raise an alert and what must not
    Test(TestArgs),
    /// List the built-in rules, or write them to a folder
    Rules(RulesArgs),
    /// Make an inventory of the asset lists of other tools
    Inventory(InventoryArgs),
    /// Make exceptions of what recurs
    Exceptions(ExceptionsArgs),
    /// Print a rule's logic for another system: Sigma, Elastic EQL, Splunk, KQL of Sentinel
    Export(ExportArgs),
    /// Ask a running service whether it is healthy
    Health(HealthArgs),
    /// Show alerts in a browser
    Ui(UiArgs),
    /// Show the page of a made-up fleet that is attacked: neither Windows nor Kafka is needed
    Demo(DemoArgs),
    /// Write made-up Winlogbeat documents, among them attacks of known truth on the pipe winreg
    Generate(GenerateArgs),
}

/// Where settings come from.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingsArgs {
    /// Settings file (YAML, TOML or JSON); the environment (PIPEWARDEN_SECTION__KEY) comes after it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Inventory of protected hosts (YAML); without one, every host is watched, and rules with roles or about accounts find
    /// nothing
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Folder of rules, in place of the built-in ones, which `pipewarden rules --write` gives
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// File of exceptions (YAML): accesses that are known and answered for
    #[arg(long, value_name = "FILE")]
    pub exceptions: Option<PathBuf>,
    /// Rules to switch on besides those that the settings do, by id (as svcctl,samr), or all
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub enable: Vec<String>,
}

/// `pipewarden run`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden run --config pipewarden.yaml
  PIPEWARDEN_KAFKA__BROKERS=kafka:9092 pipewarden run

SIGTERM and SIGINT end it in order: what has been read is committed, the group is left.")]
pub struct RunArgs {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// `pipewarden topics`
#[derive(Debug, Args)]
pub struct TopicsArgs {
    /// What to do with the topics.
    #[command(subcommand)]
    pub action: TopicsAction,
}

/// What to do with the topics.
#[derive(Debug, Subcommand)]
pub enum TopicsAction {
    /// Create the topics that are missing, with the right settings
    Create {
        /// Where settings come from.
        #[command(flatten)]
        settings: SettingsArgs,
        /// Create missing input topics too (Winlogbeat's own topics, for trying things out)
        #[arg(long)]
        with_input: bool,
    },
    /// Say how the topics differ from what the service needs
    Check {
        /// Where settings come from.
        #[command(flatten)]
        settings: SettingsArgs,
    },
}

/// `pipewarden check`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden check --config pipewarden.yaml
  pipewarden check --exceptions exceptions.yaml
  pipewarden check --config pipewarden.yaml --connect       the brokers and the topics, too
  pipewarden check --config pipewarden.yaml --status pipewarden-0:9464,pipewarden-1:9464   exceptions that nothing hits

Exit status: 0 sound, 1 something is wrong, or a broker or a service does not answer.")]
pub struct CheckArgs {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Ask the brokers: whether each can be reached, and how the topics differ from what the service needs
    #[arg(long)]
    pub connect: bool,
    /// Ask these running services (HOST:PORT, also after http:// or https://) how often each exception was hit, and say which were
    /// not; name all replicas: each knows its own hits
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub status: Vec<String>,
    /// File with the token that these services ask for
    #[arg(long, value_name = "FILE", requires = "status")]
    pub token_file: Option<PathBuf>,
    /// PEM file with the certificate of these services or of its authority, for https
    #[arg(long, value_name = "FILE", requires = "status")]
    pub certificate_file: Option<PathBuf>,
}

/// `pipewarden test`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden test                    the built-in rules
  pipewarden test my-rules/          my-rules/svc.yaml against my-rules/svc.tests.yaml, and so on

Exit status: 0 every case passed, 1 a case failed, a rule has no cases, or a rule cannot be read.")]
pub struct TestArgs {
    /// Folder of rules with their test files; without one, the built-in rules
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// `pipewarden inventory`
#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// What to do with an inventory.
    #[command(subcommand)]
    pub action: InventoryAction,
}

/// What to do with an inventory.
#[derive(Debug, Subcommand)]
pub enum InventoryAction {
    /// Write an inventory from exports of Configuration Manager and Active Directory (CSV or JSON) to standard output
    Import(ImportArgs),
}

/// `pipewarden inventory import`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden inventory import roles.csv sites.csv > hosts.yaml
  pipewarden inventory import --only-with-role roles.csv computers.json > hosts.yaml
  pipewarden inventory import --default-role tier0 tier0-computers.csv > hosts.yaml

In PowerShell:
  Get-CMSiteRole | Select-Object NetworkOSPath, RoleName, SiteCode | Export-Csv roles.csv
  Get-CMSite | Select-Object ServerName, SiteCode, Type | Export-Csv sites.csv
  Get-ADComputer -Filter * -Properties IPv4Address, PrimaryGroupID | Export-Csv computers.csv

The columns of a file show what it is. Rows that cannot be used are listed with file and line; the rest is imported.

Exit status: 0 done, 1 usage, 2 a file could not be read or nothing could be used (with --strict, any row).")]
pub struct ImportArgs {
    /// Exports, CSV or JSON, UTF-8 or UTF-16
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Leave out hosts that no export gives a role
    #[arg(long, conflicts_with = "default_role")]
    pub only_with_role: bool,
    /// The role of hosts that no export gives one
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub default_role: Option<Role>,
    /// Fail on any row that cannot be used
    #[arg(long)]
    pub strict: bool,
}

fn role(text: &str) -> Result<Role, String> {
    Role::ALL
        .iter()
        .copied()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| {
            let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
            format!("roles are {}", known.join(", "))
        })
}

/// `pipewarden export`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden export --rule detect-8 --to sigma > detect_8.yml
  pipewarden export --rule detect-8 --to eql --config pipewarden.yaml     with the windows of these settings
  pipewarden export --rule detect-8 --to splunk
  pipewarden export --rule detect-3 --to kql --inventory hosts.yaml       with the accounts of this inventory

The head of each export says what is lost on the way.")]
pub struct ExportArgs {
    /// The rule's id; check lists those in force
    #[arg(long, value_name = "ID")]
    pub rule: String,
    /// The system that is to run it
    #[arg(long, value_parser = choices::target(), value_name = "SYSTEM")]
    pub to: Target,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// `pipewarden health`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  pipewarden health                              the service of this machine, at http.listen
  pipewarden health --ready --address pipewarden:9464

Prints what the service answers. Exit status: 0 well, 1 not, or no answer.")]
pub struct HealthArgs {
    /// Settings file of the service, for http.listen and its certificate; the environment comes after it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the service listens, in place of http.listen of the settings
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// PEM file with the certificate of the service or of its authority, for an address that begins with https://
    #[arg(long, value_name = "FILE")]
    pub certificate_file: Option<PathBuf>,
    /// Ask whether it is ready, too: the brokers answer, and every worker has caught up, reads on and can write
    #[arg(long)]
    pub ready: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::Span>();
    let span = span.and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()));
    let span = span.map_err(|_| format!("{text:?} is not a duration; write 45s, 5min, 1h 30m or 7d"))?;
    Duration::try_from(span).map_err(|_| "a delay cannot be negative".to_owned())
}
