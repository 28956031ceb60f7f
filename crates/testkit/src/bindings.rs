//! Claims and records of bindings, a slow and obvious table of them, and processes that share it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::event::{AddressClaim, Word};
use pipewarden_core::inventory::{BindingRecord, BindingSettings, Bindings, Seen, Span};
use pipewarden_core::time::{AppendTime, EventTime};
use proptest::prelude::*;

pub const X: &str = "192.0.2.9";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn seconds(seconds: i64) -> EventTime {
    EventTime::from_micros(seconds * 1_000_000)
}

/// By the computer's own log.
pub fn claim(address: &str, computer: &str, at: i64) -> AddressClaim {
    said(Word::Client, address, computer, at)
}

pub fn said(says: Word, address: &str, computer: &str, at: i64) -> AddressClaim {
    AddressClaim {
        address: ip(address),
        computer: computer.into(),
        time: seconds(at),
        says,
    }
}

pub fn record(address: &str, computer: &str, seen: Option<(i64, i64)>) -> BindingRecord {
    BindingRecord {
        address: ip(address),
        computer: computer.into(),
        seen: seen.map(|(first, last)| Seen {
            span: Span::new(seconds(first), seconds(last)).unwrap(),
            says: Word::Client,
        }),
    }
}

/// Publishes every change at once, however small it is.
pub fn eager() -> BindingSettings {
    BindingSettings {
        publish_after: Duration::from_secs(1),
        ..BindingSettings::default()
    }
}

pub fn bindings_of(claims: &[AddressClaim]) -> Bindings {
    let mut bindings = Bindings::default();
    claims.iter().for_each(|claim| bindings.apply_claim(claim));
    bindings
}

/// A process that has read an empty topic, and publishes.
pub fn publishing(settings: BindingSettings) -> Bindings {
    let mut bindings = Bindings::new(settings);
    bindings.begin_reading();
    bindings.begin_publishing();
    bindings
}

/// All claims, which are searched for each question.
pub struct Reference(BTreeMap<(IpAddr, Arc<str>), (Word, BTreeSet<i64>)>);

/// What is farther apart, in microseconds, is two stays.
const LEASE: i64 = 3_600_000_000;

impl Reference {
    pub fn of(claims: &[AddressClaim]) -> Self {
        let mut all = BTreeMap::new();
        for claim in claims {
            let (says, times) = all
                .entry((claim.address, Arc::clone(&claim.computer)))
                .or_insert((claim.says, BTreeSet::new()));
            *says = claim.says.max(*says);
            times.insert(claim.time.as_micros());
        }
        Self(all)
    }

    /// Whose the address was; `None` too where one word is as good as the other.
    pub fn host_at(
        &self,
        address: IpAddr,
        time: i64,
        is_preferred: impl Fn(&str) -> bool,
    ) -> Option<&Arc<str>> {
        let mut all: Vec<_> = Vec::new();
        for ((of, name), (says, times)) in self.0.iter().filter(|((of, _), _)| *of == address) {
            assert_eq!(*of, address);
            let stays = stays(times);
            let apart = stays
                .iter()
                .map(|&(first, last)| (first - time).max(time - last).max(0));
            all.push((apart.min().unwrap(), is_preferred(name), *says, name));
        }
        if let [(_, _, _, only)] = all[..] {
            return Some(only);
        }
        let there: Vec<_> = all.iter().filter(|(apart, ..)| *apart <= LEASE).collect();
        let Some(best) = there
            .iter()
            .map(|(_, preferred, says, _)| (*preferred, *says))
            .max()
        else {
            return all
                .iter()
                .min_by_key(|(apart, _, _, name)| (*apart, *name))
                .map(|(_, _, _, name)| *name);
        };
        let mut best = there
            .iter()
            .filter(|(_, preferred, says, _)| (*preferred, *says) == best);
        let (only, others) = (best.next()?, best.count());
        (others == 0).then_some(only.3)
    }

    /// What is published of each: the latest stay.
    pub fn seen(&self) -> BTreeMap<(IpAddr, Arc<str>), Seen> {
        let seen = |(says, times): &(Word, BTreeSet<i64>)| {
            let &(first, last) = stays(times).last().unwrap();
            let span = Span::new(EventTime::from_micros(first), EventTime::from_micros(last)).unwrap();
            Seen { span, says: *says }
        };
        self.0
            .iter()
            .map(|(key, claimed)| (key.clone(), seen(claimed)))
            .collect()
    }
}

