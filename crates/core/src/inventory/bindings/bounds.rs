//! What the table drops: by its bounds, and what nothing confirms.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use super::binding::Binding;
use super::{Bindings, Sharing};
use crate::time::EventTime;

/// How many bindings were dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The table had too many, and their address was seen longest ago.
    pub limit: u64,
    /// Their address had too many bindings.
    pub limit_per_address: u64,
    /// Their computer had too many bindings.
    pub limit_per_computer: u64,
    /// Nothing had confirmed them for too long.
    pub max_age: u64,
}

impl Bindings {
    /// Takes in a binding that is not there yet; bounds may drop it, or others.
    pub(super) fn insert(&mut self, address: IpAddr, binding: Binding) {
        let (last, computer) = (binding.last(), Arc::clone(&binding.computer));
        let bindings = self.by_address.entry(address);
        // Nearly every address has one.
        let bindings = bindings.or_insert_with(|| Vec::with_capacity(1));
        bindings.push(binding);
        self.bindings += 1;
        if bindings.len() == 1 {
            self.oldest.push(Reverse((last, address)));
        } else if bindings.len() > self.settings.limit_per_address {
            let least = (0..bindings.len()).min_by(|&a, &b| bindings[a].worth().cmp(&bindings[b].worth()));
            self.drop_one(address, least.expect("there is one more than the bound"));
            self.dropped.limit_per_address += 1;
        }
        if self.names.addresses(&computer).len() > self.settings.limit_per_computer
            && let Some((address, index)) = self.least_of(&computer)
        {
            self.drop_one(address, index);
            self.dropped.limit_per_computer += 1;
        }
        if self.bindings > self.settings.limit
            && let Some(address) = self.pop_oldest()
        {
            let gone = self
                .by_address
                .remove(&address)
                .expect("an address with an entry has bindings");
            self.dropped.limit += gone.len() as u64;
            gone.iter().for_each(|binding| self.drop_record(address, binding));
        }
        // Addresses that were forgotten and came back have more than one entry.
        if self.oldest.len() > 2 * self.by_address.len() + 64 {
            let entries = self
                .by_address
                .iter()
                .filter_map(|(&address, bindings)| Some(Reverse((latest(bindings)?, address))));
            self.oldest = entries.collect();
        }
    }

    /// The binding of a computer that is worth least: on the weakest word, of these the one seen longest ago.
    fn least_of(&self, computer: &str) -> Option<(IpAddr, usize)> {
        let addresses = self.names.addresses(computer).iter();
        let found = addresses.filter_map(|&address| {
            let bindings = self.by_address.get(&address)?;
            let index = bindings.iter().position(|one| *one.computer == *computer)?;
            let (says, last) = (bindings[index].says(), bindings[index].last());
            Some(((says, last, Reverse(address)), (address, index)))
        });
        found.min_by_key(|(worth, _)| *worth).map(|(_, place)| place)
    }

    /// Drops the binding of an address that stands there.
    fn drop_one(&mut self, address: IpAddr, index: usize) {
        if let Some(bindings) = self.by_address.get_mut(&address) {
            let gone = bindings.swap_remove(index);
            self.renew_entry(address);
            self.drop_record(address, &gone);
        }
    }

    /// An address has lost a binding, its latest perhaps, or its last.
    pub(super) fn renew_entry(&mut self, address: IpAddr) {
        match self.by_address.get(&address).map(|bindings| latest(bindings)) {
            Some(Some(latest)) => self.oldest.push(Reverse((latest, address))),
            Some(None) => {
                self.by_address.remove(&address);
            }
            None => {}
        }
    }

    /// The address whose computers were seen longest ago; of several the lowest.
    fn pop_oldest(&mut self) -> Option<IpAddr> {
        loop {
            let Reverse((last, address)) = self.oldest.pop()?;
            match self
                .by_address
                .get(&address)
                .and_then(|bindings| latest(bindings))
            {
                Some(latest) if latest == last => return Some(address),
                // It was seen again since: put it back, and try the next oldest.
                Some(latest) if latest > last => self.oldest.push(Reverse((latest, address))),
                // Its latest binding was forgotten, which put another entry here; or it has gone altogether.
                _ => {}
            }
        }
    }

    /// Drops what nothing has confirmed for `max_age`.
    pub fn expire(&mut self) {
        let before = self.now.minus(self.settings.max_age);
        let mut gone = Vec::new();
        self.by_address.retain(|&address, bindings| {
            let count = bindings.len();
            gone.extend(
                bindings
                    .extract_if(.., |binding| binding.confirmed < before)
                    .map(|binding| (address, binding)),
            );
            if let Some(latest) = latest(bindings)
                && bindings.len() < count
            {
                self.oldest.push(Reverse((latest, address)));
            }
            !bindings.is_empty()
        });
        self.dropped.max_age += gone.len() as u64;
        for (address, binding) in &gone {
            self.drop_record(*address, binding);
        }
    }

    /// A binding was dropped: its name and its record go, too.
    fn drop_record(&mut self, address: IpAddr, gone: &Binding) {
        self.bindings -= 1;
        self.names.remove(&gone.computer, address);
        let publishes = match self.sharing {
            Sharing::Off => false,
            // Many will turn out to be dropped on the topic already; what is pending is bounded as the table is.
            Sharing::Reading => self.pending.len() < self.settings.limit,
            Sharing::On => true,
        };
        if publishes && gone.is_published() {
            self.pending.insert((address, Arc::clone(&gone.computer)), None);
        }
    }
}

/// The last time at which any of an address's computers was seen.
fn latest(bindings: &[Binding]) -> Option<EventTime> {
    bindings.iter().map(Binding::last).max()
}
