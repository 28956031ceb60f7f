//! Cases with exceptions of their own.

use super::assert_fails;

#[test]
fn a_case_expects_which_of_its_exceptions_covers_an_alert_and_what_one_suppresses_proves_no_silence() {
    for (from, to, expected) in [
        (
            "source: 10.1.0.101}",
            "source: 10.1.0.101, exception: scanner}",
            "exception: expected scanner, found none",
        ),
        (
            "source: 10.1.0.101}",
            "source: 10.1.0.101, unexpected: backup}",
            "unexpected: expected backup, found none",
        ),
        (
            "alerts: []",
            "exceptions: [{id: a, reason: r, owner: o, expires: soon, action: suppress, broad: true, pipes: [winreg]}]\n    \
             alerts: []",
            "expires: \"soon\" is neither a day",
        ),
        (
            "alerts: []",
            "exceptions: [{id: a, reason: r, owner: o, expires: 2040-01-01, action: suppress, broad: true, pipes: [winreg]}]\n    \
             alerts: []",
            "has no case that must not raise an alert",
        ),
    ] {
        assert_fails(from, to, expected);
    }
}
