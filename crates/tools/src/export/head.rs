//! The head of an export: what it is, with which windows, and what it cannot express.

use pipewarden_core::detection::{JoinSettings, Rule};

use super::plan::{Shape, span};

/// Longest line of a head, without its comment mark.
const WIDTH: usize = 110;

/// What is lost wherever the rule goes.
const LOST: &[&str] = &[
    "Identity is not resolved before the join. Two events are of one host only where they spell its name alike; Sysmon \
     often writes a short name, a foreign one or none for a destination, and such an access finds no connection.",
    "Nothing says which hosts are protected: every host that sends these events is watched. Add your own list.",
    "Nothing is amended or withdrawn. Each search hits on its own, one access may be hit by several of them, and a weak \
     hit stays when a sure one follows.",
    "Candidates are neither counted nor ranked. Where several sources connected within the window each is a hit, and \
     none says that there are others.",
    "A pipe_connected that a share_access explains hits the weaker searches all the same.",
    "Copies of one event count as several.",
    "A connection whose ends Sysmon logged reversed (source port 445) is not turned round, and of local access only \
     loopback addresses are left out.",
];

/// The lines of the head, without comment marks.
pub(super) fn head(system: &str, rule: &Rule, settings: &JoinSettings, also_lost: &[&str]) -> Vec<String> {
    let mut lines = vec![
        format!("{}: {}", rule.id, one_line(&rule.name)),
        format!(
            "Exported by Pipewarden {} for {system}.",
            env!("CARGO_PKG_VERSION")
        ),
    ];
    let references: Vec<&str> = rule.references.iter().map(|reference| &*reference.id).collect();
    if !references.is_empty() {
        lines.push(format!("Also known as {}.", one_line(&references.join(", "))));
    }
    lines.push(String::new());
    lines.push(format!(
        "Windows in force: attribution_window {}, tuple_window {}, pair_window {}.",
        span(settings.attribution_window),
        span(settings.tuple_window),
        span(settings.pair_window)
    ));
    lines.push(String::new());
    lines.push("What this cannot say, and Pipewarden does:".to_owned());
    let grouping = format!(
        "Accesses are not grouped: {} of one rule, host and source would be one alert.",
        span(settings.group_by)
    );
    let lateness = format!(
        "Late events are missed unless the schedule looks back far enough; Pipewarden waits {} for them.",
        span(settings.allowed_lateness)
    );
    let roles: Vec<&str> = rule.roles.iter().map(|role| role.as_str()).collect();
    let by_role = (!roles.is_empty()).then(|| {
        format!(
            "The rule is for hosts with the role {} alone; every other host that sends these events is watched as well.",
            roles.join(" or ")
        )
    });
    let chain: Vec<&str> = rule.chain.iter().map(|link| &**link).collect();
    let by_chain = (!chain.is_empty()).then(|| {
        format!(
            "That the source did {} before on the same host, which makes a campaign, is not looked for.",
            chain.join(" or ")
        )
    });
    let by_callback = rule.callback.as_ref().map(|watched| {
        format!(
            "A host that connects to the source within {} of an access is a hit of its own (called_back), and makes no other worse. \
             A connection that is logged before the access is missed where the system knows one order only.",
            span(watched.within)
        )
    });
    let by_risk = (!rule.risk_by.is_empty())
        .then(|| "Roles, accounts, outcomes and processes make no hit worse.".to_owned());
    let by_account = rule.accounts.map(|_| {
        "Accounts and addresses are those of the inventory when this was exported: export again when it changes. An account is \
         known by its name alone, of whatever domain, and link-local addresses are left out."
            .to_owned()
    });
    let of_rule = [by_role, by_chain, by_callback, by_account, by_risk];
    let of_rule = of_rule.iter().flatten().map(String::as_str);
    let lost = LOST.iter().copied().chain([grouping.as_str(), lateness.as_str()]);
    for loss in lost.chain(of_rule).chain(also_lost.iter().copied()) {
        lines.extend(wrapped(loss));
    }
    lines
}

/// One line of what a search is, for a comment above it.
pub(super) fn caption(search: &super::plan::Search) -> String {
    let within = match search.shape {
        Shape::Alone(_) => String::new(),
        Shape::Pair(.., within) => format!(", within {}", span(within)),
    };
    format!(
        "{} ({} confidence{within}). {}",
        search.name, search.confidence, search.meaning
    )
}

/// A text that comes from a rule, made fit for a comment: one line, and no mark that could end the comment.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .replace('`', "'")
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

/// `- ` and the text, continued under its first word.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = "-".to_owned();
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".to_owned()));
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
    lines
}
