//! `pipewarden inventory import`: exports as PowerShell writes them, to an inventory that `check` takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use pipewarden_core::inventory::Inventory;
use pipewarden_tools::import::{Import, WithoutRole};
use proptest::prelude::*;

/// Get-CMSiteRole | Select-Object NetworkOSPath, RoleName, SiteCode | Export-Csv, of Windows PowerShell.
const ROLES: &str =
    "#TYPE Selected.Microsoft.ConfigurationManagement.ManagementProvider.WqlQueryEngine.WqlResultObject\r
\"NetworkOSPath\",\"RoleName\",\"SiteCode\"\r
\"\\\\ATLAS.aperture.local\",\"SMS Site System\",\"PS1\"\r
\"\\\\ATLAS.aperture.local\",\"SMS Site Server\",\"PS1\"\r
\"\\\\atlas.aperture.local\",\"SMS Management Point\",\"PS1\"\r
\"\\\\wheatley.aperture.local\",\"SMS Distribution Point\",\"PS1\"\r
\"\\\\P-BODY\",\"SMS SQL Server\",\"PS1\"\r
\"\\\\turret.aperture.local\",\"SMS Provider\",\"PS1\"\r
\"\\\\caroline.aperture.local\",\"SMS Site Server\",\"CAS\"\r
\"\\\\rattmann.aperture.local\",\"SMS Site Server\",\"S01\"\r
\"\\\\wheatley.aperture.local\",\"SMS Companion Cube\",\"PS1\"\r
\"\",\"SMS Distribution Point\",\"PS1\"\r
";

/// Get-CMSite | Select-Object ServerName, SiteCode, Type | Export-Csv.
const SITES: &str = "ServerName;SiteCode;Type\natlas.aperture.local;PS1;2\ncaroline.aperture.local;CAS;4\n\
                     rattmann.aperture.local;S01;1\n";

/// Get-ADComputer -Filter * -Properties IPv4Address, PrimaryGroupID | ConvertTo-Json.
const COMPUTERS: &str = r#"[
  {
    "DistinguishedName": "CN=GLADOS,OU=Domain Controllers,DC=aperture,DC=local",
    "DNSHostName": "glados.aperture.local",
    "Enabled": true,
    "IPv4Address": "10.1.0.10",
    "Name": "GLADOS",
    "PrimaryGroupID": 516,
    "SID": {"BinaryLength": 28, "Value": "S-1-5-21-1004336348-1177238915-682003330-1001"}
  },
  {"DNSHostName": "ATLAS.aperture.local", "Enabled": true, "IPv4Address": "10.1.0.50", "Name": "ATLAS", "PrimaryGroupID": 515},
  {"DNSHostName": "p-body.aperture.local", "Enabled": true, "IPv4Address": "10.1.0.52", "Name": "P-BODY", "PrimaryGroupID": 515},
  {"DNSHostName": "sentry1.aperture.local", "Enabled": true, "IPv4Address": "10.1.0.101", "Name": "SENTRY1", "PrimaryGroupID": 515},
  {"DNSHostName": "sentry2.aperture.local", "Enabled": true, "IPv4Address": "10.1.0.300", "Name": "SENTRY2", "PrimaryGroupID": 515},
  {"DNSHostName": null, "Enabled": false, "IPv4Address": null, "Name": "OLD", "PrimaryGroupID": 515},
  17
]"#;

struct Exports {
    folder: tempfile::TempDir,
}

