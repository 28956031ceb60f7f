//! What one source does to several assets, or along a chain of rules, is an alert of its own.

mod bounds;
mod caused;
mod order;

use std::time::Duration;

use pipewarden_core::alert::{Weight, campaign_rule, risk_score};
use pipewarden_core::detection::{
    Attribution, CAMPAIGN, Campaign, Confidence, Disposition, JoinSettings, Revision, Sighting, Status,
};
use pipewarden_core::event::Outcome;
use testkit::sightings::{Log, MINUTE, by, campaign, labels, rules, sighting, time};
use testkit::{detect, winlogbeat};

fn log() -> Log {
    Log::new(&rules(), &JoinSettings::default())
}

/// One access of each asset, one every so many minutes.
fn one_every(minutes: i64, assets: u8) -> Vec<Sighting> {
    (0..assets)
        .map(|asset| {
            let at = i64::from(asset) * minutes * MINUTE;
            sighting(asset, asset, at, at)
        })
        .collect()
}

/// The active campaigns of these.
fn campaigns(sightings: impl IntoIterator<Item = Sighting>) -> Vec<Campaign> {
    let mut log = log();
    log.append_all(sightings);
    log.active()
}

fn only(mut campaigns: Vec<Campaign>) -> Campaign {
    assert_eq!(campaigns.len(), 1, "{campaigns:#?}");
    campaigns.remove(0)
}

#[test]
fn three_assets_are_a_campaign_that_names_them_and_their_alerts_and_two_are_none() {
    let three = [
        sighting(1, 1, 0, 0),
        sighting(2, 0, MINUTE, 2 * MINUTE),
        sighting(3, 2, 3 * MINUTE, 3 * MINUTE),
    ];
    assert_eq!(campaigns(three[..2].to_vec()), []);
    let found = only(campaigns(three.clone()));
    assert_eq!(labels(&found), ["asset1", "asset0", "asset2"], "by first touch");
    assert_eq!((found.first, found.last), (time(0), time(3 * MINUTE)));
    for (touched, alert) in found.assets.iter().zip(&three) {
        assert_eq!(touched.alerts, [alert.alert_id]);
        assert_eq!((touched.first, touched.last), (alert.first, alert.last));
    }
    assert_eq!(found.hosts.len(), 3);
}

#[test]
fn three_assets_of_two_sources_are_no_campaign() {
    let mut sightings = one_every(1, 3);
    sightings[2] = by(8, sightings[2].clone());
    assert_eq!(campaigns(sightings), []);
}

#[test]
fn one_host_every_twenty_minutes_is_one_campaign_that_grows_in_place() {
    let mut log = log();
    log.append_all(one_every(20, 4));
    let found = only(log.active());
    assert_eq!(found.touched, 4);
    assert!(log.revisions.iter().all(|revision| revision.id == found.id()));
    assert!(log.revisions[0].is_first && !log.revisions[1].is_first);
}

#[test]
fn touches_are_neighbours_up_to_the_time_that_is_set_and_not_beyond() {
    assert_eq!(only(campaigns(one_every(30, 3))).touched, 3);
    let mut apart = one_every(30, 3);
    apart[2].first = apart[2].first.plus(Duration::from_millis(1));
    apart[2].last = apart[2].first;
    assert_eq!(campaigns(apart), []);
}

#[test]
fn a_late_touch_joins_two_campaigns_into_the_earlier_which_supersedes_the_later() {
    let mut log = log();
    let second = one_every(1, 3).into_iter().map(|mut later| {
        later.alert_id = sighting(later.alert_id.0.as_u128() as u8 + 10, 0, 0, 0).alert_id;
        later.first = later.first.plus(Duration::from_secs(60 * 60));
        later.last = later.first;
        later
    });
    log.append_all(one_every(1, 3).into_iter().chain(second));
    assert_eq!(log.active().len(), 2);
    log.append(70 * MINUTE, sighting(20, 7, 31 * MINUTE, 31 * MINUTE));
    let all = log.end();
    let (active, superseded): (Vec<_>, Vec<_>) = all
        .into_values()
        .partition(|campaign| campaign.status() == Status::Active);
    let joined = only(active);
    assert_eq!((joined.first, joined.touched), (time(0), 4));
    assert_eq!(only(superseded).superseded_by, Some(vec![joined.id()]));
}

