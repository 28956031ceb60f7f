//! A partition that a worker owns: its correlator, and what waits to be committed.

use pipewarden_core::time::AppendTime;

use crate::{AlertRecord, Applied, Checkpoint, Correlator, DeadLetter, LogRecord, Origin};

/// An alert that waits for its transaction.
#[derive(Debug)]
pub struct Pending {
    /// The record to write.
    pub alert: AlertRecord,
    /// When the record that caused it was appended.
    pub appended: AppendTime,
}

/// An owned partition. Alerts are held back until they are committed together with the offset: so no transaction is ever
/// open between two records, and a batch that could not be committed is simply tried again.
#[derive(Debug)]
pub struct Owned {
    correlator: Correlator,
    alerts: Vec<Pending>,
    dead_letters: Vec<DeadLetter>,
    /// Whether something was read, or the partition taken over, since the last commit.
    is_dirty: bool,
}

/// The reason of a dead letter that stood on the observations topic: not written by a router, or damaged.
pub const UNDECODABLE: &str = "undecodable_observation";

impl Owned {
    /// Just taken over.
    pub fn new(correlator: Correlator) -> Self {
        Self {
            correlator,
            alerts: Vec::new(),
            dead_letters: Vec::new(),
            is_dirty: true,
        }
    }

    /// The correlator and so the state.
    pub fn correlator(&self) -> &Correlator {
        &self.correlator
    }

    /// Applies the next record. What it causes waits; in what is returned `alerts` is empty.
    pub fn apply(&mut self, record: LogRecord<'_>, origin: Origin<'_>) -> Applied {
        let mut applied = self.correlator.apply(record);
        let appended = record.append_time;
        let alerts = std::mem::take(&mut applied.alerts);
        self.alerts
            .extend(alerts.into_iter().map(|alert| Pending { alert, appended }));
        if let Some(message) = &applied.undecodable
            && self.correlator.is_new(record.offset)
        {
            self.dead_letters
                .push(DeadLetter::of(UNDECODABLE, message.clone(), origin, record.value));
        }
        self.is_dirty = true;
        applied
    }

    /// Tells that there is nothing more to read for now.
    pub fn reach_end(&mut self) {
        self.correlator.reach_end();
    }

    /// What waits.
    pub fn alerts(&self) -> &[Pending] {
        &self.alerts
    }

    /// What waits and could not be read.
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.dead_letters
    }

    /// The offset to commit and its checkpoint. `None` if nothing has changed, and while the log is being replayed: an
    /// offset must not go back.
    pub fn commit(&self) -> Option<(u64, Checkpoint)> {
        let may_commit = self.is_dirty && self.correlator.is_caught_up();
        may_commit.then(|| (self.correlator.position(), self.correlator.checkpoint()))
    }

    /// Everything has been committed: hands out what was waiting.
    pub fn committed(&mut self) -> impl Iterator<Item = Pending> {
        self.is_dirty = false;
        self.dead_letters.clear();
        self.alerts.drain(..)
    }
}
