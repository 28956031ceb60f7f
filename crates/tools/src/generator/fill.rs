//! Values of gaps that nothing has set: what Windows hosts write all day.
//!
//! All texts are escaped as JSON escapes them.

use super::kinds::Kind;
use super::rng::Rng;
use super::template::{Slot, Template, Values, decimal, hex};

const IMAGES: &[&str] = &[
    r"C:\\Windows\\System32\\svchost.exe",
    r"C:\\Windows\\system32\\lsass.exe",
    r"C:\\Windows\\System32\\wbem\\WmiPrvSE.exe",
    r"C:\\Windows\\System32\\services.exe",
    r"C:\\Windows\\Explorer.EXE",
    r"C:\\Windows\\System32\\taskhostw.exe",
    r"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
    r"C:\\Program Files\\Microsoft Monitoring Agent\\Agent\\MonitoringHost.exe",
    r"C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
    r"C:\\Windows\\CCM\\CcmExec.exe",
];

const MODULES: &[&str] = &[
    "ntdll",
    "KERNELBASE",
    "kernel32",
    "rpcrt4",
    "sechost",
    "combase",
    "lsasrv",
    "samsrv",
];

const USERS: &[&str] = &[
    r"NT AUTHORITY\\SYSTEM",
    r"NT AUTHORITY\\NETWORK SERVICE",
    r"NT AUTHORITY\\LOCAL SERVICE",
    r"APERTURE\\svc-deploy",
    r"APERTURE\\cave.johnson",
];

const KEYS: &[&str] = &[
    r"HKLM\\System\\CurrentControlSet\\Services\\Tcpip\\Parameters\\Interfaces",
    r"HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run",
    r"HKLM\\SOFTWARE\\Microsoft\\SystemCertificates\\Root\\Certificates",
    r"HKU\\S-1-5-21-1004336348-1177238915-682003330-1105\\Software\\Microsoft\\Windows",
    r"HKLM\\SOFTWARE\\Policies\\Microsoft\\SystemCertificates\\CA\\CRLs",
];

const COMMANDS: &[&str] = &[
    "Get-ChildItem",
    "Get-WmiObject",
    "Select-Object",
    "Where-Object",
    "Write-Verbose",
    "New-Object",
    "Import-Module",
    "Get-ItemProperty",
    "ForEach-Object",
    "Out-File",
];

const PARAMETERS: &[&str] = &[
    "Path",
    "Filter",
    "InputObject",
    "Property",
    "Namespace",
    "Name",
    "ArgumentList",
];

const ACCESS_MASKS: &[&str] = &["0x1000", "0x1410", "0x1fffff", "0x1400", "0x40", "0x120089"];

const DOMAIN_SID: &str = "S-1-5-21-1004336348-1177238915-682003330-";

/// Draws the values that the document needs and that are not set.
pub(super) fn fill(kind: Kind, template: &Template, values: &mut Values, rng: &mut Rng) {
    for &slot in template.gaps() {
        if !values.has(slot) {
            values.write(slot, |out| draw(kind, slot, out, rng));
        }
    }
}

