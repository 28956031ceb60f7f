//! The gate of session evidence, which would otherwise be parsed by the hundred for each that matters: most logons are those of
//! domain controllers, most connections go to other ports.
//!
//! It is asked where every id in the message is one of session evidence, and no letter, `_` or `#` in it is escaped. So each
//! name of a field stands there as itself. A logon matters only if `LogonType` is 3, a connection only if a name that ends in
//! `ort` has an SMB port, or one on which hosts may connect back; neither a logon nor a use of a share matters if the computer that logged it is known to be one whose
//! events are not read, but for logons of accounts that rules watch. Every place where such a name ends is examined, and what is odd lets the message pass.

use std::collections::BTreeSet;

use memchr::memmem::Finder;

use super::{Value, value_after};
use crate::event::session_events::{ReadOf, SessionEvents};

/// Which ids of session evidence a message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) logon: bool,
    pub(super) share_session: bool,
    pub(super) connection_permitted: bool,
}

impl Ids {
    pub(super) const fn any(self) -> bool {
        self.logon || self.share_session || self.connection_permitted
    }
}

/// Searches for what session evidence that matters has.
#[derive(Debug)]
pub(super) struct SessionGate {
    events: SessionEvents,
    /// Those of connections that matter.
    ports: Vec<u32>,
    logon_type: Finder<'static>,
    port: Finder<'static>,
    computers: [Finder<'static>; 3],
}

impl SessionGate {
    pub(super) fn new(events: SessionEvents, call_back_ports: &BTreeSet<u16>) -> Self {
        let ports = call_back_ports.iter().copied().map(u32::from);
        Self {
            events,
            ports: ports.chain([445, 139]).collect(),
            logon_type: Finder::new("LogonType"),
            port: Finder::new("ort\""),
            // Of Winlogbeat, of EVTX, of NXLog.
            computers: ["computer_name\"", "Computer\"", "Hostname\""].map(Finder::new),
        }
    }

    /// The ids of the kinds that are read.
    pub(super) fn words(events: &SessionEvents) -> impl Iterator<Item = &'static str> {
        let words = [
            ("4624", events.reads_logons()),
            ("5140", events.share_sessions.some()),
            ("5156", events.permitted_connections),
        ];
        words
            .into_iter()
            .filter_map(|(id, is_read)| is_read.then_some(id))
    }

    /// The kind of session evidence that an id means, if that is read at all.
    pub(super) fn note(&self, id: u32, ids: &mut Ids) {
        match id {
            4624 => ids.logon |= self.events.reads_logons(),
            5140 => ids.share_session |= self.events.share_sessions.some(),
            5156 => ids.connection_permitted |= self.events.permitted_connections,
            _ => {}
        }
    }

    /// False only if the message holds no session evidence that matters.
    pub(super) fn can_matter(&self, ids: Ids, message: &[u8]) -> bool {
        (ids.logon && self.is_network_logon(message) && self.is_logon_read(message))
            || (ids.share_session && self.is_read(&self.events.share_sessions, message))
            || (ids.connection_permitted && self.has_port(message))
    }

    fn is_logon_read(&self, message: &[u8]) -> bool {
        self.is_read(&self.events.logons, message) || self.events.watched_accounts.may_be_in(message)
    }

    fn is_network_logon(&self, message: &[u8]) -> bool {
        let mut found = self.logon_type.find_iter(message);
        found.any(|at| match message.get(at + "LogonType".len()..) {
            Some([b'"', after @ ..]) => value_after(after).can_be(&[3]),
            // It ends within a text.
            Some([b'\\', ..]) => true,
            _ => false,
        })
    }

    fn has_port(&self, message: &[u8]) -> bool {
        let mut found = self.port.find_iter(message);
        found.any(|at| value_after(&message[at + 4..]).can_be(&self.ports))
    }

    /// Whether it may have been logged by a computer whose events are read.
    fn is_read(&self, read_of: &ReadOf, message: &[u8]) -> bool {
        let ReadOf::AllBut(others) = read_of else {
            return false;
        };
        if others.is_empty() {
            return true;
        }
        let mut is_named = false;
        for name in &self.computers {
            for at in name.find_iter(message) {
                let after = &message[at + name.needle().len()..];
                if plain_text(after).is_none_or(|computer| read_of.includes(computer)) {
                    return true;
                }
                is_named = true;
            }
        }
        !is_named
    }
}

