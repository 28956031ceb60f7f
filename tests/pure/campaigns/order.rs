//! Which campaigns there are is a function of the set of sightings, and a rebuilt state is the one that was lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::detection::{
    AlertId, Attribution, Campaign, JoinSettings, Rule, Sighting, SightingRecord, Status,
};
use pipewarden_core::event::Outcome;
use pipewarden_core::time::AppendTime;
use proptest::prelude::*;
use testkit::reference_campaigns::{self as reference, Expected, Key, Touched};
use testkit::sightings::{Log, MINUTE, arrival, by, campaign, rules, sighting, texts};
use testkit::{size, world};

/// One revision of an alert, by the alert's number.
#[derive(Clone, Debug)]
struct Said {
    alert: u8,
    moved: i64,
    width: i64,
    kind: u8,
}

/// What follows from an alert's number alone: its source, asset and rule, and in which burst it is.
fn sighting_of(said: &Said, revision: u64, burst: i64) -> Sighting {
    let Said {
        alert,
        moved,
        width,
        kind,
    } = *said;
    let first = i64::from(alert / 6) * burst + moved;
    let mut sighting = by(
        alert % 2,
        sighting(alert, alert / 2 % 4, first * 1_000, (first + width) * 1_000),
    );
    sighting.revision = revision;
    sighting.rule = ["detect-8", "detect-8", "detect-7", "samr", "gone"][usize::from(alert % 5)].into();
    sighting.accounts = texts(&[[r"APERTURE\user0", r"APERTURE\user1"][usize::from(kind % 2)]]);
    match kind {
        0 => sighting.status = Status::Superseded,
        1 => sighting.status = Status::Suppressed,
        2 => sighting.attribution = Attribution::Inferred,
        3 => sighting.outcome = Some(Outcome::Failure),
        4 => sighting.outcome = None,
        5 | 6 => sighting.downgraded = true,
        _ => {}
    }
    sighting
}

