//! A campaign for people: each host that was touched, in place of evidence, which its alerts have.

use std::io::{self, Write};

use owo_colors::OwoColorize as _;

use super::pretty::{clean, joined, parenthesised};
use crate::alert::{CampaignAssetFields, CampaignFields, Document};
use crate::text::plural;

/// From when to when, and by how many alerts.
pub(super) fn when(alert: &Document) -> String {
    let alerts = plural(alert.pipewarden.accesses as usize, "alert");
    format!("{} to {}, {alerts}", alert.event.start, alert.event.end)
}

/// Writes the hosts, by first touch.
pub(super) fn write_hosts(
    out: &mut impl Write,
    alert: &Document,
    campaign: &CampaignFields,
) -> io::Result<()> {
    writeln!(out, "  {}", "hosts".dimmed())?;
    for host in &campaign.assets {
        let after = alert.event.start.distance(host.first).as_secs();
        writeln!(
            out,
            "    {:>12}  {}{}  {}",
            format!("+{}:{:02}:{:02}", after / 3_600, after / 60 % 60, after % 60),
            clean(&host.id),
            parenthesised(&host.roles),
            describe(host)
        )?;
    }
    let listed = campaign.assets.len();
    let rests_on = &campaign.rests_on;
    let more = (rests_on.audited + rests_on.inferred) as usize - listed;
    if more > 0 {
        writeln!(out, "                  and {more} more")?;
    }
    Ok(())
}

/// The rules, what was opened, by which accounts, and what is special about it.
fn describe(host: &CampaignAssetFields) -> String {
    let mut parts = vec![joined(&host.rules)];
    parts.extend([&host.pipes, &host.paths, &host.accounts].map(|texts| joined(texts)));
    parts.push(host.attribution.as_str().to_owned());
    if host.denied {
        parts.push("denied".to_owned());
    }
    if host.downgraded {
        parts.push("downgraded by an exception".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}
