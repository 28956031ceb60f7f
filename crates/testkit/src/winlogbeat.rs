//! Windows events as Winlogbeat 8 publishes them, to be modified by each test.

use pipewarden_core::time::EventTime;
use pipewarden_tools::winlogbeat::{
    CONNECTION_PERMITTED, Definition, Event, LOGON, NETWORK_CONNECTION, PIPE_CONNECTED, SHARE_ACCESS,
    SHARE_SESSION, Shape,
};
use serde_json::Value;

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

/// The event with a record id that differs from event to event, and is equal for equal events.
fn recorded(ms: i64, computer: &str, definition: &'static Definition, fields: &[(&str, &str)]) -> Event {
    let event = Event::new(definition, at(ms), computer).set_all(fields.iter().copied());
    let data = Value::from(event.event_data());
    let seed = format!("{ms}{computer}{}{data}", definition.id);
    let record_id = seed.bytes().fold(7u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    event.record_id(record_id)
}

fn connection_event(ms: i64, computer: &str, ip: &str, port: u16) -> Event {
    let fields = [
        ("UtcTime", "2024-10-24 15:02:05.024"),
        ("ProcessGuid", "{00000000-0000-0000-0000-000000000000}"),
        ("ProcessId", "6392"),
        ("Image", "<unknown process>"),
        ("User", "-"),
        ("Protocol", "tcp"),
        ("Initiated", "true"),
        ("SourceIsIpv6", "false"),
        ("SourceIp", ip),
        ("SourceHostname", computer),
        ("SourcePort", &port.to_string()),
        ("SourcePortName", "-"),
        ("DestinationIsIpv6", "false"),
        ("DestinationIp", ATLAS),
        ("DestinationHostname", "ATLAS"),
        ("DestinationPort", "445"),
        ("DestinationPortName", "microsoft-ds"),
    ];
    recorded(ms, computer, &NETWORK_CONNECTION, &fields)
}

fn pipe_event(ms: i64) -> Event {
    let fields = [
        ("EventType", "ConnectPipe"),
        ("UtcTime", "2024-10-24 15:02:05.541"),
        ("ProcessGuid", "{8288158a-ce46-66cf-eb03-000000000000}"),
        ("ProcessId", "4"),
        ("PipeName", "\\winreg"),
        ("Image", "System"),
        ("User", "NT AUTHORITY\\SYSTEM"),
    ];
    recorded(ms, "atlas.aperture.local", &PIPE_CONNECTED, &fields)
}

fn share_event(ms: i64, ip: &str, port: u16) -> Event {
    let fields = [
        ("SubjectUserSid", "S-1-5-21-1004336348-1177238915-682003330-1105"),
        ("SubjectUserName", "TESTSUBJECT4"),
        ("SubjectDomainName", "APERTURE"),
        ("SubjectLogonId", "0x6cb896c6"),
        ("ObjectType", "File"),
        ("IpAddress", ip),
        ("IpPort", &port.to_string()),
        ("ShareName", "\\\\*\\IPC$"),
        ("RelativeTargetName", "winreg"),
        ("AccessMask", "0x120089"),
        ("AccessReason", "-"),
    ];
    recorded(ms, "atlas.aperture.local", &SHARE_ACCESS, &fields).outcome("success")
}

/// Security 4624 of DETECT-8's client, logged by atlas.
pub fn logon(ms: i64, ip: &str, port: u16) -> Event {
    let fields = [
        ("SubjectUserSid", "S-1-0-0"),
        ("SubjectUserName", "-"),
        ("SubjectDomainName", "-"),
        ("SubjectLogonId", "0x0"),
        ("TargetUserSid", "S-1-5-21-1004336348-1177238915-682003330-1105"),
        ("TargetUserName", "TESTSUBJECT4"),
        ("TargetDomainName", "APERTURE"),
        ("TargetLogonId", "0x6cb896c6"),
        ("LogonType", "3"),
        ("LogonProcessName", "NtLmSsp "),
        ("AuthenticationPackageName", "NTLM"),
        ("WorkstationName", "SENTRY1"),
        ("LmPackageName", "NTLM V2"),
        ("KeyLength", "128"),
        ("ProcessId", "0x0"),
        ("ProcessName", "-"),
        ("IpAddress", ip),
        ("IpPort", &port.to_string()),
    ];
    recorded(ms, "atlas.aperture.local", &LOGON, &fields).outcome("success")
}

/// Security 5140 on `IPC$`, logged by atlas.
pub fn share_session(ms: i64, ip: &str, port: u16) -> Event {
    let fields = [
        ("SubjectUserSid", "S-1-5-21-1004336348-1177238915-682003330-1105"),
        ("SubjectUserName", "TESTSUBJECT4"),
        ("SubjectDomainName", "APERTURE"),
        ("SubjectLogonId", "0x6cb896c6"),
        ("ObjectType", "File"),
        ("IpAddress", ip),
        ("IpPort", &port.to_string()),
        ("ShareName", "\\\\*\\IPC$"),
        ("AccessMask", "0x1"),
    ];
    recorded(ms, "atlas.aperture.local", &SHARE_SESSION, &fields).outcome("success")
}

/// Security 5156 of a connection to atlas, logged by the client (`%%14593`) or by atlas (`%%14592`).
pub fn connection_permitted(ms: i64, computer: &str, direction: &str, ip: &str, port: u16) -> Event {
    let fields = [
        ("ProcessID", "4"),
        ("Application", "System"),
        ("Direction", direction),
        ("SourceAddress", ip),
        ("SourcePort", &port.to_string()),
        ("DestAddress", ATLAS),
        ("DestPort", "445"),
        ("Protocol", "6"),
        ("LayerName", "%%14610"),
    ];
    recorded(ms, computer, &CONNECTION_PERMITTED, &fields).outcome("success")
}

/// Sysmon 3, logged by the client.
pub fn connection(ms: i64, computer: &str, ip: &str, port: u16) -> Value {
    Shape::Winlogbeat8.document(&connection_event(ms, computer, ip, port))
}

/// Sysmon 18 on `\winreg`, logged by atlas.
pub fn pipe(ms: i64) -> Value {
    Shape::Winlogbeat8.document(&pipe_event(ms))
}

/// Security 5145 on winreg, logged by atlas.
pub fn share(ms: i64, ip: &str, port: u16) -> Value {
    Shape::Winlogbeat8.document(&share_event(ms, ip, port))
}

/// The three events of DETECT-8 in a shape.
pub fn detect_8_in(shape: Shape) -> [Value; 3] {
    [
        connection_event(0, "sentry1.aperture.local", CLIENT, 49_839),
        pipe_event(517),
        share_event(519, CLIENT, 49_839),
    ]
    .map(|event| shape.document(&event))
}

/// The three events of DETECT-8.
pub fn detect_8() -> [Value; 3] {
    detect_8_in(Shape::Winlogbeat8)
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
