//! What a row means, by its columns.
//!
//! Configuration Manager: `Get-CMSiteRole` and `Get-CMSiteSystemServer` give objects of the class `SMS_SCI_SysResUse`
//! (`NetworkOSPath`, `RoleName`, `SiteCode`, `NALPath`), the view `v_SystemResourceList` and its class give `ServerName`
//! in place of the path, `Get-CMSite` gives `SMS_Site` (`ServerName`, `SiteCode`, `Type`). Active Directory:
//! `Get-ADComputer` (`DNSHostName`, `Name`, `IPv4Address`, `IPv6Address`, `Enabled`, `PrimaryGroupID`,
//! `DistinguishedName`, `SamAccountName`, `SID`), `Get-ADDomainController` (`HostName`, `IPv4Address`, `IsGlobalCatalog`) and
//! `Get-ADServiceAccount` (`SamAccountName`, `SID`, `PrincipalsAllowedToRetrieveManagedPassword`, `HostComputers`).

use std::net::IpAddr;

use pipewarden_core::inventory::Role;

use super::rows::Row;

/// The columns that can matter.
pub(super) const COLUMNS: &[&str] = &[
    "NetworkOSPath",
    "NALPath",
    "ServerName",
    "RoleName",
    "SiteCode",
    "Type",
    "DNSHostName",
    "HostName",
    "Name",
    "SamAccountName",
    "IPv4Address",
    "IPv6Address",
    "Enabled",
    "PrimaryGroupID",
    "DistinguishedName",
    "IsGlobalCatalog",
    "SID",
    "PrincipalsAllowedToRetrieveManagedPassword",
    "HostComputers",
];

/// The content of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// There is a host.
    Host(Claim),
    /// There is a site, and this is its server.
    Site { name: String, code: String, role: Role },
    /// There is a host with a role in a site.
    SiteSystem {
        name: String,
        code: Option<String>,
        role: SiteRole,
    },
    /// There is an account of services.
    ServiceAccount(ServiceAccount),
    /// There was a host, or an account of services: its account is disabled.
    Disabled,
}

/// A host of Active Directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) role: Option<Role>,
    /// Its machine account: name and SID, where the row has both.
    pub(super) account: Option<(String, String)>,
    /// Addresses that cannot be used, and why.
    pub(super) ignored: Vec<String>,
}

/// A managed account of services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceAccount {
    pub(super) name: String,
    pub(super) sid: Option<String>,
    /// First labels of the hosts that may use it, in lower case.
    pub(super) hosts: Vec<String>,
}

/// The meaning of `RoleName`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SiteRole {
    /// A site server, of a kind of site that the row does not name.
    SiteServer,
    /// A role that an inventory has.
    Counterpart(Role),
    /// A role of Configuration Manager without a counterpart in an inventory.
    WithoutCounterpart(String),
    /// Nothing known.
    Unknown(String),
}

/// Whether rows of these columns can mean anything.
pub(super) fn is_known(row: &Row) -> bool {
    kind(row).is_some()
}

enum Kind {
    SiteSystem,
    Site,
    Computer,
    ServiceAccount,
}

fn kind(row: &Row) -> Option<Kind> {
    let names_server = row.has("NetworkOSPath") || row.has("ServerName") || row.has("NALPath");
    if names_server && (row.has("RoleName") || row.has("NetworkOSPath")) {
        Some(Kind::SiteSystem)
    } else if row.has("ServerName") && row.has("SiteCode") && row.has("Type") {
        Some(Kind::Site)
    } else if row.has("PrincipalsAllowedToRetrieveManagedPassword") || row.has("HostComputers") {
        Some(Kind::ServiceAccount)
    } else if row.has("DNSHostName") || row.has("HostName") || (row.has("Name") && row.has("IPv4Address")) {
        Some(Kind::Computer)
    } else {
        None
    }
}

/// What a row means, or why it means nothing.
pub(super) fn read(row: &Row) -> Result<Meaning, String> {
    match kind(row) {
        Some(Kind::SiteSystem) => site_system(row),
        Some(Kind::Site) => site(row),
        Some(Kind::Computer) => computer(row),
        Some(Kind::ServiceAccount) => service_account(row),
        None => Err("it names no host: expected NetworkOSPath, ServerName or DNSHostName".to_owned()),
    }
}

fn site_system(row: &Row) -> Result<Meaning, String> {
    let server = row
        .first("NetworkOSPath")
        .or_else(|| row.first("ServerName"))
        .or_else(|| row.first("NALPath").and_then(|path| path.rsplit(']').next()));
    let name = host_name(server.ok_or("NetworkOSPath is empty")?)?;
    let role = row.first("RoleName").map_or_else(
        // A list of servers alone has no more than this.
        || SiteRole::WithoutCounterpart("SMS Site System".to_owned()),
        site_role,
    );
    Ok(Meaning::SiteSystem {
        name,
        code: row.first("SiteCode").map(str::to_ascii_uppercase),
        role,
    })
}

