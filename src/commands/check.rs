//! `pipewarden check`: what is in force, and what is wrong with it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use owo_colors::OwoColorize as _;

use super::exception_hits::{self, Hits};
use super::http_client::Credentials;
use super::topics::Topics;
use super::{demand_sound_client, settings, several};
use crate::cli::CheckArgs;
use crate::config::{Settings, tested_rules};
use crate::detection::{Rule, RuleSet};
use crate::engine::Policy;
use crate::inventory::Inventory;
use crate::telemetry;
use crate::time::AppendTime;

/// Validates settings, rules, inventory and exceptions, and prints them as they are in force; on request, asks the brokers.
///
/// # Errors
/// Everything that is wrong, a line each.
pub fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    let policy = sound_policy(&settings)?;
    let credentials = Credentials::read(args.token_file.as_deref(), args.certificate_file.as_deref())?;
    let hits = (!args.status.is_empty())
        .then(|| exception_hits::ask(&args.status, &credentials))
        .transpose()?;
    let mut out = anstream::stdout();
    writeln!(out, "{}", "settings".bold())?;
    for line in settings.to_display().lines() {
        writeln!(out, "  {line}")?;
    }
    derived(&mut out, &policy)?;
    rules(&mut out, &policy, &settings.known_rules()?)?;
    inventory(&mut out, &policy)?;
    exceptions(&mut out, &policy, hits.as_ref())?;
    let partitions = u64::from(settings.kafka.topics.partitions.get());
    if let Some(hits) = hits.filter(|hits| hits.partitions < partitions) {
        let warning = format!(
            "the services that were asked own {} of {partitions} partitions (kafka.topics.partitions): an entry may be hit \
             elsewhere; name all replicas",
            hits.partitions
        );
        writeln!(out, "  {}", warning.yellow())?;
    }
    let is_fine = !args.connect || connect(&mut out, &settings)?;
    Ok(if is_fine { ExitCode::SUCCESS } else { super::USAGE })
}

/// The policy, if it, the tests of its rules and the properties of the Kafka client are sound.
fn sound_policy(settings: &Settings) -> anyhow::Result<Policy> {
    let client = demand_sound_client(settings);
    let policy = settings.policy().map_err(anyhow::Error::from);
    let mut errors: Vec<anyhow::Error> = Vec::new();
    // A rule that cannot be read has been named.
    if let (Some(folder), Ok(_)) = (&settings.rules.directory, &policy) {
        match tested_rules(folder) {
            Ok(all) => errors.extend(
                all.into_iter()
                    .filter_map(|tested| tested.demand_both().err().map(Into::into)),
            ),
            Err(problem) => errors.push(problem.into()),
        }
    }
    match (client, policy, errors.is_empty()) {
        (Ok(()), Ok(policy), true) => Ok(policy),
        (client, policy, _) => {
            let all = client.err().into_iter().chain(policy.err()).chain(errors);
            Err(several(all)
                .err()
                .unwrap_or_else(|| anyhow::anyhow!("check has failed")))
        }
    }
}

/// Asks every broker and compares the topics; whether all is as it should be.
fn connect(out: &mut impl Write, settings: &Settings) -> anyhow::Result<bool> {
    let topics = Topics::new(settings)?;
    let brokers = topics.brokers()?;
    let mut is_fine = true;
    writeln!(out, "\n{}", "brokers".bold())?;
    for (address, problem) in brokers {
        is_fine &= problem.is_none();
        let word = match &problem {
            None => "ok".green().to_string(),
            Some(problem) => {
                let named = format!("{address}: ");
                problem.strip_prefix(&named).unwrap_or(problem).red().to_string()
            }
        };
        writeln!(out, "  {address}: {word}")?;
    }
    writeln!(out, "\n{}", "topics".bold())?;
    Ok(topics.all(false, true, out)? && is_fine)
}

/// What follows from the settings.
fn derived(out: &mut impl Write, policy: &Policy) -> io::Result<()> {
    let friendly = |span: Duration| {
        SignedDuration::try_from(span).map_or_else(|_| format!("{span:?}"), |span| format!("{span:#}"))
    };
    writeln!(out, "\n{}", "derived".bold())?;
    writeln!(out, "  join_span: {}", friendly(policy.join.join_span()))?;
    writeln!(out, "  horizon: {}", friendly(policy.join.horizon()))?;
    writeln!(out, "  policy: {}", policy.checkpoint_id())
}

/// The rules that are on, with what they miss, and the names of those that are off.
fn rules(out: &mut impl Write, policy: &Policy, known: &RuleSet) -> io::Result<()> {
    writeln!(out, "\n{}", "rules".bold())?;
    for rule in policy.rules.rules() {
        writeln!(
            out,
            "  {}: {} (risk {}; {})",
            rule.id,
            rule.name,
            rule.risk,
            watched(rule)
        )?;
    }
    for rule in policy.rules.rules() {
        for problem in without_effect(rule, policy) {
            writeln!(out, "  {} {} {problem}", "note:".yellow(), rule.id)?;
        }
    }
    for rule in policy.rules.rules() {
        for (pipe, aliases) in rule.missing_aliases() {
            writeln!(
                out,
                "  {} {} watches {pipe} of sysmon 18, but not {} of 5145: it takes accesses by these names for its own",
                "note:".yellow(),
                rule.id,
                aliases.join(", ")
            )?;
        }
    }
    let ids = known.rules().iter().map(|rule| &*rule.id);
    let off: Vec<&str> = ids.filter(|id| policy.rules.get(id).is_none()).collect();
    if !off.is_empty() {
        writeln!(out, "  off: {}", off.join(" "))?;
    }
    Ok(())
}

