//! Taking up changed rules, inventory and exceptions while the service runs.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pipewarden_kafka::{ActivePolicy, DriverError, Service, Stop};

use crate::config::Watch;
use crate::telemetry::Reporter;

/// Reloads the files that the settings name.
pub(crate) struct Reload {
    /// Detects their changes.
    pub(crate) watch: Watch,
    /// The policy that they make.
    pub(crate) active_policy: ActivePolicy,
    /// How often they are checked; never where it is zero.
    pub(crate) interval: Duration,
    /// Reports every change.
    pub(crate) reporter: Arc<Reporter>,
    /// Ends the thread that checks them.
    pub(crate) stop: Stop,
}

impl Reload {
    /// Runs the service, and checks the files until it has ended.
    ///
    /// # Errors
    /// What ended the service, or the thread that checks the files.
    pub(crate) fn beside(mut self, service: Service) -> Result<(), DriverError> {
        let stop = self.stop.clone();
        thread::scope(|scope| {
            let follower = thread::Builder::new()
                .name("reload".to_owned())
                .spawn_scoped(scope, || self.follow())?;
            let ends = Ends(stop);
            let outcome = service.run();
            drop(ends);
            let followed = follower.join();
            outcome.and(followed.map_err(|_| DriverError::Panicked {
                worker: "reload".to_owned(),
            }))
        })
    }

    fn follow(&mut self) {
        while !self.interval.is_zero() && !self.stop.wait(self.interval) {
            self.check();
        }
    }

    /// Checks once. An error is reported, and the policy in force stays.
    fn check(&mut self) {
        match self.watch.changed() {
            None => {}
            Some(Ok(policy)) if policy.checkpoint_id() == self.active_policy.policy().checkpoint_id() => {
                self.reporter.unchanged();
            }
            Some(Ok(policy)) => {
                self.active_policy.replace(policy);
                self.reporter.reloaded(&self.active_policy.policy());
            }
            Some(Err(problem)) => self.reporter.rejected(&problem),
        }
    }
}

/// Ends the thread that waits for it, where the service panics as well.
struct Ends(Stop);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::run::service;
    use crate::config::Settings;
    use crate::telemetry::{Metrics, Status};

    #[test]
    fn status_says_what_became_of_the_last_change_and_why() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "assets: [{name: atlas}]").unwrap();
        let mut settings = Settings::default();
        settings.inventory.file = Some(file.path().to_owned());
        let (status, stop) = (Arc::<Status>::default(), Stop::default());
        let read = Watch::start(settings.clone()).unwrap();
        let (_, mut reload) = service(&settings, read, &Arc::default(), &status, &stop);
        let last = |status: &Status| status.to_value()["last_reload"].clone();
        assert!(last(&status).is_null());
        for (text, outcome) in [
            ("assets: 7", "rejected"),
            ("assets: [{name: atlas}]", "withdrawn"),
            ("assets: [{name: glados}]", "applied"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            reload.check();
            let last = last(&status);
            assert_eq!(last["outcome"], outcome);
            assert_eq!(last["problem"].is_string(), outcome == "rejected", "{last}");
        }
        assert_eq!(status.to_value()["in_force"]["assets"], 1);
    }

    fn assembled(settings: &Settings) -> (Service, Reload, Arc<Metrics>) {
        let (metrics, stop) = (Arc::new(Metrics::new()), Stop::default());
        let read = Watch::start(settings.clone()).unwrap();
        let (service, reload) = service(settings, read, &metrics, &Arc::default(), &stop);
        (service, reload, metrics)
    }

    fn reloads(metrics: &Metrics, outcome: &str) -> u32 {
        let line = format!("pipewarden_policy_reloads_total{{outcome=\"{outcome}\"}} ");
        number(metrics, &line)
    }

    fn number(metrics: &Metrics, line: &str) -> u32 {
        let text = String::from_utf8(metrics.render()).unwrap();
        let found = text.lines().find_map(|found| found.strip_prefix(line));
        found.expect("the metric exists").parse().unwrap()
    }

    #[test]
    fn a_change_is_taken_up_a_wrong_one_rejected_once_and_one_that_changes_nothing_is_neither() {
        const ONE: &str = "assets: [{name: atlas.aperture.local}]";
        const TWO: &str = "assets: [{name: atlas.aperture.local}, {name: glados.aperture.local}]";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), ONE).unwrap();
        let mut settings = Settings::default();
        settings.inventory.file = Some(file.path().to_owned());
        let (_, mut reload, metrics) = assembled(&settings);
        let commented = format!("# As before.\n{TWO}");
        for (text, expected) in [
            (TWO, (2, 1, 0, 1)),
            ("assets: 7", (2, 1, 1, 0)),
            ("assets: 7", (2, 1, 1, 0)),
            (&commented, (2, 1, 1, 1)),
        ] {
            std::fs::write(file.path(), text).unwrap();
            reload.check();
            let assets = reload.active_policy.policy().inventory.assets().len();
            let counted = (
                assets,
                reloads(&metrics, "applied"),
                reloads(&metrics, "rejected"),
                number(&metrics, "pipewarden_config_last_reload_successful "),
            );
            assert_eq!(counted, expected, "{text}");
        }
    }

    #[test]
    fn a_service_that_ends_by_itself_ends_the_thread_that_checks_the_files() {
        let mut settings = Settings::default();
        // Rejected before anything is connected.
        let property = ("no.such.property".to_owned(), "1".to_owned());
        settings.kafka.client.extend([property]);
        settings.reload.interval = Duration::from_secs(86_400);
        let (service, reload, _) = assembled(&settings);
        let ended = reload.beside(service);
        assert!(matches!(ended, Err(DriverError::Client { .. })), "{ended:?}");
    }

    #[test]
    fn a_request_to_end_wakes_the_thread_that_checks_the_files() {
        let mut settings = Settings::default();
        settings.reload.interval = Duration::from_secs(86_400);
        let (_, mut reload, _) = assembled(&settings);
        let stop = reload.stop.clone();
        thread::scope(|scope| {
            scope.spawn(|| reload.follow());
            stop.set();
        });
    }
}