/// By the names of `SMS_SCI_SysResUse.RoleName`, with or without `SMS` in front.
fn site_role(name: &str) -> SiteRole {
    const WITHOUT_COUNTERPART: &[&str] = &[
        "ai update service point",
        "application web service",
        "certificate registration point",
        "cloud proxy connector",
        "component server",
        "data warehouse service point",
        "dm enrollment service",
        "dmp connector",
        "endpoint protection point",
        "enrollment server",
        "enrollment web site",
        "fallback status point",
        "multicast service point",
        "notification server",
        "portal web site",
        "pxe service point",
        "reporting point",
        "server locator point",
        "site system",
        "software update point",
        "srs reporting point",
        "state migration point",
        "system health validator",
    ];
    let lower = name.to_ascii_lowercase();
    match lower.strip_prefix("sms ").unwrap_or(&lower).trim() {
        "site server" => SiteRole::SiteServer,
        "distribution point" => SiteRole::Counterpart(Role::DistributionPoint),
        "management point" => SiteRole::Counterpart(Role::ManagementPoint),
        "sql server" => SiteRole::Counterpart(Role::SiteDatabase),
        "provider" => SiteRole::Counterpart(Role::SmsProvider),
        known if WITHOUT_COUNTERPART.contains(&known) => SiteRole::WithoutCounterpart(name.to_owned()),
        _ => SiteRole::Unknown(name.to_owned()),
    }
}

fn site(row: &Row) -> Result<Meaning, String> {
    let name = host_name(row.first("ServerName").ok_or("ServerName is empty")?)?;
    let code = row
        .first("SiteCode")
        .ok_or("SiteCode is empty")?
        .to_ascii_uppercase();
    // The values of SMS_Site.Type.
    let role = match row.first("Type") {
        Some("1") => Role::SecondarySiteServer,
        Some("2") => Role::PrimarySiteServer,
        Some("4") => Role::Cas,
        other => {
            return Err(format!(
                "Type {:?} of the site {code} is none of 1 (secondary), 2 (primary) and 4 (central administration)",
                other.unwrap_or_default()
            ));
        }
    };
    Ok(Meaning::Site { name, code, role })
}

fn is_disabled(row: &Row) -> bool {
    let enabled = row.first("Enabled");
    enabled.is_some_and(|enabled| enabled.eq_ignore_ascii_case("false"))
}

/// A SID of a domain.
fn sid(row: &Row) -> Option<String> {
    let sid = row.first("SID").map(|sid| sid.trim().to_ascii_uppercase());
    sid.filter(|sid| sid.starts_with("S-1-5-21-") && !sid.contains(char::is_whitespace))
}

/// The name of an account, without what none has.
fn account_name(row: &Row) -> Option<&str> {
    let is_plain = |c: char| !(c.is_control() || c.is_whitespace() || matches!(c, '\\' | '@' | '"'));
    let name = row.first("SamAccountName").map(str::trim);
    name.filter(|name| !name.is_empty() && name.chars().all(is_plain))
}

fn service_account(row: &Row) -> Result<Meaning, String> {
    if is_disabled(row) {
        return Ok(Meaning::Disabled);
    }
    let name = account_name(row).ok_or("SamAccountName is empty, or no name of an account")?;
    let users = row.all("PrincipalsAllowedToRetrieveManagedPassword").iter();
    let users = users.chain(row.all("HostComputers"));
    // `CN=ATLAS,OU=Servers,DC=aperture,DC=local`
    let labels = users.filter_map(|user| user.trim().get(3..)?.split(',').next());
    Ok(Meaning::ServiceAccount(ServiceAccount {
        name: name.to_owned(),
        sid: sid(row),
        hosts: labels.map(str::to_ascii_lowercase).collect(),
    }))
}

fn computer(row: &Row) -> Result<Meaning, String> {
    if is_disabled(row) {
        return Ok(Meaning::Disabled);
    }
    let account = row
        .first("SamAccountName")
        .map(|account| account.trim_end_matches('$'));
    let name = row
        .first("DNSHostName")
        .or_else(|| row.first("HostName"))
        .or_else(|| row.first("Name"))
        .or(account);
    let name = host_name(name.ok_or("DNSHostName and Name are empty")?)?;
    let mut addresses = Vec::new();
    let mut ignored = Vec::new();
    let cells = row.all("IPv4Address").iter().chain(row.all("IPv6Address"));
    for text in cells
        .flat_map(|cell| cell.split([' ', ',', ';']))
        .filter(|text| !text.is_empty())
    {
        match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if address.is_loopback() || address.is_unspecified() || address.is_multicast() => {
                ignored.push(format!(
                    "{address} cannot belong to one host; {name} is taken without it"
                ));
            }
            Ok(address) => addresses.push(address),
            Err(_) => ignored.push(format!(
                "{text:?} is not an IP address; {name} is taken without it"
            )),
        }
    }
    // 516 and 521 are the groups of domain controllers and of those that are read-only.
    let is_controller = matches!(row.first("PrimaryGroupID"), Some("516" | "521"))
        || row.has("IsGlobalCatalog")
        || row
            .first("DistinguishedName")
            .is_some_and(|name| name.to_ascii_lowercase().contains(",ou=domain controllers,"));
    Ok(Meaning::Host(Claim {
        name,
        addresses,
        role: is_controller.then_some(Role::DomainController),
        account: account_name(row).map(str::to_owned).zip(sid(row)),
        ignored,
    }))
}

/// A host's name in lower case, out of `\\host\share`, `host.` or plain.
fn host_name(text: &str) -> Result<String, String> {
    let name = text
        .trim()
        .trim_start_matches('\\')
        .split('\\')
        .next()
        .unwrap_or_default();
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    // A site system may be listed by its address; that is no name.
    if name.is_empty() || !name.chars().all(is_plain) || name.parse::<IpAddr>().is_ok() {
        Err(format!("{text:?} is not a host name"))
    } else {
        Ok(name)
    }
}
