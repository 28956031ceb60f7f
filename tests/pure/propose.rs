//! Exceptions that are proposed: as narrow as what was seen, refused until filled in, and never over an attack.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use pipewarden_core::alert::Document;
use pipewarden_core::detection::{Action, Exceptions, JoinSettings, RuleSet, Status};
use pipewarden_core::inventory::{Inventory, UnlistedHosts};
use pipewarden_core::log::{Offset, Partition};
use pipewarden_core::time::AppendTime;
use pipewarden_engine::local::{FinalView, Replayer};
use pipewarden_engine::{Origin, Policy, Routed, Router};
use pipewarden_tools::generator::{Fleet, Generator, Plan, Truth};
use pipewarden_tools::propose::{Options, Proposals, Proposer, Refusal};
use pipewarden_tools::rule_tests::{self, Tested};
use testkit::estate::{Day, Recording};
use testkit::size;

/// An hour in an estate with two monitors, a scanner, a backup, administrators and attacks.
fn hour(seed: u64) -> Recording {
    Day {
        seed,
        hours: 1,
        clients: 30,
    }
    .record()
}

/// The last revisions of all alerts about these documents under these exceptions.
fn alerts(documents: &[Vec<u8>], inventory: &Arc<Inventory>, exceptions: &str) -> Vec<Document> {
    let exceptions = Exceptions::builtin(Arc::clone(inventory)).and(exceptions, "proposed");
    let policy = Policy::new(
        RuleSet::builtin(),
        Arc::clone(inventory),
        UnlistedHosts::Ignore,
        JoinSettings::default(),
        "test".to_owned(),
    );
    let policy = Arc::new(policy.with_exceptions(exceptions.unwrap()));
    let mut router = Router::new(&policy);
    let mut events = Vec::new();
    for (offset, document) in (0..).map(Offset::new).zip(documents) {
        let origin = Origin {
            topic: "recording",
            partition: Partition::ZERO,
            offset,
        };
        router.read_each(Some(document), origin, &mut |event| events.extend(event));
    }
    events.sort_by_key(|received| received.event.time);
    let mut replayer = Replayer::new(&policy);
    let mut view = FinalView::default();
    for received in events {
        if let Routed::Observation(routed) = router.resolve(received) {
            let time = AppendTime::at_event(routed.observation.event.time);
            let applied = replayer.observe(time, routed.observation);
            applied.alerts.into_iter().for_each(|alert| view.upsert(alert));
        }
    }
    replayer
        .finish()
        .alerts
        .into_iter()
        .for_each(|alert| view.upsert(alert));
    [Status::Active, Status::Suppressed]
        .into_iter()
        .flat_map(|status| view.with_status(status))
        .map(|alert| serde_json::from_slice(&alert.value).unwrap())
        .collect()
}

fn proposed(
    alerts: &[Document],
    inventory: &Inventory,
    min_count: usize,
    truths: &[Truth],
    tested: &[Tested],
) -> Proposals {
    let mut proposer = Proposer::new(Options {
        min_count,
        group_by: Duration::from_secs(600),
    });
    alerts.iter().for_each(|alert| proposer.take(alert));
    proposer.propose(inventory, truths, tested)
}

/// What people make of a proposal.
fn filled_in(proposals: &str) -> String {
    proposals
        .replace("expires: FILL-IN", "expires: 2040-06-30")
        .replace("owner: FILL-IN", "owner: soc@aperture.local")
        .replace("reason: FILL-IN", "reason: It is known.")
}

/// Whether an exception other than a built-in one covers an alert.
fn is_excepted(alert: &Document) -> bool {
    let exception = alert.pipewarden.exception.as_ref();
    exception.is_some_and(|exception| !exception.id.starts_with("builtin-"))
}

#[test]
fn a_proposal_does_what_it_says_to_what_was_seen_and_to_no_attack() {
    let recording = hour(1);
    let inventory = Arc::new(Inventory::parse(&recording.inventory, "estate").unwrap());
    let before = alerts(&recording.documents, &inventory, "exceptions: []");
    let builtin = rule_tests::builtin();
    let proposals = proposed(&before, &inventory, 3, &recording.truths, &builtin);
    let claims = proposals.claims();
    let claimed = |action| {
        let of_action = claims.values().filter(|(claimed, _)| *claimed == action);
        of_action.map(|(_, alerts)| alerts).sum::<usize>()
    };
    assert!(
        claimed(Action::Suppress) > 50 && claimed(Action::Downgrade) > 10,
        "{claims:?}"
    );

    let after = alerts(
        &recording.documents,
        &inventory,
        &filled_in(&proposals.to_string()),
    );
    assert_eq!(after.len(), before.len(), "no alert is gone");
    let done = |wanted: Status| {
        let all = after
            .iter()
            .filter(|alert| is_excepted(alert) && alert.pipewarden.status == wanted);
        all.count()
    };
    assert_eq!(done(Status::Suppressed), claimed(Action::Suppress));
    // An entry that knows no account covers whatever account is used.
    assert!(done(Status::Active) >= claimed(Action::Downgrade));
    let hidden = after
        .iter()
        .filter(|alert| is_excepted(alert) && recording.shows_attack(alert));
    for alert in hidden {
        assert_eq!(alert.pipewarden.status, Status::Active, "{}", alert.message);
    }
}