/// What a rule watches, and where.
fn watched(rule: &Rule) -> String {
    let mut parts = Vec::new();
    let (pipe_connected, share_access) = (&rule.pipes.pipe_connected, &rule.pipes.share_access);
    if !pipe_connected.is_empty() || !share_access.is_empty() {
        parts.push(format!("sysmon 18: {}", names(pipe_connected)));
        parts.push(format!("5145: {}", names(share_access)));
    }
    let paths = rule.shares.iter();
    parts.extend(paths.map(|watched| format!("5145: {}\\{}", watched.share, watched.path)));
    let callback = rule.callback.iter();
    parts.extend(callback.map(|watched| {
        let ports: Vec<String> = watched.ports.iter().map(ToString::to_string).collect();
        format!("callback: {}", ports.join(" "))
    }));
    let accounts = rule.accounts.iter();
    parts.extend(
        accounts.map(|watched| format!("4624: {} accounts from elsewhere", watched.purpose.as_str())),
    );
    if !rule.roles.is_empty() {
        let roles: Vec<&str> = rule.roles.iter().map(|role| role.as_str()).collect();
        parts.push(format!("on {}", roles.join(" ")));
    }
    parts.join("; ")
}

/// What of a rule the policy leaves without an effect.
fn without_effect(rule: &Rule, policy: &Policy) -> Vec<String> {
    let mut problems: Vec<String> = never_fires(rule, &policy.inventory)
        .into_iter()
        .map(|why| format!("never fires: {why}"))
        .collect();
    let is_off = |link: &&Arc<str>| policy.rules.get(link).is_none();
    if !rule.chain.is_empty() && rule.chain.iter().all(|link| is_off(&link)) {
        let chain: Vec<&str> = rule.chain.iter().map(|link| &**link).collect();
        problems.push(format!(
            "names no campaign: {}, which its chain names, is off",
            chain.join(" and ")
        ));
    }
    problems
}

/// Why a rule finds nothing, whatever happens: the inventory lists nothing that it is about.
pub(super) fn never_fires(rule: &Rule, inventory: &Inventory) -> Vec<String> {
    let mut problems = Vec::new();
    let mut assets = inventory.assets().iter();
    if !assets.any(|asset| rule.watches_roles(&asset.roles)) && !rule.roles.is_empty() {
        let roles: Vec<&str> = rule.roles.iter().map(|role| role.as_str()).collect();
        problems.push(format!(
            "the inventory lists no host with the role {}",
            roles.join(" or ")
        ));
    }
    let mut accounts = inventory.accounts().iter();
    if let Some(watched) = rule.accounts
        && !accounts.any(|account| account.purpose == watched.purpose)
    {
        problems.push(format!(
            "the inventory has no {} account",
            watched.purpose.as_str()
        ));
    }
    problems
}

fn names(pipes: &BTreeSet<Arc<str>>) -> String {
    if pipes.is_empty() {
        return "-".to_owned();
    }
    let names: Vec<&str> = pipes.iter().map(AsRef::as_ref).collect();
    names.join(" ")
}

fn inventory(out: &mut impl Write, policy: &Policy) -> anyhow::Result<()> {
    writeln!(out, "\n{}", "inventory".bold())?;
    if policy.inventory.is_empty() {
        writeln!(out, "  no asset is listed")?;
    }
    for asset in policy.inventory.assets() {
        let addresses: Vec<String> = asset.addresses.iter().map(ToString::to_string).collect();
        let roles: Vec<&str> = asset.roles.iter().map(|role| role.as_str()).collect();
        writeln!(
            out,
            "  {}  {}  {}",
            asset.id,
            addresses.join(" "),
            roles.join(" ")
        )?;
    }
    for account in policy.inventory.accounts() {
        let places: Vec<String> = account.expected_from.iter().map(ToString::to_string).collect();
        let purpose = account.purpose.as_str();
        writeln!(out, "  {}  {purpose}  from {}", account.name, places.join(" "))?;
    }
    let unlisted = serde_json::to_value(policy.unlisted_hosts)?;
    writeln!(out, "  unlisted hosts: {}", unlisted.as_str().unwrap_or_default())?;
    Ok(())
}

/// Every exception, with warnings: it has expired, names a host that is not listed, or does less than it says.
fn exceptions(out: &mut impl Write, policy: &Policy, hits: Option<&Hits>) -> io::Result<()> {
    writeln!(out, "\n{}", "exceptions".bold())?;
    let exceptions = &policy.exceptions;
    let now = telemetry::wall_clock();
    for entry in exceptions.entries() {
        let ends = match entry.expires {
            Some(expires) if expires <= now => format!("expired {}", moment(expires)).red().to_string(),
            Some(expires) => format!("expires {}", moment(expires)),
            None => "built in".to_owned(),
        };
        writeln!(
            out,
            "  {}: {}, {ends}, {}: {}",
            entry.id,
            entry.action.as_str(),
            entry.owner,
            entry.reason
        )?;
        // An expired one should be removed, however often it was hit.
        if let Some(hits) = hits.filter(|_| entry.expires.is_none_or(|expires| expires > now)) {
            writeln!(out, "    {}", hits.of(&entry.id, entry.expires.is_none()))?;
        }
    }
    for (entry, name) in exceptions.unlisted_assets() {
        if !policy.inventory.is_empty() {
            let warning = format!("{} names {name}, which the inventory does not list", entry.id);
            writeln!(out, "  {}", warning.yellow())?;
        }
    }
    for (entry, shortfall) in exceptions.shortfalls(policy.rules.rules()) {
        writeln!(out, "  {}", format!("{} {shortfall}", entry.id).yellow())?;
    }
    Ok(())
}

fn moment(time: AppendTime) -> String {
    jiff::Timestamp::from_millisecond(time.as_millis())
        .map_or_else(|_| "at no time".to_owned(), |time| time.to_string())
}
