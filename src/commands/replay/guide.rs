//! What a rule means and what to check next, for whoever is woken by an alert. It stands below the first alert of each rule; those
//! after it need not repeat it.

use std::collections::BTreeSet;

use super::pretty::clean;
use crate::alert::{Document, RiskByFields};
use crate::detection::Status;
use crate::event::Outcome;
use crate::text::plural;

/// The rules that have been explained.
#[derive(Debug, Default)]
pub(super) struct Guide {
    explained: BTreeSet<String>,
}

impl Guide {
    /// Names and texts of the rows of an alert; none of one that nobody needs to act on.
    pub(super) fn rows(&mut self, alert: &Document) -> Vec<(&'static str, String)> {
        let own = &alert.pipewarden;
        let has_any = alert.rule.description.is_some() || !own.next.is_empty();
        if own.status != Status::Active || !has_any {
            return Vec::new();
        }
        // A campaign along a chain is named by one of several rules.
        let rule = format!("{} {}", alert.rule.id, alert.rule.name);
        if !self.explained.insert(rule) {
            return vec![("check", "as for the first alert of this rule above".to_owned())];
        }
        let mut rows = Vec::new();
        let means = alert.rule.description.iter();
        rows.extend(means.flat_map(|means| paragraph("means", means, "")));
        for (number, step) in (1..).zip(&own.next) {
            let name = if number == 1 { "check" } else { "" };
            rows.extend(paragraph(name, &format!("{number}. {step}"), "   "));
        }
        let read = alert.rule.reference.as_deref();
        rows.extend(read.map(|read| ("read", clean(read))));
        rows
    }
}

/// The most characters of a line, without the name of its row.
const WIDTH: usize = 100;

/// The rows of a text that may be long: the first has the name, those after it begin with `indent`.
fn paragraph(name: &'static str, text: &str, indent: &str) -> Vec<(&'static str, String)> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace().map(clean) {
        let line = lines.last_mut().expect("there is a first line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{indent}{word}"));
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    names.zip(lines).collect()
}

/// What raised the risk score, each with how much.
pub(super) fn raised(risk_by: &[RiskByFields]) -> String {
    let raised = risk_by.iter().map(|raised| {
        let mut because = Vec::new();
        if let Some(call_backs) = raised.call_backs {
            because.push(format!(
                "the host connected back {}",
                plural(call_backs as usize, "time")
            ));
        }
        because.extend(raised.role.map(|role| format!("the host is a {role}")));
        because.extend(
            raised
                .purpose
                .map(|purpose| format!("the account is for {}", purpose.as_str())),
        );
        because.extend(raised.outcome.map(|outcome| match outcome {
            Outcome::Success => "it was granted".to_owned(),
            Outcome::Failure => "it was denied".to_owned(),
        }));
        let process = raised.process.as_deref();
        because.extend(process.map(|process| format!("the source ran {}", clean(process))));
        format!("; +{}: {}", raised.by, because.join(", "))
    });
    raised.collect()
}
