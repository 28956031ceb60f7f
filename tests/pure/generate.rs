//! Generated documents: the same for the same seed, sized and mixed as in the field, and their attacks found.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use pipewarden_core::detection::Attribution;
use pipewarden_core::inventory::{Inventory, Role};
use pipewarden_tools::generator::{Fleet, Generator, Kind, Missing, Mix, Plan, Truth};
use serde_json::Value;
use testkit::size;
use testkit::truth::{expected, reported, truths};

const INVENTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/inventory.yaml");

fn generate(plan: &Plan, fleet: Fleet) -> (Vec<Vec<u8>>, Vec<Truth>) {
    let mut generator = Generator::new(plan, fleet);
    let (mut documents, mut truths) = (Vec::new(), Vec::new());
    let mut document = Vec::new();
    while generator.write_next(&mut document).is_some() {
        documents.push(std::mem::take(&mut document));
        truths.extend(generator.take_truths());
    }
    (documents, truths)
}

fn lines(documents: &[Vec<u8>]) -> Vec<u8> {
    documents
        .iter()
        .flat_map(|document| [document.as_slice(), b"\n"].concat())
        .collect()
}

fn pipewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn assert_done(output: &Output) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
}

/// What `replay` prints.
fn replayed(folder: &Path, documents: &[Vec<u8>], inventory: Option<&str>, more: &[&str]) -> Vec<u8> {
    let events = folder.join("events.ndjson");
    std::fs::write(&events, lines(documents)).unwrap();
    let mut arguments = vec!["replay", "--format", "ndjson", "--strict"];
    let hosts = folder.join("hosts.yaml");
    if let Some(inventory) = inventory {
        std::fs::write(&hosts, inventory).unwrap();
        arguments.extend(["--inventory", hosts.to_str().unwrap()]);
    }
    arguments.extend(more);
    arguments.push(events.to_str().unwrap());
    let output = pipewarden(&arguments);
    assert_done(&output);
    output.stdout
}

/// Hours of documents in which little but SMB happens, so that attacks are many.
fn busy(seed: u64) -> Plan {
    Plan {
        rate: 4,
        mix: "sysmon-3=60,sysmon-18=20,security-5145=20,sysmon-10=5"
            .parse()
            .unwrap(),
        attack_every: Some(Duration::from_secs(20)),
        lateness: Duration::from_secs(20 * 60),
        clock_skew: Plan::MOST_SKEW,
        duplicates: 5,
        ..Plan::new(seed, 8_000)
    }
}

#[test]
fn replay_finds_exactly_the_attacks_of_any_seed_with_and_without_an_inventory_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..size::of([2, 6, 60]) {
        let fleet = Fleet::invented(8, 300);
        let (documents, truths) = generate(&busy(seed), fleet.clone());
        assert!(truths.len() > 40, "seed {seed}: {} attacks", truths.len());
        let inventory = fleet.inventory();
        let shuffle = ["--shuffle", "7", "--max-delay", "10min"];
        for (inventory, more) in [
            (Some(inventory.as_str()), [].as_slice()),
            (Some(&inventory), &shuffle),
            (None, &[]),
        ] {
            let found = reported(&replayed(folder.path(), &documents, inventory, more));
            let inventory = inventory.map(|text| Inventory::parse(text, "test").unwrap());
            let expected = expected(&truths, inventory.as_ref());
            let missing: Vec<_> = expected.iter().filter(|one| !found.contains(one)).collect();
            let surplus: Vec<_> = found.iter().filter(|one| !expected.contains(one)).collect();
            assert!(
                found == expected,
                "seed {seed}, inventory {}, {more:?}\nmissing: {missing:#?}\nsurplus: {surplus:#?}",
                inventory.is_some()
            );
        }
    }
}

