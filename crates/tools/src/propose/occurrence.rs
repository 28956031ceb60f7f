//! What is kept of an alert.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use pipewarden_core::alert::Document;
use pipewarden_core::detection::{Attribution, EvidenceRole, Status};
use pipewarden_core::event::Kind;
use pipewarden_core::time::EventTime;

use crate::generator::Truth;

/// How far the times of an attack's truth may be from those of its alert: clocks differ, and a connection is no access.
const SLACK: Duration = Duration::from_secs(120);

/// An alert about accesses, by one of its revisions.
#[derive(Clone, Debug)]
pub(super) struct Occurrence {
    pub(super) revision: u64,
    pub(super) status: Status,
    pub(super) rule: String,
    pub(super) asset: String,
    pub(super) roles: BTreeSet<String>,
    pub(super) source: Option<IpAddr>,
    /// Names of the source.
    pub(super) names: BTreeSet<String>,
    /// Other possible sources.
    candidates: BTreeSet<IpAddr>,
    pub(super) accounts: BTreeSet<String>,
    pub(super) pipes: BTreeSet<String>,
    pub(super) processes: BTreeSet<String>,
    pub(super) accesses: u32,
    pub(super) first: EventTime,
    pub(super) last: EventTime,
    /// Whether a share access names the source of each access, as far as the document shows, and nothing contradicts it.
    pub(super) is_certain: bool,
    /// Whether every list of the document is whole.
    pub(super) is_whole: bool,
    /// Whether an exception covers it.
    pub(super) is_covered: bool,
    /// What no routine does.
    pub(super) oddity: Option<Oddity>,
}

/// What no routine does, or no entry can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Oddity {
    /// An account is used from where it is not expected.
    Account,
    /// The host connected back.
    CallBack,
    /// A path was opened.
    Path,
}

impl Occurrence {
    /// `None` of alerts that are not about accesses of somebody.
    pub(super) fn of(document: &Document) -> Option<Self> {
        let own = &document.pipewarden;
        if !matches!(own.who.as_deref(), Some("source" | "unattributed")) {
            return None;
        }
        let set = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<String>>();
        let accesses = own.evidence.iter();
        let mut accesses = accesses.filter(|seen| seen.role == EvidenceRole::Access);
        let is_audited = own.attribution == Attribution::Audited
            && accesses.all(|seen| seen.kind != Kind::PipeConnected && seen.source_ip.is_some());
        let processes = own.source.processes.iter();
        let texts = own.accounts.iter().chain(&own.pipes).chain([&own.asset.id]);
        let oddity = if document.event.action == "account-use" || own.unexpected.is_some() {
            Some(Oddity::Account)
        } else if own.call_backs.is_some() {
            Some(Oddity::CallBack)
        } else if !own.paths.is_empty() {
            Some(Oddity::Path)
        } else {
            None
        };
        Some(Self {
            revision: own.revision,
            status: own.status,
            rule: document.rule.id.clone(),
            asset: own.asset.id.clone(),
            roles: set(&own.asset.roles),
            source: document.source.as_ref().map(|source| source.ip),
            names: own.source.names.iter().map(|named| named.name.clone()).collect(),
            candidates: own.candidates.iter().map(|candidate| candidate.ip).collect(),
            accounts: set(&own.accounts),
            pipes: set(&own.pipes),
            processes: processes
                .filter_map(|process| process.executable.clone())
                .collect(),
            accesses: own.accesses,
            first: document.event.start,
            last: document.event.end,
            is_certain: is_audited
                && own.conflicts.is_empty()
                && own.dropped.is_none()
                && !own.accounts.is_empty(),
            // A text that was cut ends so.
            is_whole: own.omitted.is_none() && !texts.into_iter().any(|text| text.ends_with('…')),
            is_covered: own.exception.is_some(),
            oddity,
        })
    }

    /// The number of the attack that it is an alert about, by time, host and source.
    pub(super) fn attack(&self, truths: &[Truth]) -> Option<u64> {
        let is_it = |truth: &&Truth| {
            let is_then =
                truth.first_access.minus(SLACK) <= self.last && self.first <= truth.last_access.plus(SLACK);
            let sources = truth.sources.iter().chain([&truth.attacker]);
            let is_possible = |ip: &IpAddr| self.source == Some(*ip) || self.candidates.contains(ip);
            is_then && truth.asset == self.asset && sources.into_iter().any(is_possible)
        };
        truths.iter().find(is_it).map(|truth| truth.attack)
    }
}

/// A campaign, by one of its revisions.
#[derive(Clone, Debug)]
pub(super) struct Campaign {
    pub(super) revision: u64,
    pub(super) is_active: bool,
    pub(super) source: IpAddr,
    pub(super) assets: usize,
    /// The rule along whose chain it went.
    pub(super) chain: Option<String>,
}

impl Campaign {
    /// `None` of other alerts.
    pub(super) fn of(document: &Document) -> Option<Self> {
        let own = &document.pipewarden;
        let campaign = own.campaign.as_ref()?;
        Some(Self {
            revision: own.revision,
            is_active: own.status == Status::Active,
            source: document.source.as_ref()?.ip,
            assets: campaign.assets.len(),
            chain: campaign.chain.clone(),
        })
    }
}
