//! The kinds of events and how often each occurs.

use std::fmt;
use std::str::FromStr;

use crate::winlogbeat::{self, Definition};

macro_rules! kinds {
    ($($variant:ident = $name:literal, $definition:ident, $weight:literal;)+) => {
        /// A kind of event, by its log and id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $(#[doc = concat!("`", $name, "`")] $variant),+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name that `--mix` takes.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What is the same in all its documents.
            pub const fn definition(self) -> &'static Definition {
                match self { $(Self::$variant => &winlogbeat::$definition),+ }
            }

            /// How many in 10,000, as whole Winlogbeat recordings of Windows domains have them.
            const fn usual_weight(self) -> u32 {
                match self { $(Self::$variant => $weight),+ }
            }
        }
    };
}

kinds! {
    ProcessAccessed = "sysmon-10", PROCESS_ACCESSED, 2_400;
    RegistryObject = "sysmon-12", REGISTRY_OBJECT, 1_900;
    PipelineDetails = "powershell-800", PIPELINE_DETAILS, 1_400;
    ModuleLogging = "powershell-4103", MODULE_LOGGING, 1_200;
    ImageLoaded = "sysmon-7", IMAGE_LOADED, 1_000;
    RegistryValue = "sysmon-13", REGISTRY_VALUE, 460;
    ConnectionPermitted = "security-5156", CONNECTION_PERMITTED, 330;
    NetworkConnection = "sysmon-3", NETWORK_CONNECTION, 250;
    HandleClosed = "security-4658", HANDLE_CLOSED, 300;
    FileCreated = "sysmon-11", FILE_CREATED, 240;
    Logon = "security-4624", LOGON, 200;
    Logoff = "security-4634", LOGOFF, 130;
    ProcessCreated = "sysmon-1", PROCESS_CREATED, 120;
    PipeConnected = "sysmon-18", PIPE_CONNECTED, 50;
    ShareAccess = "security-5145", SHARE_ACCESS, 10;
    ShareSession = "security-5140", SHARE_SESSION, 10;
}

/// How often each kind occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Weights, in order of [`Kind::ALL`].
    weights: Vec<u32>,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            weights: Kind::ALL.iter().map(|kind| kind.usual_weight()).collect(),
        }
    }
}

impl Mix {
    /// The share of a kind among all, from 0 to 1.
    pub fn share(&self, kind: Kind) -> f64 {
        f64::from(self.weights[kind as usize]) / f64::from(self.total())
    }

    pub(super) fn total(&self) -> u32 {
        self.weights.iter().sum()
    }

    /// The kind that a number below the total falls to.
    pub(super) fn at(&self, number: u32) -> Kind {
        let mut left = number;
        for (kind, &weight) in Kind::ALL.iter().zip(&self.weights) {
            if left < weight {
                return *kind;
            }
            left -= weight;
        }
        Kind::ALL[0]
    }
}

/// `sysmon-10=24,sysmon-3=2.5`: only these, in these proportions. Up to two decimals count.
impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights = vec![0u32; Kind::ALL.len()];
        for part in text.split(',') {
            let (name, weight) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is not KIND=WEIGHT"))?;
            let kind = Kind::ALL
                .iter()
                .find(|kind| kind.as_str() == name.trim())
                .ok_or_else(|| format!("{name:?} is no kind; the kinds are {}", names()))?;
            let weight: f64 = weight
                .trim()
                .parse()
                .map_err(|_| format!("{weight:?} is not a number"))?;
            if !(0.0..=10_000.0).contains(&weight) {
                return Err(format!("{weight} is not a weight from 0 to 10000"));
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "bounded just above"
            )]
            let weight = (weight * 100.0).round() as u32;
            weights[*kind as usize] = weight;
        }
        if weights.iter().all(|&weight| weight == 0) {
            return Err("nothing is left to generate".to_owned());
        }
        Ok(Self { weights })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn names() -> String {
    Kind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_holds_what_it_names_and_nothing_else() {
        let mix: Mix = "sysmon-3=2.5, sysmon-18=7.5".parse().unwrap();
        assert!((mix.share(Kind::NetworkConnection) - 0.25).abs() < 1e-9);
        assert_eq!(mix.at(249), Kind::NetworkConnection);
        assert_eq!(mix.at(250), Kind::PipeConnected);
        assert!(mix.share(Kind::Logon) < 1e-9);
    }

    #[test]
    fn an_invalid_mix_is_an_error_that_names_the_kinds() {
        assert!("sysmon-99=1".parse::<Mix>().unwrap_err().contains("sysmon-10"));
        for bad in ["", "sysmon-3", "sysmon-3=x", "sysmon-3=0", "sysmon-3=-1"] {
            assert!(bad.parse::<Mix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_usual_weights_add_up() {
        assert_eq!(Mix::default().total(), 10_000);
    }
}