fn draw(kind: Kind, slot: Slot, out: &mut Vec<u8>, rng: &mut Rng) {
    match slot {
        Slot::Image | Slot::OtherImage => push(out, rng.pick(IMAGES)),
        Slot::Guid | Slot::OtherGuid => guid(out, rng),
        Slot::User => push(out, rng.pick(USERS)),
        Slot::ServicePid | Slot::Thread | Slot::Pid | Slot::OtherPid => {
            decimal(out, 4 * (1 + rng.below(2_500)))
        }
        Slot::Account => numbered(out, "user", rng.below(5_000)),
        Slot::Domain => push(out, "APERTURE"),
        Slot::Sid => numbered(out, DOMAIN_SID, 1_100 + rng.below(5_000)),
        Slot::Logon => {
            push(out, "0x");
            hex(out, rng.bits(), 8);
        }
        Slot::Access => push(out, rng.pick(ACCESS_MASKS)),
        Slot::Hashes => hashes(out, rng),
        Slot::Module => {
            push(out, r"C:\\Windows\\System32\\");
            push(out, rng.pick(MODULES));
            push(out, ".dll");
        }
        Slot::Key => {
            push(out, rng.pick(KEYS));
            push(out, r"\\");
            random_hex(out, 16, rng);
        }
        Slot::Value => numbered(out, "Value", rng.below(1_000)),
        Slot::File => {
            push(out, r"C:\\Windows\\ServiceState\\EventLog\\Data\\");
            random_hex(out, 16, rng);
            push(out, ".tmp");
        }
        Slot::CommandLine => command_line(out, rng),
        Slot::Trace => trace(out, rng),
        Slot::Payload => payload(out, kind, rng),
        Slot::Script => script(out, rng),
        Slot::Sequence => decimal(out, rng.below(100)),
        Slot::SourceIp | Slot::DestinationIp => address(out, rng),
        Slot::SourcePort => decimal(out, NOISE_PORTS.0 + rng.below(NOISE_PORTS.1 - NOISE_PORTS.0)),
        Slot::DestinationPort => push(out, rng.pick(&["443", "80", "88", "389", "53", "135", "3128"])),
        Slot::SourceHost | Slot::DestinationHost | Slot::Target | Slot::Pipe | Slot::Workstation => {
            push(out, "-");
        }
        Slot::Share => push(out, r"\\\\*\\SYSVOL"),
        Slot::Initiated => push(out, "true"),
        Slot::Protocol => push(out, "tcp"),
        Slot::Outcome => push(out, "success"),
        Slot::Keyword => push(out, "Audit Success"),
        Slot::LogonType => push(out, "3"),
        Slot::Direction => push(out, "%%14593"),
        Slot::Application => push(out, r"\\device\\harddiskvolume2\\windows\\system32\\svchost.exe"),
        // Who, where and when are always set.
        Slot::Time | Slot::Created | Slot::UtcTime | Slot::Computer | Slot::Reporter | Slot::RecordId => {}
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn numbered(out: &mut Vec<u8>, prefix: &str, number: u64) {
    push(out, prefix);
    decimal(out, number);
}

fn hashes(out: &mut Vec<u8>, rng: &mut Rng) {
    for (name, digits) in [("SHA1=", 40), (",MD5=", 32), (",SHA256=", 64), (",IMPHASH=", 32)] {
        push(out, name);
        random_hex(out, digits, rng);
    }
}

fn address(out: &mut Vec<u8>, rng: &mut Rng) {
    push(out, "10.");
    for (place, bound) in [(0, 64), (1, 250), (2, 250)] {
        if place > 0 {
            out.push(b'.');
        }
        decimal(out, 1 + rng.below(bound));
    }
}

/// Client ports of what is benign; attacks use those above, so that no benign connection shares an attack's port.
pub(super) const NOISE_PORTS: (u64, u64) = (49_152, 57_344);

fn guid(out: &mut Vec<u8>, rng: &mut Rng) {
    let (high, low) = (rng.bits(), rng.bits());
    out.push(b'{');
    hex(out, high >> 32, 8);
    for part in [high >> 16, high, low >> 48] {
        out.push(b'-');
        hex(out, part, 4);
    }
    out.push(b'-');
    hex(out, low, 12);
    out.push(b'}');
}

fn random_hex(out: &mut Vec<u8>, digits: u32, rng: &mut Rng) {
    let mut left = digits;
    while left > 0 {
        let bits = rng.bits();
        hex(out, bits, left.min(16));
        left -= left.min(16);
    }
}

fn command_line(out: &mut Vec<u8>, rng: &mut Rng) {
    out.extend_from_slice(rng.pick(IMAGES).as_bytes());
    out.extend_from_slice(b" -k netsvcs -p -s ");
    random_hex(out, 12, rng);
}

/// A call stack: module and offset, frame by frame.
fn trace(out: &mut Vec<u8>, rng: &mut Rng) {
    let frames = 12 + rng.below(21);
    for frame in 0..frames {
        if frame > 0 {
            out.push(b'|');
        }
        out.extend_from_slice(br"C:\\Windows\\System32\\");
        out.extend_from_slice(rng.pick(MODULES).as_bytes());
        out.extend_from_slice(b".dll+");
        let bits = rng.bits();
        hex(out, bits, 5);
    }
}

/// What a pipeline did: commands and their parameters. Most are of middle length; a few are long.
fn payload(out: &mut Vec<u8>, kind: Kind, rng: &mut Rng) {
    let lines = match (kind, rng.below(10)) {
        (Kind::PipelineDetails, _) => 1 + rng.below(8),
        (_, 9) => 70 + rng.below(62),
        _ => 25 + rng.below(42),
    };
    for line in 0..lines {
        let command = rng.pick(COMMANDS).as_bytes();
        if line > 0 {
            out.extend_from_slice(br"\r\n");
        }
        if line % 4 == 0 {
            out.extend_from_slice(b"CommandInvocation(");
            out.extend_from_slice(command);
            out.extend_from_slice(br#"): \""#);
            out.extend_from_slice(command);
            out.extend_from_slice(br#"\""#);
        } else {
            out.extend_from_slice(b"ParameterBinding(");
            out.extend_from_slice(command);
            out.extend_from_slice(br#"): name=\""#);
            out.extend_from_slice(rng.pick(PARAMETERS).as_bytes());
            out.extend_from_slice(br#"\"; value=\"C:\\ProgramData\\Inventory\\"#);
            random_hex(out, 32, rng);
            out.extend_from_slice(br#".json\""#);
        }
    }
}

/// The context in which a command ran.
fn script(out: &mut Vec<u8>, rng: &mut Rng) {
    let command = rng.pick(COMMANDS).as_bytes();
    let begin: &[u8] = br"        Severity = Informational\r\n        Host Name = ConsoleHost\r\n        Host Version = 5.1.17763.1\r\n        Host ID = ";
    out.extend_from_slice(begin);
    guid(out, rng);
    out.extend_from_slice(br"\r\n        Host Application = powershell.exe -NonInteractive -File C:\\ProgramData\\Inventory\\collect.ps1\r\n        Engine Version = 5.1.17763.1\r\n        Runspace ID = ");
    guid(out, rng);
    out.extend_from_slice(br"\r\n        Pipeline ID = ");
    decimal(out, rng.below(400));
    out.extend_from_slice(br"\r\n        Command Name = ");
    out.extend_from_slice(command);
    out.extend_from_slice(br"\r\n        Command Type = Cmdlet\r\n        Script Name = C:\\ProgramData\\Inventory\\collect.ps1\r\n        Command Path = \r\n        Sequence Number = ");
    decimal(out, rng.below(4_000));
    out.extend_from_slice(br"\r\n        User = APERTURE\\SYSTEM\r\n        Connected User = \r\n        Shell ID = Microsoft.PowerShell\r\n");
}
