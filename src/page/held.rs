//! Alerts with their revisions, within bounds: no I/O, no clock.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::answers::{Amount, Bounds, Changes, Detail, Forgotten, Health, Listed, Read};
use super::intake::{Alert, Explained, Incoming};
use super::row::Row;

/// What the page holds. Each change has a number; what was changed longest ago is forgotten first, so that one number says what
/// is no longer there.
#[derive(Debug)]
pub(super) struct Held {
    bounds: Bounds,
    alerts: HashMap<Arc<str>, Entry>,
    /// By the number of the last change.
    by_change: BTreeMap<u64, Arc<str>>,
    last: u64,
    floor: u64,
    bytes: usize,
    read: Read,
    forgotten: Forgotten,
    last_unreadable: Option<String>,
}

#[derive(Debug, Default)]
struct Entry {
    seq: u64,
    /// The earliest first; empty only while it is being made.
    revisions: Vec<Kept>,
    forgotten: u64,
    explanation: Option<Box<RawValue>>,
}

#[derive(Debug)]
struct Kept {
    row: Arc<Row>,
    document: Box<RawValue>,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.row.weight() + self.document.get().len()
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let explanation = self
            .explanation
            .as_ref()
            .map_or(0, |explanation| explanation.get().len());
        explanation + self.revisions.iter().map(Kept::bytes).sum::<usize>()
    }

    fn listed(&self) -> Option<Listed> {
        let latest = self.revisions.last()?;
        Some(Listed {
            seq: self.seq,
            revisions: self.revisions.len(),
            row: Arc::clone(&latest.row),
        })
    }
}

