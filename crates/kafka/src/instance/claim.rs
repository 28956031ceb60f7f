//! What a process writes to claim its name.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;

/// The format and its version, with which each claim begins.
const FORMAT: &str = "pipewarden-instance/1";

/// A process that has claimed a name, and how often it has done so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Its host's name.
    pub(super) host: String,
    /// Its id on that host.
    pub(super) process: u32,
    /// When it first claimed a name, in microseconds since 1970, by its host's clock.
    pub(super) since: i64,
    /// Where process ids mean the same.
    space: String,
    /// Counts the renewals.
    beats: u64,
    /// Whether it no longer needs the name.
    pub(super) is_withdrawn: bool,
}

impl Claim {
    pub(super) fn of_this_process() -> Self {
        Self {
            host: word(&gethostname::gethostname().to_string_lossy()),
            process: std::process::id(),
            since: Timestamp::now().as_microsecond(),
            space: space_of_process_ids(),
            beats: 0,
            is_withdrawn: false,
        }
    }

    /// `None` for what no process has written, and for what a later version has.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(';');
        if fields.next() != Some(FORMAT) {
            return None;
        }
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        Some(Self {
            host: field("host")?.to_owned(),
            process: field("process")?.parse().ok()?,
            since: field("since")?.parse().ok()?,
            space: field("space")?.to_owned(),
            beats: field("beats")?.parse().ok()?,
            is_withdrawn: field("withdrawn")?.parse().ok()?,
        })
    }

    pub(super) fn beat(&mut self) {
        self.beats += 1;
    }

    pub(super) fn withdraw(&mut self) {
        self.is_withdrawn = true;
    }

    /// Whether the same process has made both.
    pub(super) fn is_of_the_process(&self, other: &Self) -> bool {
        (self.process, self.since, &self.space) == (other.process, other.since, &other.space)
    }

    /// Whether it is known at once that its process has ended: it was on this host, and no process has its id there. Otherwise
    /// only time can tell.
    pub(super) fn has_visibly_ended(&self) -> bool {
        !self.space.is_empty()
            && self.space == space_of_process_ids()
            && !Path::new(&format!("/proc/{}", self.process)).exists()
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            process,
            since,
            space,
            beats,
            is_withdrawn,
        } = self;
        write!(
            f,
            "{FORMAT};host={host};process={process};since={since};space={space};beats={beats};withdrawn={is_withdrawn}"
        )
    }
}

/// Names the running kernel and the namespace of process ids; empty where the system does not tell.
fn space_of_process_ids() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    match (kernel, namespace) {
        (Ok(kernel), Ok(namespace)) => word(&format!("{}/{}", kernel.trim(), namespace.display())),
        _ => String::new(),
    }
}

/// The text without what separates fields.
fn word(text: &str) -> String {
    text.replace([';', '='], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mut claim = Claim::of_this_process();
        claim.beat();
        assert_eq!(Claim::parse(&claim.to_string()), Some(claim.clone()));
        claim.withdraw();
        assert_eq!(Claim::parse(&claim.to_string()), Some(claim));
        for text in [
            "",
            "by hand",
            FORMAT,
            "pipewarden-instance/2;host=a",
            "pipewarden/2;rewind=0",
        ] {
            assert_eq!(Claim::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_process_that_runs_has_not_visibly_ended_and_neither_has_one_elsewhere() {
        let own = Claim::of_this_process();
        assert!(!own.has_visibly_ended());
        let elsewhere = Claim {
            space: "another host".to_owned(),
            process: u32::MAX,
            ..own.clone()
        };
        assert!(!elsewhere.has_visibly_ended());
        if !own.space.is_empty() {
            let ended = Claim {
                process: u32::MAX,
                ..own
            };
            assert!(ended.has_visibly_ended());
        }
    }
}