#[test]
fn an_alert_that_is_superseded_or_suppressed_takes_its_touches_back() {
    for status in [Status::Superseded, Status::Suppressed] {
        let mut log = log();
        log.append_all(one_every(1, 3));
        let taken_back = Sighting {
            revision: 2,
            status,
            ..sighting(1, 1, MINUTE, MINUTE)
        };
        log.append(5 * MINUTE, taken_back);
        let gone = log.end().into_values().next().unwrap();
        assert_eq!(gone.superseded_by, Some(Vec::new()));
        // What comes later with a lesser revision does not bring them back.
        let output = log.append(6 * MINUTE, sighting(1, 1, MINUTE, MINUTE));
        assert_eq!(output.disposition, Disposition::Copy);
        assert_eq!(log.active(), []);
    }
}

/// Alerts on so many assets, of which those with these numbers are downgraded.
fn downgraded(number: u8, which: impl Fn(usize) -> bool) -> Vec<Sighting> {
    let mut sightings = one_every(1, number);
    for (index, sighting) in sightings.iter_mut().enumerate() {
        sighting.downgraded = which(index);
    }
    sightings
}

fn risk_of(campaign: &Campaign) -> u8 {
    let weight = Weight {
        is_excepted: campaign.is_downgraded,
        ..Weight::default()
    };
    risk_score(campaign_rule(campaign).risk, Confidence::High, weight)
}

#[test]
fn a_campaign_by_downgraded_alerts_alone_is_downgraded_and_of_others_they_do_not_raise_the_risk() {
    let all = only(campaigns(downgraded(12, |_| true)));
    assert_eq!((all.is_downgraded, all.downgraded, risk_of(&all)), (true, 12, 25));
    let two_at_full_risk = only(campaigns(downgraded(12, |index| index > 1)));
    assert_eq!(
        (two_at_full_risk.is_downgraded, two_at_full_risk.downgraded),
        (true, 10)
    );
    let three = only(campaigns(downgraded(12, |index| index > 2)));
    assert_eq!(
        (three.is_downgraded, three.touched, risk_of(&three)),
        (false, 12, 47)
    );
    let none = only(campaigns(downgraded(12, |_| false)));
    assert_eq!(
        (none.is_downgraded, none.downgraded, risk_of(&none)),
        (false, 0, 99)
    );
}

#[test]
fn a_downgraded_campaign_is_written_at_full_risk_as_soon_as_it_is_one_without_downgraded_alerts() {
    let mut log = log();
    log.append_all(downgraded(3, |_| true));
    assert!(campaign(&log.revisions[0]).is_downgraded);
    log.append_all((3..6).map(|asset| sighting(asset, asset, 3 * MINUTE, 3 * MINUTE)));
    let mut at_full_risk = log
        .revisions
        .iter()
        .filter(|revision| !campaign(revision).is_downgraded);
    let first = at_full_risk.next().unwrap();
    assert_eq!(first.number % 2, 1, "by a record, and not by a deadline");
    assert_eq!(campaign(first).touched, 6);
}

#[test]
fn each_doubling_is_published_at_once_at_a_greater_risk_and_lesser_changes_later() {
    let mut log = log();
    log.append_all(
        (0..12).map(|asset| sighting(asset, asset, i64::from(asset) * 10_000, i64::from(asset) * 10_000)),
    );
    let published = |revision: &Revision| (revision.number % 2 == 1).then(|| campaign(revision).clone());
    let published: Vec<(u32, u8)> = log
        .revisions
        .iter()
        .filter_map(published)
        .map(|found| (found.touched, campaign_rule(&found).risk))
        .collect();
    assert_eq!(published, [(3, 47), (6, 73), (12, 99)]);
    assert_eq!(log.active()[0].touched, 12);
}

