//! The document of a sweep, with a rule of its own.

use super::Document;
use super::document as doc;
use super::ecs::{Frame, Outline, Pivots, Weight, only, strings};
use super::title;
use crate::detection::{Attack, Counts, Omitted, Rule, SWEEP, Status, Sweep};

/// The risk of the least sweep, of one of twice as many assets, and of one of four times as many or more.
const RISKS: [u8; 3] = [47, 73, 99];

/// The rule of the document of a sweep that has doubled this often.
pub fn sweep_rule(doublings: u32) -> Rule {
    let risk = match doublings {
        0 => RISKS[0],
        1 => RISKS[1],
        2.. => RISKS[2],
    };
    Rule {
        id: SWEEP.into(),
        name: "One source touches several protected hosts".to_owned(),
        description: Some(
            "One source opened watched pipes on several protected hosts within a short time, as enumeration and lateral \
             movement do and as management tools do that no exception covers. Each host has alerts of its own."
                .to_owned(),
        ),
        risk,
        attack: vec![Attack {
            tactic: "TA0008".to_owned(),
            technique: "T1021.002".to_owned(),
        }],
        ..Rule::default()
    }
}

pub(super) fn document(sweep: &Sweep, frame: &Frame<'_>) -> Document {
    let source = sweep.window.source;
    let addresses = frame.asset.addresses.to_vec();
    let mut pivots = Pivots::of(frame.asset.id, &addresses);
    pivots.ips.insert(source);
    pivots
        .hosts
        .extend(sweep.assets.iter().map(|swept| swept.asset.as_str()));
    pivots.add_users(&sweep.accounts);
    let related = pivots.fields();
    let mut document = frame.document(Outline {
        message: title(sweep),
        action: "campaign",
        category: &["intrusion_detection", "network"],
        outcome: sweep.outcome,
        first: sweep.first,
        last: sweep.last,
        weight: Weight::default(),
        addresses,
        accesses: sweep.touched,
        observations: Counts {
            share_access: sweep.touched,
            ..Counts::default()
        },
    });
    document.source = Some(doc::Source {
        ip: source,
        address: source.to_string(),
        port: None,
        domain: None,
    });
    document.user = only(&sweep.accounts).map(|account| doc::User::named(account));
    document.file = only(&sweep.pipes).map(|pipe| doc::File {
        name: pipe.to_string(),
        path: None,
    });
    document.related = related;

    let fields = &mut document.pipewarden;
    fields.superseded_by = sweep.superseded_by.clone().unwrap_or_default();
    fields.accounts = strings(&sweep.accounts);
    fields.pipes = strings(&sweep.pipes);
    fields.sweep = Some(sweep_fields(sweep));
    fields.omitted = doc::OmittedFields::of(Omitted {
        others: sweep.omitted,
        ..Omitted::default()
    });
    document
}

/// `pipewarden.sweep`
fn sweep_fields(sweep: &Sweep) -> doc::SweepFields {
    let assets = sweep.assets.iter().map(|swept| doc::SweptAssetFields {
        id: swept.asset.to_string(),
        first: swept.first,
        last: swept.last,
        pipes: strings(&swept.pipes),
        accounts: strings(&swept.accounts),
        alert_ids: swept.alerts.clone(),
    });
    doc::SweepFields {
        within_seconds: sweep.within.as_secs(),
        assets: assets.collect(),
    }
}

fn title(sweep: &Sweep) -> String {
    let kind = match sweep.status() {
        Status::Superseded => "Superseded: sweep",
        _ => "Sweep",
    };
    let account = title::accounts(&sweep.accounts, "an unknown account");
    let (source, hosts) = (sweep.window.source, sweep.touched);
    let pipes = title::pipes(&sweep.pipes);
    let within = jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(&sweep.within);
    format!("{kind}: {account} from {source} opened {pipes} on {hosts} protected hosts within {within}")
}
