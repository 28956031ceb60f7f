//! Bindings: which computer had which address, and when, as the stream has shown it.
//!
//! An address has several bindings, one for each computer that was seen with it, each from a first to a last time. A
//! lease that moved, and one that came back, resolve by the time of the event: the narrowest binding that holds it,
//! else the nearest one, else the lower name. As long as no bound fires the table is a function of the *set* of
//! claims, in whatever order and however often they come.
//!
//! Processes share their bindings through a compacted topic. This is all of it but the I/O: claims and records in
//! ([`Bindings::apply_claim`], [`Bindings::apply_record`]), records out ([`Bindings::take_records`]). Two records of
//! one binding are united, so neither overwrites the other; and a process that reads a record that covers less than
//! its own table publishes the union, so that the last record of a key, which compaction keeps, is complete.

mod binding;
mod names;
mod record;
mod settings;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use self::binding::Binding;
pub use self::binding::Span;
use self::names::Names;
pub use self::record::{BINDING_MAX_BYTES, BindingRecord, BindingRecordError, json_schema};
pub use self::settings::BindingSettings;
use crate::event::AddressClaim;
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
    pending: BTreeMap<(IpAddr, Arc<str>), Option<Span>>,
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

/// How many bindings were dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The table had too many, and their address was seen longest ago.
    pub limit: u64,
    /// Their address had too many bindings.
    pub limit_per_address: u64,
    /// Nothing had confirmed them for too long.
    pub max_age: u64,
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
                self.pending.insert(key, Some(binding.seen));
            }
        }
    }

    /// Applies a claim.
    pub fn apply_claim(&mut self, claim: &AddressClaim) {
        self.absorb(
            claim.address,
            &claim.computer,
            Span::at(claim.time),
            self.now,
            None,
        );
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
        seen: Span,
        confirmed: AppendTime,
        record: Option<Span>,
    ) {
        if find(&mut self.by_address, address, computer).is_none() {
            let mut binding = Binding::new(self.names.add(computer), seen, confirmed);
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
            self.pending.insert(key, Some(binding.seen));
        }
    }

    fn insert(&mut self, address: IpAddr, binding: Binding) {
        let last = binding.seen.last();
        let bindings = self.by_address.entry(address);
        // Nearly every address has one.
        let bindings = bindings.or_insert_with(|| Vec::with_capacity(1));
        bindings.push(binding);
        self.bindings += 1;
        if bindings.len() == 1 {
            self.oldest.push(Reverse((last, address)));
        } else if bindings.len() > self.settings.limit_per_address {
            let least = (0..bindings.len()).min_by(|&a, &b| bindings[a].worth().cmp(&bindings[b].worth()));
            let gone = bindings.swap_remove(least.expect("there is one more than the bound"));
            self.dropped.limit_per_address += 1;
            self.drop_record(address, &gone);
        }
        if self.bindings > self.settings.limit
            && let Some(address) = self.pop_oldest()
        {
            let gone = self
                .by_address
                .remove(&address)
                .expect("an address with an entry has bindings");
            self.dropped.limit += gone.len() as u64;
            gone.iter().for_each(|binding| self.drop_record(address, binding));
        }
        // Addresses that were forgotten and came back have more than one entry.
        if self.oldest.len() > 2 * self.by_address.len() + 64 {
            let entries = self
                .by_address
                .iter()
                .filter_map(|(&address, bindings)| Some(Reverse((latest(bindings)?, address))));
            self.oldest = entries.collect();
        }
    }

    /// The address whose computers were seen longest ago; of several the lowest.
    fn pop_oldest(&mut self) -> Option<IpAddr> {
        loop {
            let Reverse((last, address)) = self.oldest.pop()?;
            match self
                .by_address
                .get(&address)
                .and_then(|bindings| latest(bindings))
            {
                Some(latest) if latest == last => return Some(address),
                // It was seen again since: put it back, and try the next oldest.
                Some(latest) if latest > last => self.oldest.push(Reverse((latest, address))),
                // Its latest binding was forgotten, which put another entry here; or it has gone altogether.
                _ => {}
            }
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
            match latest(bindings) {
                Some(latest) => self.oldest.push(Reverse((latest, address))),
                None => {
                    self.by_address.remove(&address);
                }
            }
            self.bindings -= 1;
            self.names.remove(computer);
        }
    }

    /// Drops what nothing has confirmed for `max_age`.
    pub fn expire(&mut self) {
        let before = self.now.minus(self.settings.max_age);
        let mut gone = Vec::new();
        self.by_address.retain(|&address, bindings| {
            let count = bindings.len();
            gone.extend(
                bindings
                    .extract_if(.., |binding| binding.confirmed < before)
                    .map(|binding| (address, binding)),
            );
            if let Some(latest) = latest(bindings)
                && bindings.len() < count
            {
                self.oldest.push(Reverse((latest, address)));
            }
            !bindings.is_empty()
        });
        self.dropped.max_age += gone.len() as u64;
        for (address, binding) in &gone {
            self.drop_record(*address, binding);
        }
    }

    /// A binding was dropped: its name and its record go, too.
    fn drop_record(&mut self, address: IpAddr, gone: &Binding) {
        self.bindings -= 1;
        self.names.remove(&gone.computer);
        let publishes = match self.sharing {
            Sharing::Off => false,
            // Many will turn out to be dropped on the topic already; what is pending is bounded as the table is.
            Sharing::Reading => self.pending.len() < self.settings.limit,
            Sharing::On => true,
        };
        if publishes && gone.is_published() {
            self.pending.insert((address, Arc::clone(&gone.computer)), None);
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

    /// The computer that had this address at this time.
    pub fn host_at(&self, address: IpAddr, time: EventTime) -> Option<&Arc<str>> {
        let bindings = self.by_address.get(&address)?;
        let best = match &bindings[..] {
            [only] => only,
            several => several.iter().min_by(|a, b| a.rank(time).cmp(&b.rank(time)))?,
        };
        Some(&best.computer)
    }

    /// The one computer with a binding whose name begins with this label.
    pub fn host_named(&self, short: &str) -> Option<&Arc<str>> {
        self.names.only(short)
    }

    /// All bindings, by address and computer.
    pub fn bindings(&self) -> BTreeMap<(IpAddr, Arc<str>), Span> {
        let all = self.by_address.iter().flat_map(|(&address, bindings)| {
            bindings
                .iter()
                .map(move |binding| ((address, Arc::clone(&binding.computer)), binding.seen))
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

/// The last time at which any of an address's computers was seen.
fn latest(bindings: &[Binding]) -> Option<EventTime> {
    bindings.iter().map(|binding| binding.seen.last()).max()
}
