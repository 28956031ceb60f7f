//! Expected alerts against those found.

use std::fmt::Display;
use std::net::IpAddr;

use pipewarden_core::alert::Document;
use pipewarden_core::event::Outcome;

use super::ExpectedAlert;

/// What differs, field by field; nothing where the alert is the expected one.
pub(super) fn differences(expected: &ExpectedAlert, found: &Document) -> Vec<String> {
    let own = &found.pipewarden;
    let mut differences = Vec::new();
    let mut compare = |field: &str, expected: Option<String>, found: String| {
        if let Some(expected) = expected
            && expected != found
        {
            differences.push(format!("{field}: expected {expected}, found {found}"));
        }
    };
    compare(
        "asset",
        expected.asset.as_ref().map(|asset| asset.to_ascii_lowercase()),
        own.asset.id.clone(),
    );
    let source = found.source.as_ref();
    compare(
        "source",
        expected.source.map(|ip| ip.to_canonical().to_string()),
        source.map_or_else(|| "none".to_owned(), |source| source.ip.to_string()),
    );
    compare(
        "attribution",
        expected.attribution.map(|how| how.to_string()),
        own.attribution.to_string(),
    );
    compare(
        "confidence",
        expected.confidence.map(|how| how.to_string()),
        own.confidence.to_string(),
    );
    compare(
        "accounts",
        expected.accounts.as_deref().map(list),
        list(&own.accounts),
    );
    compare("pipes", expected.pipes.as_deref().map(list), list(&own.pipes));
    compare("paths", expected.paths.as_deref().map(list), list(&own.paths));
    compare(
        "risk_score",
        expected.risk_score.map(|score| score.to_string()),
        found.event.risk_score.to_string(),
    );
    compare(
        "accesses",
        expected.accesses.map(|number| number.to_string()),
        own.accesses.to_string(),
    );
    compare(
        "outcome",
        expected.outcome.map(|outcome| match outcome {
            Outcome::Success => "success".to_owned(),
            Outcome::Failure => "failure".to_owned(),
        }),
        found.event.outcome.clone(),
    );
    let candidates: Vec<IpAddr> = own.candidates.iter().map(|candidate| candidate.ip).collect();
    compare(
        "candidates",
        expected.candidates.as_deref().map(list),
        list(&candidates),
    );
    differences
}

fn list(items: &[impl Display]) -> String {
    let mut items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.sort();
    format!("[{}]", items.join(", "))
}

/// Which found alert each expected one is, so that as many as possible have one: a loosely described alert must not
/// take the only one that a closely described one fits. By augmenting paths, as there are few.
pub(super) fn pair(fits: &[Vec<bool>], found: usize) -> Vec<Option<usize>> {
    let mut taken: Vec<Option<usize>> = vec![None; found];
    for expected in 0..fits.len() {
        claim(expected, fits, &mut taken, &mut vec![false; found]);
    }
    let mut pairs = vec![None; fits.len()];
    for (place, expected) in taken.iter().enumerate() {
        if let Some(expected) = expected {
            pairs[*expected] = Some(place);
        }
    }
    pairs
}

fn claim(expected: usize, fits: &[Vec<bool>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for place in 0..taken.len() {
        if !fits[expected][place] || std::mem::replace(&mut tried[place], true) {
            continue;
        }
        let is_free = match taken[place] {
            None => true,
            Some(holder) => claim(holder, fits, taken, tried),
        };
        if is_free {
            taken[place] = Some(expected);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The most that can be paired, by trying everything.
    fn most(fits: &[Vec<bool>], taken: &mut Vec<bool>) -> usize {
        let Some((first, rest)) = fits.split_first() else {
            return 0;
        };
        let mut best = most(rest, taken);
        for place in 0..first.len() {
            if first[place] && !taken[place] {
                taken[place] = true;
                best = best.max(1 + most(rest, taken));
                taken[place] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn as_many_expected_alerts_as_possible_have_one_of_their_own(
            fits in (0..5usize).prop_flat_map(|found| {
                proptest::collection::vec(proptest::collection::vec(any::<bool>(), found), 0..5)
            })
        ) {
            let found = fits.first().map_or(0, Vec::len);
            let pairs = pair(&fits, found);
            let mut places: Vec<usize> = pairs.iter().copied().flatten().collect();
            prop_assert_eq!(places.len(), most(&fits, &mut vec![false; found]));
            for (expected, place) in pairs.iter().enumerate() {
                prop_assert!(place.is_none_or(|place| fits[expected][place]));
            }
            places.sort_unstable();
            prop_assert!(places.is_sorted_by(|a, b| a < b));
        }
    }
}
