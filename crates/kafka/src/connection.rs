//! Why a broker cannot be reached, in words. librdkafka tells the reason only in its log, and only to who polls the client.
//!
//! All clients of a process have the same brokers and the same properties, so what one has met the others meet, too: a
//! reason is logged once for all of them, and kept for whoever has to say that no broker answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, error, warn};

/// The same reason of the same broker is logged no more often.
const AGAIN: Duration = Duration::from_secs(60);

/// A reason that is older explains nothing any more. librdkafka repeats an identical one every 30 s.
const KEPT: Duration = Duration::from_secs(90);

/// What a connection fails of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Credentials,
    Mechanism,
    Authority,
    ClientCertificate,
    /// TLS is spoken to a port that does not.
    PlainPort,
    /// A port that wants TLS is not spoken TLS to.
    TlsPort,
    /// A port that wants SASL is spoken to without.
    SaslPort,
    UnknownHost,
    Refused,
    Silent,
    Other,
}

/// Each cause by what librdkafka says of it, in lower case; the first that is found counts.
const SAYINGS: [(&str, Cause); 21] = [
    ("unsupported sasl mechanism", Cause::Mechanism),
    ("no worthy mechs", Cause::Mechanism),
    ("mechanism handshake failed", Cause::Mechanism),
    ("authentication error", Cause::Credentials),
    ("authentication failed", Cause::Credentials),
    ("authentication failure", Cause::Credentials),
    ("certificate could not be verified", Cause::Authority),
    ("certificate verify failed", Cause::Authority),
    ("certificate required", Cause::ClientCertificate),
    ("bad certificate", Cause::ClientCertificate),
    (
        "client ssl authentication might be required",
        Cause::ClientCertificate,
    ),
    ("plaintext broker listener", Cause::PlainPort),
    ("wrong version number", Cause::PlainPort),
    ("packet length too long", Cause::PlainPort),
    ("connecting to a ssl listener", Cause::TlsPort),
    ("invalid response size", Cause::TlsPort),
    ("might require sasl", Cause::SaslPort),
    ("failed to resolve", Cause::UnknownHost),
    ("connection refused", Cause::Refused),
    ("setup timed out", Cause::Silent),
    ("timed out", Cause::Silent),
];

impl Cause {
    fn of(said: &str) -> Self {
        let said = said.to_ascii_lowercase();
        let found = SAYINGS.iter().find(|(words, _)| said.contains(words));
        found.map_or(Self::Other, |(_, cause)| *cause)
    }

    /// Of a broker that has closed the connection, `3ms in state UP` for one.
    fn of_disconnect(protocol: &str, state: &str) -> Self {
        let at_once = |age: &str| age.parse().is_ok_and(|millis: u32| millis < 500);
        match state.split_once("ms in state ") {
            // It is the first thing that is sent.
            Some((_, state)) if state.starts_with("APIVERSION_QUERY") && !protocol.ends_with("ssl") => {
                Self::TlsPort
            }
            Some((age, state))
                if state.starts_with("UP") && !protocol.starts_with("sasl") && at_once(age) =>
            {
                Self::SaslPort
            }
            _ => Self::Other,
        }
    }

    /// What it is, and what to look at.
    const fn words(self) -> &'static str {
        match self {
            Self::Credentials => {
                "the broker rejects this user or password; correct sasl.username and sasl.password of kafka.client"
            }
            Self::Mechanism => {
                "the broker does not offer this SASL mechanism; correct sasl.mechanisms of kafka.client"
            }
            Self::Authority => {
                "the broker's certificate is not signed by an authority of ssl.ca.location, or is for another name; correct \
                 ssl.ca.location of kafka.client, or the name in kafka.brokers"
            }
            Self::ClientCertificate => {
                "the broker wants another client certificate; correct ssl.certificate.location and ssl.key.location of \
                 kafka.client"
            }
            Self::PlainPort => {
                "this port does not speak TLS; correct the port in kafka.brokers, or security.protocol of kafka.client"
            }
            Self::TlsPort => {
                "this port seems to want TLS and is spoken to without; set security.protocol of kafka.client to SSL or SASL_SSL"
            }
            Self::SaslPort => {
                "the broker ends the connection at once; if it is not about to end itself, this port wants SASL: set \
                 security.protocol of kafka.client to SASL_SSL or SASL_PLAINTEXT"
            }
            Self::UnknownHost => {
                "the host's name is not known; correct kafka.brokers, or what the broker gives as advertised.listeners"
            }
            Self::Refused => "nothing listens there; correct kafka.brokers, or start the broker",
            Self::Silent => {
                "the host does not answer; look for a firewall, or a wrong address in kafka.brokers"
            }
            Self::Other => "the connection has failed",
        }
    }

    /// Whether it stays until somebody changes a setting.
    const fn is_lasting(self) -> bool {
        !matches!(
            self,
            Self::TlsPort | Self::SaslPort | Self::UnknownHost | Self::Refused | Self::Silent | Self::Other
        )
    }
}