#[test]
fn an_attack_is_complete_with_the_document_that_its_truth_names_and_not_before() {
    let plan = Plan {
        lateness: Duration::ZERO,
        clock_skew: Duration::ZERO,
        missing: Missing::default(),
        ..busy(5)
    };
    let fleet = Fleet::invented(8, 300);
    let (documents, truths) = generate(&plan, fleet.clone());
    let published = |document: &[u8]| {
        let document: Value = serde_json::from_slice(document).unwrap();
        document["event"]["created"].as_str().unwrap().to_owned()
    };
    let documents: Vec<_> = documents
        .into_iter()
        .map(|document| (published(&document), document))
        .collect();
    let (folder, inventory) = (tempfile::tempdir().unwrap(), fleet.inventory());
    let several_ports = |truth: &&Truth| truth.documents > 4 && truth.attribution == Attribution::Audited;
    for truth in truths.iter().filter(several_ports).take(8) {
        let at = format!("{:.3}", truth.complete_at.timestamp());
        let is_complete = |until: &dyn Fn(&str) -> bool| {
            let read = documents.iter().filter(|(published, _)| until(published));
            let read: Vec<_> = read.map(|(_, document)| document.clone()).collect();
            let stdout = replayed(folder.path(), &read, Some(&inventory), &[]);
            let alerts = serde_json::Deserializer::from_slice(&stdout).into_iter::<Value>();
            alerts.map(Result::unwrap).any(|alert| {
                let counts = &alert["pipewarden"]["observations"];
                let kinds = ["network_connection", "pipe_connected", "share_access"];
                alert["pipewarden"]["asset"]["id"] == truth.asset.as_str()
                    && alert["source"]["ip"] == truth.attacker.to_string()
                    && kinds.iter().all(|kind| counts[kind] != 0)
            })
        };
        assert!(is_complete(&|published| published <= at.as_str()), "{truth:?}");
        assert!(!is_complete(&|published| published < at.as_str()), "{truth:?}");
    }
}

#[test]
fn every_kind_of_truth_occurs() {
    let (_, truths) = generate(&busy(3), Fleet::invented(8, 300));
    let mut counts = BTreeMap::new();
    for truth in &truths {
        *counts
            .entry((
                format!("{:?}", truth.attribution),
                format!("{:?}", truth.confidence),
            ))
            .or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 5, "{counts:?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let documents = |seed| lines(&generate(&Plan::new(seed, 5_000), Fleet::invented(20, 2_000)).0);
    assert!(documents(1) == documents(1));
    assert!(documents(1) != documents(2));
}

fn kind_of(document: &Value) -> &'static str {
    let winlog = &document["winlog"];
    let id: u16 = winlog["event_id"].as_str().unwrap().parse().unwrap();
    let is_of = |kind: &&Kind| {
        let definition = kind.definition();
        winlog["channel"] == definition.provider.channel && id == definition.id
    };
    Kind::ALL.iter().find(is_of).unwrap().as_str()
}

#[test]
fn sizes_and_mix_are_those_of_the_field() {
    let plan = Plan {
        attack_every: None,
        ..Plan::new(5, 30_000)
    };
    let (documents, truths) = generate(&plan, Fleet::invented(20, 2_000));
    assert!(truths.is_empty());
    let mut sizes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for document in &documents {
        assert!(document.len() <= 34_000, "{}", document.len());
        let value: Value = serde_json::from_slice(document).unwrap();
        sizes.entry(kind_of(&value)).or_default().push(document.len());
    }
    for kind in Kind::ALL {
        let share = sizes.get(kind.as_str()).map_or(0, Vec::len) as f64 / documents.len() as f64;
        let wanted = Mix::default().share(*kind);
        // Within three standard deviations and a little.
        let tolerance = 3.0 * (wanted / documents.len() as f64).sqrt() + 0.001;
        assert!(
            (share - wanted).abs() < tolerance,
            "{kind}: {share}, wanted {wanted}"
        );
    }
    for (kind, wanted) in [
        ("sysmon-3", 1_699),
        ("sysmon-18", 1_095),
        ("security-5145", 2_366),
        ("sysmon-10", 3_466),
        ("powershell-4103", 13_088),
    ] {
        let all = sizes.get_mut(kind).unwrap();
        all.sort_unstable();
        let median = all[all.len() / 2] as f64;
        // Winlogbeat 8 writes up to 300 bytes around an event that 6.7, whose sizes these are, did not.
        let (least, most) = (0.85 * f64::from(wanted), 1.15 * f64::from(wanted) + 300.0);
        assert!(
            (least..most).contains(&median),
            "{kind}: {median}, wanted {wanted}"
        );
    }
}

