//! The figures as a table for people, and as JSON for programs.

use std::fmt;

use pipewarden_core::detection::Confidence;
use serde_json::{Map, Value, json};

use super::attacks::AttackKind;
use super::figures::{AttackOutcome, Figures, Judgement};

/// The bands of risk, by their least.
const BANDS: [(u8, &str); 4] = [
    (73, "73 or more"),
    (47, "47 to 72"),
    (21, "21 to 46"),
    (0, "below 21"),
];

/// Wrong alerts that are shown to people; a program gets all.
const SHOWN: usize = 10;

const CONFIDENCES: [Confidence; 3] = [Confidence::High, Confidence::Medium, Confidence::Low];

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            documents,
            observations,
            routine,
            local,
            attacks,
            ..
        } = self;
        writeln!(f, "{documents} documents, {observations} observations")?;
        writeln!(
            f,
            "{routine} accesses by those who may, {local} by the host itself, {attacks} by attackers\n"
        )?;
        writeln!(f, "{:<46} {:>8} {:>8}", "", "before", "after")?;
        let [before, after] = [&self.before, &self.after].map(rows);
        for ((name, before), (_, after)) in before.into_iter().zip(after) {
            writeln!(f, "{name:<46} {before:>8} {after:>8}")?;
        }
        for (name, judgement) in [("before", &self.before), ("after", &self.after)] {
            writeln!(f, "\n{:<24}{}", format!("attacks, {name}"), head())?;
            for kind in AttackKind::ALL {
                let outcomes = judgement.attacks.get(&kind);
                let count = |outcome| outcomes.and_then(|all| all.get(&outcome)).copied();
                write!(f, "  {:<22}", kind.as_str())?;
                line(f, |outcome| count(outcome).unwrap_or_default())?;
            }
            write!(f, "  {:<22}", "all")?;
            line(f, |outcome| judgement.with_outcome(outcome))?;
        }
        let wrong = &self.after.wrong;
        if !wrong.is_empty() {
            writeln!(f, "\nwrong, after: {}", wrong.len())?;
        }
        for wrong in wrong.iter().take(SHOWN) {
            writeln!(f, "  {wrong}")?;
        }
        Ok(())
    }
}

fn head() -> String {
    let heads = AttackOutcome::ALL.map(|outcome| format!("{:>11}", outcome.as_str()));
    heads.concat()
}

fn line(f: &mut fmt::Formatter<'_>, count: impl Fn(AttackOutcome) -> usize) -> fmt::Result {
    for outcome in AttackOutcome::ALL {
        match count(outcome) {
            0 => write!(f, "{:>11}", "-")?,
            some => write!(f, "{some:>11}")?,
        }
    }
    writeln!(f)
}

/// Names and counts, in the same order whatever they are.
fn rows(judgement: &Judgement) -> Vec<(String, usize)> {
    let mut rows = vec![("alerts about accesses".to_owned(), judgement.told())];
    for (least, band) in BANDS {
        for confidence in CONFIDENCES {
            let count = judgement.alerts.get(&(least, confidence));
            rows.push((
                format!("  risk {band}, confidence {}", confidence.as_str()),
                count.copied().unwrap_or_default(),
            ));
        }
    }
    let others = [
        ("alerts of risk 47 or more", judgement.risky),
        ("  that name an attacker", judgement.risky_of_attackers),
        ("  that name who may and did", judgement.risky_of_routine),
        ("  that name a host without a part", judgement.risky_of_others),
        ("suppressed by exceptions", judgement.suppressed),
        ("suppressed as local", judgement.local_suppressed),
        ("alerts about what a host did itself", judgement.local_told),
        ("  that it may have done, without 5145", judgement.local_in_doubt),
        ("campaigns", judgement.campaigns),
        (
            "  of risk 47 or more, by attackers",
            judgement.campaigns_of_attackers,
        ),
        ("  of risk 47 or more, by others", judgement.campaigns_of_others),
        ("missing sensors found", judgement.blind_sensors),
        (
            "sensors found missing that are there",
            judgement.blind_sensors_false,
        ),
    ];
    rows.extend(others.map(|(name, count)| (name.to_owned(), count)));
    rows
}

impl Figures {
    /// All of it, for a program.
    pub fn to_json(&self) -> Value {
        json!({
            "documents": self.documents,
            "observations": self.observations,
            "accesses": {"routine": self.routine, "local": self.local, "attacks": self.attacks},
            "before": self.before.to_json(),
            "after": self.after.to_json(),
        })
    }
}

impl Judgement {
    fn to_json(&self) -> Value {
        let alerts: Vec<Value> = self
            .alerts
            .iter()
            .map(|((least, confidence), count)| {
                json!({"risk_from": least, "confidence": confidence.as_str(), "alerts": count})
            })
            .collect();
        let attacks: Map<String, Value> = AttackOutcome::ALL
            .iter()
            .map(|&outcome| (outcome.as_str().to_owned(), self.with_outcome(outcome).into()))
            .collect();
        json!({
            "alerts": alerts,
            "risky": {
                "all": self.risky,
                "of_attackers": self.risky_of_attackers,
                "of_routine": self.risky_of_routine,
                "of_others": self.risky_of_others,
            },
            "suppressed": self.suppressed,
            "local_suppressed": self.local_suppressed,
            "local_told": self.local_told,
            "local_in_doubt": self.local_in_doubt,
            "campaigns": {
                "all": self.campaigns,
                "risky_of_attackers": self.campaigns_of_attackers,
                "risky_of_others": self.campaigns_of_others,
            },
            "blind_sensors": self.blind_sensors,
            "blind_sensors_false": self.blind_sensors_false,
            "wrong": self.wrong,
            "attacks": attacks,
            "attacks_by_kind": self.attacks,
        })
    }
}