/// Revisions of alerts in bursts that are so many seconds apart at most.
fn sightings(seconds: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Sighting>> {
    let said = (0..48u8, -200..200i64, 0..300i64, 0..9u8).prop_map(|(alert, moved, width, kind)| Said {
        alert,
        moved,
        width,
        kind,
    });
    (prop::collection::vec(said, 1..60), seconds).prop_map(|(all, burst)| {
        let numbered = all.iter().zip(1..);
        numbered
            .map(|(said, revision)| sighting_of(said, revision, burst))
            .collect()
    })
}

fn settings(min_assets: u32) -> JoinSettings {
    let mut settings = JoinSettings::default();
    settings.campaign.min_assets = min_assets;
    settings
}

fn found(campaigns: Vec<Campaign>) -> BTreeMap<Key, Expected> {
    let of = |campaign: Campaign| {
        let key = (Arc::clone(&campaign.source), campaign.first);
        let assets = campaign.assets.iter().map(|touched| {
            let found = Touched {
                first: touched.first,
                last: touched.last,
                rules: touched.rules.iter().cloned().collect(),
                accounts: touched.accounts.iter().cloned().collect(),
                alerts: touched.alerts.iter().copied().collect(),
                is_audited: touched.attribution == Attribution::Audited,
                is_denied: touched.is_denied,
                is_downgraded: touched.is_downgraded,
            };
            (touched.asset.clone(), found)
        });
        let expected = Expected {
            last: campaign.last,
            chain: campaign.chain.as_ref().map(|rule| Arc::clone(&rule.id)),
            is_downgraded: campaign.is_downgraded,
            doublings: campaign.doublings,
            assets: assets.collect(),
        };
        (key, expected)
    };
    campaigns.into_iter().map(of).collect()
}

/// The campaigns that are active in the end, where the sightings arrive in this order and some a second time.
fn in_order(sightings: &[Sighting], order: &[(usize, bool)], rules: &[Rule], settings: &JoinSettings) -> Log {
    let mut log = Log::new(rules, settings);
    // After the last access, and before the first does not count any more.
    let mut at = 20 * 60 * MINUTE;
    for &(index, is_copied) in order {
        log.append(at, sightings[index].clone());
        if is_copied {
            let output = log.append(at + 1, sightings[index].clone());
            assert!(
                output.revisions.is_empty() || at % 7 == 0,
                "a copy changes nothing"
            );
        }
        at += 977;
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(size::of([300, 1_000, 20_000])))]

    #[test]
    fn any_order_gives_the_campaigns_of_the_reference(
        (sightings, orders) in sightings(60..6_000).prop_flat_map(|sightings| {
            let indices: Vec<usize> = (0..sightings.len()).collect();
            let order = (Just(indices).prop_shuffle(), prop::collection::vec(any::<bool>(), sightings.len()));
            (Just(sightings), prop::collection::vec(order, 3))
        }),
        min_assets in 2..5u32,
    ) {
        let settings = settings(min_assets);
        let expected = reference::final_campaigns(&sightings, &rules(), &settings);
        for (indices, copied) in orders {
            let order: Vec<(usize, bool)> = indices.into_iter().zip(copied).collect();
            let mut log = in_order(&sightings, &order, &rules(), &settings);
            prop_assert_eq!(&found(log.active()), &expected);
            let mut numbers: BTreeMap<AlertId, u64> = BTreeMap::new();
            for revision in &log.revisions {
                let before = numbers.insert(revision.id, revision.number);
                prop_assert!(before.is_none_or(|before| before < revision.number), "revisions rise");
            }
        }
    }

    #[test]
    fn no_touch_of_a_run_that_reaches_is_left_out(sightings in sightings(60..6_000)) {
        let settings = settings(3);
        let order: Vec<(usize, bool)> = (0..sightings.len()).map(|index| (index, false)).collect();
        let campaigns = in_order(&sightings, &order, &rules(), &settings).active();
        let known = |sighting: &&&Sighting| rules().iter().any(|rule| rule.id == sighting.rule);
        let standing = reference::standing(&sightings);
        for sighting in standing.iter().filter(known) {
            for time in [sighting.first, sighting.last] {
                let of_source = campaigns.iter().filter(|campaign| campaign.source == sighting.source);
                let near = of_source.filter(|campaign| {
                    time >= campaign.first.minus(campaign.within) && time <= campaign.last.plus(campaign.within)
                });
                for campaign in near {
                    let mut alerts = campaigns.iter().flat_map(|one| &one.assets).flat_map(|asset| &asset.alerts);
                    prop_assert!(alerts.any(|alert| *alert == sighting.alert_id), "{campaign:#?} lacks {sighting:#?}");
                }
            }
        }
    }

    #[test]
    fn moving_all_times_changes_nothing_but_times_of_what_is_not_too_long(
        sightings in sightings(60..1_500),
        hours in 1..100u64,
    ) {
        let settings = settings(3);
        let span = Duration::from_secs(hours * 3_601);
        let moved: Vec<Sighting> = sightings.iter().cloned().map(|mut sighting| {
            sighting.first = sighting.first.plus(span);
            sighting.last = sighting.last.plus(span);
            sighting
        }).collect();
        let run = |sightings: &[Sighting], begin: AppendTime| {
            let mut log = Log::new(&rules(), &settings);
            for (place, sighting) in (0..).zip(sightings) {
                let at = begin.plus(Duration::from_millis(977 * place));
                log.apply(at, SightingRecord::Sighting(sighting.clone()));
            }
            log.active()
        };
        let begin = arrival(20 * 60 * MINUTE);
        let back = |campaigns: Vec<Campaign>, span: Duration| -> Vec<String> {
            let mut all: Vec<String> = campaigns.into_iter().map(|mut campaign| {
                campaign.first = campaign.first.minus(span);
                campaign.last = campaign.last.minus(span);
                for touched in &mut campaign.assets {
                    touched.first = touched.first.minus(span);
                    touched.last = touched.last.minus(span);
                }
                format!("{campaign:?}")
            }).collect();
            all.sort();
            all
        };
        prop_assert_eq!(
            back(run(&moved, begin.plus(span)), span),
            back(run(&sightings, begin), Duration::ZERO)
        );
    }

    #[test]
    fn a_state_that_is_rebuilt_from_the_log_writes_what_the_lost_one_would(
        sightings in sightings(60..4_000),
        lags in prop::collection::vec(0..40i64, 60),
        cut in 0.3..1.0f64,
        touches_per_source in 3..12usize,
        sources_per_partition in 1..3usize,
    ) {
        let mut settings = world::scaled_down(12);
        settings.campaign.min_assets = 2;
        settings.campaign.longest = Duration::from_secs(1_800);
        settings.campaign.touches_per_source = touches_per_source;
        settings.campaign.sources_per_partition = sources_per_partition;
        let mut records: Vec<(AppendTime, SightingRecord)> = sightings.into_iter().zip(lags).map(|(sighting, lag)| {
            let lag = Duration::from_secs(lag.unsigned_abs() * 60);
            (AppendTime::at_event(sighting.last).plus(lag), SightingRecord::Sighting(sighting))
        }).collect();
        records.sort_by_key(|(at, _)| *at);
        let whole = written(&records, 0, AppendTime::MIN, &settings);
        let cut = ((records.len() as f64) * cut) as usize;
        let Some(&(now, _)) = records[..cut].last() else { return Ok(()); };
        let from = now.minus(settings.campaign_rewind());
        let rewind = records.partition_point(|(at, _)| *at <= from);
        let before = records[..rewind].last().map_or(AppendTime::MIN, |(at, _)| *at);
        let rebuilt = written(&records, rewind, before, &settings);
        prop_assert_eq!(&rebuilt[cut - rewind..], &whole[cut..]);
    }
}

/// What each record from `rewind` on writes.
fn written(
    records: &[(AppendTime, SightingRecord)],
    rewind: usize,
    before: AppendTime,
    settings: &JoinSettings,
) -> Vec<Vec<(u64, Campaign)>> {
    let mut campaigns = pipewarden_core::detection::Campaigns::new(&rules(), settings.clone());
    campaigns.advance_to(before);
    let records = records.iter().enumerate().skip(rewind);
    records
        .map(|(offset, (at, record))| {
            let output = campaigns.apply(world::at(offset as u64, *at), record.clone());
            let revisions = output.revisions.iter();
            revisions
                .map(|revision| (revision.number, campaign(revision).clone()))
                .collect()
        })
        .collect()
}
