//! Events as one can write and rewrite them, and the documents that they become.

use pipewarden_core::time::EventTime;
use pipewarden_tools::winlogbeat::{
    CONNECTION_PERMITTED, Definition, Event, LOGON, NETWORK_CONNECTION, PIPE_CONNECTED, SHARE_ACCESS,
    SHARE_SESSION, Shape, Surroundings,
};
use serde_json::{Value, json};

/// The moment from which the worlds count, in milliseconds: inside a bucket.
pub const EPOCH: i64 = 1_729_782_125_024;

/// The account of the hosts' users.
pub const USER: &str = "user";

/// An event before it becomes a document.
#[derive(Clone, Debug)]
pub struct Draft {
    pub definition: &'static Definition,
    /// Milliseconds after [`EPOCH`], by the clock of whoever logged it.
    pub time: i64,
    pub computer: String,
    pub record: u64,
    pub outcome: Option<&'static str>,
    pub fields: Vec<(String, String)>,
    /// The host that ships it, where that is another.
    pub collector: Option<String>,
    /// `host.ip`
    pub host_ips: Vec<String>,
    pub shape: Shape,
}

impl Draft {
    /// The same, which Windows granted.
    fn granted(self) -> Self {
        Self {
            outcome: Some("success"),
            ..self
        }
    }

    fn new(definition: &'static Definition, time: i64, computer: &str, fields: &[(&str, &str)]) -> Self {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        Self {
            definition,
            time,
            computer: computer.to_owned(),
            record: 0,
            outcome: None,
            fields: fields.collect(),
            collector: None,
            host_ips: Vec::new(),
            shape: Shape::Winlogbeat8,
        }
    }

    /// The value of a field; empty without one.
    pub fn get(&self, field: &str) -> &str {
        let mut found = self.fields.iter().filter(|(name, _)| name == field);
        found.next().map_or("", |(_, value)| value)
    }

    /// The same with another value of a field.
    #[must_use]
    pub fn with(mut self, field: &str, value: &str) -> Self {
        match self.fields.iter_mut().find(|(name, _)| name == field) {
            Some((_, own)) => value.clone_into(own),
            None => self.fields.push((field.to_owned(), value.to_owned())),
        }
        self
    }

    /// The document as it lies on the topic.
    pub fn document(&self) -> Value {
        let time = text_of(self.time);
        let fields = self.fields.iter().map(|(name, value)| (&**name, &**value));
        let mut event = Event::new(self.definition, &time, &self.computer)
            .record_id(self.record)
            .set_all(fields);
        if self.fields.iter().any(|(name, _)| name == "UtcTime") {
            event = event.set("UtcTime", time.replace('T', " ").replace('Z', ""));
        }
        if let Some(outcome) = self.outcome {
            event = event.outcome(outcome);
        }
        if let Some(collector) = &self.collector {
            event = event.surrounded(Surroundings {
                reporter: collector.clone(),
                created: time,
                process_id: 4.into(),
                thread_id: 8.into(),
                keyword: None,
            });
        }
        let mut document = self.shape.document(&event);
        if let Some(host) = document["host"]
            .as_object_mut()
            .filter(|_| !self.host_ips.is_empty())
        {
            host.insert("ip".to_owned(), json!(self.host_ips));
        }
        document
    }

    /// What it is in one line.
    pub fn summary(&self) -> String {
        let telling = [
            "Initiated",
            "Direction",
            "SourceIp",
            "SourceAddress",
            "IpAddress",
            "SourcePort",
            "IpPort",
            "DestinationIp",
            "DestAddress",
            "DestinationPort",
            "PipeName",
            "RelativeTargetName",
            "SubjectUserName",
            "Image",
        ];
        let fields = self.fields.iter().filter(|(name, _)| telling.contains(&&**name));
        let fields: Vec<String> = fields
            .map(|(name, value)| format!("{name}={}", value.chars().take(40).collect::<String>()))
            .collect();
        format!(
            "{} at {} ms by {} record {} {:?} {}: {}",
            self.definition.id,
            self.time,
            self.computer.chars().take(60).collect::<String>(),
            self.record,
            self.outcome,
            self.shape.as_str(),
            fields.join(" ")
        )
    }
}

fn text_of(ms: i64) -> String {
    EventTime::from_micros((EPOCH + ms) * 1_000).to_string()
}

/// One end of a session: address and port.
pub type End<'a> = (&'a str, u16);

