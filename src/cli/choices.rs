//! Arguments that are one word of a few, of types that know nothing of arguments.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::alert::AlertFormat;
use crate::export::Target;

/// The document format of alerts.
pub(super) fn alert_format() -> impl TypedValueParser<Value = AlertFormat> {
    one_of([
        (AlertFormat::Ecs, "ecs", "Elastic Common Schema"),
        (
            AlertFormat::Ocsf,
            "ocsf",
            "Open Cybersecurity Schema Framework, class Detection Finding",
        ),
        (AlertFormat::Both, "both", "Both, each on a topic of its own"),
    ])
}

/// Where a rule is to be run.
pub(super) fn target() -> impl TypedValueParser<Value = Target> {
    one_of([
        (
            Target::Sigma,
            "sigma",
            "Sigma rules and correlations, as one file of several documents",
        ),
        (
            Target::Eql,
            "eql",
            "Elastic EQL, over events of Winlogbeat or Elastic Agent after Elastic's ingest pipelines",
        ),
        (
            Target::Splunk,
            "splunk",
            "Splunk searches (SPL), over events of Splunk's add-ons for Sysmon and Windows",
        ),
        (
            Target::Kql,
            "kql",
            "KQL of Microsoft Sentinel, over its tables SecurityEvent and Event",
        ),
    ])
}

/// Each value with the word that stands for it and what the help says of it.
fn one_of<T, const N: usize>(
    choices: [(T, &'static str, &'static str); N],
) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let words = choices.map(|(_, word, help)| PossibleValue::new(word).help(help));
    PossibleValuesParser::new(words).map(move |text| {
        let (value, ..) = choices
            .iter()
            .find(|(_, word, _)| *word == text)
            .expect("the parser passes none but these words");
        *value
    })
}
