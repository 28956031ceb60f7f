//! The checks of a world's sightings: those on their topic are those that the observations cause, and the campaigns are those
//! of the sightings.

use std::collections::{BTreeMap, BTreeSet};

use pipewarden_core::detection::{AlertId, AlertKey, Content, Sighting, SightingRecord, Status, Who};
use pipewarden_core::log::Partition;
use pipewarden_engine::local::{Broker, Layout};
use pipewarden_engine::worker::PartitionId;
use serde_json::Value;

use super::verdict::Setup;
use crate::{reference_campaigns as reference, world};

/// What the sightings topic holds, by partition and in order.
pub fn read(broker: &Broker, layout: &Layout) -> Vec<Sighting> {
    let partitions = (0..layout.sightings_partitions).map(Partition::new);
    let places = partitions.map(|number| layout.input(PartitionId::sightings(number)));
    let mut sightings = Vec::new();
    for place in places {
        for record in broker.read_committed(&place) {
            if let Ok(SightingRecord::Sighting(sighting)) = SightingRecord::decode(&record.value) {
                sightings.push(sighting);
            }
        }
    }
    sightings
}

/// No revision of an alert has two.
///
/// # Errors
/// The first that has.
pub fn check_each_is_there_once(found: &[Sighting]) -> Result<(), String> {
    let mut known = BTreeSet::new();
    for sighting in found {
        if !known.insert((sighting.alert_id, sighting.revision)) {
            return Err(format!("there are two of {sighting:?}"));
        }
    }
    Ok(())
}

/// Those that were found are those that undisturbed runs over the observations cause.
///
/// # Errors
/// What is missing and what is surplus.
pub fn check_caused(found: &[Sighting], caused: &[Sighting]) -> Result<(), String> {
    let by_revision = |sightings: &[Sighting]| -> BTreeMap<(AlertId, u64), Sighting> {
        let sightings = sightings.iter();
        sightings
            .map(|sighting| ((sighting.alert_id, sighting.revision), sighting.clone()))
            .collect()
    };
    let (found, caused) = (by_revision(found), by_revision(caused));
    if found == caused {
        return Ok(());
    }
    let lacking = |of: &BTreeMap<_, Sighting>, other: &BTreeMap<_, Sighting>| -> Vec<Sighting> {
        let lacking = of
            .iter()
            .filter(|(key, sighting)| other.get(*key) != Some(*sighting));
        lacking.map(|(_, sighting)| sighting.clone()).collect()
    };
    Err(format!(
        "sightings: missing {:#?}, surplus {:#?}",
        lacking(&caused, &found),
        lacking(&found, &caused)
    ))
}

/// Those that stand in the end are of the reference's alerts about accesses of a source that came in time, but for those that
/// an exception suppresses.
///
/// # Errors
/// What differs.
pub fn check_standing<'a>(
    found: &[Sighting],
    alerts: impl Iterator<Item = (&'a AlertKey, &'a Content, bool)>,
) -> Result<(), String> {
    let mut expected = BTreeMap::new();
    for (key, content, is_suppressed) in alerts {
        let is_timely = key.arrival_bucket.is_none();
        if matches!(key.who, Who::Source(_))
            && is_timely
            && !is_suppressed
            && content.status == Status::Active
        {
            expected.insert(key.id(), (content.first, content.last, content.attribution));
        }
    }
    let standing = reference::standing(found).into_iter();
    let standing: BTreeMap<_, _> = standing
        .map(|sighting| {
            let said = (sighting.first, sighting.last, sighting.attribution);
            (sighting.alert_id, said)
        })
        .collect();
    if standing == expected {
        Ok(())
    } else {
        Err(format!("sightings {standing:#?} stand, and should {expected:#?}"))
    }
}

/// The campaigns that are active in the end are the reference's.
///
/// # Errors
/// All of both.
pub fn check_campaigns<'a>(
    documents: impl Iterator<Item = &'a Value>,
    sightings: &[Sighting],
    setup: &Setup<'_>,
) -> Result<(), String> {
    let expected = reference::final_campaigns(sightings, &world::rules(), setup.settings);
    let wanted: BTreeSet<String> = expected
        .iter()
        .map(|((_, first), campaign)| {
            let names: Vec<&str> = campaign.assets.keys().map(|asset| asset.as_str()).collect();
            format!("{names:?} {first} {}", campaign.last)
        })
        .collect();
    let found: BTreeSet<String> = documents.map(campaign_found).collect();
    if found == wanted {
        Ok(())
    } else {
        Err(format!("the campaigns are {found:#?}, and should be {wanted:#?}"))
    }
}

/// Assets, start and end of a campaign's document.
fn campaign_found(document: &Value) -> String {
    let assets = document["pipewarden"]["campaign"]["assets"].as_array();
    let assets = assets.into_iter().flatten();
    let mut names: Vec<&str> = assets.filter_map(|asset| asset["id"].as_str()).collect();
    names.sort_unstable();
    let time = |field: &str| document["event"][field].as_str().unwrap_or_default().to_owned();
    format!("{names:?} {} {}", time("start"), time("end"))
}
