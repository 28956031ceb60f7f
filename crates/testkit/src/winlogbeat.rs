//! Windows events as Winlogbeat 8 publishes them, to be bent by each test.

use pipewarden_core::time::EventTime;
use serde_json::{Value, json};

/// 2024-10-24T15:02:05.024Z, in milliseconds: the access of DETECT-8.
pub const START: i64 = 1_729_782_125_024;

/// The source of DETECT-8.
pub const CLIENT: &str = "10.1.0.101";
/// The destination of DETECT-8.
pub const ATLAS: &str = "10.1.0.50";

/// RFC 3339, `ms` milliseconds after [`START`].
pub fn at(ms: i64) -> String {
    EventTime::from_micros((START + ms) * 1000).to_string()
}

fn envelope(ms: i64, computer: &str, provider: &str, channel: &str, code: u32, event_data: &Value) -> Value {
    // A record id that differs from event to event, and is equal for equal events.
    let seed = format!("{ms}{computer}{code}{event_data}");
    let record_id = seed.bytes().fold(7u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    json!({
        "@timestamp": at(ms),
        "@metadata": {"beat": "winlogbeat", "type": "_doc", "version": "8.15.0"},
        "event": {"code": code.to_string(), "kind": "event", "provider": provider},
        "host": {"name": computer},
        "winlog": {
            "channel": channel,
            "computer_name": computer,
            "event_id": code.to_string(),
            "provider_name": provider,
            "record_id": record_id,
            "event_data": event_data,
        },
    })
}

fn sysmon(ms: i64, computer: &str, code: u32, event_data: &Value) -> Value {
    envelope(
        ms,
        computer,
        "Microsoft-Windows-Sysmon",
        "Microsoft-Windows-Sysmon/Operational",
        code,
        event_data,
    )
}

/// Sysmon 3, logged by the client.
pub fn connection(ms: i64, computer: &str, ip: &str, port: u16) -> Value {
    sysmon(
        ms,
        computer,
        3,
        &json!({
            "UtcTime": "2024-10-24 15:02:05.024", "ProcessGuid": "{00000000-0000-0000-0000-000000000000}",
            "ProcessId": "6392", "Image": "<unknown process>", "User": "-", "Protocol": "tcp",
            "Initiated": "true", "SourceIsIpv6": "false", "SourceIp": ip, "SourceHostname": computer,
            "SourcePort": port.to_string(), "SourcePortName": "-", "DestinationIsIpv6": "false",
            "DestinationIp": ATLAS, "DestinationHostname": "ATLAS", "DestinationPort": "445",
            "DestinationPortName": "microsoft-ds",
        }),
    )
}

/// Sysmon 18 on `\winreg`, logged by atlas.
pub fn pipe(ms: i64) -> Value {
    sysmon(
        ms,
        "atlas.aperture.local",
        18,
        &json!({
            "EventType": "ConnectPipe", "UtcTime": "2024-10-24 15:02:05.541",
            "ProcessGuid": "{8288158a-ce46-66cf-eb03-000000000000}", "ProcessId": "4",
            "PipeName": "\\winreg", "Image": "System", "User": "NT AUTHORITY\\SYSTEM",
        }),
    )
}

/// Security 5145 on winreg, logged by atlas.
pub fn share(ms: i64, ip: &str, port: u16) -> Value {
    let mut event = envelope(
        ms,
        "atlas.aperture.local",
        "Microsoft-Windows-Security-Auditing",
        "Security",
        5145,
        &json!({
            "SubjectUserSid": "S-1-5-21-1004336348-1177238915-682003330-1105",
            "SubjectUserName": "TESTSUBJECT4", "SubjectDomainName": "APERTURE",
            "SubjectLogonId": "0x6cb896c6", "ObjectType": "File", "IpAddress": ip,
            "IpPort": port.to_string(), "ShareName": "\\\\*\\IPC$", "RelativeTargetName": "winreg",
            "AccessMask": "0x120089", "AccessReason": "-",
        }),
    );
    event["event"]["outcome"] = "success".into();
    event
}

/// The three events of DETECT-8.
pub fn detect_8() -> [Value; 3] {
    [
        connection(0, "sentry1.aperture.local", CLIENT, 49_839),
        pipe(517),
        share(519, CLIENT, 49_839),
    ]
}

/// Sets a field of `winlog.event_data`; null removes it.
pub fn with(mut event: Value, field: &str, value: Value) -> Value {
    let data = event["winlog"]["event_data"].as_object_mut().unwrap();
    if value.is_null() {
        data.remove(field);
    } else {
        data.insert(field.to_owned(), value);
    }
    event
}
