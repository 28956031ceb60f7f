//! What a document of each kind looks like: Winlogbeat 8's envelope around what Windows writes.
//!
//! Windows' own texts are in `message` as Windows words them: Sysmon lists the fields of its payload there line by
//! line, the other providers have texts of their own.

use super::kinds::Kind;
use super::template::Template;

/// A provider: its name, its id, its channel.
struct Provider(&'static str, &'static str, &'static str);

const SYSMON: Provider = Provider(
    "Microsoft-Windows-Sysmon",
    "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}",
    "Microsoft-Windows-Sysmon/Operational",
);
const SECURITY: Provider = Provider(
    "Microsoft-Windows-Security-Auditing",
    "{54849625-5478-4994-a5ba-3e3b0328c30d}",
    "Security",
);
const POWERSHELL: Provider = Provider(
    "Microsoft-Windows-PowerShell",
    "{a0c1853b-5c40-4b15-8766-3cf1c58f985a}",
    "Microsoft-Windows-PowerShell/Operational",
);
const OLD_POWERSHELL: Provider = Provider("PowerShell", "", "Windows PowerShell");

/// One kind of document.
struct Shape {
    provider: Provider,
    code: u32,
    version: u32,
    task: &'static str,
    fields: &'static [(&'static str, &'static str)],
    /// The text; where it is empty, the task's title and the fields.
    message: &'static str,
}

/// The template of a kind.
pub(super) fn template(kind: Kind) -> Template {
    Template::new(&document(&shape(kind)))
}

fn document(shape: &Shape) -> String {
    let Provider(provider, guid, channel) = shape.provider;
    let Shape {
        code, version, task, ..
    } = shape;
    let is_sysmon = provider == SYSMON.0;
    let is_security = provider == SECURITY.0;
    let data: Vec<String> = shape
        .fields
        .iter()
        .map(|(name, value)| format!(r#""{name}":"{value}""#))
        .collect();
    let message = if shape.message.is_empty() {
        let lines: Vec<String> = shape
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!("{task}:\\n{}", lines.join("\\n"))
    } else {
        shape.message.to_owned()
    };
    let action = if is_sysmon {
        format!("{task} (rule: {})", rule_of(*code))
    } else {
        (*task).to_owned()
    };
    let guid = if guid.is_empty() {
        String::new()
    } else {
        format!(r#""provider_guid":"{guid}","#)
    };
    let (outcome, keywords) = if is_security {
        (r#","outcome":"«outcome»""#, r#","keywords":["«keyword»"]"#)
    } else {
        ("", "")
    };
    let user = if is_sysmon {
        r#","user":{"identifier":"S-1-5-18","domain":"NT AUTHORITY","name":"SYSTEM","type":"User"}"#
    } else {
        ""
    };
    [
        r#"{"@timestamp":"«time»","@metadata":{"beat":"winlogbeat","type":"_doc","version":"8.15.3"},"#,
        &format!(r#""winlog":{{"channel":"{channel}","provider_name":"{provider}",{guid}"event_id":"{code}","#),
        r#""record_id":«record»,"computer_name":"«computer»","api":"wineventlog","opcode":"Info","#,
        &format!(r#""task":"{action}","version":{version},"process":{{"pid":«service_pid»,"thread":{{"id":«thread»}}}}"#),
        &format!(r#"{user}{keywords},"event_data":{{{}}}}},"#, data.join(",")),
        &format!(r#""event":{{"code":"{code}","kind":"event","provider":"{provider}","action":"{action}","#),
        &format!(r#""created":"«created»"{outcome}}},"host":{{"name":"«reporter»"}},"#),
        r#""log":{"level":"information"},"ecs":{"version":"8.0.0"},"#,
        r#""agent":{"name":"«reporter»","type":"winlogbeat","version":"8.15.3"},"#,
        &format!(r#""message":"{message}"}}"#),
    ]
    .concat()
}

/// What Sysmon calls the group of rules that an event falls under.
const fn rule_of(code: u32) -> &'static str {
    match code {
        1 => "ProcessCreate",
        3 => "NetworkConnect",
        7 => "ImageLoad",
        10 => "ProcessAccess",
        11 => "FileCreate",
        12 | 13 => "RegistryEvent",
        _ => "PipeEvent",
    }
}

const SYSTEM: &str = r"NT AUTHORITY\\SYSTEM";

fn shape(kind: Kind) -> Shape {
    let sysmon = |code, version, task, fields| Shape {
        provider: SYSMON,
        code,
        version,
        task,
        fields,
        message: "",
    };
    match kind {
        Kind::ProcessCreated => sysmon(1, 5, "Process Create", PROCESS_CREATED),
        Kind::NetworkConnection => sysmon(3, 5, "Network connection detected", NETWORK_CONNECTION),
        Kind::ImageLoaded => sysmon(7, 3, "Image loaded", IMAGE_LOADED),
        Kind::ProcessAccessed => sysmon(10, 3, "Process accessed", PROCESS_ACCESSED),
        Kind::FileCreated => sysmon(11, 2, "File created", FILE_CREATED),
        Kind::RegistryObject => sysmon(12, 2, "Registry object added or deleted", REGISTRY_OBJECT),
        Kind::RegistryValue => sysmon(13, 2, "Registry value set", REGISTRY_VALUE),
        Kind::PipeConnected => sysmon(18, 1, "Pipe Connected", PIPE_CONNECTED),
        Kind::ShareAccess => Shape {
            provider: SECURITY,
            code: 5145,
            version: 0,
            task: "Detailed File Share",
            fields: SHARE_ACCESS,
            message: SHARE_ACCESS_TEXT,
        },
        Kind::ConnectionPermitted => Shape {
            provider: SECURITY,
            code: 5156,
            version: 1,
            task: "Filtering Platform Connection",
            fields: CONNECTION_PERMITTED,
            message: CONNECTION_PERMITTED_TEXT,
        },
        Kind::HandleClosed => Shape {
            provider: SECURITY,
            code: 4658,
            version: 0,
            task: "Registry",
            fields: HANDLE_CLOSED,
            message: HANDLE_CLOSED_TEXT,
        },
        Kind::Logon => Shape {
            provider: SECURITY,
            code: 4624,
            version: 2,
            task: "Logon",
            fields: LOGON,
            message: LOGON_TEXT,
        },
        Kind::Logoff => Shape {
            provider: SECURITY,
            code: 4634,
            version: 0,
            task: "Logoff",
            fields: LOGOFF,
            message: LOGOFF_TEXT,
        },
        Kind::ModuleLogging => Shape {
            provider: POWERSHELL,
            code: 4103,
            version: 1,
            task: "Executing Pipeline",
            fields: MODULE_LOGGING,
            message: "«payload»\\n\\n\\nContext:\\n«script»\\n\\n\\nUser Data:\\n\\n",
        },
        Kind::PipelineDetails => Shape {
            provider: OLD_POWERSHELL,
            code: 800,
            version: 0,
            task: "Pipeline Execution Details",
            fields: PIPELINE_DETAILS,
            message: PIPELINE_DETAILS_TEXT,
        },
    }
}

const PROCESS_CREATED: &[(&str, &str)] = &[
    ("RuleName", "-"),
    ("UtcTime", "«utc»"),
    ("ProcessGuid", "«guid»"),
    ("ProcessId", "«pid»"),
    ("Image", "«image»"),
    ("FileVersion", "10.0.17763.1 (WinBuild.160101.0800)"),
    ("Description", "Host Process for Windows Services"),
    ("Product", "Microsoft® Windows® Operating System"),
    ("Company", "Microsoft Corporation"),
    ("CommandLine", "«command_line»"),
    ("CurrentDirectory", r"C:\\Windows\\system32\\"),
    ("User", "«user»"),
    ("LogonId", "«logon»"),
    ("TerminalSessionId", "0"),
    ("IntegrityLevel", "System"),
    ("Hashes", "«hashes»"),
    ("ParentProcessGuid", "«other_guid»"),
    ("ParentProcessId", "«other_pid»"),
    ("ParentImage", "«other_image»"),
    ("ParentUser", SYSTEM),
];

const NETWORK_CONNECTION: &[(&str, &str)] = &[
    ("RuleName", "-"),
    ("UtcTime", "«utc»"),
    ("ProcessGuid", "«guid»"),
    ("ProcessId", "«pid»"),
    ("Image", "«image»"),
    ("User", "«user»"),
    ("Protocol", "«protocol»"),
    ("Initiated", "«initiated»"),
    ("SourceIsIpv6", "false"),
    ("SourceIp", "«source_ip»"),
    ("SourceHostname", "«source_host»"),
    ("SourcePort", "«source_port»"),
    ("SourcePortName", "-"),
    ("DestinationIsIpv6", "false"),
    ("DestinationIp", "«destination_ip»"),
    ("DestinationHostname", "«destination_host»"),
    ("DestinationPort", "«destination_port»"),
    ("DestinationPortName", "-"),
];

const IMAGE_LOADED: &[(&str, &str)] = &[
    ("RuleName", "-"),
    ("UtcTime", "«utc»"),
    ("ProcessGuid", "«guid»"),
    ("ProcessId", "«pid»"),
    ("Image", "«image»"),
    ("ImageLoaded", "«module»"),
    ("FileVersion", "10.0.17763.1 (WinBuild.160101.0800)"),
    ("Description", "Windows Base API Client DLL"),
    ("Product", "Microsoft® Windows® Operating System"),
    ("Company", "Microsoft Corporation"),
    ("Hashes", "«hashes»"),
    ("Signed", "true"),
    ("Signature", "Microsoft Windows"),
    ("SignatureStatus", "Valid"),
    ("User", "«user»"),
];

const PROCESS_ACCESSED: &[(&str, &str)] = &[
    ("RuleName", "-"),
    ("UtcTime", "«utc»"),
    ("SourceProcessGUID", "«guid»"),
    ("SourceProcessId", "«pid»"),
    ("SourceThreadId", "«thread»"),
    ("SourceImage", "«image»"),
    ("TargetProcessGUID", "«other_guid»"),
    ("TargetProcessId", "«other_pid»"),
    ("TargetImage", "«other_image»"),
    ("GrantedAccess", "«access»"),
    ("CallTrace", "«trace»"),
    ("SourceUser", SYSTEM),
    ("TargetUser", "«user»"),
];

const FILE_CREATED: &[(&str, &str)] = &[
    ("RuleName", "-"),
    ("UtcTime", "«utc»"),
    ("ProcessGuid", "«guid»"),
    ("ProcessId", "«pid»"),
    ("Image", "«image»"),
    ("TargetFilename", "«file»"),
    ("CreationUtcTime", "«utc»"),
    ("User", "«user»"),
];

const REGISTRY_OBJECT: &[(&str, &str)] = &[
    ("RuleName", "-"),
    ("EventType", "CreateKey"),
    ("UtcTime", "«utc»"),
    ("ProcessGuid", "«guid»"),
    ("ProcessId", "«pid»"),
    ("Image", "«image»"),
    ("TargetObject", "«key»"),
    ("User", "«user»"),
];

const REGISTRY_VALUE: &[(&str, &str)] = &[
    ("RuleName", "-"),
    ("EventType", "SetValue"),
    ("UtcTime", "«utc»"),
    ("ProcessGuid", "«guid»"),
    ("ProcessId", "«pid»"),
    ("Image", "«image»"),
    ("TargetObject", r"«key»\\«value»"),
    ("Details", "DWORD (0x«logon»)"),
    ("User", "«user»"),
];

const PIPE_CONNECTED: &[(&str, &str)] = &[
    ("RuleName", "-"),
    ("EventType", "ConnectPipe"),
    ("UtcTime", "«utc»"),
    ("ProcessGuid", "«guid»"),
    ("ProcessId", "«pid»"),
    ("PipeName", r"\\«pipe»"),
    ("Image", "«image»"),
    ("User", "«user»"),
];

const SHARE_ACCESS: &[(&str, &str)] = &[
    ("SubjectUserSid", "«sid»"),
    ("SubjectUserName", "«account»"),
    ("SubjectDomainName", "«domain»"),
    ("SubjectLogonId", "«logon»"),
    ("ObjectType", "File"),
    ("IpAddress", "«source_ip»"),
    ("IpPort", "«source_port»"),
    ("ShareName", "«share»"),
    ("RelativeTargetName", "«target»"),
    ("AccessMask", "«access»"),
    (
        "AccessList",
        r"%%1538\n\t\t\t\t%%1541\n\t\t\t\t%%4416\n\t\t\t\t%%4417\n\t\t\t\t%%4418\n\t\t\t\t%%4419\n\t\t\t\t%%4420\n\t\t\t\t%%4423\n\t\t\t\t%%4424\n\t\t\t\t",
    ),
    ("AccessReason", "-"),
];

const SHARE_ACCESS_TEXT: &str = r"A network share object was checked to see whether client can be granted desired access.\n\t\nSubject:\n\tSecurity ID:\t\t«sid»\n\tAccount Name:\t\t«account»\n\tAccount Domain:\t\t«domain»\n\tLogon ID:\t\t«logon»\n\nNetwork Information:\t\n\tObject Type:\t\tFile\n\tSource Address:\t\t«source_ip»\n\tSource Port:\t\t«source_port»\n\t\nShare Information:\n\tShare Name:\t\t«share»\n\tShare Path:\t\t\n\tRelative Target Name:\t«target»\n\nAccess Request Information:\n\tAccess Mask:\t\t«access»\n\tAccesses:\t\tREAD_CONTROL\n\t\t\t\tSYNCHRONIZE\n\t\t\t\tReadData (or ListDirectory)\n\t\t\t\tWriteData (or AddFile)\n\t\t\t\tAppendData (or AddSubdirectory or CreatePipeInstance)\n\t\t\t\tReadEA\n\t\t\t\tWriteEA\n\t\t\t\tReadAttributes\n\t\t\t\tWriteAttributes\n\t\t\t\t\nAccess Check Results:\n\t-";

const CONNECTION_PERMITTED: &[(&str, &str)] = &[
    ("ProcessID", "«pid»"),
    (
        "Application",
        r"\\device\\harddiskvolume2\\windows\\system32\\svchost.exe",
    ),
    ("Direction", "%%14593"),
    ("SourceAddress", "«source_ip»"),
    ("SourcePort", "«source_port»"),
    ("DestAddress", "«destination_ip»"),
    ("DestPort", "«destination_port»"),
    ("Protocol", "6"),
    ("FilterRTID", "«other_pid»"),
    ("LayerName", "%%14611"),
    ("LayerRTID", "48"),
    ("RemoteUserID", "S-1-0-0"),
    ("RemoteMachineID", "S-1-0-0"),
];

const CONNECTION_PERMITTED_TEXT: &str = r"The Windows Filtering Platform has permitted a connection.\n\nApplication Information:\n\tProcess ID:\t\t«pid»\n\tApplication Name:\t\\device\\harddiskvolume2\\windows\\system32\\svchost.exe\n\nNetwork Information:\n\tDirection:\t\tOutbound\n\tSource Address:\t\t«source_ip»\n\tSource Port:\t\t«source_port»\n\tDestination Address:\t«destination_ip»\n\tDestination Port:\t\t«destination_port»\n\tProtocol:\t\t6\n\nFilter Information:\n\tFilter Run-Time ID:\t«other_pid»\n\tLayer Name:\t\tConnect\n\tLayer Run-Time ID:\t48";

const HANDLE_CLOSED: &[(&str, &str)] = &[
    ("SubjectUserSid", "«sid»"),
    ("SubjectUserName", "«account»"),
    ("SubjectDomainName", "«domain»"),
    ("SubjectLogonId", "«logon»"),
    ("ObjectServer", "Security"),
    ("HandleId", "«access»"),
    ("ProcessId", "0x5ac"),
    ("ProcessName", "«image»"),
];

const HANDLE_CLOSED_TEXT: &str = r"The handle to an object was closed.\n\nSubject :\n\tSecurity ID:\t\t«sid»\n\tAccount Name:\t\t«account»\n\tAccount Domain:\t\t«domain»\n\tLogon ID:\t\t«logon»\n\nObject:\n\tObject Server:\t\tSecurity\n\tHandle ID:\t\t«access»\n\nProcess Information:\n\tProcess ID:\t\t0x5ac\n\tProcess Name:\t\t«image»";

const LOGON: &[(&str, &str)] = &[
    ("SubjectUserSid", "S-1-0-0"),
    ("SubjectUserName", "-"),
    ("SubjectDomainName", "-"),
    ("SubjectLogonId", "0x0"),
    ("TargetUserSid", "«sid»"),
    ("TargetUserName", "«account»"),
    ("TargetDomainName", "«domain»"),
    ("TargetLogonId", "«logon»"),
    ("LogonType", "3"),
    ("LogonProcessName", "Kerberos"),
    ("AuthenticationPackageName", "Kerberos"),
    ("WorkstationName", "-"),
    ("LogonGuid", "«guid»"),
    ("TransmittedServices", "-"),
    ("LmPackageName", "-"),
    ("KeyLength", "0"),
    ("ProcessId", "0x0"),
    ("ProcessName", "-"),
    ("IpAddress", "«source_ip»"),
    ("IpPort", "«source_port»"),
    ("ImpersonationLevel", "%%1833"),
    ("ElevatedToken", "%%1842"),
];

const LOGON_TEXT: &str = r"An account was successfully logged on.\n\nSubject:\n\tSecurity ID:\t\tS-1-0-0\n\tAccount Name:\t\t-\n\tAccount Domain:\t\t-\n\tLogon ID:\t\t0x0\n\nLogon Information:\n\tLogon Type:\t\t3\n\tRestricted Admin Mode:\t-\n\tVirtual Account:\t\tNo\n\tElevated Token:\t\tYes\n\nImpersonation Level:\t\tImpersonation\n\nNew Logon:\n\tSecurity ID:\t\t«sid»\n\tAccount Name:\t\t«account»\n\tAccount Domain:\t\t«domain»\n\tLogon ID:\t\t«logon»\n\tLogon GUID:\t\t«guid»\n\nNetwork Information:\n\tWorkstation Name:\t-\n\tSource Network Address:\t«source_ip»\n\tSource Port:\t\t«source_port»\n\nDetailed Authentication Information:\n\tLogon Process:\t\tKerberos\n\tAuthentication Package:\tKerberos\n\nThis event is generated when a logon session is created. It is generated on the computer that was accessed.";

const LOGOFF: &[(&str, &str)] = &[
    ("TargetUserSid", "«sid»"),
    ("TargetUserName", "«account»"),
    ("TargetDomainName", "«domain»"),
    ("TargetLogonId", "«logon»"),
    ("LogonType", "3"),
];

const LOGOFF_TEXT: &str = r"An account was logged off.\n\nSubject:\n\tSecurity ID:\t\t«sid»\n\tAccount Name:\t\t«account»\n\tAccount Domain:\t\t«domain»\n\tLogon ID:\t\t«logon»\n\nLogon Type:\t\t\t3\n\nThis event is generated when a logon session is destroyed. It may be positively correlated with a logon event using the Logon ID value.";

const MODULE_LOGGING: &[(&str, &str)] = &[
    ("ContextInfo", "«script»"),
    ("UserData", ""),
    ("Payload", "«payload»"),
];

const PIPELINE_DETAILS: &[(&str, &str)] = &[
    ("param1", "«command_line»"),
    ("param2", "«script»"),
    ("param3", "«payload»"),
];

const PIPELINE_DETAILS_TEXT: &str = r"Pipeline execution details for command line: «command_line». \n\nContext Information: \n«script» \n\nDetails: \n«payload»";
