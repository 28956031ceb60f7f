//! The events: the manifests of the providers, as far as they matter here.

use super::definition::{Definition, Provider};
use super::moved::{
    LOGON_MOVES, NETWORK_CONNECTION_MOVES, PIPE_CONNECTED_MOVES, SHARE_ACCESS_MOVES, SHARE_SESSION_MOVES,
};

/// Sysmon 1: a process began.
pub static PROCESS_CREATED: Definition = Definition::sysmon(
    1,
    5,
    "Process Create",
    "ProcessCreate",
    &[
        "RuleName",
        "UtcTime",
        "ProcessGuid",
        "ProcessId",
        "Image",
        "FileVersion",
        "Description",
        "Product",
        "Company",
        "CommandLine",
        "CurrentDirectory",
        "User",
        "LogonId",
        "TerminalSessionId",
        "IntegrityLevel",
        "Hashes",
        "ParentProcessGuid",
        "ParentProcessId",
        "ParentImage",
        "ParentUser",
    ],
    &[],
);

/// Sysmon 3: a connection, logged by either end.
pub static NETWORK_CONNECTION: Definition = Definition::sysmon(
    3,
    5,
    "Network connection detected",
    "NetworkConnect",
    &[
        "RuleName",
        "UtcTime",
        "ProcessGuid",
        "ProcessId",
        "Image",
        "User",
        "Protocol",
        "Initiated",
        "SourceIsIpv6",
        "SourceIp",
        "SourceHostname",
        "SourcePort",
        "SourcePortName",
        "DestinationIsIpv6",
        "DestinationIp",
        "DestinationHostname",
        "DestinationPort",
        "DestinationPortName",
    ],
    NETWORK_CONNECTION_MOVES,
);

/// Sysmon 7: a process loaded a module.
pub static IMAGE_LOADED: Definition = Definition::sysmon(
    7,
    3,
    "Image loaded",
    "ImageLoad",
    &[
        "RuleName",
        "UtcTime",
        "ProcessGuid",
        "ProcessId",
        "Image",
        "ImageLoaded",
        "FileVersion",
        "Description",
        "Product",
        "Company",
        "Hashes",
        "Signed",
        "Signature",
        "SignatureStatus",
        "User",
    ],
    &[],
);

/// Sysmon 10: a process opened another.
pub static PROCESS_ACCESSED: Definition = Definition::sysmon(
    10,
    3,
    "Process accessed",
    "ProcessAccess",
    &[
        "RuleName",
        "UtcTime",
        "SourceProcessGUID",
        "SourceProcessId",
        "SourceThreadId",
        "SourceImage",
        "TargetProcessGUID",
        "TargetProcessId",
        "TargetImage",
        "GrantedAccess",
        "CallTrace",
        "SourceUser",
        "TargetUser",
    ],
    &[],
);

/// Sysmon 11: a file was made.
pub static FILE_CREATED: Definition = Definition::sysmon(
    11,
    2,
    "File created",
    "FileCreate",
    &[
        "RuleName",
        "UtcTime",
        "ProcessGuid",
        "ProcessId",
        "Image",
        "TargetFilename",
        "CreationUtcTime",
        "User",
    ],
    &[],
);

/// Sysmon 12: a registry key came or went.
pub static REGISTRY_OBJECT: Definition = Definition::sysmon(
    12,
    2,
    "Registry object added or deleted",
    "RegistryEvent",
    &[
        "RuleName",
        "EventType",
        "UtcTime",
        "ProcessGuid",
        "ProcessId",
        "Image",
        "TargetObject",
        "User",
    ],
    &[],
);

/// Sysmon 13: a registry value was set.
pub static REGISTRY_VALUE: Definition = Definition::sysmon(
    13,
    2,
    "Registry value set",
    "RegistryEvent",
    &[
        "RuleName",
        "EventType",
        "UtcTime",
        "ProcessGuid",
        "ProcessId",
        "Image",
        "TargetObject",
        "Details",
        "User",
    ],
    &[],
);

/// Sysmon 18: a named pipe was opened, logged where it is.
pub static PIPE_CONNECTED: Definition = Definition::sysmon(
    18,
    1,
    "Pipe Connected",
    "PipeEvent",
    &[
        "RuleName",
        "EventType",
        "UtcTime",
        "ProcessGuid",
        "ProcessId",
        "PipeName",
        "Image",
        "User",
    ],
    PIPE_CONNECTED_MOVES,
);

