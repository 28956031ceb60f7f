//! Bindings: which computer had which address, and when, as the stream has shown it.
//!
//! An address has several bindings, one for each computer that was seen with it, each with its stays there. A lease that
//! moved, and one that came back, resolve by the time of the event. Of several computers that were there then the one on the
//! strongest word has it ([`Word`]): its own log beats what others say. On equal words nobody has it, since a guess would
//! make one host's connections another's evidence. As long as no bound fires the table is a function of the *set* of claims,
//! in whatever order and however often they come.
//!
//! Processes share their bindings through a compacted topic. This is all of it but the I/O: claims and records in
//! ([`Bindings::apply_claim`], [`Bindings::apply_record`]), records out ([`Bindings::take_records`]). Two records of
//! one binding are united, so neither overwrites the other; and a process that reads a record that covers less than
//! its own table publishes the union, so that the last record of a key, which compaction keeps, is complete.

mod binding;
mod bounds;
mod names;
mod record;
mod seen;
mod settings;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use self::binding::Binding;
pub use self::bounds::Dropped;
use self::names::Names;
pub use self::record::{BINDING_MAX_BYTES, BindingRecord, BindingRecordError, json_schema};
pub use self::seen::{Seen, Span};
pub use self::settings::BindingSettings;
use crate::event::{AddressClaim, Word, same_host};
use crate::time::{AppendTime, EventTime};

/// Which computer had which address, and when. The inventory always wins over them.
#[derive(Debug, Default)]
pub struct Bindings {
    settings: BindingSettings,
    by_address: HashMap<IpAddr, Vec<Binding>>,
    names: Names,
    bindings: usize,
    /// Addresses by the last time at which any of their computers was seen, as it was when the address was put here: to
    /// keep it exact at every claim would cost each claim, to correct it when an address must go costs only that.
    oldest: BinaryHeap<Reverse<(EventTime, IpAddr)>>,
    now: AppendTime,
    sharing: Sharing,
    /// Records to publish, by key: a later one replaces an earlier one.
    pending: BTreeMap<(IpAddr, Arc<str>), Option<Seen>>,
    dropped: Dropped,
}

/// Whether bindings are shared with other processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sharing {
    /// There are no others, as in `replay`.
    #[default]
    Off,
    /// The topic is still being read: what would be new on it is not known yet.
    Reading,
    On,
}

/// How large the table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindingsSize {
    /// Addresses.
    pub addresses: usize,
    /// Bindings of all addresses.
    pub bindings: usize,
}