fn stays(times: &BTreeSet<i64>) -> Vec<(i64, i64)> {
    let mut stays: Vec<(i64, i64)> = Vec::new();
    for &time in times {
        match stays.last_mut() {
            Some((_, last)) if time - *last <= LEASE => *last = time,
            _ => stays.push((time, time)),
        }
    }
    stays
}

/// Few addresses, few computers, few moments, so that everything collides.
pub fn claims(most: usize) -> impl Strategy<Value = Vec<AddressClaim>> {
    claims_apart(most, 1)
}

/// The same, by so many seconds apart or a multiple of that.
pub fn claims_apart(most: usize, step: i64) -> impl Strategy<Value = Vec<AddressClaim>> {
    let says = prop::sample::select(vec![Word::Tuple, Word::Agent, Word::Server, Word::Client]);
    let one = (0..3u8, 0..5u8, 0..24i64, says).prop_map(move |(address, computer, at, says)| AddressClaim {
        address: [192, 0, 2, address].into(),
        computer: format!("host{computer}.example").into(),
        time: seconds(at * step),
        says,
    });
    prop::collection::vec(one, 1..most)
}

/// The same, in another order, some of them several times.
pub fn again(claims: &[AddressClaim], order: &[prop::sample::Index]) -> Vec<AddressClaim> {
    let mut left: Vec<AddressClaim> = claims.to_vec();
    let mut again = Vec::new();
    for index in order {
        again.push(claims[index.index(claims.len())].clone());
        if !left.is_empty() {
            again.push(left.swap_remove(index.index(left.len())));
        }
    }
    again.extend(left);
    again
}

pub fn order() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..40)
}

/// An action of one of the processes.
#[derive(Clone, Debug)]
pub enum Action {
    Learn(usize, AddressClaim),
    /// Publishes its pending records, and reads this many.
    Exchange(usize, usize),
}

pub fn steps(processes: usize) -> impl Strategy<Value = Vec<Action>> {
    let learn =
        (0..processes, claims(2)).prop_map(|(process, mut claim)| Action::Learn(process, claim.remove(0)));
    let exchange =
        (0..processes, 0..4usize).prop_map(|(process, records)| Action::Exchange(process, records));
    prop::collection::vec(prop_oneof![2 => learn, 1 => exchange], 1..60)
}

/// Processes, the topic between them, and how far each has read it.
pub struct Replicas {
    pub processes: Vec<(Bindings, usize)>,
    topic: Vec<BindingRecord>,
}

impl Replicas {
    pub fn run(settings: &BindingSettings, processes: usize, steps: &[Action]) -> Self {
        let mut replicas = Self {
            processes: (0..processes)
                .map(|_| (publishing(settings.clone()), 0))
                .collect(),
            topic: Vec::new(),
        };
        for step in steps {
            match step {
                Action::Learn(process, claim) => replicas.processes[*process].0.apply_claim(claim),
                Action::Exchange(process, records) => {
                    replicas.exchange(*process, *records);
                }
            }
        }
        replicas
    }

    /// Whether anything was written or read.
    pub fn exchange(&mut self, process: usize, records: usize) -> bool {
        let (bindings, position) = &mut self.processes[process];
        let pending = bindings.take_records();
        let unread = &self.topic[*position..];
        let records = records.min(unread.len());
        unread[..records]
            .iter()
            .for_each(|record| bindings.apply_record(record, AppendTime::MIN));
        *position += records;
        let is_idle = pending.is_empty() && records == 0;
        self.topic.extend(pending);
        !is_idle
    }

    /// Lets all processes read and publish until nothing is pending.
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            let moved = (0..self.processes.len()).map(|process| self.exchange(process, usize::MAX));
            if !moved.fold(false, |any, moved| any | moved) {
                return;
            }
        }
        panic!("they never stop publishing: {} records", self.topic.len());
    }

    /// The topic after compaction.
    pub fn compacted(&self) -> BTreeMap<(IpAddr, Arc<str>), Seen> {
        let mut last = BTreeMap::new();
        for BindingRecord {
            address,
            computer,
            seen,
        } in &self.topic
        {
            last.insert((*address, Arc::clone(computer)), *seen);
        }
        last.into_iter()
            .filter_map(|(key, seen)| Some((key, seen?)))
            .collect()
    }
}
