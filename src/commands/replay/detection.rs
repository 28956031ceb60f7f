//! What is detected in what was read, as it is delivered.

use std::io::Write;
use std::sync::Arc;

use pipewarden_engine::local::{FinalView, Replayer};

use super::Printer;
use super::explain_text::{self, Unresolved};
use super::kept::Kept;
use super::lost::Lost;
use super::noise;
use super::page::Page;
use super::sorted::Key;
use super::summary::Summary;
use crate::cli::ReplayArgs;
use crate::detection::{Disposition, Explanation, Seen, Status};
use crate::engine::{AlertRecord, Policy, Reason, Routed, Router};
use crate::event::{Event, Observation, Received};
use crate::time::AppendTime;

/// The engine, and what is kept of its answers until the end.
pub(super) struct Detection<'a> {
    args: &'a ReplayArgs,
    policy: &'a Policy,
    /// It knows every binding.
    router: &'a Router,
    /// The inputs' names.
    names: &'a [Arc<str>],
    summary: &'a mut Summary,
    replayer: Replayer,
    view: FinalView,
    /// Nothing, unless explanations are asked for.
    unresolved: Unresolved,
    lost: Lost,
    page: Option<Page>,
}

impl<'a> Detection<'a> {
    pub(super) fn new(
        args: &'a ReplayArgs,
        policy: &'a Arc<Policy>,
        router: &'a Router,
        names: &'a [Arc<str>],
        summary: &'a mut Summary,
        page: Option<Page>,
    ) -> Self {
        let replayer = Replayer::new(policy);
        let entries = policy.exceptions.entries().iter();
        summary.exceptions = entries.map(|entry| (entry.id.to_string(), 0)).collect();
        Self {
            args,
            policy,
            router,
            names,
            summary,
            replayer: if args.explain || page.is_some() {
                replayer.with_explanations()
            } else {
                replayer
            },
            view: FinalView::default(),
            unresolved: Unresolved::default(),
            lost: Lost::default(),
            page,
        }
    }

    /// Whether somebody wants to know why.
    fn explains(&self) -> bool {
        self.args.explain || self.page.is_some()
    }

    /// Takes in the next event, as the sorter kept it.
    pub(super) fn deliver(
        &mut self,
        key: Key,
        kept: Kept,
        printer: &mut Printer<impl Write>,
    ) -> anyhow::Result<()> {
        let [append_time, _, file, line] = key;
        let name = usize::try_from(file).ok().and_then(|file| self.names.get(file));
        let name = name.map_or_else(|| Arc::from(""), Arc::clone);
        let line = line.unsigned_abs();
        let Some(observation) = self.resolve(kept.at(&name, line), &name, line) else {
            return Ok(());
        };
        let append_time = AppendTime::from_millis(append_time);
        self.summary.local += u64::from(observation.is_local);
        let to_explain = self
            .explains()
            .then(|| (observation.asset.clone(), Seen::of(&observation.event)));
        let applied = self.replayer.observe(append_time, observation);
        if let Some((asset, seen)) = to_explain {
            self.lost.note(asset, seen, applied.disposition);
        }
        self.summary.copies += u64::from(applied.disposition == Some(Disposition::Copy));
        self.summary.dropped += u64::from(applied.disposition == Some(Disposition::Dropped));
        self.summary.dropped += applied.counters.dropped_session_evidence;
        self.summary.conflicting += applied.counters.conflicting;
        self.take(applied.alerts, printer)
    }

    /// Resolves an event by all bindings.
    fn resolve(&mut self, received: Received, file: &str, line: u64) -> Option<Observation> {
        let to_explain = self.explains().then(|| received.event.clone());
        match self.router.resolve(received) {
            Routed::Observation(routed) => {
                *self.summary.observations.entry(routed.kind()).or_default() += 1;
                self.summary.conflicts += u64::from(routed.conflict);
                return Some(routed.observation);
            }
            Routed::Skipped(reason) => {
                self.summary.skipped(reason.as_str());
                if let Some(event) = to_explain {
                    self.note_skipped(&event, reason, file, line);
                }
            }
            // An event has been decoded.
            Routed::DeadLetter(_) => {}
        }
        None
    }

    /// Keeps what could have mattered.
    fn note_skipped(&mut self, event: &Event, reason: Reason, file: &str, line: u64) {
        if !explain_text::could_matter(reason) {
            return;
        }
        self.unresolved.note(event, file, line);
        if self.args.explain && self.summary.wants_example(reason.as_str()) {
            let description = explain_text::describe_skipped(event, reason);
            self.summary.example(reason.as_str(), file, line, &description);
        }
    }

    fn take(&mut self, alerts: Vec<AlertRecord>, printer: &mut Printer<impl Write>) -> anyhow::Result<()> {
        for alert in alerts {
            if let Some(exception) = &alert.hit {
                *self
                    .summary
                    .exceptions
                    .entry(exception.id.to_string())
                    .or_default() += 1;
            }
            if let Some(page) = &mut self.page {
                page.alert(&alert);
            }
            if self.args.revisions && (alert.is_published || self.args.show_suppressed) {
                printer.print(&alert, self.printed_explanation(&alert).as_ref())?;
            }
            self.view.upsert(alert);
        }
        Ok(())
    }

    /// The explanation that is printed with an alert.
    fn printed_explanation(&self, alert: &AlertRecord) -> Option<Explanation> {
        self.args.explain.then(|| self.explain(alert))?
    }

    fn explain(&self, alert: &AlertRecord) -> Option<Explanation> {
        let mut explanation = self.replayer.explain(&alert.key)?;
        self.unresolved
            .complete(&mut explanation, self.policy.join.tuple_window);
        self.lost
            .complete(&mut explanation, self.policy.join.attribution_window);
        Some(explanation)
    }

    /// The end of input: prints active alerts by their first access, and counts them.
    pub(super) fn finish(mut self, printer: &mut Printer<impl Write>) -> anyhow::Result<()> {
        let alerts = self.replayer.finish().alerts;
        self.take(alerts, printer)?;
        self.summary.suppressed = self.view.with_status(Status::Suppressed).count();
        let is_much = self.view.active().count() > noise::MUCH;
        for alert in self.view.active() {
            *self.summary.alerts.entry(alert.confidence).or_default() += 1;
            if is_much {
                self.summary.noise.note(&serde_json::from_slice(&alert.value)?);
            }
        }
        if !self.args.revisions {
            for alert in self.shown() {
                printer.print(alert, self.printed_explanation(alert).as_ref())?;
            }
        }
        printer.out.flush()?;
        self.finish_page()
    }

    fn finish_page(&mut self) -> anyhow::Result<()> {
        let Some(mut page) = self.page.take() else {
            return Ok(());
        };
        let kept = self
            .view
            .active()
            .chain(self.view.with_status(Status::Suppressed));
        for explanation in kept.filter_map(|alert| self.explain(alert)) {
            page.explanation(&explanation);
        }
        page.write()
    }

    /// The final alerts that are printed, in order.
    fn shown(&self) -> Vec<&AlertRecord> {
        let mut shown: Vec<&AlertRecord> = self.view.active().collect();
        if self.args.show_suppressed {
            shown.extend(self.view.with_status(Status::Suppressed));
        }
        shown.sort_by_key(|alert| (alert.start, &*alert.key));
        shown
    }
}
