//! The document of a campaign, with a rule of its own.

use std::fmt::Write as _;

use super::Document;
use super::document as doc;
use super::ecs::{Frame, Outline, Pivots, Weight, only, strings};
use super::title;
use crate::detection::{
    Attack, Attribution, CAMPAIGN, Campaign, CampaignAsset, Counts, Dropped, Omitted, Rule, Status,
};
use crate::event::Outcome;
use crate::text::plural;

/// The risk of a campaign on the least number of assets, on twice as many, and on four times as many or more.
const RISKS: [u8; 3] = [47, 73, 99];

/// The rule of the document of a campaign: named by the rule along whose chain it goes, if it goes along one.
pub fn campaign_rule(campaign: &Campaign) -> Rule {
    let risk = match campaign.doublings {
        0 => RISKS[0],
        1 => RISKS[1],
        2.. => RISKS[2],
    };
    if let Some(chain) = &campaign.chain {
        return Rule {
            id: CAMPAIGN.into(),
            risk: chain.risk.max(risk),
            ..Rule::clone(chain)
        };
    }
    Rule {
        id: CAMPAIGN.into(),
        name: "One source touches several protected hosts".to_owned(),
        description: Some(
            "One source accessed several protected hosts in a short time, as enumeration and lateral movement do and as \
             management tools do that no exception covers. Each host has alerts of its own."
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

pub(super) fn document(campaign: &Campaign, frame: &Frame<'_>) -> Document {
    let addresses = frame.asset.addresses.to_vec();
    let mut pivots = Pivots::of(frame.asset.id, &addresses);
    pivots.ips.extend(&campaign.addresses);
    pivots
        .hosts
        .extend(campaign.hosts.iter().map(|host| host.as_str()));
    pivots.hosts.extend(frame.asset.source);
    pivots.add_users(&campaign.accounts);
    let related = pivots.fields();
    let mut document = frame.document(Outline {
        message: title(campaign, frame.asset.source),
        action: CAMPAIGN,
        category: &["intrusion_detection", "network"],
        outcome: campaign.outcome,
        first: campaign.first,
        last: campaign.last,
        weight: Weight {
            is_denied: campaign.denied == campaign.touched,
            is_excepted: campaign.is_downgraded,
            ..Weight::default()
        },
        addresses,
        accesses: campaign.alerts,
        observations: Counts::default(),
    });
    document.source = Some(doc::Source {
        ip: campaign.source_ip,
        address: campaign.source_ip.to_string(),
        port: None,
        domain: frame.asset.source.map(str::to_owned),
    });
    document.user = only(&campaign.accounts).map(|account| doc::User::named(account));
    document.file = super::access::file(&campaign.pipes, &campaign.paths);
    document.related = related;

    let fields = &mut document.pipewarden;
    fields.superseded_by = campaign.superseded_by.clone().unwrap_or_default();
    fields.accounts = strings(&campaign.accounts);
    fields.pipes = strings(&campaign.pipes);
    fields.paths = strings(&campaign.paths);
    let listed = frame.asset.source.map(|name| doc::SourceName {
        name: name.to_owned(),
        from: doc::NamedBy::Inventory,
    });
    fields.source.names = listed.into_iter().collect();
    fields.campaign = Some(campaign_fields(campaign));
    fields.dropped = (campaign.dropped > 0).then_some(Dropped {
        accesses: campaign.dropped,
        ..Dropped::default()
    });
    fields.omitted = doc::OmittedFields::of(Omitted {
        others: campaign.omitted,
        ..Omitted::default()
    });
    document
}

/// `pipewarden.campaign`
fn campaign_fields(campaign: &Campaign) -> doc::CampaignFields {
    doc::CampaignFields {
        within_seconds: campaign.within.as_secs(),
        chain: campaign.chain.as_ref().map(|rule| rule.id.to_string()),
        rests_on: doc::CampaignGrounds {
            audited: campaign.audited,
            inferred: campaign.inferred,
            denied: campaign.denied,
            downgraded: campaign.downgraded,
        },
        assets: campaign.assets.iter().map(asset_fields).collect(),
    }
}

fn asset_fields(asset: &CampaignAsset) -> doc::CampaignAssetFields {
    doc::CampaignAssetFields {
        id: asset.asset.to_string(),
        roles: Vec::new(),
        first: asset.first,
        last: asset.last,
        rules: strings(&asset.rules),
        pipes: strings(&asset.pipes),
        paths: strings(&asset.paths),
        accounts: strings(&asset.accounts),
        alert_ids: asset.alerts.clone(),
        attribution: asset.attribution,
        denied: asset.is_denied,
        downgraded: asset.is_downgraded,
    }
}

/// Who, from where, did what, to how many hosts, and how much of that is inferred or was denied.
fn title(campaign: &Campaign, source: Option<&str>) -> String {
    let mut title = String::new();
    if campaign.status() == Status::Superseded {
        title.push_str("Superseded: ");
    }
    title.push_str("Campaign: ");
    if let Some(chain) = &campaign.chain {
        let _ = write!(title, "{}: ", chain.name);
    }
    title.push_str(&title::accounts(&campaign.accounts, "an unknown account"));
    let _ = write!(title, " from {}", campaign.source_ip);
    if let Some(name) = source {
        let _ = write!(title, " ({name})");
    }
    let has_opened = !campaign.pipes.is_empty() || !campaign.paths.is_empty();
    let (verb, tried) = if !has_opened {
        ("accessed", "access")
    } else {
        ("opened", "open")
    };
    match campaign.outcome {
        Some(Outcome::Failure) => _ = write!(title, " tried to {tried}"),
        None if campaign.inferred == 0 => _ = write!(title, " {verb} or tried to {tried}"),
        Some(Outcome::Success) | None => _ = write!(title, " {verb}"),
    }
    if has_opened {
        let opened = title::opened(&campaign.pipes, &campaign.paths);
        let _ = write!(title, " {opened} on");
    }
    match campaign.touched {
        1 => _ = write!(title, " {}", campaign.first_asset()),
        touched => _ = write!(title, " {}", plural(touched as usize, "protected host")),
    }
    let span = campaign.first.distance(campaign.last).as_secs();
    let span = std::time::Duration::from_secs(span);
    let span = jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(&span);
    let _ = write!(title, " within {span}");
    if campaign.attribution() == Attribution::Inferred {
        title.push_str(", as far as its connections show");
    } else if campaign.inferred > 0 {
        let _ = write!(
            title,
            ", {} of them as far as its connections show",
            campaign.inferred
        );
    }
    if campaign.denied == campaign.touched {
        title.push_str(", and was denied");
    } else if campaign.denied > 0 {
        let _ = write!(title, ", and was denied on {}", campaign.denied);
    }
    if campaign.is_downgraded {
        title.push_str(", a campaign only by alerts that exceptions downgrade");
    }
    title
}
