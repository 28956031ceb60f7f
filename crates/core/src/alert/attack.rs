//! MITRE ATT&CK names, for the tactics and techniques that access to pipes and shares is used for. An id without a name here is
//! written without one.

use super::document::{Tactic, Technique, Threat};
use crate::detection::Attack;

/// The version of enterprise ATT&CK that names are taken from.
pub(super) const VERSION: &str = "17";

/// Names of that version.
const NAMES: &[(&str, &str)] = &[
    ("TA0002", "Execution"),
    ("TA0003", "Persistence"),
    ("TA0004", "Privilege Escalation"),
    ("TA0006", "Credential Access"),
    ("TA0007", "Discovery"),
    ("TA0008", "Lateral Movement"),
    ("TA0009", "Collection"),
    ("T1003", "OS Credential Dumping"),
    ("T1003.002", "Security Account Manager"),
    ("T1012", "Query Registry"),
    ("T1018", "Remote System Discovery"),
    ("T1021", "Remote Services"),
    ("T1021.002", "SMB/Windows Admin Shares"),
    ("T1053", "Scheduled Task/Job"),
    ("T1053.002", "At"),
    ("T1053.005", "Scheduled Task"),
    ("T1069", "Permission Groups Discovery"),
    ("T1069.002", "Domain Groups"),
    ("T1078", "Valid Accounts"),
    ("T1078.002", "Domain Accounts"),
    ("T1087", "Account Discovery"),
    ("T1087.002", "Domain Account"),
    ("T1135", "Network Share Discovery"),
    ("T1187", "Forced Authentication"),
    ("T1201", "Password Policy Discovery"),
    ("T1482", "Domain Trust Discovery"),
    ("T1543", "Create or Modify System Process"),
    ("T1543.003", "Windows Service"),
    ("T1552", "Unsecured Credentials"),
    ("T1552.001", "Credentials In Files"),
    ("T1557", "Adversary-in-the-Middle"),
    ("T1557.001", "LLMNR/NBT-NS Poisoning and SMB Relay"),
    ("T1569", "System Services"),
    ("T1569.002", "Service Execution"),
];

/// The name of a tactic or technique.
pub fn attack_name(id: &str) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, name)| *name)
}

fn name(id: &str) -> Option<String> {
    attack_name(id).map(str::to_owned)
}

/// `threat.*` of a rule: one entry per tactic, sub-techniques below their technique.
pub(super) fn threats(attack: &[Attack]) -> Vec<Threat> {
    let mut threats: Vec<Threat> = Vec::new();
    for entry in attack {
        let place = threats.iter().position(|threat| threat.tactic.id == entry.tactic);
        let place = place.unwrap_or_else(|| {
            let tactic = Tactic {
                id: entry.tactic.clone(),
                name: name(&entry.tactic),
                reference: format!("https://attack.mitre.org/tactics/{}/", entry.tactic),
            };
            threats.push(Threat {
                framework: "MITRE ATT&CK".to_owned(),
                tactic,
                technique: Vec::new(),
            });
            threats.len() - 1
        });
        add(&mut threats[place].technique, &entry.technique);
    }
    threats
}

fn add(techniques: &mut Vec<Technique>, id: &str) {
    let parent = id.split_once('.').map_or(id, |(parent, _)| parent);
    let place = techniques
        .iter()
        .position(|technique| technique.id == parent)
        .unwrap_or_else(|| {
            techniques.push(Technique {
                id: parent.to_owned(),
                name: name(parent),
                reference: reference(parent),
                subtechnique: Vec::new(),
            });
            techniques.len() - 1
        });
    let below = &mut techniques[place].subtechnique;
    if parent != id && below.iter().all(|known| known.id != id) {
        below.push(Technique {
            id: id.to_owned(),
            name: name(id),
            reference: reference(id),
            subtechnique: Vec::new(),
        });
    }
}

fn reference(technique: &str) -> String {
    format!(
        "https://attack.mitre.org/techniques/{}/",
        technique.replace('.', "/")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_technique_is_below_its_technique_and_techniques_below_their_tactic() {
        let attack = |tactic: &str, technique: &str| Attack {
            tactic: tactic.into(),
            technique: technique.into(),
        };
        let threats = threats(&[
            attack("TA0008", "T1021.002"),
            attack("TA0007", "T1012"),
            attack("TA0008", "T1021"),
            attack("TA9999", "T9999"),
        ]);
        assert_eq!(threats.len(), 3);
        assert_eq!(threats[0].technique.len(), 1);
        assert_eq!(threats[0].technique[0].name.as_deref(), Some("Remote Services"));
        assert_eq!(threats[0].technique[0].subtechnique[0].id, "T1021.002");
        assert_eq!(threats[2].tactic.name, None);
    }
}