/// The text after a name and a colon, if it is written without any escape.
fn plain_text(after: &[u8]) -> Option<&str> {
    let value = after.trim_ascii_start().strip_prefix(b":")?;
    let text = value.trim_ascii_start().strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let is_whole = text[end] == b'"';
    std::str::from_utf8(&text[..end]).ok().filter(|_| is_whole)
}

impl Value {
    /// Whether it may be one of these numbers.
    fn can_be(self, numbers: &[u32]) -> bool {
        match self {
            Self::None => false,
            Self::Number(number) => numbers.contains(&number),
            Self::Odd => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Prefilter;
    use super::*;
    use crate::event::AccountNames;

    fn gate() -> Prefilter {
        let dc = || ReadOf::AllBut(Arc::new(["dc1.aperture.local".to_owned()].into()));
        let events = SessionEvents {
            logons: dc(),
            share_sessions: dc(),
            watched_accounts: AccountNames::new(["svc-push".to_owned()].into()),
            ..SessionEvents::default()
        };
        Prefilter::new(events, &[80].into())
    }

    fn document(id: &str, fields: &str) -> String {
        format!(
            r#"{{"winlog":{{"channel":"Security","event_id":"{id}",{fields}}},"message":"a text of some length"}}"#
        )
    }

    #[test]
    fn session_evidence_that_matters_passes_however_it_is_written() {
        for (id, fields) in [
            ("4624", r#""LogonType":"3""#),
            ("4624", r#""LogonType" : 3"#),
            ("4624", r#""LogonType":["3"]"#),
            ("4624", r#""LogonType":3.0"#),
            ("4624", r#""LogonType":" 3""#),
            ("4624", r#""LogonType":"2","x":{"LogonType":"3"}"#),
            ("4624", r#""Logon\u0054ype":"3""#),
            ("4624", r#""LogonType":"\u0033""#),
            (
                "4624",
                r#""LogonType":"3","computer_name":"atlas.aperture.local""#,
            ),
            (
                "4624",
                r#""LogonType":"3","computer_name":"dc1.aperture.local","x":{"computer_name":"atlas"}"#,
            ),
            (
                "4624",
                r#""LogonType":"3","computer_name":["dc1.aperture.local"]"#,
            ),
            (
                "4624",
                r#""LogonType":"3","computer_name":"dc1.aperture\u002elocal""#,
            ),
            (
                "4624",
                r#""LogonType":"3","computer_name":"dc1.aperture.local","TargetUserName":"SVC-Push""#,
            ),
            (
                "4624",
                r#""LogonType":"3","computer_name":"dc1.aperture.local","user":{"name":"svc-\u0070ush"}"#,
            ),
            ("5140", r#""ShareName":"x""#),
            ("5156", r#""DestPort":"445""#),
            ("5156", r#""SourcePort": 139"#),
            ("5156", r#""DestPort":"80""#),
            ("5156", r#""port":445.0"#),
            ("5156", r#""DestPort":4.45e2"#),
            ("5156", r#""DestPort":"0445""#),
            ("5156", r#""Dest\u0050ort":"445""#),
            // Of another kind as well.
            ("4624", r#""LogonType":"2","code":5145"#),
        ] {
            let text = document(id, fields);
            assert!(gate().can_matter(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn session_evidence_that_cannot_matter_is_skipped_unparsed() {
        for (id, fields) in [
            ("4624", r#""LogonType":"2""#),
            ("4624", r#""LogonType":"33""#),
            ("4624", r#""x":"LogonType 3""#),
            ("4624", r#""LogonType":"3","computer_name":"dc1.aperture.local""#),
            (
                "4624",
                r#""LogonType":"3","computer_name" : "DC1.Aperture.local""#,
            ),
            (
                "4624",
                r#""LogonType":"3","computer_name":"dc1.aperture.local","TargetUserName":"alice""#,
            ),
            (
                "4624",
                r#""LogonType":"2","computer_name":"dc1.aperture.local","TargetUserName":"svc-push""#,
            ),
            ("5140", r#""Hostname":"dc1.aperture.local""#),
            ("5156", r#""SourcePort":"49839","DestPort":"443""#),
            ("5156", r#""record_id":445"#),
        ] {
            let text = document(id, fields);
            assert!(!gate().can_matter(text.as_bytes()), "{text}");
        }
    }
}
