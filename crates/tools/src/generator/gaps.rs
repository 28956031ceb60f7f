//! The templates: each kind's document, with gaps for what changes from one to the next.

use super::kinds::Kind;
use super::template::Template;
use crate::winlogbeat::{Event, Provider, Surroundings};

/// The template of a kind.
pub(super) fn template(kind: Kind) -> Template {
    let definition = kind.definition();
    let is_audit = definition.provider == Provider::SECURITY;
    let mut event = Event::new(definition, "«time»", "«computer»")
        .record_id("«#record#»")
        .surrounded(Surroundings {
            reporter: "«reporter»".to_owned(),
            created: "«created»".to_owned(),
            process_id: "«#service_pid#»".into(),
            thread_id: "«#thread#»".into(),
            keyword: is_audit.then(|| "«keyword»".to_owned()),
        });
    if is_audit {
        event = event.outcome("«outcome»");
    }
    for field in definition.fields {
        event = event.set(field, value(kind, field));
    }
    let text = serde_json::to_string(&event).expect("an event is an object of texts and numbers");
    // Numbers are without quotes.
    Template::new(&text.replace("\"«#", "«").replace("#»\"", "»"))
}

fn value(kind: Kind, field: &str) -> &'static str {
    let own = OWN
        .iter()
        .find(|(of, name, _)| *of == kind && *name == field)
        .map(|(.., value)| value);
    let usual = || USUAL.iter().find(|(name, _)| *name == field);
    own.or_else(|| usual().map(|(_, value)| value))
        .expect("every field has a value")
}

const SYSTEM: &str = "NT AUTHORITY\\SYSTEM";

/// The values of fields that one kind has and others do not.
const OWN: &[(Kind, &str, &str)] = &[
    (Kind::ImageLoaded, "Description", "Windows Base API Client DLL"),
    (Kind::RegistryValue, "EventType", "SetValue"),
    (Kind::RegistryValue, "TargetObject", "«key»\\«value»"),
    (Kind::PipeConnected, "EventType", "ConnectPipe"),
    (Kind::ConnectionPermitted, "Protocol", "6"),
    (Kind::HandleClosed, "ProcessId", "0x5ac"),
    (Kind::Logon, "SubjectUserSid", "S-1-0-0"),
    (Kind::Logon, "SubjectUserName", "-"),
    (Kind::Logon, "SubjectDomainName", "-"),
    (Kind::Logon, "SubjectLogonId", "0x0"),
    (Kind::Logon, "ProcessId", "0x0"),
    (Kind::Logon, "ProcessName", "-"),
];

