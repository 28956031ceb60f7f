//! Lessons and records of addresses, and the slow, obvious table of what they teach.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pipewarden::event::Lesson;
use pipewarden::inventory::{IdentityRecord, IdentitySettings, Learned, Span};
use pipewarden::time::EventTime;
use proptest::prelude::*;

pub const X: &str = "192.0.2.9";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn seconds(seconds: i64) -> EventTime {
    EventTime::from_micros(seconds * 1_000_000)
}

pub fn lesson(address: &str, computer: &str, at: i64) -> Lesson {
    Lesson {
        address: ip(address),
        computer: computer.into(),
        time: seconds(at),
    }
}

pub fn record(address: &str, computer: &str, seen: Option<(i64, i64)>) -> IdentityRecord {
    IdentityRecord {
        address: ip(address),
        computer: computer.into(),
        seen: seen.map(|(first, last)| Span::new(seconds(first), seconds(last)).unwrap()),
    }
}

/// Tells everything at once, however little it is.
pub fn eager() -> IdentitySettings {
    IdentitySettings {
        publish_after: Duration::from_secs(1),
        ..IdentitySettings::default()
    }
}

pub fn taught(lessons: &[Lesson]) -> Learned {
    let mut learned = Learned::default();
    lessons.iter().for_each(|lesson| learned.learn(lesson));
    learned
}

/// A process that has read an empty topic.
pub fn telling(settings: IdentitySettings) -> Learned {
    let mut learned = Learned::new(settings);
    learned.begin_reading();
    learned.begin_telling();
    learned
}

/// Every lesson there is, looked through for each question.
pub struct Reference(BTreeMap<(IpAddr, Arc<str>), (i64, i64)>);

impl Reference {
    pub fn of(lessons: &[Lesson]) -> Self {
        let mut all = BTreeMap::new();
        for lesson in lessons {
            let time = lesson.time.as_micros();
            let (first, last) = all
                .entry((lesson.address, Arc::clone(&lesson.computer)))
                .or_insert((time, time));
            (*first, *last) = ((*first).min(time), (*last).max(time));
        }
        Self(all)
    }

    pub fn host_at(&self, address: IpAddr, time: i64) -> Option<&Arc<str>> {
        let of_address = || self.0.iter().filter(move |((of, _), _)| *of == address);
        let holding = of_address()
            .filter(|(_, (first, last))| *first <= time && time <= *last)
            .min_by_key(|((_, name), (first, last))| (last - first, Arc::clone(name)));
        let nearest = || {
            of_address().min_by_key(|((_, name), (first, last))| {
                ((time - first).abs().min((time - last).abs()), Arc::clone(name))
            })
        };
        holding.or_else(nearest).map(|((_, name), _)| name)
    }

    pub fn spans(&self) -> BTreeMap<(IpAddr, Arc<str>), Span> {
        let span = |&(first, last): &(i64, i64)| {
            Span::new(EventTime::from_micros(first), EventTime::from_micros(last)).unwrap()
        };
        self.0
            .iter()
            .map(|(key, seen)| (key.clone(), span(seen)))
            .collect()
    }
}

/// Few addresses, few computers, few moments, so that everything collides.
pub fn lessons(most: usize) -> impl Strategy<Value = Vec<Lesson>> {
    let one = (0..3u8, 0..5u8, 0..12i64).prop_map(|(address, computer, at)| Lesson {
        address: [192, 0, 2, address].into(),
        computer: format!("host{computer}.example").into(),
        time: seconds(at),
    });
    prop::collection::vec(one, 1..most)
}

/// The same, in another order, some of them several times.
pub fn again(lessons: &[Lesson], order: &[prop::sample::Index]) -> Vec<Lesson> {
    let mut left: Vec<Lesson> = lessons.to_vec();
    let mut again = Vec::new();
    for index in order {
        again.push(lessons[index.index(lessons.len())].clone());
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
