//! `pipewarden topics`: create or check what the service needs.

use std::io::Write;
use std::process::ExitCode;

use owo_colors::OwoColorize as _;
use pipewarden_kafka::{AlertOutput, DriverError, StateSpans, TopicAdmin, TopicState, plans};

use super::{demand_sound_client, settings};
use crate::cli::{TopicsAction, TopicsArgs};
use crate::config::Settings;
use crate::diagnostics::with_causes;

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
    demand_sound_client(&settings)?;
    let topics = Topics::new(&settings)?;
    // Input topics are Winlogbeat's: when checking, they only have to be there.
    let is_fine = topics.all(is_create, with_input || !is_create, &mut anstream::stdout())?;
    Ok(if is_fine { ExitCode::SUCCESS } else { super::USAGE })
}

/// The topics that the settings name, on their brokers.
pub(super) struct Topics<'a> {
    settings: &'a Settings,
    admin: TopicAdmin,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Topics<'a> {
    /// # Errors
    /// Properties that librdkafka rejects.
    pub(super) fn new(settings: &'a Settings) -> anyhow::Result<Self> {
        Ok(Self {
            settings,
            admin: TopicAdmin::new(&settings.kafka)?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// Checks all topics, or creates those that are missing, and prints a line for each; whether all are as they should be.
    ///
    /// # Errors
    /// Brokers that do not answer or reject a request, or an output that has gone.
    pub(super) fn all(
        &self,
        is_create: bool,
        with_input: bool,
        out: &mut impl Write,
    ) -> anyhow::Result<bool> {
        let Self {
            settings,
            admin,
            runtime,
        } = self;
        let plans = plans(
            &settings.kafka.topics,
            AlertOutput {
                format: settings.alerts.format,
                max_bytes: settings.alerts.max_bytes,
            },
            StateSpans::of(&settings.detection),
            with_input,
        );
        let mut is_fine = true;
        for plan in plans {
            let state = runtime.block_on(async {
                if is_create {
                    admin.create(&plan).await
                } else {
                    admin.check(&plan).await
                }
            });
            let state = match state {
                // Another topic may be denied as well, or wrong.
                Err(denied @ DriverError::NotAuthorized { .. }) => {
                    TopicState::Wrong(vec![with_causes(&denied)])
                }
                other => other?,
            };
            is_fine &= !matches!(state, TopicState::Wrong(_) | TopicState::Missing);
            let word = match state {
                TopicState::Created | TopicState::Right => state.to_string().green().to_string(),
                TopicState::Unseen => state.to_string().yellow().to_string(),
                TopicState::Wrong(_) | TopicState::Missing => state.to_string().red().to_string(),
            };
            writeln!(out, "{}: {word}", plan.name)?;
        }
        Ok(is_fine)
    }

    /// Every broker by its address, with why it cannot be reached from here if so.
    ///
    /// # Errors
    /// Brokers none of which answers.
    pub(super) fn brokers(&self) -> anyhow::Result<Vec<(String, Option<String>)>> {
        Ok(self.admin.brokers()?)
    }
}