#[test]
fn in_no_world_does_a_proposal_suppress_an_attack_of_the_truth() {
    let mut refused = 0;
    for seed in 0..size::of([3, 20, 400]) {
        let recording = hour(seed);
        let inventory = Arc::new(Inventory::parse(&recording.inventory, "estate").unwrap());
        let before = alerts(&recording.documents, &inventory, "exceptions: []");
        // Whatever was seen once recurs.
        let proposals = proposed(&before, &inventory, 1, &recording.truths, &[]);
        let attacks = proposals.refusals();
        refused += attacks
            .filter(|refusal| matches!(refusal, Refusal::Attack(_)))
            .count();
        let after = alerts(
            &recording.documents,
            &inventory,
            &filled_in(&proposals.to_string()),
        );
        for alert in after.iter().filter(|alert| recording.shows_attack(alert)) {
            let status = alert.pipewarden.status;
            assert!(
                !is_excepted(alert) || status == Status::Active,
                "seed {seed}: {}",
                alert.message
            );
        }
    }
    assert!(refused > 0, "attacks recur as well");
}

#[test]
fn in_no_generated_world_is_an_attack_covered_and_without_its_truth_it_would_be() {
    let mut covered_without = 0;
    for seed in 0..size::of([3, 20, 400]) {
        let fleet = Fleet::invented(8, 30);
        let plan = Plan {
            rate: 4,
            attack_every: Some(Duration::from_secs(30)),
            ..Plan::new(seed, 4_000)
        };
        let inventory = Arc::new(Inventory::parse(&fleet.inventory(), "fleet").unwrap());
        let mut generator = Generator::new(&plan, fleet);
        let (mut documents, mut truths, mut document) = (Vec::new(), Vec::new(), Vec::new());
        while generator.write_next(&mut document).is_some() {
            documents.push(std::mem::take(&mut document));
            truths.extend(generator.take_truths());
        }
        let before = alerts(&documents, &inventory, "exceptions: []");
        let covered = |truths: &[Truth]| {
            let proposals = proposed(&before, &inventory, 1, truths, &[]);
            let after = alerts(&documents, &inventory, &filled_in(&proposals.to_string()));
            after.into_iter().filter(is_excepted).count()
        };
        // Nothing in these worlds opens a watched pipe but attacks.
        assert_eq!(covered(&truths), 0, "seed {seed}");
        covered_without += covered(&[]);
    }
    assert!(covered_without > 0);
}

#[test]
fn what_would_cover_an_alert_that_a_case_must_raise_is_refused_and_the_case_named() {
    // The access of the case "the relay uses the account of a site server" recurs in a recording.
    let tested = rule_tests::builtin();
    let detect_8 = tested
        .iter()
        .find(|tested| &*tested.rule.id == "detect-8")
        .unwrap();
    let file = detect_8.tests.as_ref().unwrap();
    let case = &file.cases[0];
    let assets = serde_json::json!({ "assets": case.assets(file) }).to_string();
    let inventory = Arc::new(Inventory::parse(&assets, "assets").unwrap());
    let documents: Vec<Vec<u8>> = case
        .documents(file)
        .unwrap()
        .iter()
        .map(|document| document.to_string().into_bytes())
        .collect();
    let seen = alerts(&documents, &inventory, "exceptions: []");
    assert_eq!(proposed(&seen, &inventory, 1, &[], &[]).claims().len(), 1);
    let proposals = proposed(&seen, &inventory, 1, &[], &tested);
    assert_eq!(proposals.claims().len(), 0);
    let refusals: Vec<String> = proposals.refusals().map(ToString::to_string).collect();
    assert_eq!(refusals.len(), 1);
    assert!(
        refusals[0].starts_with("it would cover an alert that a case of detect-8 must raise: "),
        "{refusals:?}"
    );
    let text = proposals.to_string();
    assert!(
        text.contains("exceptions: []") && text.contains("# Not proposed: 1 alert of detect-8"),
        "{text}"
    );
}

