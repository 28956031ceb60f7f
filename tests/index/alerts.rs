//! Alerts of every kind, each with all its revisions, as router, correlator and in-process log make them of Windows events.

use std::collections::{BTreeMap, BTreeSet};

use pipewarden_core::detection::{JoinSettings, Limits};
use pipewarden_core::time::AppendTime;
use pipewarden_tools::winlogbeat::Shape;
use serde_json::Value;
use testkit::detect::Bench;
use testkit::schema;
use testkit::winlogbeat::{START, connection, detect_8, logon, pipe, share, with};

const INVENTORY: &str = r"
assets:
  - {name: atlas.aperture.local, addresses: [10.1.0.50, 'fd00::50'], roles: [primary-site-server]}
  - {name: dp1.aperture.local, addresses: [10.1.0.51], roles: [distribution-point]}
  - {name: dp2.aperture.local, addresses: [10.1.0.52], roles: [distribution-point]}
  - {name: dp3.aperture.local, addresses: [10.1.0.53], roles: [distribution-point]}
  - {name: flood.aperture.local, addresses: [10.1.0.60], roles: [tier0]}
  - {name: blind.aperture.local, addresses: [10.1.0.61], roles: [tier0]}
  - {name: dark.aperture.local, addresses: [10.1.0.63], roles: [tier0]}
  - {name: late.aperture.local, addresses: [10.1.0.62], roles: [tier0]}
";

const EXCEPTIONS: &str = r"
exceptions:
  - id: scanner
    reason: The scanner reads the registry of Tier 0 every night.
    owner: vulnerability-management@aperture.local
    expires: 2040-06-30
    action: suppress
    broad: true
    sources: {addresses: [10.9.0.0/24]}
";

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// The end of the day, in milliseconds after its start: what `now` is for whoever searches.
pub(crate) const NOW: i64 = 20 * HOUR;

/// One revision of an alert.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    /// The id of the alert, which is its key on the topics.
    pub(crate) key: String,
    /// Rises from revision to revision of one alert.
    pub(crate) number: u64,
    /// The document.
    pub(crate) document: Value,
    /// The indices that it belongs into, one for each topic that it is published on.
    pub(crate) indices: Vec<&'static str>,
}

/// The index of the topic of alerts, and that of what exceptions suppress and what is local.
pub(crate) const INDICES: [&str; 2] = ["pipewarden.alerts", "pipewarden.suppressed"];

/// Every revision of every alert of the day, in the order in which they are published.
pub(crate) fn revisions() -> Vec<Revision> {
    let join = JoinSettings {
        limits: Limits {
            alerts_per_asset: 7,
            many_sources: 4,
            ..Limits::default()
        },
        ..JoinSettings::default()
    };
    let bench = Bench::new(INVENTORY, join).with_exceptions(EXCEPTIONS);
    let mut arrivals = day();
    arrivals.sort_by_key(|(ms, _)| *ms);
    let (times, events): (Vec<i64>, Vec<Value>) = arrivals.into_iter().unzip();
    let observations = bench.observations(&events);
    assert_eq!(observations.len(), events.len(), "every event is an observation");
    let times = times.into_iter().map(|ms| AppendTime::from_millis(START + ms));
    let records = bench.revisions(times.zip(observations).collect());
    let revisions = records.into_iter().map(|record| {
        let document: Value = serde_json::from_slice(&record.value).unwrap();
        schema::assert_valid("alert", &document);
        let belongs = [record.is_published, record.is_suppressed()];
        let indices = INDICES.iter().zip(belongs).filter(|(_, belongs)| *belongs);
        Revision {
            number: document["pipewarden"]["revision"].as_u64().unwrap(),
            indices: indices.map(|(index, _)| *index).collect(),
            key: record.key,
            document,
        }
    });
    revisions.collect()
}

/// The newest of these revisions of each alert, by its id.
pub(crate) fn newest<'a>(
    revisions: impl IntoIterator<Item = &'a Revision>,
) -> BTreeMap<&'a str, &'a Revision> {
    let mut newest: BTreeMap<&str, &Revision> = BTreeMap::new();
    for revision in revisions {
        let known = newest.entry(&revision.key).or_insert(revision);
        if known.number < revision.number {
            *known = revision;
        }
    }
    newest
}

