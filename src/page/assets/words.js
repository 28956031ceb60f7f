/** Words for values, as a person says them. */

import { dictionary } from "./dictionary.js";
import { s } from "./dom.js";

export const KINDS = dictionary({
  network_connection: "connection",
  logon: "logon",
  share_session: "share session",
  pipe_connected: "pipe",
  share_access: "share access",
});

/** The number of the event behind a kind. */
export function eventOf(entry) {
  const numbers = dictionary({ logon: "4624", share_session: "5140", pipe_connected: "Sysmon 18", share_access: "5145" });
  return entry.kind === "network_connection" ? (entry.log === "security" ? "5156" : "Sysmon 3") : numbers[entry.kind];
}

export const ATTRIBUTIONS = dictionary({
  audited: "audited: the host's own 5145 names the source",
  inferred: "inferred: the only source, or the only one by the host's own log, that was connected near it",
  ambiguous: "ambiguous: several sources were connected near it",
  none: "no source: nothing shows who connected",
});

export const STATUSES = dictionary({ active: "", suppressed: "suppressed", superseded: "withdrawn", resolved: "resolved" });

/** Of a tab: its name, and what it would hold. */
export const TABS = dictionary({
  active: { name: "Active", empty: "No alert is active." },
  kept: { name: "Suppressed and local", empty: "Nothing has been suppressed by an exception, and no host has used its own pipes." },
  ended: { name: "Withdrawn and resolved", empty: "No alert has been withdrawn or resolved." },
});

const BARS = dictionary({ low: 1, medium: 2, high: 3 });

/** Confidence as a shape: one to three bars. The word stands beside it or in its label. */
export function bars(confidence) {
  const filled = BARS[confidence] ?? 0;
  const bar = (place) =>
    s("rect", { x: place * 5, y: 8 - place * 4, width: 4, height: 6 + place * 4, class: place < filled ? "on" : "off" });
  return s("svg", { class: `bars ${filled > 0 ? confidence : ""}`, viewBox: "0 0 14 14", "aria-hidden": "true" }, bar(0), bar(1), bar(2));
}

/** `1 access`, `3 accesses`. */
export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** Who it is about, where that is no source. */
export function whoOf(row) {
  const named = dictionary({ unattributed: "source not known", local: "the host itself", overflow: "too many to list", many_sources: "many sources" });
  return named[row.who] ?? (row.action === "sensor-blind" ? "a sensor is missing" : "source not known");
}
