//! Names and addresses, made comparable.

use std::borrow::Cow;
use std::net::IpAddr;

/// A pipe's name in lower case without leading backslashes: Sysmon writes `\winreg`, Security 5145 `winreg`, and
/// either in any case.
pub fn normalise_pipe(name: &str) -> String {
    name.trim().trim_start_matches('\\').to_ascii_lowercase()
}

/// An address as Windows writes it: in long-form IPv6, with a zone behind `%`, or as IPv4-mapped IPv6, which becomes
/// IPv4.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.split_once('%').map_or(text, |(address, _zone)| address);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether an address can only mean the host that logged it.
pub(crate) fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// Whether an address can belong to one host only.
pub(crate) fn is_routable(address: IpAddr) -> bool {
    let automatic =
        matches!(address, IpAddr::V4(address) if address.is_link_local() || address.is_broadcast());
    !(is_local(address) || address.is_multicast() || automatic)
}

/// A host's name in lower case without the trailing dot of a fully qualified one.
pub(super) fn host(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether two names can be one host's: equal, or one the first label of the other.
pub fn same_host(a: &str, b: &str) -> bool {
    let label = |name: &'_ str| name.split('.').next().map(str::to_owned);
    let (a, b) = (host(a), host(b));
    a == b || (!(a.contains('.') && b.contains('.')) && label(&a) == label(&b))
}

/// The longest text that is kept of an event, in bytes. Paths and names that Windows writes are shorter.
const LONGEST: usize = 512;

/// The text, or its beginning and `..` where it is longer than any that Windows writes.
pub(super) fn truncate(text: &str) -> Cow<'_, str> {
    if is_kept_whole(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{}..", &text[..text.floor_char_boundary(LONGEST - 2)]))
    }
}

/// Whether [`truncate`] leaves the text as it is.
pub(crate) const fn is_kept_whole(text: &str) -> bool {
    text.len() <= LONGEST
}

/// Whether a text, which [`truncate`] has seen, may be the beginning of a longer one.
pub(super) fn may_be_truncated(text: &str) -> bool {
    // It is cut between two characters, of which the longest have four bytes.
    text.len() + 3 >= LONGEST && text.ends_with("..")
}

/// A share or a path in one as it is compared, in lower case and without leading backslashes: Windows writes `\\*\REMINST`, and
/// `\` for the root.
pub(super) fn normalise_path(path: &str) -> String {
    let path = unescape_backslashes(path.trim().trim_start_matches('\\')).to_lowercase();
    truncate(&path).into_owned()
}

/// Undoes the doubling of backslashes that one Logstash configuration was seen to do. A pair at the start is a
/// network path and stays.
pub(super) fn unescape_backslashes(text: &str) -> Cow<'_, str> {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let (first, rest) = text.split_at(first);
    if rest.contains("\\\\") {
        Cow::Owned(format!("{first}{}", rest.replace("\\\\", "\\")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_the_same_with_any_case_and_any_number_of_leading_backslashes() {
        for name in ["winreg", "\\winreg", "\\\\WinReg", " \\WINREG "] {
            assert_eq!(normalise_pipe(name), "winreg");
        }
    }

    #[test]
    fn an_address_is_the_same_in_every_way_windows_writes_it() {
        for text in [
            "10.1.0.50",
            "::ffff:10.1.0.50",
            " 10.1.0.50 ",
            "0:0:0:0:0:ffff:0a01:0032",
        ] {
            assert_eq!(address(text), Some("10.1.0.50".parse().unwrap()), "{text}");
        }
        assert_eq!(address("fe80:0:0:0:0:0:0:1%12"), Some("fe80::1".parse().unwrap()));
        assert_eq!(address("ATLAS"), None);
    }

    #[test]
    fn a_short_name_is_a_hosts_full_name_and_another_domains_is_not() {
        assert!(same_host("ATLAS", "atlas.aperture.local"));
        assert!(same_host("Atlas.Aperture.Local.", "atlas.aperture.local"));
        assert!(!same_host("atlas.other.example", "atlas.aperture.local"));
        assert!(!same_host("atlas2", "atlas.aperture.local"));
    }

    #[test]
    fn an_absurdly_long_text_is_truncated_between_two_characters() {
        assert_eq!(truncate("C:\\Windows"), "C:\\Windows");
        let long = truncate(&"é".repeat(1_000)).into_owned();
        assert!(long.len() <= LONGEST && long.ends_with("é.."), "{long}");
    }

    #[test]
    fn doubled_backslashes_are_undone_and_network_paths_kept() {
        assert_eq!(
            unescape_backslashes("C:\\\\Windows\\\\x.exe"),
            "C:\\Windows\\x.exe"
        );
        assert_eq!(unescape_backslashes("\\\\*\\IPC$"), "\\\\*\\IPC$");
        assert_eq!(unescape_backslashes("é\\\\x"), "é\\x");
    }
}