/// Why a connection to a broker has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    broker: String,
    cause: Cause,
    /// Nobody said so: the broker has closed the connection in a moment in which it does so for this cause, or as it ends.
    is_guess: bool,
    said: String,
}

impl Reason {
    /// Of a message of facility FAIL: `[thrd:X]: sasl_ssl://HOST:PORT/bootstrap: TEXT (after 3ms in state Y)`, or of a
    /// coordinator `GroupCoordinator: HOST:PORT: TEXT (..)`.
    fn parse(message: &str) -> Self {
        let message = match message.split_once("]: ") {
            Some((thread, rest)) if thread.starts_with("[thrd:") => rest,
            _ => message,
        };
        let (name, said) = message.split_once(": ").unwrap_or(("", message));
        let (name, said) = match said.split_once(": ") {
            Some((address, said)) if !name.contains(':') && is_address(address) => (address, said),
            _ => (name, said),
        };
        let (protocol, broker) = name.split_once("://").unwrap_or(("plaintext", name));
        let broker = broker.split_once('/').map_or(broker, |(broker, _)| broker);
        let (said, state) = said.rsplit_once(" (after ").unwrap_or((said, ""));
        let (cause, is_guess) = match Cause::of(said) {
            Cause::Other if said.starts_with("Disconnected") => (Cause::of_disconnect(protocol, state), true),
            cause => (cause, false),
        };
        Self {
            broker: broker.to_owned(),
            cause,
            is_guess,
            said: said.to_owned(),
        }
    }
}

fn is_address(text: &str) -> bool {
    text.contains(':') && !text.contains(' ')
}

impl Reason {
    /// Whether it stays until somebody changes a setting.
    pub(super) const fn is_lasting(&self) -> bool {
        self.cause.is_lasting()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.broker, self.cause.words(), self.said)
    }
}

/// What this process knows of its connections.
#[derive(Debug, Default)]
struct Failures {
    latest: Option<(Instant, Reason)>,
    logged: BTreeMap<(String, Cause), Instant>,
    /// Brokers to which there has been a connection: their port and protocol are right.
    reached: BTreeSet<String>,
}

impl Failures {
    fn reason(&self, message: &str) -> Reason {
        let mut reason = Reason::parse(message);
        if reason.is_guess && self.reached.contains(&reason.broker) {
            reason.cause = Cause::Other;
        }
        reason
    }

    /// Keeps the reason; whether it is to be logged.
    fn note(&mut self, reason: &Reason, now: Instant) -> bool {
        self.keep(reason, now);
        let is_recent = |time: &Instant| now.saturating_duration_since(*time) < AGAIN;
        self.logged.retain(|_, time| is_recent(time));
        let key = (reason.broker.clone(), reason.cause);
        if self.logged.contains_key(&key) {
            return false;
        }
        self.logged.insert(key, now);
        true
    }

    fn keep(&mut self, reason: &Reason, now: Instant) {
        let is_recent = |time: &Instant| now.saturating_duration_since(*time) < AGAIN;
        // A host that is known by several names, or a reason that says less, must not hide what to change.
        let hides = |(_, kept): &(Instant, Reason)| kept.is_lasting() && !reason.is_lasting();
        let stays = self
            .latest
            .as_ref()
            .is_some_and(|latest| is_recent(&latest.0) && hides(latest));
        if !stays {
            self.latest = Some((now, reason.clone()));
        }
    }

    fn latest(&self, now: Instant) -> Option<Reason> {
        let (time, reason) = self.latest.as_ref()?;
        (now.saturating_duration_since(*time) < KEPT).then(|| reason.clone())
    }
}

static FAILURES: Mutex<Failures> = Mutex::new(Failures {
    latest: None,
    logged: BTreeMap::new(),
    reached: BTreeSet::new(),
});

/// Whether librdkafka says more than that a connection has ended.
pub(super) fn is_explained(message: &str) -> bool {
    let failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
    failures.reason(message).cause != Cause::Other
}

/// Takes what librdkafka says of a connection that has failed. `is_told` by whoever asked for the connection, where the
/// log need not have it as well.
pub(super) fn failed(message: &str, is_told: bool) {
    let mut failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
    let reason = failures.reason(message);
    if is_told {
        failures.keep(&reason, Instant::now());
    } else if !failures.note(&reason, Instant::now()) {
        debug!("{reason}");
    } else if reason.is_lasting() {
        error!("{reason}");
    } else {
        warn!("{reason}");
    }
}

/// There is a connection to this broker, `HOST:PORT`.
pub(super) fn reached(broker: &str) {
    let mut failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
    if !failures.reached.contains(broker) {
        failures.reached.insert(broker.to_owned());
    }
}

/// Why a connection failed last, while that is not long ago.
pub(super) fn latest() -> Option<Reason> {
    let failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
    failures.latest(Instant::now())
}

/// A broker has answered: what failed before explains nothing any more.
pub(super) fn answered() {
    let mut failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
    failures.latest = None;
}

#[cfg(test)]
mod tests;