/// The event, as this host logs it.
fn on(computer: &str, mut event: Value) -> Value {
    event["winlog"]["computer_name"] = computer.into();
    event
}

/// The event at another time by the clock of its host.
fn at_time(time: &str, mut event: Value) -> Value {
    event["@timestamp"] = time.into();
    event
}

/// When each event arrives, in milliseconds after the start of the day, and the event.
fn day() -> Vec<(i64, Value)> {
    [
        accesses_of_atlas(),
        boot_media(0),
        stolen_account(2 * HOUR),
        sweep(4 * HOUR),
        flood(6 * HOUR),
        taken_back(8 * HOUR),
        scanned(10 * HOUR),
        by_the_host_itself(12 * HOUR),
        back_again("blind.aperture.local", 14 * HOUR),
        forged(16 * HOUR),
        nobody_knows(17 * HOUR),
        without_sysmon("dark.aperture.local", 18 * HOUR),
        last_hour(NOW - 30 * MINUTE),
    ]
    .concat()
}

/// An access that is known better and better, goes on, and is joined by another account: an alert of many revisions.
fn accesses_of_atlas() -> Vec<(i64, Value)> {
    let [connected, opened, named] = detect_8();
    let by_another = with(
        share(4 * MINUTE, "10.1.0.101", 49_900),
        "SubjectUserName",
        "CHELL".into(),
    );
    let by_another = with(by_another, "SubjectUserSid", "S-1-5-21-1-2-3-1106".into());
    let mut arrivals = vec![
        (0, opened),
        (0, named),
        (40 * SECOND, connected),
        (4 * MINUTE, by_another),
    ];
    arrivals.extend((1..18u16).map(|number| {
        let at = i64::from(number) * 20 * SECOND;
        (at, share(at, "10.1.0.101", 49_840 + number))
    }));
    arrivals
}

/// A tool asks the registry of a distribution point, then reads its boot media: the chain of CRED-1.
fn boot_media(ms: i64) -> Vec<(i64, Value)> {
    let asked = on("dp1.aperture.local", share(ms, "10.2.0.7", 50_100));
    let read = with(
        share(ms + MINUTE, "10.2.0.7", 50_101),
        "ShareName",
        r"\\*\REMINST".into(),
    );
    let read = with(read, "RelativeTargetName", r"SMSTemp\2024.10.24.boot.var".into());
    vec![(ms, asked), (ms + MINUTE, on("dp1.aperture.local", read))]
}

/// The account of the site server, used from a workstation.
fn stolen_account(ms: i64) -> Vec<(i64, Value)> {
    let event = Shape::Winlogbeat8.document(&logon(ms, "10.2.0.8", 50_200));
    let event = with(event, "TargetUserName", "ATLAS$".into());
    let event = with(event, "TargetUserSid", "S-1-5-21-1-2-3-1107".into());
    vec![(ms, on("dp2.aperture.local", event))]
}

/// One source goes from host to host, over IPv6, and is denied on the first.
fn sweep(ms: i64) -> Vec<(i64, Value)> {
    let hosts = ["dp1", "dp2", "dp3", "blind", "flood", "late"];
    let accesses = (0..).zip(hosts).map(|(number, host)| {
        let at = ms + number * MINUTE;
        let mut event = on(&format!("{host}.aperture.local"), share(at, "fd00:2::9", 50_300));
        if number == 0 {
            event["event"]["outcome"] = "failure".into();
        }
        (at, event)
    });
    accesses.collect()
}

/// More sources than alerts of their own can show.
fn flood(ms: i64) -> Vec<(i64, Value)> {
    let accesses = (0..10).map(|number| {
        let at = ms + number * SECOND;
        (
            at,
            on(
                "flood.aperture.local",
                share(at, &format!("10.3.0.{}", 10 + number), 50_400),
            ),
        )
    });
    accesses.collect()
}

/// A source is inferred until a share access names another.
fn taken_back(ms: i64) -> Vec<(i64, Value)> {
    let connected = connection(ms, "other.aperture.local", "10.2.0.10", 50_500);
    let named = share(ms + 102, "10.2.0.11", 50_501);
    vec![
        (ms, connected),
        (ms + 100, pipe(ms + 100)),
        (ms + 5 * MINUTE, named),
    ]
}

