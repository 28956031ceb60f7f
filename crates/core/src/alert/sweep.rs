//! What a sweep says in the place of a rule and a title.

use super::document as doc;
use super::title;
use crate::detection::{Attack, Content, Pipes, Rule, SWEEP, Status, SweepFinding};

/// The risk of the least sweep, of one of twice as many assets, and of one of four times as many or more.
const RISKS: [u8; 3] = [47, 73, 99];

/// What stands in the place of a rule for a sweep that has doubled this often.
pub fn sweep_rule(doublings: u32) -> Rule {
    let doublings = usize::try_from(doublings).unwrap_or(usize::MAX);
    Rule {
        id: SWEEP.into(),
        name: "One source touches several protected hosts".to_owned(),
        description: Some(
            "One source opened watched pipes on several protected hosts within a short time, as enumeration and lateral \
             movement do and as management tools do that no exception covers. Each host has alerts of its own."
                .to_owned(),
        ),
        enabled: true,
        pipes: Pipes::default(),
        risk: RISKS[doublings.min(RISKS.len() - 1)],
        references: Vec::new(),
        attack: vec![Attack {
            tactic: "TA0008".to_owned(),
            technique: "T1021.002".to_owned(),
        }],
    }
}

/// `pipewarden.sweep`
pub(super) fn own(sweep: &SweepFinding) -> doc::SweepFields {
    let assets = sweep.assets.iter().map(|swept| doc::SweptAssetFields {
        id: swept.asset.to_string(),
        first: swept.first,
        last: swept.last,
        pipes: swept.pipes.iter().map(ToString::to_string).collect(),
        accounts: swept.accounts.iter().map(ToString::to_string).collect(),
        alert_ids: swept.alerts.clone(),
    });
    doc::SweepFields {
        within_seconds: sweep.within.as_secs(),
        assets: assets.collect(),
    }
}

pub(super) fn title(sweep: &SweepFinding, content: &Content) -> String {
    let told = match content.status {
        Status::Superseded => "Superseded: sweep",
        _ => "Sweep",
    };
    let account = title::accounts(content, "an unknown account");
    let source = content
        .source_ip
        .map(|ip| format!(" from {ip}"))
        .unwrap_or_default();
    let pipes = title::pipes(content);
    let hosts = content.accesses;
    let within = jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(&sweep.within);
    format!("{told}: {account}{source} opened {pipes} on {hosts} protected hosts within {within}")
}
