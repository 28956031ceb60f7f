//! The three promises, read off what a world's topics hold.

use std::net::IpAddr;

use pipewarden_core::detection::Limits;
use pipewarden_core::event::Kind;

use super::estate::{MONITOR, SCANNER};
use super::fields::{is_share, source};
use super::play::{Candidate, Evidence, Ground, Played, Told};
use super::{Failure, World};

/// A world with its adversary, and without.
pub struct Judge<'a> {
    pub world: &'a World,
    pub attacked: &'a Played,
    pub clean: &'a Played,
}

/// The first label of a computer's name.
fn label(computer: &str) -> String {
    computer.split('.').next().unwrap_or_default().to_lowercase()
}

impl Judge<'_> {
    /// # Errors
    /// The first promise that is broken, and how.
    pub fn judge(&self) -> Result<(), Failure> {
        for (&place, seen) in &self.clean.seen {
            if matches!(seen.kind, Kind::PipeConnected | Kind::ShareAccess) {
                self.is_told(place)?;
                self.is_as_sure(place)?;
            }
        }
        self.are_counted()?;
        for told in self
            .attacked
            .told
            .iter()
            .filter(|told| told.source().is_some() || told.who() == "local")
        {
            self.frames_nobody(told)?;
        }
        self.never_stops()
    }

    /// The alerts among whose accesses or pairs a message is, or one that says the same.
    fn telling<'p>(&self, played: &'p Played, place: usize) -> Vec<&'p Told> {
        let Some(seen) = played.seen.get(&place) else {
            return Vec::new();
        };
        let is_it = |part: &Evidence| {
            let origin = part.origin.and_then(|origin| played.seen.get(&origin.offset));
            origin.is_some_and(|other| other.id == seen.id)
        };
        played
            .told
            .iter()
            .filter(|told| told.parts().any(is_it))
            .collect()
    }

    /// `no_silence`, of one true document.
    fn is_told(&self, place: usize) -> Result<(), Failure> {
        let message = &self.world.messages[place];
        let told = self.telling(self.attacked, place);
        let silence = |what: &str| Failure::new("no_silence", format!("{what}: {}", message.draft.summary()));
        if told.is_empty() {
            return if self.may_be_counted(place) {
                Ok(())
            } else {
                Err(silence("nothing tells of it"))
            };
        }
        if let Some(named) = self.named(place)
            && !told
                .iter()
                .any(|told| told.source() == Some(named) || self.is_lawfully_local(told, place))
        {
            return Err(silence(
                "its share access names somebody, and no alert of it does",
            ));
        }
        let is_suppressed = |told: &&Told| told.pipewarden.status == "suppressed";
        if !told.iter().all(is_suppressed) {
            return Ok(());
        }
        let before = self.telling(self.clean, place);
        if !before.is_empty() && before.iter().all(is_suppressed) {
            return Ok(());
        }
        let is_lawful = |told: &&&Told| match told.pipewarden.suppressed_by.as_deref() {
            Some("local") => self.is_lawfully_local(told, place),
            _ => self.is_lawfully_excepted(told),
        };
        match told.iter().find(|told| !is_lawful(told)) {
            Some(told) => Err(silence(&format!(
                "suppressed without right by {:?}",
                told.pipewarden.suppressed_by
            ))),
            None => Ok(()),
        }
    }

    /// Whether no inventory says which computer a short name is, so that whoever claims a full one splits a host in two.
    fn is_splittable(&self) -> bool {
        let mut computers = self.world.messages.iter().map(|message| &message.draft.computer);
        self.world.regime.watches_all && computers.any(|computer| !computer.contains('.'))
    }

    /// Whatever makes an alert less sure is shown in it.
    fn is_as_sure(&self, place: usize) -> Result<(), Failure> {
        let (before, after) = (
            self.telling(self.clean, place),
            self.telling(self.attacked, place),
        );
        // Somebody beside who is named is shown as a candidate.
        let is_new = |candidate: &Candidate| {
            let mut known = before.iter().flat_map(|told| &told.pipewarden.candidates);
            !known.any(|known| known.ip == candidate.ip && known.local == candidate.local)
        };
        let rival = |told: &&Told| {
            let mut candidates = told.pipewarden.candidates.iter();
            candidates.any(|candidate| is_new(candidate) || self.is_forged_source(candidate))
        };
        let best = |told: &[&Told]| told.iter().map(|told| told.pipewarden.confidence).max();
        // What is forged in the name of the same source may stand in an alert of its own, by another bucket.
        let is_of_its_source = |told: &Told| {
            (told.source().is_some() || told.who() == "local")
                && after.iter().any(|after| {
                    (after.source(), after.who()) == (told.source(), told.who())
                        && after.pipewarden.asset.id == told.pipewarden.asset.id
                })
        };
        // What made it surer may have left it for another alert, which says why.
        let parted = before.iter().flat_map(|told| told.parts());
        let parted = parted.filter_map(|part| Some(part.origin?.offset));
        let mut parted = parted.flat_map(|place| self.telling(self.attacked, place));
        if self.is_splittable()
            || after.is_empty()
            || best(&after) >= best(&before)
            || after.iter().any(rival)
            || after.iter().any(|told| self.shows_the_forged_word(told))
            || parted.any(|told| self.shows_the_forged_word(told))
            || (self.attacked.told.iter())
                .any(|told| is_of_its_source(told) && self.shows_the_forged_word(told))
            || self.has_lost_a_connection(place)
        {
            return Ok(());
        }
        let draft = &self.world.messages[place].draft;
        let text = format!(
            "{:?} was {:?}, and nothing forged is shown: {}",
            best(&after),
            best(&before),
            draft.summary()
        );
        Err(Failure::new("no_doubt", text))
    }

    /// Whether a claim of an address has taken a true connection from the asset of a message: the documented limit of what
    /// only bindings know, of which an alert of that asset cannot show anything.
    fn has_lost_a_connection(&self, place: usize) -> bool {
        let asset = self.attacked.seen.get(&place).map(|seen| &seen.asset);
        let mut sessions = self.clean.seen.iter();
        sessions.any(|(other, seen)| {
            let is_moved = || {
                self.attacked
                    .seen
                    .get(other)
                    .is_none_or(|now| now.asset != seen.asset)
            };
            seen.kind == Kind::NetworkConnection && Some(&seen.asset) == asset && is_moved()
        })
    }

    /// Whether some forged word is about this candidate.
    fn is_forged_source(&self, candidate: &Candidate) -> bool {
        let mut forged = self
            .world
            .messages
            .iter()
            .filter(|message| message.forgery.is_some());
        forged.any(|message| {
            let named: Option<IpAddr> = source(&message.draft).0.parse().ok();
            candidate.local || named.is_some_and(|ip| ip.to_canonical() == candidate.ip)
        })
    }

    /// The address that a true share access names, if that can be nobody's but another host's.
    fn named(&self, place: usize) -> Option<IpAddr> {
        let message = &self.world.messages[place];
        let access = &self.world.accesses[message.access?];
        let ip: IpAddr = message.draft.get("IpAddress").parse().ok()?;
        (is_share(&message.draft) && access.addresses.contains(&ip)).then_some(ip)
    }

    /// Whether an access is local by the asset's own log. What names a routable address of another host never is.
    fn is_lawfully_local(&self, told: &Told, place: usize) -> bool {
        let is_of_another = self.named(place).is_some_and(|ip| match ip {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        });
        let own = label(&told.pipewarden.asset.id);
        // A name that the inventory or a binding gives rests on no computer.
        let mut grounds = told.pipewarden.rests_on.iter();
        let by_the_asset = grounds.all(|ground| {
            let computer = ground.computer.as_deref().map(label);
            computer.is_none_or(|computer| computer == own)
        });
        told.who() == "local" && !is_of_another && by_the_asset
    }

    /// Whether every access of an alert is audited, by the asset, by somebody whom an exception covers, and uncontradicted.
    fn is_lawfully_excepted(&self, told: &Told) -> bool {
        let own = &told.pipewarden;
        let is_covered = |seen: &Evidence| {
            let by_address = seen.source_ip == SCANNER.parse().ok();
            let by_account = seen.account.as_deref() == Some(&format!("APERTURE\\{MONITOR}"));
            seen.kind == "share_access"
                && (by_address || by_account)
                && label(&seen.computer) == label(&own.asset.id)
        };
        let accesses = own.evidence.iter().filter(|seen| seen.role == "access");
        own.attribution == "audited" && own.conflicts.is_empty() && accesses.into_iter().all(is_covered)
    }

    /// Whether a bound may have left no more of a document than a count, as some alert says.
    fn may_be_counted(&self, place: usize) -> bool {
        self.world.regime.is_tight
            && self.clean.seen.get(&place).is_some_and(|seen| {
                // A claim may have given a short name to another asset.
                let now = self.attacked.seen.get(&place).unwrap_or(seen);
                self.attacked.told.iter().any(|told| {
                    let own = &told.pipewarden;
                    let of_asset = own.asset.id == seen.asset || own.asset.id == now.asset;
                    let cut = own.dropped.accesses > 0 || own.omitted.evidence > 0 || own.omitted.bytes > 0;
                    own.overflow.is_some() || (of_asset && cut)
                })
            })
    }

    /// Every distinct access or part of a pair counts in some alert.
    fn are_counted(&self) -> Result<(), Failure> {
        let mut told = 0;
        for alert in &self.attacked.told {
            let own = &alert.pipewarden;
            told += match (alert.who(), &own.overflow) {
                (_, Some(overflow)) => u64::from(overflow.accesses),
                ("source" | "unattributed" | "local", _) => {
                    let kept = own.observations.pipe_connected + own.observations.share_access;
                    u64::from(kept) + u64::from(own.dropped.accesses)
                }
                _ => 0,
            };
        }
        let accesses = self
            .attacked
            .seen
            .values()
            .filter(|seen| matches!(seen.kind, Kind::PipeConnected | Kind::ShareAccess));
        let distinct: std::collections::BTreeSet<_> = accesses.map(|seen| seen.id).collect();
        let distinct = distinct.len() as u64;
        if told < distinct {
            let text = format!("{distinct} accesses and pairs arrived, and alerts count {told}");
            return Err(Failure::new("no_silence", text));
        }
        Ok(())
    }

    /// `no_frame`, of one alert that names a source, or the asset itself.
    fn frames_nobody(&self, told: &Told) -> Result<(), Failure> {
        // That a pipe is the evidence of another access is allowed; whoever that access names did it.
        for part in told.parts().filter(|part| part.role != "pair") {
            let Some(place) = self.framed(told, part) else {
                continue;
            };
            let before = self.telling(self.clean, place);
            if before
                .iter()
                .any(|before| before.source() == told.source() && before.who() == told.who())
            {
                continue;
            }
            if !self.is_splittable()
                && !self.shows_the_forged_word(told)
                && !self.has_lost_a_connection(place)
            {
                let who = told
                    .source()
                    .map_or_else(|| "the asset itself".to_owned(), |ip| ip.to_string());
                let framed = self.world.messages[place].draft.summary();
                let text =
                    format!("{who} is named for what it did not do, and nothing forged is shown: {framed}");
                return Err(Failure::new("no_frame", text));
            }
        }
        Ok(())
    }

    /// The place of the true document that says what an entry of an alert's accesses says, where that is of another source than
    /// the alert names.
    fn framed(&self, told: &Told, part: &Evidence) -> Option<usize> {
        let place = part.origin?.offset;
        let id = self.attacked.seen.get(&place)?.id;
        let places = self.attacked.places.get(&id)?;
        let is_true = |place: &&usize| self.world.messages[**place].forgery.is_none();
        let place = *places.iter().find(is_true)?;
        let access = &self.world.accesses[self.world.messages[place].access?];
        let is_its_own = match told.source() {
            Some(ip) => access.addresses.contains(&ip),
            None => access.addresses.is_empty(),
        };
        (!is_its_own).then_some(place)
    }

    /// Whether a forged document, or a binding that places a connection, is among what the alert rests on, or a contradiction
    /// or a bound is stated.
    fn shows_the_forged_word(&self, told: &Told) -> bool {
        let own = &told.pipewarden;
        if !own.conflicts.is_empty()
            || own.dropped.evidence > 0
            || own.omitted.evidence > 0
            || own.omitted.bytes > 0
            || own.rests_on.iter().any(Ground::is_binding_of_a_connection)
        {
            return true;
        }
        let forged = own
            .evidence
            .iter()
            .filter(|seen| self.is_forged(seen, own.untimely.is_some()));
        forged.into_iter().any(|seen| {
            own.rests_on.iter().any(|ground| {
                ground.event.is_some()
                    && ground.computer.as_deref().map(label) == Some(label(&seen.computer))
                    && !ground.says.is_empty()
            })
        })
    }

    /// Whether nobody says truly what an entry of the evidence says, or somebody said it long before it was true.
    fn is_forged(&self, seen: &Evidence, is_untimely: bool) -> bool {
        let Some(place) = seen.origin.map(|origin| origin.offset) else {
            return false;
        };
        let is_forged = |place: &usize| self.world.messages[*place].forgery.is_some();
        let id = self.attacked.seen.get(&place).map(|seen| seen.id);
        let places = id.and_then(|id| self.attacked.places.get(&id));
        (is_untimely && is_forged(&place)) || places.is_some_and(|places| places.iter().all(is_forged))
    }

    /// `no_stop`: state, work and documents are bounded.
    fn never_stops(&self) -> Result<(), Failure> {
        let (played, regime) = (self.attacked, self.world.regime);
        let limits: Limits = regime.policy().join.limits.clone();
        // Alerts are bounded by bucket of arrival, and stay open for less than seven of them; overflows and alerts about
        // many sources come beside them, at most one of each for an asset and rule.
        let alerts = 8 * (limits.alerts_per_partition + 4 * super::estate::ASSETS.len());
        let bounds = [
            (
                "session evidence",
                played.state.session_evidence,
                limits.session_evidence_per_partition,
            ),
            ("accesses", played.state.accesses, limits.accesses_per_partition),
            (
                "seen events",
                played.state.seen_events,
                limits.seen_events_per_partition,
            ),
            ("alerts", played.state.alerts, alerts),
            ("bindings", played.bindings, regime.bindings().limit),
            ("bytes of a document", played.largest, regime.max_bytes()),
            ("revisions", played.revisions, 6 * played.records + 6),
        ];
        for (what, most, bound) in bounds {
            if most > bound {
                return Err(Failure::new(
                    "no_stop",
                    format!("{most} {what}, and the bound is {bound}"),
                ));
            }
        }
        Ok(())
    }
}
