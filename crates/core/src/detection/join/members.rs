//! What an alert consists of, apart from session evidence.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::accesses::{Accesses, Pipe, Share};
use super::content::count;
use super::dropped::DroppedAccesses;
use super::open_alert::OpenAlert;
use super::standing::Standing;
use super::stored::{Opened, Stored};
use crate::detection::accounts::{OneAccount, Written, distinct};
use crate::detection::exceptions::{NamedSource, Subject};
use crate::detection::{Attribution, Who};
use crate::event::{Account, Outcome};
use crate::inventory::Domains;
use crate::time::{AppendTime, EventTime};

/// What an alert consists of, apart from session evidence.
pub(super) struct Members<'a> {
    /// The alert's rule.
    rule: &'a Arc<str>,
    pub(super) shares: Vec<&'a Share>,
    /// Pipe connections that are the same access as one of these.
    pub(super) paired: Vec<&'a Pipe>,
    /// Other pipe connections.
    pub(super) alone: Vec<&'a Pipe>,
    /// Accesses that bounds left no room for.
    pub(super) dropped: Option<&'a DroppedAccesses>,
}

impl<'a> Members<'a> {
    pub(super) fn of(alert: &'a OpenAlert, accesses: &'a Accesses) -> Self {
        let shares = alert.shares.iter().filter_map(|slot| accesses.shares.get(slot));
        let pipes = alert.pipes.iter().filter_map(|slot| accesses.pipes.get(slot));
        let (paired, alone) = pipes.partition(|pipe| accesses.is_evidence(pipe));
        Self {
            rule: &alert.key.rule,
            shares: shares.collect(),
            paired,
            alone,
            dropped: alert.dropped.as_deref(),
        }
    }

    /// How many accesses it has.
    pub(super) fn number(&self) -> u32 {
        let kept = self.shares.len() + self.alone.len();
        count(kept).saturating_add(self.dropped.map_or(0, |dropped| dropped.number))
    }

    /// How many of them a share access names the source of.
    pub(super) fn number_audited(&self, who: Who) -> u32 {
        let dropped = self.dropped.filter(|_| who != Who::Unattributed);
        count(self.audited().count()).saturating_add(dropped.map_or(0, |dropped| dropped.number))
    }

    /// Share accesses, and pipe connections that no share access explains, with their candidates.
    pub(super) fn accesses(&self) -> impl Iterator<Item = (&'a Stored, Option<&'a Standing>)> {
        let shares = self.shares.iter();
        let shares = shares.map(|share| (&share.stored, share.standing.as_ref()));
        let alone = self.alone.iter();
        shares.chain(alone.map(|pipe| (&pipe.stored, pipe.standing.as_ref())))
    }