/// Security 5145: a file or pipe of a share was asked for.
pub static SHARE_ACCESS: Definition = Definition {
    moved_by_pipeline: SHARE_ACCESS_MOVES,
    ..Definition::other(
        Provider::SECURITY,
        5145,
        0,
        "Detailed File Share",
        &[
            "SubjectUserSid",
            "SubjectUserName",
            "SubjectDomainName",
            "SubjectLogonId",
            "ObjectType",
            "IpAddress",
            "IpPort",
            "ShareName",
            "RelativeTargetName",
            "AccessMask",
            "AccessList",
            "AccessReason",
        ],
        "A network share object was checked to see whether client can be granted desired access.\n\t\nSubject:\n\tSecurity ID:\t\t{SubjectUserSid}\n\tAccount Name:\t\t{SubjectUserName}\n\tAccount Domain:\t\t{SubjectDomainName}\n\tLogon ID:\t\t{SubjectLogonId}\n\nNetwork Information:\t\n\tObject Type:\t\t{ObjectType}\n\tSource Address:\t\t{IpAddress}\n\tSource Port:\t\t{IpPort}\n\t\nShare Information:\n\tShare Name:\t\t{ShareName}\n\tShare Path:\t\t\n\tRelative Target Name:\t{RelativeTargetName}\n\nAccess Request Information:\n\tAccess Mask:\t\t{AccessMask}\n\tAccesses:\t\t{AccessList}\nAccess Check Results:\n\t{AccessReason}",
    )
};

/// Security 5140: a session of a share began.
pub static SHARE_SESSION: Definition = Definition {
    moved_by_pipeline: SHARE_SESSION_MOVES,
    ..Definition::other(
        Provider::SECURITY,
        5140,
        1,
        "File Share",
        &[
            "SubjectUserSid",
            "SubjectUserName",
            "SubjectDomainName",
            "SubjectLogonId",
            "ObjectType",
            "IpAddress",
            "IpPort",
            "ShareName",
            "ShareLocalPath",
            "AccessMask",
            "AccessList",
        ],
        "A network share object was accessed.\n\t\nSubject:\n\tSecurity ID:\t\t{SubjectUserSid}\n\tAccount Name:\t\t{SubjectUserName}\n\tAccount Domain:\t\t{SubjectDomainName}\n\tLogon ID:\t\t{SubjectLogonId}\n\nNetwork Information:\t\n\tObject Type:\t\t{ObjectType}\n\tSource Address:\t\t{IpAddress}\n\tSource Port:\t\t{IpPort}\n\t\nShare Information:\n\tShare Name:\t\t{ShareName}\n\tShare Path:\t\t{ShareLocalPath}\n\nAccess Request Information:\n\tAccess Mask:\t\t{AccessMask}\n\tAccesses:\t\t{AccessList}",
    )
};

/// Security 5156: the firewall let a connection pass.
pub static CONNECTION_PERMITTED: Definition = Definition::other(
    Provider::SECURITY,
    5156,
    1,
    "Filtering Platform Connection",
    &[
        "ProcessID",
        "Application",
        "Direction",
        "SourceAddress",
        "SourcePort",
        "DestAddress",
        "DestPort",
        "Protocol",
        "FilterRTID",
        "LayerName",
        "LayerRTID",
        "RemoteUserID",
        "RemoteMachineID",
    ],
    "The Windows Filtering Platform has permitted a connection.\n\nApplication Information:\n\tProcess ID:\t\t{ProcessID}\n\tApplication Name:\t{Application}\n\nNetwork Information:\n\tDirection:\t\t{Direction}\n\tSource Address:\t\t{SourceAddress}\n\tSource Port:\t\t{SourcePort}\n\tDestination Address:\t{DestAddress}\n\tDestination Port:\t\t{DestPort}\n\tProtocol:\t\t{Protocol}\n\nFilter Information:\n\tFilter Run-Time ID:\t{FilterRTID}\n\tLayer Name:\t\t{LayerName}\n\tLayer Run-Time ID:\t{LayerRTID}",
);

