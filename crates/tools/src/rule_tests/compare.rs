//! Expected alerts against those found.

use std::fmt::Display;
use std::net::IpAddr;

use pipewarden_core::alert::Document;
use pipewarden_core::event::Outcome;

use super::ExpectedAlert;

/// What differs, field by field; nothing where the alert is the expected one.
pub(super) fn differences(expected: &ExpectedAlert, found: &Document) -> Vec<String> {
    let mut all = said(expected, found);
    all.extend(judged(expected, found));
    all.into_iter()
        .filter_map(|(field, expected, found)| {
            let expected = expected.filter(|expected| *expected != found)?;
            Some(format!("{field}: expected {expected}, found {found}"))
        })
        .collect()
}

/// A field, what is expected of it, and what is found.
type Field = (&'static str, Option<String>, String);

/// What an alert says of accesses.
fn said(expected: &ExpectedAlert, found: &Document) -> Vec<Field> {
    let own = &found.pipewarden;
    let candidates: Vec<IpAddr> = own.candidates.iter().map(|candidate| candidate.ip).collect();
    vec![
        (
            "asset",
            expected.asset.as_ref().map(|asset| asset.to_ascii_lowercase()),
            own.asset.id.clone(),
        ),
        (
            "source",
            expected.source.map(|ip| ip.to_canonical().to_string()),
            or_none(found.source.as_ref().map(|source| source.ip.to_string())),
        ),
        (
            "accounts",
            expected.accounts.as_deref().map(list),
            list(&own.accounts),
        ),
        ("pipes", expected.pipes.as_deref().map(list), list(&own.pipes)),
        ("paths", expected.paths.as_deref().map(list), list(&own.paths)),
        (
            "accesses",
            expected.accesses.map(|number| number.to_string()),
            own.accesses.to_string(),
        ),
        (
            "outcome",
            expected.outcome.map(|outcome| match outcome {
                Outcome::Success => "success".to_owned(),
                Outcome::Failure => "failure".to_owned(),
            }),
            found.event.outcome.clone(),
        ),
        (
            "candidates",
            expected.candidates.as_deref().map(list),
            list(&candidates),
        ),
    ]
}

/// How sure and how bad it is.
fn judged(expected: &ExpectedAlert, found: &Document) -> [Field; 5] {
    let own = &found.pipewarden;
    let (exception, unexpected) = (own.exception.as_ref(), own.unexpected.as_ref());
    [
        (
            "attribution",
            expected.attribution.map(|how| how.to_string()),
            own.attribution.to_string(),
        ),
        (
            "confidence",
            expected.confidence.map(|how| how.to_string()),
            own.confidence.to_string(),
        ),
        (
            "exception",
            expected.exception.clone(),
            or_none(exception.map(|exception| exception.id.clone())),
        ),
        (
            "unexpected",
            expected.unexpected.clone(),
            or_none(unexpected.map(|unexpected| unexpected.exception.clone())),
        ),
        (
            "risk_score",
            expected.risk_score.map(|score| score.to_string()),
            found.event.risk_score.to_string(),
        ),
    ]
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| "none".to_owned())
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
