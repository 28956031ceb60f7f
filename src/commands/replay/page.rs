//! The replay as a page.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use crate::detection::{Explanation, JoinSettings};
use crate::engine::AlertRecord;
use crate::page::{About, Bounds, Report, Source, Windows};

/// A page of more than this opens nowhere; what is forgotten is said on it.
const BOUNDS: Bounds = Bounds {
    alerts: 20_000,
    revisions: 32,
    bytes: 128 << 20,
};

/// The inputs that the page names.
const NAMED: usize = 3;

/// A page on its way into a file.
pub(super) struct Page {
    file: PathBuf,
    report: Report,
}

impl Page {
    /// Of these inputs.
    pub(super) fn new(file: &Path, inputs: &[Arc<str>], join: &JoinSettings) -> Self {
        let more = inputs.len().saturating_sub(NAMED);
        let mut name = inputs
            .iter()
            .take(NAMED)
            .map(|input| &**input)
            .collect::<Vec<_>>()
            .join(", ");
        if more > 0 {
            name.push_str(&format!(" and {more} more"));
        }
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            source: Source { kind: "replay", name },
            hint: "The replay has found no access that a rule watches.".to_owned(),
            brokers: None,
            services: Vec::new(),
            windows: Windows::of(join),
            bounds: BOUNDS,
        };
        Self {
            file: file.to_owned(),
            report: Report::new(about),
        }
    }

    pub(super) fn alert(&mut self, alert: &AlertRecord) {
        self.report.alert(&alert.value);
    }

    pub(super) fn explanation(&mut self, explanation: &Explanation) {
        self.report.explanation(explanation);
    }

    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(self) -> anyhow::Result<()> {
        let about = || format!("--html {}", self.file.display());
        std::fs::write(&self.file, self.report.to_html()?).with_context(about)
    }
}
