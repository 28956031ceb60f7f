//! Every shape in which Windows events are published is one and the same event.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use pipewarden_core::event::{
    DecodeError, Decoder, Detail, Event, Kind, NetworkConnection, Pattern, PipeConnected, ShareAccess, Skip,
    TimeSource, Watched, WatchedShare,
};
use serde_json::{Value, json};
use testkit::winlogbeat::{ATLAS, CLIENT, at};
use testkit::{shapes, winlogbeat};

fn decoder() -> Decoder {
    let watched = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    let pipes = Watched {
        pipe_connected: watched(&["winreg", "lsass"]),
        share_access: watched(&["winreg", "samr"]),
        ..Watched::default()
    };
    Decoder::new(pipes, Duration::from_secs(30 * 60))
}

#[track_caller]
fn decode(document: &Value) -> Result<Event, Skip> {
    let decoded = decoder().decode(document.to_string().as_bytes());
    decoded
        .unwrap_or_else(|error| panic!("{error}\n{document:#}"))
        .outcome
}

#[track_caller]
fn event(document: &Value) -> Event {
    decode(document).unwrap_or_else(|skip| panic!("{}\n{document:#}", skip.as_str()))
}

#[track_caller]
fn connection(document: &Value) -> NetworkConnection {
    match event(document).detail {
        Detail::NetworkConnection(connection) => connection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_network_connection_is_the_same_in_every_shape() {
    for shape in shapes::all() {
        let event = event(&shape.connection);
        assert_eq!(event.time.to_string(), at(0), "{}", shape.name);
        assert_eq!(&*event.computer, "sentry1.aperture.local", "{}", shape.name);
        assert_eq!(
            &*event.channel, "microsoft-windows-sysmon/operational",
            "{}",
            shape.name
        );
        assert!(event.record_id.is_some(), "{}", shape.name);
        let Detail::NetworkConnection(connection) = event.detail else {
            panic!("{}", shape.name)
        };
        assert_eq!(connection.source_ip.to_string(), CLIENT, "{}", shape.name);
        assert_eq!(connection.source_port, Some(49_839), "{}", shape.name);
        assert_eq!(
            connection.source_host.as_deref(),
            Some("sentry1.aperture.local"),
            "{}",
            shape.name
        );
        assert_eq!(
            connection.destination_ip.unwrap().to_string(),
            ATLAS,
            "{}",
            shape.name
        );
        assert_eq!(connection.destination_port, 445, "{}", shape.name);
        assert_eq!(
            connection.destination_host.as_deref(),
            Some("atlas"),
            "{}",
            shape.name
        );
        assert!(connection.initiated, "{}", shape.name);
        let process = connection.process.unwrap();
        assert_eq!(
            process.image.as_deref(),
            Some("<unknown process>"),
            "{}",
            shape.name
        );
        assert_eq!(process.pid, Some(6392), "{}", shape.name);
        assert_eq!(connection.user, None, "`-` is nobody: {}", shape.name);
    }
}

#[test]
fn a_pipe_connection_is_the_same_in_every_shape() {
    for shape in shapes::all() {
        let event = event(&shape.pipe);
        assert_eq!(event.time.to_string(), at(517), "{}", shape.name);
        assert_eq!(&*event.computer, "atlas.aperture.local", "{}", shape.name);
        let Detail::PipeConnected(PipeConnected { pipe, image, .. }) = event.detail else {
            panic!("{}", shape.name)
        };
        assert_eq!(
            (&*pipe, image.as_deref()),
            ("winreg", Some("System")),
            "{}",
            shape.name
        );
    }
}

#[test]
fn a_share_access_is_the_same_in_every_shape() {
    for shape in shapes::all() {
        let event = event(&shape.share);
        assert_eq!(event.time.to_string(), at(519), "{}", shape.name);
        assert_eq!(&*event.channel, "security", "{}", shape.name);
        let Detail::ShareAccess(ShareAccess {
            share: None,
            path: pipe,
            source_ip,
            source_port,
            account,
            access_mask,
            ..
        }) = event.detail
        else {
            panic!("{}", shape.name)
        };
        assert_eq!(&*pipe, "winreg", "{}", shape.name);
        assert_eq!(source_ip.unwrap().to_string(), CLIENT, "{}", shape.name);
        assert_eq!(source_port, Some(49_839), "{}", shape.name);
        let account = account.unwrap();
        assert_eq!(account.to_string(), "APERTURE\\TESTSUBJECT4", "{}", shape.name);
        assert_eq!(account.logon_id.as_deref(), Some("0x6cb896c6"), "{}", shape.name);
        assert_eq!(access_mask.as_deref(), Some("0x120089"), "{}", shape.name);
    }
}

#[test]
fn a_path_of_a_watched_share_is_the_same_in_every_shape_and_any_other_is_skipped() {
    let watched = Watched {
        shares: vec![WatchedShare {
            share: Pattern::new("REMINST"),
            path: Pattern::new("SMSTemp*"),
        }],
        ..Watched::default()
    };
    let decoder = Decoder::new(watched, Duration::from_secs(30 * 60));
    for shape in shapes::all() {
        let decoded = |share: &str, path: &str| {
            let text = shape.share.to_string();
            let text = text.replace("IPC$", share).replace("winreg", path);
            decoder.decode(text.as_bytes()).unwrap().outcome
        };
        let Ok(Event {
            detail: Detail::ShareAccess(access),
            ..
        }) = decoded("ReMinst", "SMSTemp")
        else {
            panic!("{}", shape.name)
        };
        let named = (access.share.as_deref(), &*access.path, access.pipe());
        assert_eq!(named, (Some("reminst"), "smstemp", None), "{}", shape.name);
        assert_eq!(access.source_ip.unwrap().to_string(), CLIENT, "{}", shape.name);
        for (share, path, skip) in [
            ("REMINST", "SMSImages", Skip::OtherShare),
            ("REMINST2", "SMSTemp", Skip::OtherShare),
            ("IPC$", "SMSTemp", Skip::OtherPipe),
        ] {
            assert_eq!(decoded(share, path), Err(skip), "{}: {share} {path}", shape.name);
        }
    }
}

#[test]
fn copies_shipped_in_different_shapes_are_one_observation() {
    use pipewarden_core::event::ObservationId;
    for index in 0..3 {
        let mut ids: BTreeMap<String, BTreeSet<ObservationId>> = BTreeMap::new();
        for shape in shapes::all() {
            let event = event(shape.events()[index]);
            // One shape does not show what Windows decided, and so may be another event.
            let outcome = match &event.detail {
                Detail::ShareAccess(share) => format!("{:?}", share.outcome),
                _ => String::new(),
            };
            ids.entry(outcome).or_default().insert(ObservationId::of(&event));
        }
        assert!(ids.values().all(|same| same.len() == 1), "{ids:?}");
        assert!(ids.len() <= 2, "{ids:?}");
    }
}

#[test]
fn the_user_of_a_connection_that_the_module_moved_is_read_and_the_service_account_of_a_raw_one_is_not() {
    let mut raw = winlogbeat::connection(0, "sentry1", CLIENT, 1);
    raw["winlog"]["user"] = json!({"name": "SYSTEM", "domain": "NT AUTHORITY"});
    raw["user"] = json!({"name": "SYSTEM", "domain": "NT AUTHORITY"});
    assert_eq!(connection(&raw).user, None);
    let module = shapes::all()
        .into_iter()
        .find(|shape| shape.name.contains("modules"))
        .unwrap();
    let mut moved = module.connection;
    moved["user"] = json!({"name": "TESTSUBJECT4", "domain": "APERTURE"});
    assert_eq!(connection(&moved).user.as_deref(), Some("APERTURE\\TESTSUBJECT4"));
}

#[test]
fn a_drifting_clock_that_a_shape_moved_into_the_timestamp_is_given_up_for_event_created() {
    let module = shapes::all()
        .into_iter()
        .find(|shape| shape.name.contains("modules"))
        .unwrap();
    let mut drifted = module.connection;
    drifted["event"]["created"] = at(40 * 60 * 1000).into();
    let found = event(&drifted);
    assert_eq!(
        (found.time.to_string(), found.time_source),
        (at(40 * 60 * 1000), TimeSource::Created)
    );
    drifted["event"]["created"] = at(20 * 60 * 1000).into();
    let found = event(&drifted);
    assert_eq!(
        (found.time.to_string(), found.time_source),
        (at(0), TimeSource::Timestamp)
    );
    // Where Sysmon's clock stands beside it, `@timestamp` is the event log's own.
    let mut raw = winlogbeat::connection(0, "sentry1", CLIENT, 1);
    raw["event"]["created"] = at(40 * 60 * 1000).into();
    assert_eq!(event(&raw).time.to_string(), at(0));
}

#[test]
fn a_connection_that_its_receiver_logged_the_wrong_way_round_is_turned() {
    let reversed = winlogbeat::with(
        winlogbeat::with(
            winlogbeat::connection(0, "atlas", ATLAS, 445),
            "Initiated",
            "false".into(),
        ),
        "DestinationPort",
        "49839".into(),
    );
    let reversed = winlogbeat::with(reversed, "DestinationIp", CLIENT.into());
    let connection = connection(&reversed);
    assert_eq!(connection.source_ip.to_string(), CLIENT);
    assert_eq!(connection.source_port, Some(49_839));
    assert_eq!(connection.destination_ip.unwrap().to_string(), ATLAS);
}

#[test]
fn what_is_none_of_ours_is_skipped_with_its_reason() {
    let connection = || winlogbeat::connection(0, "sentry1", CLIENT, 1);
    let share = || winlogbeat::share(0, CLIENT, 1);
    let pipe = || winlogbeat::pipe(0);
    let with = winlogbeat::with;
    let id = |mut event: Value, id: &str| {
        event["winlog"]["event_id"] = id.into();
        event["event"]["code"] = id.into();
        event
    };
    let by = |mut event: Value, provider: &str| {
        event["winlog"]["provider_name"] = provider.into();
        event["event"]["provider"] = provider.into();
        event
    };
    for (document, skip) in [
        (id(pipe(), "17"), Skip::Prefiltered),
        (by(connection(), "Microsoft-Windows-SysmonNot"), Skip::OtherEvent),
        (by(share(), "Microsoft-Windows-Sysmon"), Skip::OtherEvent),
        (with(connection(), "Protocol", "udp".into()), Skip::OtherTransport),
        (
            with(connection(), "DestinationPort", "135".into()),
            Skip::OtherPort,
        ),
        (with(pipe(), "PipeName", "\\srvsvc".into()), Skip::OtherPipe),
        (
            with(pipe(), "Image", "C:\\Windows\\System32\\svchost.exe".into()),
            Skip::LocalClient,
        ),
        (
            with(share(), "RelativeTargetName", "srvsvc".into()),
            Skip::OtherPipe,
        ),
        (
            with(share(), "ShareName", "\\\\*\\SYSVOL".into()),
            Skip::OtherShare,
        ),
    ] {
        assert_eq!(decode(&document), Err(skip), "{document:#}");
    }
}

#[test]
fn a_share_access_without_a_usable_address_is_an_access_without_a_source() {
    for address in ["-", "", "LOCAL", "somewhere"] {
        let document = winlogbeat::with(winlogbeat::share(0, CLIENT, 1), "IpAddress", address.into());
        let Detail::ShareAccess(access) = event(&document).detail else {
            panic!()
        };
        assert_eq!(
            (access.source_ip, access.source_port),
            (None, None),
            "{address:?}"
        );
    }
}

#[test]
fn a_field_without_which_an_event_says_nothing_is_named_where_it_is_missing_or_wrong() {
    let connection = || winlogbeat::connection(0, "sentry1", CLIENT, 1);
    let with = winlogbeat::with;
    let mut no_time = connection();
    no_time.as_object_mut().unwrap().remove("@timestamp");
    let mut bad_time = connection();
    bad_time["@timestamp"] = "yesterday".into();
    let mut no_computer = connection();
    no_computer["winlog"]
        .as_object_mut()
        .unwrap()
        .remove("computer_name");
    for (document, field) in [
        (no_time, "@timestamp"),
        (bad_time, "@timestamp"),
        (no_computer, "computer_name"),
        (
            with(connection(), "DestinationPort", "70000".into()),
            "DestinationPort",
        ),
        (with(connection(), "SourceIp", "10.1.0".into()), "SourceIp"),
        (
            with(winlogbeat::pipe(0), "PipeName", json!({"name": "winreg"})),
            "PipeName",
        ),
        (
            with(winlogbeat::share(0, CLIENT, 1), "ShareName", Value::Null),
            "ShareName",
        ),
    ] {
        match decoder().decode(document.to_string().as_bytes()) {
            Err(DecodeError::BadField { field: named, .. } | DecodeError::MissingField(named)) => {
                assert_eq!(named, field);
            }
            other => panic!("{other:?}\n{document:#}"),
        }
    }
}

/// Published documents of every shape, where they stand beside the project.
#[test]
fn published_documents_of_every_shape_are_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/winlogbeat-samples");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no published documents beside the project");
        return;
    };
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let document: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let expected = match &*name {
            name if name.contains("5145-winreg") || name.contains("5145-samr") => Ok(Kind::ShareAccess),
            name if name.contains("sysmon3-445") => Ok(Kind::NetworkConnection),
            name if name.contains("sysmon18-lsass") => Ok(Kind::PipeConnected),
            name if name.contains("5145-sysvol") || name.contains("logstash.5145") => Err(Skip::OtherShare),
            name if name.contains("sysmon17") => Err(Skip::Prefiltered),
            name if name.contains("sysmon18") => Err(Skip::OtherPipe),
            name if name.contains("js-module.sysmon3") => Err(Skip::OtherTransport),
            _ => Err(Skip::OtherPort),
        };
        assert_eq!(
            decode(&document).map(|event| event.detail.kind()),
            expected,
            "{name}"
        );
    }
}