impl Held {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            alerts: HashMap::new(),
            by_change: BTreeMap::new(),
            last: 0,
            floor: 0,
            bytes: 0,
            read: Read::default(),
            forgotten: Forgotten::default(),
            last_unreadable: None,
        }
    }

    /// Takes in what was read at a place that `origin` names; returns whether what is listed has changed.
    pub(super) fn take(&mut self, incoming: Incoming, origin: &dyn std::fmt::Display) -> bool {
        match incoming {
            Incoming::Alert(alert) => self.upsert(*alert),
            Incoming::Explanation(explained) => self.explain(explained),
            Incoming::Finding => {
                self.read.findings += 1;
                false
            }
            Incoming::Unreadable(why) => {
                self.read.unreadable += 1;
                self.last_unreadable = Some(format!("{origin}: {why}"));
                false
            }
        }
    }

    /// A revision: the greatest of an alert is what is listed, whatever the order in which they come.
    fn upsert(&mut self, alert: Alert) -> bool {
        let id: Arc<str> = Arc::from(&*alert.row.id);
        let entry = self.alerts.entry(Arc::clone(&id)).or_default();
        let place = match entry
            .revisions
            .binary_search_by_key(&alert.row.revision, |kept| kept.row.revision)
        {
            Ok(_) => {
                self.read.copies += 1;
                return false;
            }
            Err(place) => place,
        };
        self.read.revisions += 1;
        let kept = Kept {
            row: Arc::new(alert.row),
            document: alert.document,
        };
        self.bytes += kept.bytes();
        entry.revisions.insert(place, kept);
        if entry.revisions.len() > self.bounds.revisions {
            self.bytes -= entry.revisions.remove(0).bytes();
            entry.forgotten += 1;
            self.forgotten.revisions += 1;
        }
        self.changed(id);
        true
    }

    /// Keeps an explanation with its alert, the last that comes; one of an alert that is not held is of no use.
    fn explain(&mut self, explained: Explained) -> bool {
        let Some((id, _)) = self.alerts.get_key_value(&*explained.id) else {
            return false;
        };
        let id = Arc::clone(id);
        let Some(entry) = self.alerts.get_mut(&id) else {
            return false;
        };
        let known = entry.explanation.as_ref().map(|known| known.get());
        if known == Some(explained.explanation.get()) {
            return false;
        }
        let before = entry.bytes();
        entry.explanation = Some(explained.explanation);
        self.bytes = self.bytes - before + entry.bytes();
        self.changed(id);
        true
    }

    /// Gives an alert the number of the last change.
    fn changed(&mut self, id: Arc<str>) {
        self.last += 1;
        if let Some(entry) = self.alerts.get_mut(&id) {
            self.by_change.remove(&entry.seq);
            entry.seq = self.last;
            self.by_change.insert(self.last, id);
        }
        self.forget();
    }

    /// Forgets what was changed longest ago until the bounds hold. The last alert stays, whatever its size.
    fn forget(&mut self) {
        while self.alerts.len() > 1
            && (self.alerts.len() > self.bounds.alerts || self.bytes > self.bounds.bytes)
        {
            let Some((seq, id)) = self.by_change.pop_first() else {
                return;
            };
            if let Some(entry) = self.alerts.remove(&id) {
                self.bytes -= entry.bytes();
            }
            self.floor = seq;
            self.forgotten.alerts += 1;
        }
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// All rows, by their last change.
    pub(super) fn rows(&self) -> Vec<Listed> {
        self.changed_after(0, usize::MAX)
    }

    /// At most so many changes after this one; `None` where there is none.
    pub(super) fn changes(&self, after: u64, most: usize) -> Option<Changes> {
        let rows = self.changed_after(after, most);
        Some(Changes {
            last: rows.last()?.seq,
            floor: self.floor,
            rows,
        })
    }

    fn changed_after(&self, after: u64, most: usize) -> Vec<Listed> {
        let changed = self.by_change.range((Excluded(after), Unbounded)).take(most);
        changed
            .filter_map(|(_, id)| self.alerts.get(id)?.listed())
            .collect()
    }

    pub(super) fn detail(&self, id: &str) -> Option<Detail> {
        let entry = self.alerts.get(id)?;
        Some(Detail {
            seq: entry.seq,
            revisions: entry.revisions.iter().map(|kept| Arc::clone(&kept.row)).collect(),
            forgotten: entry.forgotten,
            document: entry.revisions.last()?.document.clone(),
            explanation: entry.explanation.clone(),
        })
    }

    pub(super) fn document(&self, id: &str, revision: u64) -> Option<Box<RawValue>> {
        let revisions = &self.alerts.get(id)?.revisions;
        let place = revisions
            .binary_search_by_key(&revision, |kept| kept.row.revision)
            .ok()?;
        Some(revisions[place].document.clone())
    }

    /// All documents of an alert, the earliest revision first.
    pub(super) fn documents(&self, id: &str) -> Vec<Box<RawValue>> {
        let entry = self.alerts.get(id);
        entry
            .into_iter()
            .flat_map(|entry| &entry.revisions)
            .map(|kept| kept.document.clone())
            .collect()
    }

    /// How reading goes, but for what keeps it from going.
    pub(super) fn health(&self) -> Health {
        Health {
            problem: None,
            read: self.read,
            last_unreadable: self.last_unreadable.clone(),
            held: Amount {
                alerts: self.alerts.len(),
                bytes: self.bytes,
            },
            forgotten: self.forgotten,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::page::intake::read_line;

    const WIDE: Bounds = Bounds {
        alerts: 100,
        revisions: 100,
        bytes: 1 << 30,
    };

    fn alert(id: &str, revision: u64, text: &str) -> Incoming {
        let document = json!({"message": text, "pipewarden": {"alert_id": id, "revision": revision}});
        read_line(document.to_string().as_bytes())
    }

    fn take(held: &mut Held, incoming: Incoming) -> bool {
        held.take(incoming, &"here")
    }

    #[test]
    fn explanations_stay_with_their_alert_and_count() {
        let mut held = Held::new(WIDE);
        take(&mut held, alert("a", 1, ""));
        let before = held.health().held.bytes;
        let line = json!({"explanation": {"alert_id": "a", "accesses": []}}).to_string();
        take(&mut held, read_line(line.as_bytes()));
        take(&mut held, read_line(line.as_bytes()));
        let explanation = held.detail("a").unwrap().explanation.unwrap();
        assert_eq!(held.health().held.bytes, before + explanation.get().len());
    }

    #[test]
    fn what_is_no_alert_is_counted_with_where_it_was() {
        let mut held = Held::new(WIDE);
        assert!(!take(&mut held, read_line(b"{\"a\":")));
        let health = held.health();
        assert_eq!(health.read.unreadable, 1);
        assert!(health.last_unreadable.unwrap().starts_with("here: "));
    }

    /// What the latest documents are, and in which order they were changed, computed from the whole sequence.
    fn reference(taken: &[(u8, u64)]) -> Vec<(String, u64, usize)> {
        let mut revisions: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        let mut changed: BTreeMap<u8, usize> = BTreeMap::new();
        for (place, (id, revision)) in taken.iter().enumerate() {
            let known = revisions.entry(*id).or_default();
            if !known.contains(revision) {
                known.push(*revision);
                changed.insert(*id, place);
            }
        }
        let mut all: Vec<u8> = revisions.keys().copied().collect();
        all.sort_by_key(|id| changed[id]);
        let row = |id: u8| {
            (
                id.to_string(),
                *revisions[&id].iter().max().unwrap(),
                revisions[&id].len(),
            )
        };
        all.into_iter().map(row).collect()
    }

    proptest! {
        #[test]
        fn the_greatest_revision_of_each_alert_is_listed_by_its_last_change(
            taken in prop::collection::vec((0_u8..6, 0_u64..6), 0..60)
        ) {
            let mut held = Held::new(WIDE);
            for (id, revision) in &taken {
                take(&mut held, alert(&id.to_string(), *revision, "text"));
            }
            let listed: Vec<_> =
                held.rows().into_iter().map(|listed| (listed.row.id.clone(), listed.row.revision, listed.revisions)).collect();
            prop_assert_eq!(listed, reference(&taken));
        }

        #[test]
        fn bounds_hold_and_one_number_says_what_is_forgotten(
            taken in prop::collection::vec((0_u8..20, 0_u64..9, 0_usize..3000), 0..80),
            alerts in 1_usize..8, revisions in 1_usize..4, kib in 1_usize..24
        ) {
            let bounds = Bounds { alerts, revisions, bytes: kib << 10 };
            let mut held = Held::new(bounds);
            // What a page has that follows every change.
            let mut followed: BTreeMap<String, u64> = BTreeMap::new();
            let mut after = 0;
            for (id, revision, size) in &taken {
                take(&mut held, alert(&id.to_string(), *revision, &"x".repeat(*size)));
                if let Some(changes) = held.changes(after, 2) {
                    after = changes.last;
                    followed.extend(changes.rows.iter().map(|listed| (listed.row.id.clone(), listed.seq)));
                    followed.retain(|_, seq| *seq > changes.floor);
                }
                let Amount { alerts, bytes } = held.health().held;
                prop_assert!(alerts <= bounds.alerts && (bytes <= bounds.bytes || alerts == 1));
                let counted: usize = held.alerts.values().map(Entry::bytes).sum();
                prop_assert_eq!(bytes, counted);
                prop_assert!(held.alerts.values().all(|entry| entry.revisions.len() <= bounds.revisions));
            }
            while let Some(changes) = held.changes(after, 2) {
                after = changes.last;
                followed.extend(changes.rows.iter().map(|listed| (listed.row.id.clone(), listed.seq)));
            }
            followed.retain(|_, seq| *seq > held.floor());
            let listed: BTreeMap<String, u64> = held.rows().into_iter().map(|listed| (listed.row.id.clone(), listed.seq)).collect();
            prop_assert_eq!(followed, listed);
        }
    }
}