fn pipewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Writes what the command reads, and returns the paths of documents, inventory and truth.
fn written(recording: &Recording, folder: &Path) -> [String; 3] {
    let truths: Vec<String> = recording
        .truths
        .iter()
        .map(|truth| serde_json::to_string(truth).unwrap())
        .collect();
    let files = [
        ("events.ndjson", recording.documents.join(&b'\n')),
        ("hosts.yaml", recording.inventory.clone().into_bytes()),
        ("truth.ndjson", truths.join("\n").into_bytes()),
    ];
    files.map(|(name, content)| {
        let file = folder.join(name);
        std::fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    })
}

/// A recording of an hour in files, and what the command proposes of it.
struct Proposed {
    folder: tempfile::TempDir,
    files: [String; 3],
    proposed: String,
}

impl Proposed {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut proposed = Self {
            files: written(&hour(seed), folder.path()),
            folder,
            proposed: String::new(),
        };
        proposed.proposed = proposed.propose(&[]);
        proposed
    }

    fn propose(&self, more: &[&str]) -> String {
        let [events, hosts, truth] = &self.files;
        let mut arguments = vec!["exceptions", "propose", "--min-count", "3", "--inventory", hosts];
        arguments.extend(["--truth", truth, events]);
        arguments.extend(more);
        let output = pipewarden(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    }

    /// Writes an exceptions file, and returns its name.
    fn write(&self, exceptions: &str) -> String {
        let file = self.folder.path().join("proposed.yaml");
        std::fs::write(&file, exceptions).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn check(&self, exceptions: &str) -> Output {
        let file = self.write(exceptions);
        pipewarden(&["check", "--inventory", &self.files[1], "--exceptions", &file])
    }
}

#[test]
fn what_the_command_proposes_is_refused_until_it_is_filled_in() {
    let proposed = Proposed::new(2);
    for expected in [
        "accounts: ['APERTURE\\svc-monitor']",
        "# It suppresses: a 5145 of the host names",
        "# It only downgrades: ",
        " intervals on 1 day, ",
        "# Its source is also a campaign against ",
    ] {
        let text = &proposed.proposed;
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let refused = proposed.check(&proposed.proposed);
    assert_eq!(refused.status.code(), Some(1));
    let message = text(&refused.stderr);
    assert!(
        message.contains("is still FILL-IN: name who answers for it"),
        "{message}"
    );
    let checked = proposed.check(&filled_in(&proposed.proposed));
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let listed = text(&checked.stdout);
    assert!(
        !listed.contains("covers nothing") && !listed.contains("never suppresses"),
        "{listed}"
    );
}

#[test]
fn a_replay_hits_every_entry_that_the_command_proposes_and_then_nothing_is_left_to_propose() {
    let proposed = Proposed::new(2);
    let file = proposed.write(&filled_in(&proposed.proposed));
    let [events, hosts, _] = &proposed.files;
    let arguments = [
        "replay",
        "--format",
        "ndjson",
        "--inventory",
        hosts,
        "--exceptions",
        &file,
        events,
    ];
    let output = pipewarden(&arguments);
    let summary = text(&output.stderr);
    let lines = proposed.proposed.lines();
    let ids: Vec<&str> = lines.filter_map(|line| line.strip_prefix("  - id: ")).collect();
    assert!(ids.len() > 3, "{ids:?}");
    for id in ids {
        assert!(
            summary.contains(&format!("{id} ")) && !summary.contains(&format!("{id} 0")),
            "{id} covers something: {summary}"
        );
    }
    let again = proposed.propose(&["--exceptions", &file]);
    assert!(again.contains("exceptions: []"), "{again}");
}

#[test]
fn a_truth_that_is_none_and_input_that_is_not_there_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.ndjson");
    std::fs::write(&truth, "{\"attack\": 1}\n").unwrap();
    let output = pipewarden(&[
        "exceptions",
        "propose",
        "--truth",
        truth.to_str().unwrap(),
        "samples/detect-8.ndjson",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.contains("--truth: line 1 of") && message.contains("missing field"),
        "{message}"
    );
    let output = pipewarden(&["exceptions", "propose", "nowhere.ndjson"]);
    assert_eq!(output.status.code(), Some(2));
    let output = pipewarden(&["exceptions", "propose"]);
    assert!(!output.status.success());
}