impl Bindings {
    /// None yet, with these bounds.
    pub fn new(settings: BindingSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Sets the clock of this process. Bindings age by it, and nothing else depends on it.
    pub fn advance(&mut self, now: AppendTime) {
        self.now = self.now.max(now);
    }

    /// Whether an event of this time may teach anything: not if it comes later than `allowed_lateness`, or before its time by
    /// more than `clock_skew`. A recording is read long after, and all of it teaches.
    pub fn is_timely(&self, time: EventTime, allowed_lateness: Duration, clock_skew: Duration) -> bool {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let timely = -micros(clock_skew)..=micros(allowed_lateness);
        self.sharing == Sharing::Off || timely.contains(&time.lateness_at(self.now))
    }

    /// From here on the topic is read, from its beginning.
    pub fn begin_reading(&mut self) {
        self.sharing = Sharing::Reading;
    }

    /// The topic has been read to its end: from here on what is new is published.
    pub fn begin_publishing(&mut self) {
        self.sharing = Sharing::On;
        let (step, now) = (self.settings.publish_after, self.now);
        for (&address, bindings) in &mut self.by_address {
            for binding in bindings.iter_mut().filter(|binding| binding.is_due(step, now)) {
                binding.sent(now);
                let key = (address, Arc::clone(&binding.computer));
                self.pending.insert(key, Some(binding.seen()));
            }
        }
    }

    /// Applies a claim.
    pub fn apply_claim(&mut self, claim: &AddressClaim) {
        let seen = Seen {
            span: Span::at(claim.time),
            says: claim.says,
        };
        self.absorb(claim.address, &claim.computer, seen, self.now, None);
    }

    /// Applies a record of the topic, appended at `written`: another process's, or this one's own.
    pub fn apply_record(&mut self, record: &BindingRecord, written: AppendTime) {
        let key = (record.address, Arc::clone(&record.computer));
        // The binding to be dropped has been dropped by another process, or was published again meanwhile.
        if self.pending.get(&key).is_some_and(Option::is_none) {
            self.pending.remove(&key);
        }
        match record.seen {
            Some(seen) => self.absorb(record.address, &record.computer, seen, written, Some(seen)),
            None => self.forget(record.address, &record.computer),
        }
    }

    fn absorb(
        &mut self,
        address: IpAddr,
        computer: &Arc<str>,
        seen: Seen,
        confirmed: AppendTime,
        record: Option<Seen>,
    ) {
        if find(&mut self.by_address, address, computer).is_none() {
            let mut binding = Binding::new(self.names.add(computer, address), seen, confirmed);
            // A bound may drop it at once, and then its record must be dropped from the topic, too.
            if let Some(record) = record {
                binding.note_record(record);
            }
            self.insert(address, binding);
        }
        let Some(binding) = find(&mut self.by_address, address, computer) else {
            return;
        };
        binding.extend(seen, confirmed);
        if let Some(record) = record {
            binding.note_record(record);
        }
        if self.sharing == Sharing::On && binding.is_due(self.settings.publish_after, self.now) {
            binding.sent(self.now);
            let key = (address, Arc::clone(&binding.computer));
            self.pending.insert(key, Some(binding.seen()));
        }
    }

    /// Another process has dropped a binding. If a record of it is pending here, that one will follow and be kept.
    fn forget(&mut self, address: IpAddr, computer: &str) {
        let Some(bindings) = self.by_address.get_mut(&address) else {
            return;
        };
        let found = bindings
            .iter()
            .position(|binding| *binding.computer == *computer && !binding.is_pending());
        if let Some(index) = found {
            bindings.swap_remove(index);
            self.renew_entry(address);
            self.bindings -= 1;
            self.names.remove(computer, address);
        }
    }

    /// Records to publish, in order of keys, which is the order to publish them in.
    pub fn take_records(&mut self) -> Vec<BindingRecord> {
        if self.pending.is_empty() || self.sharing != Sharing::On {
            return Vec::new();
        }
        std::mem::take(&mut self.pending)
            .into_iter()
            .map(|((address, computer), seen)| BindingRecord {
                address,
                computer,
                seen,
            })
            .collect()
    }

    /// The computer that had this address at this time, by whoever was there then, else by whoever was there nearest to it.
    /// Of several who were there, those come first that the caller prefers, then those on the strongest word; where that
    /// leaves more than one, nobody: one word is as good as the other.
    pub fn host_at(
        &self,
        address: IpAddr,
        time: EventTime,
        is_preferred: impl Fn(&str) -> bool,
    ) -> Option<&Arc<str>> {
        let bindings = self.by_address.get(&address)?;
        if let [only] = &bindings[..] {
            return Some(&only.computer);
        }
        let mut best: Vec<&Binding> = Vec::new();
        let mut greatest = (false, Word::Tuple);
        for binding in bindings.iter().filter(|binding| binding.is_near(time)) {
            let standing = (is_preferred(&binding.computer), binding.says());
            if best.is_empty() || standing > greatest {
                best.clear();
                greatest = standing;
            }
            if standing == greatest {
                best.push(binding);
            }
        }
        // A short name and the full one are of one computer.
        match best.iter().max_by_key(|binding| binding.computer.len()) {
            Some(full) => best
                .iter()
                .all(|other| same_host(&other.computer, &full.computer))
                .then_some(&full.computer),
            None => bindings
                .iter()
                .min_by_key(|binding| (binding.distance(time), &binding.computer))
                .map(|binding| &binding.computer),
        }
    }

    /// Whether any computer has a binding of this address.
    pub fn has(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// The one computer with a binding whose name begins with this label.
    pub fn host_named(&self, short: &str) -> Option<&Arc<str>> {
        self.names.only(short)
    }

    /// All bindings, by address and computer, as they are published.
    pub fn bindings(&self) -> BTreeMap<(IpAddr, Arc<str>), Seen> {
        let all = self.by_address.iter().flat_map(|(&address, bindings)| {
            bindings
                .iter()
                .map(move |binding| ((address, Arc::clone(&binding.computer)), binding.seen()))
        });
        all.collect()
    }

    /// How large the table is.
    pub fn size(&self) -> BindingsSize {
        BindingsSize {
            addresses: self.by_address.len(),
            bindings: self.bindings,
        }
    }

    /// How many bindings were dropped since the last call.
    pub fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }
}

fn find<'a>(
    by_address: &'a mut HashMap<IpAddr, Vec<Binding>>,
    address: IpAddr,
    computer: &Arc<str>,
) -> Option<&'a mut Binding> {
    by_address
        .get_mut(&address)?
        .iter_mut()
        .find(|binding| binding.computer == *computer)
}
