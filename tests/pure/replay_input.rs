//! What `pipewarden replay` reads: files of any form, standard input, and those that are damaged.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::winlogbeat;

use crate::replay::{alerts, how, own, parse, real_data, replay, root, stderr, temporary, write_lines};

#[test]
fn recordings_of_different_hosts_and_channels_given_as_separate_files_join_in_any_order() {
    let [first, second, third] = winlogbeat::detect_8();
    let folder = tempfile::tempdir().unwrap();
    let hour = 60 * 60 * 1000;
    let noise = |host: &str, ms: i64| winlogbeat::connection(ms, host, "10.1.0.77", 50_000);
    let sysmon_source = folder.path().join("sentry1-sysmon.ndjson");
    write_lines(
        &sysmon_source,
        &[noise("sentry9.aperture.local", -9 * hour), first],
    );
    let sysmon_target = folder.path().join("atlas-sysmon.ndjson");
    write_lines(
        &sysmon_target,
        &[second, noise("sentry9.aperture.local", 5 * hour)],
    );
    let security = folder.path().join("atlas-security.ndjson");
    write_lines(&security, &[third]);
    let inventory = folder.path().join("inventory.yaml");
    std::fs::write(
        &inventory,
        "assets: [{name: atlas.aperture.local, addresses: [10.1.0.50]}]",
    )
    .unwrap();
    let names = [sysmon_source, sysmon_target, security].map(|path| path.display().to_string());
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut arguments = vec!["--inventory", inventory.to_str().unwrap()];
        arguments.extend(order.map(|index| names[index].as_str()));
        let alerts = alerts(&arguments);
        assert_eq!(alerts.len(), 1);
        assert_eq!(how(&alerts[0]), ("atlas.aperture.local", "audited", "high"));
        assert_eq!(own(&alerts[0])["observations"]["network_connection"], 1);
    }
}

/// Alerts without where their evidence lay, which is in another file each time.
fn wherever(mut alerts: Vec<Value>) -> Vec<Value> {
    for alert in &mut alerts {
        for evidence in alert["pipewarden"]["evidence"].as_array_mut().unwrap() {
            let origin = evidence.as_object_mut().unwrap().remove("origin");
            assert!(origin.unwrap()["file"].is_string());
        }
    }
    alerts
}

#[test]
fn compressed_files_standard_input_arrays_and_single_documents_are_read_alike() {
    let events = winlogbeat::detect_8();
    let (folder, plain) = temporary("events.ndjson", &events);
    let text = std::fs::read(&plain).unwrap();
    let expected = wherever(alerts(&[plain.to_str().unwrap()]));
    assert_eq!(expected.len(), 1);

    let gz = folder.path().join("events.jsonl.gz");
    // Two members, as a rotated and appended file has.
    let mut bytes = Vec::new();
    for part in text.split_inclusive(|&byte| byte == b'\n') {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        bytes.extend(encoder.finish().unwrap());
    }
    std::fs::write(&gz, bytes).unwrap();
    let zst = folder.path().join("events.ndjson.zst");
    std::fs::write(&zst, zstd::encode_all(text.as_slice(), 1).unwrap()).unwrap();
    let array = folder.path().join("array.json");
    std::fs::write(&array, serde_json::to_string_pretty(&events).unwrap()).unwrap();
    let many = folder.path().join("documents.json");
    let pretty: Vec<String> = events.iter().map(|event| format!("{event:#}")).collect();
    std::fs::write(&many, pretty.join("\n")).unwrap();
    for path in [gz, zst, array, many] {
        let found = wherever(alerts(&[path.to_str().unwrap()]));
        assert_eq!(found, expected, "{}", path.display());
    }

    let mut child = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["replay", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    assert_eq!(wherever(parse(&child.wait_with_output().unwrap())), expected);
}

#[test]
fn a_bad_line_is_named_and_the_rest_goes_on_unless_strict() {
    let [first, second, third] = winlogbeat::detect_8();
    let (_folder, path) = temporary("events.ndjson", &[first, second]);
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"event_id\": 5145, \"broken\n");
    text.push_str(&format!("{third}\n"));
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let output = replay(&[path]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(parse(&output).len(), 1);
    assert!(
        stderr(&output).contains("events.ndjson:3: invalid JSON"),
        "{}",
        stderr(&output)
    );
    assert_eq!(replay(&["--strict", path]).status.code(), Some(2));
}

#[test]
fn the_exit_status_tells_usage_from_unreadable_input() {
    assert_eq!(replay(&["--no-such-flag"]).status.code(), Some(1));
    assert_eq!(
        replay(&["--config", "no-such-file.yaml", "samples"])
            .status
            .code(),
        Some(1)
    );
    let missing = replay(&["no-such-file.ndjson"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        stderr(&missing).contains("no-such-file.ndjson"),
        "{}",
        stderr(&missing)
    );
    assert_eq!(replay(&["README.md"]).status.code(), Some(2));
}

#[test]
fn whole_dumps_of_other_attacks_raise_nothing_and_every_line_is_read() {
    let Some(path) = real_data("winlogbeat-dumps") else {
        return;
    };
    let output = replay(&[&path]);
    assert_eq!(parse(&output), Vec::<Value>::new());
    assert!(
        stderr(&output).contains("9038 events in 4 files, 0 undecodable"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn recordings_hold_as_much_session_evidence_as_a_search_for_the_fields_finds() {
    for (folder, expected) in [
        (
            "winlogbeat-dumps",
            "observations: network_connection 12, logon 26, share_session 3,",
        ),
        (
            "evtx",
            "observations: network_connection 0, logon 15, share_session 17,",
        ),
    ] {
        let Some(path) = real_data(folder) else { return };
        let output = replay(&[&path]);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

#[test]
fn a_damaged_event_log_is_rejected_or_read_as_far_as_it_goes_and_never_crashes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.evtx");
    let published = root().join("../shared/data/evtx/donpapi-full-extraction.evtx");
    // Without a published log, at least its signature.
    let whole = std::fs::read(published).unwrap_or_else(|_| [b"ElfFile\0".as_slice(), &[7; 70_000]].concat());
    for seed in 0..24usize {
        let mut bytes = whole.clone();
        if seed % 3 == 0 {
            bytes.truncate(bytes.len() * seed / 24);
        }
        let length = bytes.len().max(1);
        for place in 0..seed * 40 {
            if let Some(byte) = bytes.get_mut((place * 7_919 + seed * 104_729) % length) {
                *byte = byte.wrapping_add(u8::try_from(seed).unwrap()).rotate_left(3);
            }
        }
        std::fs::write(&file, &bytes).unwrap();
        let output = replay(&[file.to_str().unwrap(), "--format", "ndjson"]);
        let code = output.status.code();
        assert!(
            code == Some(0) || code == Some(2),
            "seed {seed}: {code:?} {}",
            stderr(&output)
        );
    }
}

#[test]
fn input_of_no_known_shape_is_hinted_at_by_its_keys() {
    let other = serde_json::json!({"log": "value", "stream": "stdout"});
    let (_folder, path) = temporary("other.ndjson", &[other.clone(), other.clone()]);
    let output = replay(&[path.to_str().unwrap()]);
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("none of this is a document of Winlogbeat, but objects with the keys log, stream"),
        "{text}"
    );
    assert!(!text.contains("value"), "{text}");

    let [known, ..] = winlogbeat::detect_8();
    let (_folder, path) = temporary("mixed.ndjson", &[other, known]);
    assert!(!stderr(&replay(&[path.to_str().unwrap()])).contains("hint:"));
}
