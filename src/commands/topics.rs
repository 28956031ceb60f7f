//! `pipewarden topics`: create or check what the service needs.

use std::io::Write as _;
use std::process::ExitCode;

use owo_colors::OwoColorize as _;
use pipewarden_kafka::{AlertOutput, TopicAdmin, TopicState, plans};

use super::settings;
use crate::cli::{TopicsAction, TopicsArgs};

/// Creates missing topics, or prints what is wrong with the topics. Fails if anything is wrong in the end.
///
/// # Errors
/// Settings that are wrong, a broker that does not answer or refuses.
pub fn run(args: &TopicsArgs) -> anyhow::Result<ExitCode> {
    let (is_create, with_input, source) = match &args.action {
        TopicsAction::Create { settings, with_input } => (true, *with_input, settings),
        TopicsAction::Check { settings } => (false, false, settings),
    };
    let settings = settings(source)?;
    let topics = TopicAdmin::new(&settings.kafka)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut out = anstream::stdout();
    let mut is_fine = true;
    // Input topics are Winlogbeat's: when checking, they only have to be there.
    let plans = plans(
        &settings.kafka.topics,
        AlertOutput {
            format: settings.alerts.format,
            max_bytes: settings.alerts.max_bytes,
        },
        settings.detection.horizon(),
        with_input || !is_create,
    );
    for plan in plans {
        let state = runtime.block_on(async {
            if is_create {
                topics.create(&plan).await
            } else {
                topics.check(&plan).await
            }
        })?;
        is_fine &= matches!(state, TopicState::Created | TopicState::Right);
        let word = match state {
            TopicState::Created | TopicState::Right => state.to_string().green().to_string(),
            TopicState::Wrong(_) | TopicState::Missing => state.to_string().red().to_string(),
        };
        writeln!(out, "{}: {word}", plan.name)?;
    }
    Ok(if is_fine { ExitCode::SUCCESS } else { super::USAGE })
}