impl Exports {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self { folder }
    }

    fn import(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pipewarden"))
            .args(["inventory", "import"])
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Addresses and roles by name.
fn assets(yaml: &str) -> BTreeMap<String, (Vec<String>, Vec<&'static str>)> {
    Inventory::parse(yaml, "imported")
        .unwrap()
        .assets()
        .iter()
        .map(|asset| {
            let addresses = asset.addresses.iter().map(ToString::to_string).collect();
            let roles = asset.roles.iter().map(|role| role.as_str()).collect();
            (asset.id.to_string(), (addresses, roles))
        })
        .collect()
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

fn whole() -> BTreeMap<String, (Vec<String>, Vec<&'static str>)> {
    [
        (
            "atlas.aperture.local",
            vec!["10.1.0.50"],
            vec!["primary-site-server", "management-point"],
        ),
        ("caroline.aperture.local", vec![], vec!["cas"]),
        (
            "glados.aperture.local",
            vec!["10.1.0.10"],
            vec!["domain-controller"],
        ),
        ("p-body.aperture.local", vec!["10.1.0.52"], vec!["site-database"]),
        ("rattmann.aperture.local", vec![], vec!["secondary-site-server"]),
        ("turret.aperture.local", vec![], vec!["sms-provider"]),
        ("wheatley.aperture.local", vec![], vec!["distribution-point"]),
    ]
    .map(|(name, addresses, roles)| {
        let addresses = addresses.into_iter().map(str::to_owned).collect();
        (name.to_owned(), (addresses, roles))
    })
    .into()
}

#[test]
fn exports_merge_by_host_in_any_order_and_the_inventory_passes_check() {
    let exports = Exports::new(&[
        ("roles.csv", ROLES.as_bytes()),
        ("sites.csv", SITES.as_bytes()),
        ("computers.json", COMPUTERS.as_bytes()),
    ]);
    for files in [
        ["roles.csv", "sites.csv", "computers.json"],
        ["computers.json", "roles.csv", "sites.csv"],
        ["sites.csv", "computers.json", "roles.csv"],
    ] {
        let output = exports.import(&[&["--only-with-role"], files.as_slice()].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(assets(&text(&output.stdout)), whole());
        std::fs::write(exports.folder.path().join("hosts.yaml"), &output.stdout).unwrap();
        let check = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
            .args(["check", "--inventory"])
            .arg(exports.folder.path().join("hosts.yaml"))
            .output()
            .unwrap();
        assert!(check.status.success(), "{}", text(&check.stderr));
    }
}

#[test]
fn a_row_that_cannot_be_used_is_reported_with_file_and_line_and_so_is_every_decision() {
    let exports = Exports::new(&[
        ("roles.csv", ROLES.as_bytes()),
        ("computers.json", COMPUTERS.as_bytes()),
    ]);
    let output = exports.import(&["roles.csv", "computers.json"]);
    assert_eq!(output.status.code(), Some(0));
    assert_contains(
        &text(&output.stderr),
        &[
            "not used: roles.csv:12: NetworkOSPath is empty",
            "not used: computers.json:14: \"10.1.0.300\" is not an IP address; sentry2.aperture.local is taken without it",
            "not used: computers.json:16: it is no object",
            "note: unknown role \"SMS Companion Cube\" (1 row, first at roles.csv:11)",
            "note: SMS Site System (1 row) is no role of an inventory",
            "note: caroline.aperture.local is taken for a primary site server; add an export of Get-CMSite",
            "note: 1 host disabled in Active Directory left out",
            "note: 2 hosts without a role; --only-with-role leaves them out",
            "assets: 9, rows: 17, not used or not whole: 3",
        ],
    );
    let found = assets(&text(&output.stdout));
    assert_eq!(found["sentry2.aperture.local"], (vec![], vec![]));
    assert_eq!(found["caroline.aperture.local"].1, ["primary-site-server"]);

    let output = exports.import(&["--strict", "roles.csv"]);
    assert_eq!(output.status.code(), Some(2));
    let output = exports.import(&["--default-role", "tier0", "computers.json"]);
    assert_eq!(
        assets(&text(&output.stdout))["sentry1.aperture.local"].1,
        ["tier0"]
    );
    let output = exports.import(&["--default-role", "janitor", "computers.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_contains(
        &text(&output.stderr),
        &["janitor", "roles are domain-controller, cas"],
    );
}

#[test]
fn every_encoding_delimiter_and_wrapping_of_powershell_gives_the_same() {
    let import = |bytes: &[u8]| {
        let mut import = Import::default();
        import.add(bytes, "export").unwrap();
        import.finish(WithoutRole::Keep).unwrap()
    };
    let utf16 = |text: &str, is_big: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| {
                if is_big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let expected = import(ROLES.as_bytes());
    for bytes in [
        [b"\xef\xbb\xbf", ROLES.as_bytes()].concat(),
        [b"\xff\xfe".to_vec(), utf16(ROLES, false)].concat(),
        [b"\xfe\xff".to_vec(), utf16(ROLES, true)].concat(),
        utf16(ROLES, false),
        ROLES.replace("\r\n", "\n").into_bytes(),
        ROLES.replace("\",\"", "\";\"").into_bytes(),
        ROLES.replace("\",\"", "\"\t\"").into_bytes(),
    ] {
        assert_eq!(import(&bytes), expected);
    }
    let expected = assets(&import(COMPUTERS.as_bytes()).yaml);
    let inner = COMPUTERS.trim_start_matches('[').trim_end_matches(']').trim_end();
    let objects = inner.trim_end_matches("17").trim_end().trim_end_matches(',');
    for text in [
        format!("{{\"@odata.context\": \"x\", \"value\": [{objects}]}}"),
        objects.replace("},\n", "}\n"),
        format!("\u{feff}{COMPUTERS}"),
    ] {
        assert_eq!(assets(&import(text.as_bytes()).yaml), expected, "{text}");
    }
}

#[test]
fn what_an_inventory_would_reject_is_left_out_and_reported() {
    let computers = "DNSHostName,Name,IPv4Address,IPv6Address\n\
                     a.aperture.local,A,10.1.0.1,fd00::1\n\
                     b.aperture.local,B,10.1.0.1,\n\
                     a.blackmesa.local,A,10.2.0.1,::ffff:10.2.0.1\n\
                     c.aperture.local,C,127.0.0.1,\n\
                     odd name,ODD,10.1.0.9,\n\
                     too,few\n";
    let roles = "ServerName,RoleName,SiteCode\nA,Management Point,PS1\n10.1.0.7,SMS Distribution Point,PS1\n";
    let mut import = Import::default();
    import.add(computers.as_bytes(), "computers.csv").unwrap();
    import.add(roles.as_bytes(), "roles.csv").unwrap();
    let imported = import.finish(WithoutRole::Keep).unwrap();
    let found = assets(&imported.yaml);
    assert_eq!(found["a.aperture.local"].0, ["fd00::1"]);
    assert!(found["b.aperture.local"].0.is_empty());
    assert_eq!(found["a.blackmesa.local"].0, ["10.2.0.1"]);
    assert_eq!(found["a"].1, ["management-point"]);
    let problems: Vec<String> = imported.problems.iter().map(ToString::to_string).collect();
    assert_contains(
        &problems.join("\n"),
        &[
            "computers.csv:5: 127.0.0.1 cannot belong to one host",
            "computers.csv:6: \"odd name\" is not a host name",
            "computers.csv:7: 2 fields where the header has 4",
            "roles.csv:3: \"10.1.0.7\" is not a host name",
        ],
    );
    assert_contains(
        &imported.notes.join("\n"),
        &[
            "10.1.0.1 is claimed by a.aperture.local and b.aperture.local; it is left out",
            "a may be any of a.aperture.local, a.blackmesa.local; it is listed on its own",
        ],
    );
}

#[test]
fn machine_and_service_accounts_come_with_their_sids_where_their_hosts_have_addresses() {
    let computers = "DNSHostName,SamAccountName,IPv4Address,SID\n\
                     atlas.aperture.local,ATLAS$,10.1.0.50,S-1-5-21-1-2-3-1105\n\
                     chell.aperture.local,CHELL$,,S-1-5-21-1-2-3-1106\n\
                     odd.aperture.local,ODD$,10.1.0.51,no sid\n";
    let services = r#"[
      {"SamAccountName": "svc-sql$", "Enabled": true, "SID": {"Value": "S-1-5-21-1-2-3-1200"},
       "PrincipalsAllowedToRetrieveManagedPassword": ["CN=ATLAS,OU=Servers,DC=aperture,DC=local", "CN=CHELL,DC=aperture,DC=local"]},
      {"SamAccountName": "svc-web$", "Enabled": true, "PrincipalsAllowedToRetrieveManagedPassword": ["CN=CHELL,DC=aperture,DC=local"]},
      {"SamAccountName": "svc-old$", "Enabled": false, "PrincipalsAllowedToRetrieveManagedPassword": ["CN=ATLAS,DC=aperture,DC=local"]}
    ]"#;
    let mut import = Import::default();
    import.add(computers.as_bytes(), "computers.csv").unwrap();
    import.add(services.as_bytes(), "services.json").unwrap();
    let imported = import.finish(WithoutRole::Keep).unwrap();
    let inventory = Inventory::parse(&imported.yaml, "imported").unwrap();
    let listed = inventory
        .accounts()
        .iter()
        .filter(|account| account.sid.is_some());
    let listed: Vec<String> = listed
        .map(|account| {
            let from: Vec<String> = account.expected_from.iter().map(ToString::to_string).collect();
            format!("{} {} {}", account.name, account.purpose.as_str(), from.join(" "))
        })
        .collect();
    assert_eq!(
        listed,
        [
            "ATLAS$ machine atlas.aperture.local",
            "svc-sql$ service atlas.aperture.local"
        ]
    );
    assert_contains(&imported.notes.join("\n"), &["1 service account left out"]);
}

#[test]
fn a_file_that_cannot_be_read_is_reported_and_the_others_are_used() {
    let exports = Exports::new(&[
        ("roles.csv", ROLES.as_bytes()),
        ("other.csv", b"Fruit,Colour\napple,red\n"),
        ("broken.json", b"[{\"DNSHostName\": \"a.example\"},"),
        ("empty.csv", b""),
    ]);
    let output = exports.import(&[
        "no-such.csv",
        "other.csv",
        "broken.json",
        "empty.csv",
        "roles.csv",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(assets(&text(&output.stdout)).len(), 6);
    assert_contains(
        &text(&output.stderr),
        &[
            "cannot read no-such.csv",
            "cannot read other.csv: its columns are \"Fruit, Colour\"; expected NetworkOSPath",
            "cannot read broken.json: it is not JSON",
            "cannot read empty.csv: it is empty",
        ],
    );
    // An inventory without assets would watch every host.
    let output = exports.import(&["other.csv"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert_contains(&text(&output.stderr), &["no row of the exports names a host"]);
}

#[test]
fn the_page_on_inventories_names_every_role_that_is_mapped() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/inventory.md")).unwrap();
    for line in page.lines().filter(|line| line.starts_with("| `SMS ")) {
        let cells: Vec<&str> = line.split('`').collect();
        let export = format!(
            "NetworkOSPath,RoleName,SiteCode\n\\\\a.example,{},PS1\n",
            cells[1]
        );
        let mut import = Import::default();
        import.add(export.as_bytes(), "roles.csv").unwrap();
        let imported = import.finish(WithoutRole::Keep).unwrap();
        assert_eq!(assets(&imported.yaml)["a.example"].1, [cells[3]], "{line}");
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `SMS ")).count(), 5);
}

proptest! {
    #[test]
    fn whatever_the_bytes_an_inventory_that_comes_out_passes_its_own_check(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "(Name|DNSHostName|IPv4Address|RoleName|ServerName|HostComputers)(,(IPv4Address|Name|SiteCode|RoleName|SID|SamAccountName)){0,3}\n\
             ([a-cA-C0-9.:,\\\\ \"]{0,30}\n){0,8}".prop_map(String::into_bytes),
            "[\\[{]\\{?\"(DNSHostName|NetworkOSPath)\": ?\"[a-zß0-9.\\\\ ]{0,12}\"\\}[\\]}]?".prop_map(String::into_bytes),
        ]
    ) {
        let mut import = Import::default();
        if import.add(&bytes, "export").is_ok()
            && let Err(error) = import.finish(WithoutRole::Keep)
        {
            prop_assert!(error.to_string().contains("no row"), "{error}");
        }
    }
}