#[test]
fn a_chain_on_one_asset_is_a_campaign_that_the_chaining_rule_names() {
    let before = sighting(1, 1, 0, MINUTE);
    let after = |asset, at| Sighting {
        rule: "detect-7".into(),
        ..sighting(2, asset, at, at)
    };
    let found = only(campaigns([before.clone(), after(1, 20 * MINUTE)]));
    let rule = campaign_rule(&found);
    assert_eq!((&*rule.id, &*rule.name), (CAMPAIGN, "Access to the boot images"));
    assert_eq!((rule.risk, found.touched), (73, 1));
    for no_chain in [
        [before.clone(), after(2, 20 * MINUTE)],
        [after(1, -MINUTE), before.clone()],
        [before.clone(), by(8, after(1, 20 * MINUTE))],
        [before, after(1, 40 * MINUTE)],
    ] {
        assert_eq!(campaigns(no_chain), []);
    }
}

#[test]
fn a_campaign_names_the_paths_that_were_opened_and_on_which_host() {
    let mut sightings = one_every(1, 3);
    sightings[1].pipes.clear();
    sightings[1].paths = vec![r"reminst\smstemp\a.boot.var".into()];
    let found = only(campaigns(sightings));
    let by_host: Vec<usize> = found.assets.iter().map(|asset| asset.paths.len()).collect();
    assert_eq!((found.paths.len(), by_host), (1, vec![0, 1, 0]));
}

#[test]
fn a_campaign_says_what_is_audited_what_is_inferred_and_what_was_denied() {
    let mut sightings = one_every(1, 5);
    sightings[0].attribution = Attribution::Inferred;
    sightings[1].attribution = Attribution::Inferred;
    for denied in &mut sightings[1..3] {
        denied.outcome = Some(Outcome::Failure);
    }
    let found = only(campaigns(sightings));
    assert_eq!((found.audited, found.inferred, found.denied), (3, 2, 2));
    assert_eq!(found.attribution(), Attribution::Audited);
    assert_eq!(found.outcome, Some(Outcome::Success));
}

#[test]
fn a_campaign_is_as_sure_as_those_of_its_alerts_that_would_be_one_alone() {
    let mut sightings = one_every(1, 4);
    assert_eq!(only(campaigns(sightings.clone())).confidence, Confidence::High);
    for inferred in &mut sightings[..2] {
        inferred.attribution = Attribution::Inferred;
    }
    assert_eq!(only(campaigns(sightings.clone())).confidence, Confidence::Medium);
    for unsure in &mut sightings[..2] {
        unsure.confidence = Confidence::Low;
    }
    assert_eq!(only(campaigns(sightings)).confidence, Confidence::Low);
}

#[test]
fn a_run_that_takes_longer_than_the_longest_is_cut_and_each_part_is_a_campaign_whatever_it_holds() {
    let mut sightings = one_every(1, 3);
    for place in 0..60 {
        let at = (3 + 29 * place) * MINUTE;
        sightings.push(sighting(10 + place as u8, 0, at, at));
    }
    let longest = JoinSettings::default().campaign.longest;
    let found = campaigns(sightings);
    assert!(found.len() >= 3, "{}", found.len());
    let mut starts: Vec<_> = found
        .iter()
        .map(|campaign| campaign.first.bucket(longest))
        .collect();
    starts.dedup();
    assert_eq!(starts.len(), found.len());
    assert!(found.iter().any(|campaign| campaign.touched == 1));
    let touches: u32 = found.iter().map(|campaign| campaign.alerts).sum();
    assert_eq!(touches, 63, "none is left out");
}

#[test]
fn what_no_rule_in_force_has_found_counts_for_nothing() {
    let mut sightings = one_every(1, 3);
    sightings[1].rule = "gone".into();
    let mut log = log();
    for sighting in sightings {
        log.append(2 * MINUTE, sighting);
    }
    assert_eq!(log.active(), []);
}