/// The values of fields of all other kinds.
const USUAL: &[(&str, &str)] = &[
    // Who did it.
    ("RuleName", "-"),
    ("UtcTime", "«utc»"),
    ("ProcessGuid", "«guid»"),
    ("ProcessId", "«pid»"),
    ("ProcessID", "«pid»"),
    ("Image", "«image»"),
    ("ProcessName", "«image»"),
    ("User", "«user»"),
    ("SourceProcessGUID", "«guid»"),
    ("SourceProcessId", "«pid»"),
    ("SourceThreadId", "«thread»"),
    ("SourceImage", "«image»"),
    ("SourceUser", SYSTEM),
    ("SubjectUserSid", "«sid»"),
    ("SubjectUserName", "«account»"),
    ("SubjectDomainName", "«domain»"),
    ("SubjectLogonId", "«logon»"),
    ("TargetUserSid", "«sid»"),
    ("TargetUserName", "«account»"),
    ("TargetDomainName", "«domain»"),
    ("TargetLogonId", "«logon»"),
    // Programs.
    ("FileVersion", "10.0.17763.1 (WinBuild.160101.0800)"),
    ("Description", "Host Process for Windows Services"),
    ("Product", "Microsoft® Windows® Operating System"),
    ("Company", "Microsoft Corporation"),
    ("CommandLine", "«command_line»"),
    ("CurrentDirectory", "C:\\Windows\\system32\\"),
    ("LogonId", "«logon»"),
    ("TerminalSessionId", "0"),
    ("IntegrityLevel", "System"),
    ("Hashes", "«hashes»"),
    ("ParentProcessGuid", "«other_guid»"),
    ("ParentProcessId", "«other_pid»"),
    ("ParentImage", "«other_image»"),
    ("ParentUser", SYSTEM),
    ("ImageLoaded", "«module»"),
    ("Signed", "true"),
    ("Signature", "Microsoft Windows"),
    ("SignatureStatus", "Valid"),
    ("TargetProcessGUID", "«other_guid»"),
    ("TargetProcessId", "«other_pid»"),
    ("TargetImage", "«other_image»"),
    ("TargetUser", "«user»"),
    ("GrantedAccess", "«access»"),
    ("CallTrace", "«trace»"),
    // Connections.
    ("Protocol", "«protocol»"),
    ("Initiated", "«initiated»"),
    ("SourceIsIpv6", "false"),
    ("SourceIp", "«source_ip»"),
    ("SourceAddress", "«source_ip»"),
    ("SourceHostname", "«source_host»"),
    ("SourcePort", "«source_port»"),
    ("SourcePortName", "-"),
    ("DestinationIsIpv6", "false"),
    ("DestinationIp", "«destination_ip»"),
    ("DestAddress", "«destination_ip»"),
    ("DestinationHostname", "«destination_host»"),
    ("DestinationPort", "«destination_port»"),
    ("DestPort", "«destination_port»"),
    ("DestinationPortName", "-"),
    ("Application", "«application»"),
    ("Direction", "«direction»"),
    ("FilterRTID", "«other_pid»"),
    ("LayerName", "%%14611"),
    ("LayerRTID", "48"),
    ("RemoteUserID", "S-1-0-0"),
    ("RemoteMachineID", "S-1-0-0"),
    // Files, keys, pipes, shares.
    ("EventType", "CreateKey"),
    ("TargetFilename", "«file»"),
    ("CreationUtcTime", "«utc»"),
    ("TargetObject", "«key»"),
    ("Details", "DWORD (0x«logon»)"),
    ("PipeName", "\\«pipe»"),
    ("ObjectServer", "Security"),
    ("ObjectType", "File"),
    ("HandleId", "«access»"),
    ("IpAddress", "«source_ip»"),
    ("IpPort", "«source_port»"),
    ("ShareName", "«share»"),
    ("ShareLocalPath", "\\??\\C:\\Windows\\SYSVOL\\sysvol"),
    ("RelativeTargetName", "«target»"),
    ("AccessMask", "«access»"),
    (
        "AccessList",
        "%%1538\n\t\t\t\t%%1541\n\t\t\t\t%%4416\n\t\t\t\t%%4417\n\t\t\t\t%%4418\n\t\t\t\t%%4419\n\t\t\t\t%%4420\n\t\t\t\t%%4423\n\t\t\t\t%%4424\n\t\t\t\t",
    ),
    ("AccessReason", "-"),
    // Logons.
    ("LogonType", "«logon_type»"),
    ("LogonProcessName", "Kerberos"),
    ("AuthenticationPackageName", "Kerberos"),
    ("WorkstationName", "«workstation»"),
    ("LogonGuid", "«guid»"),
    ("TransmittedServices", "-"),
    ("LmPackageName", "-"),
    ("KeyLength", "0"),
    ("ImpersonationLevel", "%%1833"),
    ("ElevatedToken", "%%1842"),
    // PowerShell.
    ("ContextInfo", "«script»"),
    ("UserData", ""),
    ("Payload", "«payload»"),
    ("param1", "«command_line»"),
    ("param2", "«script»"),
    ("param3", "«payload»"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_value_stands_in_some_document() {
        let fields: BTreeSet<_> = Kind::ALL
            .iter()
            .flat_map(|kind| kind.definition().fields)
            .collect();
        for (name, _) in USUAL {
            assert!(fields.contains(name), "{name}");
        }
        for (kind, name, _) in OWN {
            assert!(kind.definition().fields.contains(name), "{kind} {name}");
        }
    }
}
