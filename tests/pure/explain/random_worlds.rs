//! In random worlds an explanation agrees with the alert that it explains.

use pipewarden_core::detection::{Join, JoinSettings, Reason, Revision, Status};
use pipewarden_core::event::Observation;
use proptest::prelude::*;
use testkit::world;

/// Compares an explanation with the alert that it explains.
fn check(join: &Join, revision: &Revision) {
    let content = &revision.content;
    let Some(explanation) = join.explain(revision.id) else {
        assert_eq!(content.status, Status::Superseded);
        return;
    };
    assert_eq!(explanation.attribution, content.attribution);
    assert_eq!(explanation.confidence, content.confidence);
    let accesses = &explanation.accesses;
    assert_eq!(
        accesses.len() + explanation.omitted_accesses,
        content.accesses as usize
    );
    assert_eq!(accesses[0].access.time, content.first);
    if let [access] = accesses.as_slice() {
        let joined = |reason: &Reason| access.joined.iter().any(|joined| joined.reason == *reason);
        assert_eq!(access.attribution, content.attribution);
        assert_eq!(access.sources, content.candidates.len());
        let has_connections = content.counts.network_connection > 0;
        assert_eq!(
            joined(&Reason::SameTuple) || joined(&Reason::Candidate),
            has_connections
        );
        let has_explained = content.counts.share_access > 0 && content.counts.pipe_connected > 0;
        assert_eq!(joined(&Reason::Explains), has_explained);
    }
}

fn worlds() -> impl Strategy<Value = (Vec<world::Seed>, Vec<world::Delivery>)> {
    world::seeds(40_000).prop_flat_map(|seeds| {
        let delivery = world::delivery(&JoinSettings::default());
        let deliveries = prop::collection::vec(delivery, seeds.len());
        (Just(seeds), deliveries)
    })
}

proptest! {
    #[test]
    fn an_explanation_shows_what_the_alert_rests_on_in_random_worlds((seeds, deliveries) in worlds()) {
        let numbered = seeds.iter().zip(0..);
        let observations: Vec<Observation> = numbered.map(|(seed, number)| seed.observation(number)).collect();
        let mut join = Join::new(&world::rules(), JoinSettings::default());
        for (offset, at, observation) in world::log(&observations, &deliveries) {
            let step = join.apply(offset, at, Some(observation));
            // A deadline writes from the state before the record.
            let own = step.revisions.iter().filter(|revision| revision.number % 2 == 1);
            own.for_each(|revision| check(&join, revision));
        }
    }
}
