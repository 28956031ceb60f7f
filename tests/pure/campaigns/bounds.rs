//! What campaigns forget: touches that are too old, and what is beyond a bound.

use std::time::Duration;

use pipewarden_core::detection::{Disposition, JoinSettings, SightingRecord, Status};
use testkit::sightings::{Log, MINUTE, arrival, by, campaign, rules, sighting};

const HOUR: i64 = 60 * MINUTE;

fn settings(touches_per_source: usize, sources_per_partition: usize) -> JoinSettings {
    let mut settings = JoinSettings::default();
    settings.campaign.touches_per_source = touches_per_source;
    settings.campaign.sources_per_partition = sources_per_partition;
    settings
}

/// A source that touches another asset every ten minutes.
fn steady(log: &mut Log, from: i64, to: i64) {
    let mut at = from;
    while at < to {
        let number = (at / (10 * MINUTE) % 250) as u8;
        log.append(at, sighting(number, number, at, at));
        at += 10 * MINUTE;
    }
}

#[test]
fn what_is_forgotten_supersedes_nothing_and_the_run_goes_on_in_campaigns_of_their_own() {
    let mut log = Log::new(&rules(), &JoinSettings::default());
    steady(&mut log, 0, 100 * HOUR);
    let all = log.end();
    // Each but the first and the last takes twelve hours.
    assert!((9..=10).contains(&all.len()), "{}", all.len());
    // A long run is first published before it is cut, under the touch with which it begins.
    let superseded = all
        .values()
        .filter(|campaign| campaign.status() == Status::Superseded)
        .count();
    assert_eq!(superseded, 0);
    let whole = all.values().filter(|campaign| campaign.touched >= 71).count();
    assert!(whole >= 7, "{whole}");
    assert!(log.campaigns.state_size().sightings <= 36 * 6 + 1);
}

#[test]
fn a_source_that_is_seen_again_much_later_changes_nothing_of_what_was_published() {
    let mut log = Log::new(&rules(), &JoinSettings::default());
    steady(&mut log, 0, 2 * HOUR);
    let before = log.end();
    for asset in 1..4 {
        let at = 37 * HOUR + i64::from(asset) * MINUTE;
        log.append(at, sighting(100 + asset, asset, at, at));
    }
    let after = log.end();
    assert_eq!(after.len(), before.len() + 1);
    for (id, campaign) in before {
        assert_eq!(after[&id], campaign);
    }
}

#[test]
fn a_sighting_that_is_too_old_or_ahead_of_its_arrival_is_counted_and_does_not_count() {
    for (arrives, happens) in [(36 * HOUR, 0), (0, 11 * MINUTE)] {
        let mut log = Log::new(&rules(), &JoinSettings::default());
        let output = log.append(arrives, sighting(1, 1, happens, happens));
        assert_eq!(output.disposition, Disposition::Dropped);
        assert_eq!(output.counters.late_sightings, 1);
        assert_eq!(log.campaigns.state_size().sightings, 0);
    }
}

#[test]
fn a_source_with_too_many_touches_keeps_its_campaign_which_says_what_it_lacks() {
    let mut log = Log::new(&rules(), &settings(8, 100));
    let mut dropped = 0;
    for number in 0..40u8 {
        let at = i64::from(number) * MINUTE;
        dropped += log
            .append(at, sighting(number, number, at, at))
            .counters
            .dropped_sightings;
    }
    let all = log.end();
    assert_eq!(all.len(), 1, "one campaign, under one id");
    let campaign = all.into_values().next().unwrap();
    assert_eq!(
        (campaign.first, campaign.last),
        (testkit::sightings::time(0), testkit::sightings::time(39 * MINUTE))
    );
    assert_eq!((campaign.touched, campaign.dropped, dropped), (8, 32, 32));
}

#[test]
fn beyond_the_number_of_sources_the_one_seen_least_recently_is_forgotten_and_counted() {
    let mut log = Log::new(&rules(), &settings(100, 2));
    let mut append = |source: u8, alert: u8| {
        let at = i64::from(alert) * MINUTE;
        log.append(at, by(source, sighting(alert, alert, at, at)))
            .counters
            .dropped_sightings
    };
    assert_eq!([append(1, 1), append(2, 2), append(1, 3)], [0, 0, 0]);
    assert_eq!(append(3, 4), 1, "that of the second source");
    assert_eq!(append(1, 5), 0);
    let size = log.campaigns.state_size();
    assert_eq!((size.sources, size.sightings), (2, 4));
    let found = log.active();
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].source, found[0].touched), ("10.1.0.1", 3));
}

#[test]
fn a_source_with_many_touches_is_looked_at_no_more_often_than_alerts_are_revised() {
    let mut log = Log::new(&rules(), &JoinSettings::default());
    for number in 0..300u32 {
        let mut one = sighting(0, (number % 250) as u8, 0, 1_000);
        one.alert_id = pipewarden_core::detection::AlertId(uuid::Uuid::from_u128(u128::from(number)));
        log.append(2_000 + i64::from(number), one);
    }
    let deadline = log.campaigns.next_deadline().unwrap();
    let late = log.revisions.last().unwrap().created;
    assert!(deadline > late && deadline <= late.plus(Duration::from_secs(62)));
    log.apply(arrival(HOUR), SightingRecord::Tick {});
    assert_eq!(campaign(log.revisions.last().unwrap()).alerts, 300);
}
