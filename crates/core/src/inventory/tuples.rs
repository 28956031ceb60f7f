//! What exact tuples show of addresses: a share access, a share session or a logon and a connection
//! from one source address and port name one server.
//!
//! For recordings, which are read whole before anything is resolved: who reads a stream cannot wait for the other half.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{AddressClaim, Detail, Event, Word, is_routable};
use crate::time::EventTime;

/// How many of either kind are held at most: some 50 MiB together. What is beyond teaches nothing.
const MOST: usize = 1 << 18;

/// Source address and port.
type Tuple = (IpAddr, u16);

/// Which server logged a client, and connections that name theirs by address only.
#[derive(Debug, Default)]
pub struct Tuples {
    servers: HashMap<Tuple, Vec<(EventTime, Arc<str>)>>,
    connections: BTreeMap<IpAddr, Vec<(Tuple, EventTime)>>,
    held: [usize; 2],
}

impl Tuples {
    /// Takes in an event.
    pub fn note(&mut self, event: &Event) {
        match &event.detail {
            Detail::ShareAccess(share) => self.note_server(event, share.source_ip, share.source_port),
            Detail::ShareSession(session) => {
                self.note_server(event, Some(session.source_ip), session.source_port);
            }
            Detail::Logon(logon) => self.note_server(event, Some(logon.source_ip), logon.source_port),
            Detail::NetworkConnection(connection) => {
                let is_nameless = connection.initiated
                    && !connection.of_client
                    && connection.destination_host.is_none()
                    && !connection.is_within_one_host();
                let port = connection.source_port.filter(|_| is_nameless);
                if let Some((ip, port)) = connection.destination_ip.zip(port)
                    && is_routable(ip)
                    && self.held[1] < MOST
                {
                    self.held[1] += 1;
                    let tuple = (connection.source_ip, port);
                    self.connections.entry(ip).or_default().push((tuple, event.time));
                }
            }
            Detail::PipeConnected(_) => {}
        }
    }

    /// The computer that logged the event is the server of this tuple.
    fn note_server(&mut self, event: &Event, ip: Option<IpAddr>, port: Option<u16>) {
        if let Some(tuple) = ip.zip(port).filter(|_| self.held[0] < MOST) {
            self.held[0] += 1;
            let seen = (event.time, Arc::clone(&event.computer));
            self.servers.entry(tuple).or_default().push(seen);
        }
    }

    /// Which addresses are whose, by every connection to the address whose client a server logged within `window`: all of them
    /// must name one server. An address that `is_known` otherwise is left alone.
    pub fn claims(self, window: Duration, is_known: impl Fn(IpAddr) -> bool) -> Vec<AddressClaim> {
        let mut claims = Vec::new();
        for (address, connections) in &self.connections {
            let mut servers: BTreeSet<&Arc<str>> = BTreeSet::new();
            let mut times = Vec::new();
            for (tuple, time) in connections {
                let shares = self.servers.get(tuple).into_iter().flatten();
                let near = shares.filter(|(accessed, _)| accessed.distance(*time) <= window);
                let before = times.len();
                times.extend(near.map(|(_, computer)| {
                    servers.insert(computer);
                    *time
                }));
                times.truncate(before + 1);
            }
            if let [server] = Vec::from_iter(servers)[..]
                && !is_known(*address)
            {
                claims.extend(times.into_iter().map(|time| AddressClaim {
                    address: *address,
                    computer: Arc::clone(server),
                    time,
                    says: Word::Tuple,
                }));
            }
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Log, Logon, NetworkConnection, ShareAccess, ShareSession, TimeSource};

    const SERVER: &str = "10.1.0.50";

    fn event(seconds: i64, computer: &str, detail: Detail) -> Event {
        Event {
            time: EventTime::from_micros(seconds * 1_000_000),
            time_source: TimeSource::Timestamp,
            computer: computer.into(),
            channel: "test".into(),
            record_id: None,
            detail,
        }
    }

    fn share(seconds: i64, computer: &str, port: u16) -> Event {
        let access = ShareAccess {
            share: None,
            path: "winreg".into(),
            source_ip: "10.1.0.101".parse().ok(),
            source_port: Some(port),
            account: None,
            access_mask: None,
            outcome: None,
        };
        event(seconds, computer, Detail::ShareAccess(access))
    }

    fn connection(seconds: i64, port: u16) -> Event {
        let connection = NetworkConnection {
            source_ip: "10.1.0.101".parse().unwrap(),
            source_port: Some(port),
            source_host: None,
            destination_ip: SERVER.parse().ok(),
            destination_port: 445,
            destination_host: None,
            initiated: true,
            of_client: false,
            reported_by: Log::Sysmon,
            process: None,
            user: None,
            utc_time: None,
        };
        event(seconds, "sentry1", Detail::NetworkConnection(connection))
    }

    fn claims(events: &[Event], known: bool) -> Vec<(String, i64)> {
        let mut tuples = Tuples::default();
        events.iter().for_each(|event| tuples.note(event));
        let claims = tuples.claims(Duration::from_secs(10), |_| known);
        let one = |claim: AddressClaim| {
            assert_eq!(claim.address.to_string(), SERVER);
            (claim.computer.to_string(), claim.time.as_micros() / 1_000_000)
        };
        claims.into_iter().map(one).collect()
    }

    #[test]
    fn a_connection_and_a_share_access_of_one_tuple_name_one_server_and_its_address() {
        let events = [connection(0, 1), share(3, "atlas", 1), share(4, "atlas", 1)];
        assert_eq!(claims(&events, false), [("atlas".to_owned(), 0)]);
        assert_eq!(claims(&events, true), [], "what is known otherwise is left alone");
    }

    #[test]
    fn a_logon_and_a_share_session_name_a_server_as_a_share_access_does() {
        let ip = "10.1.0.101".parse().unwrap();
        let logon = Detail::Logon(Logon {
            source_ip: ip,
            source_port: Some(1),
            account: None,
            logon_type: 3,
            authentication_package: None,
            workstation: None,
        });
        let session = Detail::ShareSession(ShareSession {
            source_ip: ip,
            source_port: Some(1),
            account: None,
            share: "\\\\*\\IPC$".into(),
            access_mask: None,
            outcome: None,
        });
        for detail in [logon, session] {
            let events = [connection(0, 1), event(3, "atlas", detail)];
            assert_eq!(claims(&events, false), [("atlas".to_owned(), 0)]);
        }
    }

    #[test]
    fn another_port_or_a_time_outside_the_window_shows_nothing() {
        assert_eq!(claims(&[connection(0, 1), share(0, "atlas", 2)], false), []);
        assert_eq!(claims(&[connection(0, 1), share(11, "atlas", 1)], false), []);
    }

    #[test]
    fn what_two_servers_claim_is_bound_to_neither() {
        let events = [
            connection(0, 1),
            share(0, "atlas", 1),
            connection(100, 2),
            share(100, "forged", 2),
        ];
        assert_eq!(claims(&events, false), []);
    }
}