#[test]
fn most_logons_over_the_network_are_at_domain_controllers_and_little_of_what_the_firewall_passes_is_smb() {
    let plan = Plan {
        attack_every: None,
        mix: "security-4624=50,security-5156=50".parse().unwrap(),
        ..Plan::new(5, 20_000)
    };
    let fleet = Fleet::invented(20, 2_000);
    let inventory = Inventory::parse(&fleet.inventory(), "fleet").unwrap();
    let is_controller = |name: &str| {
        let asset = inventory.by_full_name(name);
        asset.is_some_and(|asset| asset.roles.contains(&Role::DomainController))
    };
    let (mut logons, mut at_controllers, mut permitted, mut smb) = (0, 0, 0, 0);
    for document in generate(&plan, fleet).0 {
        let document: Value = serde_json::from_slice(&document).unwrap();
        let (winlog, data) = (&document["winlog"], &document["winlog"]["event_data"]);
        if data["LogonType"] == "3" {
            logons += 1;
            at_controllers += u32::from(is_controller(winlog["computer_name"].as_str().unwrap()));
        }
        permitted += u32::from(winlog["event_id"] == "5156");
        smb += u32::from(data["DestPort"] == "445");
    }
    let percent = |part: u32, of: u32| 100 * part / of;
    assert!(
        (91..=95).contains(&percent(at_controllers, logons)),
        "{at_controllers} of {logons}"
    );
    assert!((1..=3).contains(&percent(smb, permitted)), "{smb} of {permitted}");
}

#[test]
fn the_command_writes_documents_and_truth_that_replay_confirms() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (compression, ending) in [("none", ""), ("gzip", ".gz"), ("zstd", ".zst")] {
        let (events, truth) = (path(&format!("events.ndjson{ending}")), path("truth.ndjson"));
        let output = pipewarden(&[
            "generate",
            "--seed",
            "9",
            "--duration",
            "5min",
            "--rate",
            "20",
            "--inventory",
            INVENTORY,
            "--compression",
            compression,
            "--output",
            &events,
            "--truth",
            &truth,
        ]);
        assert_done(&output);
        let truths = truths(&truth);
        assert!(truths.len() > 5, "{}", truths.len());
        let output = pipewarden(&["replay", "--format", "ndjson", "--inventory", INVENTORY, &events]);
        let inventory = Inventory::parse(&std::fs::read_to_string(INVENTORY).unwrap(), INVENTORY).unwrap();
        assert_eq!(reported(&output.stdout), expected(&truths, Some(&inventory)));
    }
}

#[test]
fn options_that_do_not_fit_together_are_usage_errors_that_say_why() {
    for (arguments, word) in [
        (["--output", "-", "--clock-skew", "1h"].as_slice(), "--clock-skew"),
        (&["--output", "-", "--lateness", "31min"], "allowed_lateness"),
        (&["--output", "-", "--compression", "lz4"], "lz4"),
        (&["--output", "-", "--mix", "sysmon-99=1"], "sysmon-10"),
        (&["--output", "-", "--to-kafka"], "--to-kafka"),
        (&[], "--output"),
    ] {
        let output = pipewarden(&[["generate"].as_slice(), arguments].concat());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(message.contains(word), "{arguments:?}: {message}");
    }
}