    pub(super) fn pipes(&self) -> impl Iterator<Item = &'a Stored> {
        self.paired.iter().chain(&self.alone).map(|pipe| &pipe.stored)
    }

    /// Those whose source a share access names.
    pub(super) fn audited(&self) -> impl Iterator<Item = &'a Share> {
        self.shares
            .iter()
            .copied()
            .filter(|share| share.standing.as_ref().is_none_or(Standing::is_audited))
    }

    /// Whether each of these share accesses has its own address, and none that of a logon of its session.
    pub(super) fn name_their_source(&self) -> bool {
        self.audited().all(|share| share.stored.named_source().is_some())
    }

    /// The first share access without an address whose logon id is of sessions from several sources.
    pub(super) fn named_by_several(&self) -> Option<&'a Stored> {
        let is_unclear = |share: &&&Share| {
            let standing = share.standing.as_ref();
            standing.is_some_and(Standing::is_named_by_several)
        };
        let unclear = self.shares.iter().filter(is_unclear).map(|share| &share.stored);
        unclear.min_by_key(|share| (share.time(), share.observation.id))
    }

    /// Logons that are accesses.
    pub(super) fn logons(&self) -> impl Iterator<Item = &'a Stored> {
        let shares = self.shares.iter().map(|share| &share.stored);
        shares.filter(|stored| stored.is_logon())
    }

    /// Event time of the first and of the last access.
    pub(super) fn times(&self) -> Option<(EventTime, EventTime)> {
        let kept = self.accesses().map(|(access, _)| (access.time(), access.time()));
        let times = kept.chain(self.dropped.map(|dropped| dropped.times));
        times.reduce(|(first, last), times| (first.min(times.0), last.max(times.1)))
    }

    /// The pipes that were opened, and the paths.
    pub(super) fn names_opened(&self) -> (BTreeSet<Arc<str>>, BTreeSet<Arc<str>>) {
        let kept = self.accesses().filter_map(|(access, _)| access.opened());
        let dropped = self.dropped.into_iter().flat_map(|dropped| &dropped.opened_names);
        let (mut pipes, mut paths) = (BTreeSet::new(), BTreeSet::new());
        for opened in kept.chain(dropped.cloned()) {
            match opened {
                Opened::Pipe(name) => pipes.insert(name),
                Opened::Path(name) => paths.insert(name),
            };
        }
        (pipes, paths)
    }

    /// Those that share accesses name and these, each once, however it was written.
    pub(super) fn accounts<'b>(
        &'b self,
        others: impl Iterator<Item = &'b Account>,
        domains: &Domains,
    ) -> BTreeSet<OneAccount> {
        let shares = self.shares.iter();
        let accounts = shares.filter_map(|share| share.stored.named_account());
        let dropped = self.dropped.into_iter().flat_map(|dropped| &dropped.accounts);
        distinct(
            accounts
                .chain(others)
                .map(Written::of)
                .chain(dropped.map(|text| Written::of_text(text))),
            domains,
        )
    }

    /// Success if any access is known to have been granted, else failure if all are known to have been denied.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let shares = self.shares.iter().map(|share| share.stored.outcome());
        let alone = self.alone.iter().map(|_| None);
        let outcomes = shares.chain(alone);
        let outcomes = outcomes.chain(self.dropped.map(|dropped| dropped.outcome));
        outcomes.reduce(Outcome::together).flatten()
    }

    /// How the source of each access is known, in an alert about these accesses.
    fn attributions(&self, who: Who) -> BTreeSet<Attribution> {
        let known = |standing: &Option<Standing>, without| {
            let verdict = standing.as_ref().map(Standing::verdict);
            verdict.map_or(without, |verdict| verdict.attribution)
        };
        let shares = self.shares.iter();
        let shares = shares.map(|share| known(&share.standing, Attribution::Audited));
        let alone = self.alone.iter();
        let alone = alone.map(|pipe| known(&pipe.standing, Attribution::None));
        let dropped: &[Attribution] = match (self.dropped, who) {
            (None, _) => &[],
            (Some(_), Who::Source(_) | Who::Local) => &[Attribution::Audited],
            // Whose each was is not told any more.
            (Some(_), Who::Unattributed) => &[Attribution::Ambiguous, Attribution::None],
        };
        shares.chain(alone).chain(dropped.iter().copied()).collect()
    }

    /// Spans that hold the times of all accesses. Within a minute one stands for all: exceptions know none shorter.
    fn spans(&self) -> BTreeSet<(EventTime, EventTime)> {
        const MINUTE: Duration = Duration::from_secs(60);
        let minutes = self.accesses().map(|(access, _)| access.time().bucket(MINUTE));
        let kept = minutes.map(|minute| (minute, minute));
        kept.chain(self.dropped.map(|dropped| dropped.times)).collect()
    }

    /// What exceptions are compared with: the accesses of an alert about `who`, who is one of these sources, by these accounts.
    pub(super) fn subject(
        &self,
        who: Who,
        sources: Vec<NamedSource>,
        accounts: BTreeSet<OneAccount>,
        is_contradicted: bool,
    ) -> Subject {
        let (pipes, paths) = self.names_opened();
        Subject {
            rule: Arc::clone(self.rule),
            sources,
            is_attributed: who != Who::Unattributed,
            is_audited: self.number_audited(who) == self.number() && self.name_their_source(),
            is_contradicted,
            attributions: self.attributions(who),
            times: self.spans(),
            accounts,
            pipes,
            paths,
            is_truncated: self.dropped.is_some_and(|dropped| dropped.has_more_accounts),
        }
    }

    /// When the first of them arrived.
    pub(super) fn opened(&self) -> Option<AppendTime> {
        let kept = self.accesses().map(|(access, _)| access.arrival);
        kept.chain(self.dropped.map(|dropped| dropped.opened)).min()
    }
}