/// The scanner, whose accesses somebody answers for: one that its own host alone shows, and one that the asset audits.
fn scanned(ms: i64) -> Vec<(i64, Value)> {
    let at = ms + 30 * MINUTE;
    vec![
        (ms, connection(ms, "scanner.aperture.local", "10.9.0.5", 50_600)),
        (ms + 100, pipe(ms + 100)),
        (at, share(at, "10.9.0.6", 50_601)),
    ]
}

fn by_the_host_itself(ms: i64) -> Vec<(i64, Value)> {
    vec![(ms, share(ms, "::1", 50_700))]
}

/// A host whose Sysmon says nothing while somebody comes again and again.
fn without_sysmon(host: &str, ms: i64) -> Vec<(i64, Value)> {
    let accesses = (0..8u16).map(|number| {
        let at = ms + i64::from(number) * 6 * MINUTE;
        (at, on(host, share(at, "10.2.0.12", 50_800 + number)))
    });
    accesses.collect()
}

/// The same, until its Sysmon is back.
fn back_again(host: &str, ms: i64) -> Vec<(i64, Value)> {
    let at = ms + 90 * MINUTE;
    let mut events = without_sysmon(host, ms);
    events.push((at, on(host, pipe(at))));
    events
}

/// Two messages bear one record id and say different things.
fn forged(ms: i64) -> Vec<(i64, Value)> {
    let access = on("dp2.aperture.local", share(ms, "10.2.0.18", 51_100));
    let mut forged = on("dp2.aperture.local", share(ms + 5, "10.2.0.19", 51_101));
    forged["winlog"]["record_id"] = access["winlog"]["record_id"].clone();
    vec![(ms, access), (ms + 5, forged)]
}

/// Two hosts were connected when a pipe was opened.
fn nobody_knows(ms: i64) -> Vec<(i64, Value)> {
    vec![
        (ms, connection(ms, "one.aperture.local", "10.2.0.13", 50_900)),
        (
            ms + 10,
            connection(ms + 10, "two.aperture.local", "10.2.0.14", 50_901),
        ),
        (ms + 100, pipe(ms + 100)),
    ]
}

/// An access that happened hours before it arrived, one that was denied just now, and one with values that no index takes.
fn last_hour(ms: i64) -> Vec<(i64, Value)> {
    let late = on("late.aperture.local", share(ms - 3 * HOUR, "10.2.0.15", 51_000));
    let mut denied = share(ms, "10.2.0.16", 51_001);
    denied["event"]["outcome"] = "failure".into();
    let path = format!(r"SMSTemp\{}.var", "x".repeat(40_000));
    let mut odd = with(share(ms, "10.2.0.17", 51_002), "ShareName", r"\\*\REMINST".into());
    odd = with(odd, "RelativeTargetName", path.into());
    odd["winlog"]["record_id"] = u64::MAX.into();
    // Clocks that show the first and the last moment that can be written.
    let ancient = at_time("-009999-01-02T01:59:59Z", share(ms, "10.2.0.20", 51_003));
    let future = at_time("9999-12-30T22:00:00.999Z", share(ms, "10.2.0.21", 51_004));
    vec![
        (ms, late),
        (ms, denied),
        (ms, on("dp3.aperture.local", odd)),
        (ms, ancient),
        (ms, future),
    ]
}

#[test]
fn the_day_has_alerts_of_every_kind_in_every_status() {
    let all = revisions();
    let seen = |field: &str| -> BTreeSet<String> {
        let values = all.iter().map(|revision| revision.document.pointer(field));
        values
            .flatten()
            .map(|value| value.as_str().unwrap().to_owned())
            .collect()
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(
        seen("/event/action"),
        words(&[
            "account-use",
            "campaign",
            "many-sources",
            "named-pipe-access",
            "overflow",
            "sensor-blind",
            "share-access",
        ])
    );
    assert_eq!(
        seen("/pipewarden/status"),
        words(&["active", "resolved", "superseded", "suppressed"])
    );
    assert_eq!(seen("/pipewarden/suppressed_by"), words(&["exception", "local"]));
    assert_eq!(
        seen("/pipewarden/attribution"),
        words(&["ambiguous", "audited", "inferred", "none"])
    );
    assert_eq!(seen("/event/outcome"), words(&["failure", "success", "unknown"]));
}