/// Security 4658: a handle was closed.
pub static HANDLE_CLOSED: Definition = Definition::other(
    Provider::SECURITY,
    4658,
    0,
    "Registry",
    &[
        "SubjectUserSid",
        "SubjectUserName",
        "SubjectDomainName",
        "SubjectLogonId",
        "ObjectServer",
        "HandleId",
        "ProcessId",
        "ProcessName",
    ],
    "The handle to an object was closed.\n\nSubject :\n\tSecurity ID:\t\t{SubjectUserSid}\n\tAccount Name:\t\t{SubjectUserName}\n\tAccount Domain:\t\t{SubjectDomainName}\n\tLogon ID:\t\t{SubjectLogonId}\n\nObject:\n\tObject Server:\t\t{ObjectServer}\n\tHandle ID:\t\t{HandleId}\n\nProcess Information:\n\tProcess ID:\t\t{ProcessId}\n\tProcess Name:\t\t{ProcessName}",
);

/// Security 4624: a logon.
pub static LOGON: Definition = Definition {
    moved_by_module: LOGON_MOVES,
    moved_by_pipeline: LOGON_MOVES,
    ..Definition::other(
        Provider::SECURITY,
        4624,
        2,
        "Logon",
        &[
            "SubjectUserSid",
            "SubjectUserName",
            "SubjectDomainName",
            "SubjectLogonId",
            "TargetUserSid",
            "TargetUserName",
            "TargetDomainName",
            "TargetLogonId",
            "LogonType",
            "LogonProcessName",
            "AuthenticationPackageName",
            "WorkstationName",
            "LogonGuid",
            "TransmittedServices",
            "LmPackageName",
            "KeyLength",
            "ProcessId",
            "ProcessName",
            "IpAddress",
            "IpPort",
            "ImpersonationLevel",
            "ElevatedToken",
        ],
        "An account was successfully logged on.\n\nSubject:\n\tSecurity ID:\t\t{SubjectUserSid}\n\tAccount Name:\t\t{SubjectUserName}\n\tAccount Domain:\t\t{SubjectDomainName}\n\tLogon ID:\t\t{SubjectLogonId}\n\nLogon Information:\n\tLogon Type:\t\t{LogonType}\n\tRestricted Admin Mode:\t-\n\tVirtual Account:\t\tNo\n\tElevated Token:\t\t{ElevatedToken}\n\nImpersonation Level:\t\t{ImpersonationLevel}\n\nNew Logon:\n\tSecurity ID:\t\t{TargetUserSid}\n\tAccount Name:\t\t{TargetUserName}\n\tAccount Domain:\t\t{TargetDomainName}\n\tLogon ID:\t\t{TargetLogonId}\n\tLogon GUID:\t\t{LogonGuid}\n\nNetwork Information:\n\tWorkstation Name:\t{WorkstationName}\n\tSource Network Address:\t{IpAddress}\n\tSource Port:\t\t{IpPort}\n\nDetailed Authentication Information:\n\tLogon Process:\t\t{LogonProcessName}\n\tAuthentication Package:\t{AuthenticationPackageName}\n\nThis event is generated when a logon session is created. It is generated on the computer that was accessed.",
    )
};

/// Security 4634: a logoff.
pub static LOGOFF: Definition = Definition::other(
    Provider::SECURITY,
    4634,
    0,
    "Logoff",
    &[
        "TargetUserSid",
        "TargetUserName",
        "TargetDomainName",
        "TargetLogonId",
        "LogonType",
    ],
    "An account was logged off.\n\nSubject:\n\tSecurity ID:\t\t{TargetUserSid}\n\tAccount Name:\t\t{TargetUserName}\n\tAccount Domain:\t\t{TargetDomainName}\n\tLogon ID:\t\t{TargetLogonId}\n\nLogon Type:\t\t\t{LogonType}\n\nThis event is generated when a logon session is destroyed. It may be positively correlated with a logon event using the Logon ID value.",
);

/// PowerShell 4103: what a pipeline did.
pub static MODULE_LOGGING: Definition = Definition::other(
    Provider::POWERSHELL,
    4103,
    1,
    "Executing Pipeline",
    &["ContextInfo", "UserData", "Payload"],
    "{Payload}\n\n\nContext:\n{ContextInfo}\n\n\nUser Data:\n{UserData}\n",
);

/// PowerShell 800: what a pipeline did, in the old log.
pub static PIPELINE_DETAILS: Definition = Definition::other(
    Provider::POWERSHELL_CLASSIC,
    800,
    0,
    "Pipeline Execution Details",
    &["param1", "param2", "param3"],
    "Pipeline execution details for command line: {param1}. \n\nContext Information: \n{param2} \n\nDetails: \n{param3}",
);