#[test]
fn a_campaign_is_a_valid_document_in_either_format_that_names_every_host() {
    let hosts = [
        "atlas.aperture.local",
        "pbody.aperture.local",
        "wheatley.aperture.local",
    ];
    let inventory = format!(
        "assets: [{}]",
        hosts
            .map(|host| format!("{{name: {host}, roles: [distribution-point]}}"))
            .join(", ")
    );
    let bench = detect::Bench::new(&inventory, JoinSettings::default());
    let events = [0, 1, 2].map(|place| {
        let mut event = winlogbeat::share(place as i64 * 1_000, winlogbeat::CLIENT, 49_839);
        event["winlog"]["computer_name"] = hosts[place].into();
        event
    });
    // Both documents of every revision are held against their schemas there.
    let alerts = bench.detect(&events);
    let document = alerts
        .iter()
        .find(|alert| alert["rule"]["id"] == CAMPAIGN)
        .unwrap();
    assert_eq!(
        document["message"],
        "Campaign: APERTURE\\TESTSUBJECT4 from 10.1.0.101 opened the winreg pipe on 3 protected hosts within 2s"
    );
    assert_eq!(document["event"]["action"], "campaign");
    assert_eq!(document["event"]["risk_score"], 47);
    assert_eq!(document["related"]["hosts"], serde_json::json!(hosts));
    let own = &document["pipewarden"]["campaign"];
    assert_eq!(
        own["rests_on"],
        serde_json::json!({"audited": 3, "inferred": 0, "denied": 0, "downgraded": 0})
    );
    assert_eq!(own["within_seconds"], 1_800);
    assert_eq!(
        own["assets"][0]["roles"],
        serde_json::json!(["distribution-point"])
    );
    let mut others = alerts.iter().filter(|alert| alert["rule"]["id"] != CAMPAIGN);
    let first = others.find(|alert| alert["host"]["name"] == hosts[0]).unwrap();
    assert_eq!(own["assets"][0]["alert_ids"][0], first["pipewarden"]["alert_id"]);
    assert_eq!(alerts.len(), 4);
}

#[test]
fn eight_hosts_of_which_only_sysmon_tells_are_eight_inferred_alerts_and_one_campaign() {
    let hosts: Vec<String> = (0..8)
        .map(|number| format!("dp{number}.aperture.local"))
        .collect();
    let listed = hosts.iter().zip(50..);
    let listed: Vec<String> = listed
        .map(|(host, last)| format!("{{name: {host}, addresses: [10.1.1.{last}]}}"))
        .collect();
    let bench = detect::Bench::new(
        &format!("assets: [{}]", listed.join(", ")),
        JoinSettings::default(),
    );
    let mut events = Vec::new();
    for (place, host) in (0..).zip(&hosts) {
        let client = "sentry1.aperture.local";
        let mut connection = winlogbeat::connection(place * 9_000, client, winlogbeat::CLIENT, 50_000);
        connection["winlog"]["event_data"]["DestinationIp"] = format!("10.1.1.{}", 50 + place).into();
        connection["winlog"]["event_data"]["DestinationHostname"] = host.as_str().into();
        let mut pipe = winlogbeat::pipe(place * 9_000 + 400);
        pipe["winlog"]["computer_name"] = host.as_str().into();
        events.extend([connection, pipe]);
    }
    let alerts = bench.detect(&events);
    let (campaigns, others): (Vec<_>, Vec<_>) =
        alerts.iter().partition(|alert| alert["rule"]["id"] == CAMPAIGN);
    assert_eq!((campaigns.len(), others.len()), (1, 8));
    assert!(
        others
            .iter()
            .all(|alert| alert["pipewarden"]["attribution"] == "inferred")
    );
    let own = &campaigns[0]["pipewarden"];
    assert_eq!(own["campaign"]["rests_on"]["inferred"], 8);
    assert_eq!(
        (&own["attribution"], &own["confidence"]),
        (&"inferred".into(), &"medium".into())
    );
    assert_eq!(campaigns[0]["source"]["ip"], winlogbeat::CLIENT);
}