/// Sysmon 3.
pub fn connection(time: i64, computer: &str, initiated: bool, from: End<'_>, to: &str) -> Draft {
    let (port, is_v6) = (from.1.to_string(), from.0.contains(':').to_string());
    let fields = [
        ("UtcTime", ""),
        ("ProcessGuid", "{00000000-0000-0000-0000-000000000000}"),
        ("ProcessId", "4"),
        ("Image", "System"),
        ("User", "NT AUTHORITY\\SYSTEM"),
        ("Protocol", "tcp"),
        ("Initiated", if initiated { "true" } else { "false" }),
        ("SourceIsIpv6", &is_v6),
        ("SourceIp", from.0),
        ("SourceHostname", if initiated { computer } else { "-" }),
        ("SourcePort", &port),
        ("DestinationIsIpv6", &is_v6),
        ("DestinationIp", to),
        ("DestinationHostname", "-"),
        ("DestinationPort", "445"),
    ];
    Draft::new(&NETWORK_CONNECTION, time, computer, &fields)
}

/// Security 5156, inbound.
pub fn permitted(time: i64, computer: &str, from: End<'_>, to: &str) -> Draft {
    let port = from.1.to_string();
    let fields = [
        ("ProcessID", "4"),
        ("Application", "System"),
        ("Direction", "%%14592"),
        ("SourceAddress", from.0),
        ("SourcePort", &port),
        ("DestAddress", to),
        ("DestPort", "445"),
        ("Protocol", "6"),
    ];
    Draft::new(&CONNECTION_PERMITTED, time, computer, &fields)
}

/// Sysmon 18.
pub fn pipe(time: i64, computer: &str, name: &str) -> Draft {
    let fields = [
        ("EventType", "ConnectPipe"),
        ("UtcTime", ""),
        ("ProcessGuid", "{8288158a-ce46-66cf-eb03-000000000000}"),
        ("ProcessId", "4"),
        ("PipeName", name),
        ("Image", "System"),
        ("User", "NT AUTHORITY\\SYSTEM"),
    ];
    Draft::new(&PIPE_CONNECTED, time, computer, &fields)
}

/// Security 5145 on a pipe.
pub fn share(time: i64, computer: &str, from: End<'_>, account: &str, name: &str) -> Draft {
    let port = from.1.to_string();
    let fields = [
        ("SubjectUserSid", "S-1-5-18"),
        ("SubjectUserName", account),
        ("SubjectDomainName", "APERTURE"),
        ("SubjectLogonId", "0x6cb896c6"),
        ("ObjectType", "File"),
        ("IpAddress", from.0),
        ("IpPort", &port),
        ("ShareName", "\\\\*\\IPC$"),
        ("RelativeTargetName", name),
        ("AccessMask", "0x12019f"),
    ];
    Draft::new(&SHARE_ACCESS, time, computer, &fields).granted()
}

/// Security 4624 of type 3.
pub fn logon(time: i64, computer: &str, from: End<'_>, account: &str) -> Draft {
    let port = from.1.to_string();
    let fields = [
        ("TargetUserSid", "S-1-5-21-1004336348-1177238915-682003330-1105"),
        ("TargetUserName", account),
        ("TargetDomainName", "APERTURE"),
        ("TargetLogonId", "0x6cb896c6"),
        ("LogonType", "3"),
        ("LogonProcessName", "NtLmSsp "),
        ("AuthenticationPackageName", "NTLM"),
        ("WorkstationName", "-"),
        ("IpAddress", from.0),
        ("IpPort", &port),
    ];
    Draft::new(&LOGON, time, computer, &fields).granted()
}

/// Security 5140 on `IPC$`.
pub fn share_session(time: i64, computer: &str, from: End<'_>, account: &str) -> Draft {
    let port = from.1.to_string();
    let fields = [
        ("SubjectUserSid", "S-1-5-21-1004336348-1177238915-682003330-1105"),
        ("SubjectUserName", account),
        ("SubjectDomainName", "APERTURE"),
        ("SubjectLogonId", "0x6cb896c6"),
        ("ObjectType", "File"),
        ("IpAddress", from.0),
        ("IpPort", &port),
        ("ShareName", "\\\\*\\IPC$"),
        ("AccessMask", "0x1"),
    ];
    Draft::new(&SHARE_SESSION, time, computer, &fields).granted()
}
