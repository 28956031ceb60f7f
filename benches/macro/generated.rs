//! Generated documents for the measurements.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use pipewarden_core::time::EventTime;
use pipewarden_tools::generator::{Fleet, Generator, Plan, Truth};

/// A file of documents, and what is in it. Removed when dropped.
pub(crate) struct Generated {
    pub events: PathBuf,
    pub inventory: PathBuf,
    pub events_count: u64,
    pub attacks: usize,
    _folder: tempfile::TempDir,
}

/// About so many bytes of documents in a file of their own.
pub(crate) fn file(bytes: u64, seed: u64) -> Generated {
    const MEAN: u64 = 3_900;
    let folder = tempfile::tempdir().unwrap();
    let (events, inventory) = (
        folder.path().join("events.ndjson"),
        folder.path().join("hosts.yaml"),
    );
    let fleet = Fleet::invented(20, 2_000);
    std::fs::write(&inventory, fleet.inventory()).unwrap();
    let plan = Plan::new(seed, (bytes / MEAN).max(40_000));
    let mut out = BufWriter::with_capacity(1 << 18, File::create(&events).unwrap());
    let truths = each(&plan, fleet, |_, document| {
        out.write_all(document).unwrap();
        out.write_all(b"\n").unwrap();
    });
    out.flush().unwrap();
    Generated {
        events,
        inventory,
        events_count: plan.events,
        attacks: truths.len(),
        _folder: folder,
    }
}

/// Visits every document in order; gives back what must be found.
pub(crate) fn each(plan: &Plan, fleet: Fleet, mut visit: impl FnMut(EventTime, &[u8])) -> Vec<Truth> {
    let mut generator = Generator::new(plan, fleet);
    let (mut document, mut truths) = (Vec::new(), Vec::new());
    while let Some(due) = generator.write_next(&mut document) {
        visit(due, &document);
        document.clear();
        truths.extend(generator.take_truths());
    }
    truths
}
