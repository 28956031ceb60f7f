/** What an alert's document says, as the timeline and the tables need it. */

import { dictionary } from "./dictionary.js";
import { moment, span } from "./time.js";
import { KINDS, eventOf } from "./words.js";

/**
 * @typedef {object} Fact
 * @property {number} at a moment, by the clock of who logged it
 * @property {string} kind the lane
 * @property {"access"|"pair"|"session"|"local"|"call_back"|"conflicting"|"missed"} role
 * @property {object} entry of `pipewarden.evidence[]`, or a finding of an explanation
 * @property {Fact|null} of what it is held against
 * @property {number|null} apart milliseconds after that
 */

/** @returns {Fact[]} evidence and near misses, by time */
export function factsOf(document, explanation) {
  const facts = evidenceOf(document).map((entry) => ({
    at: moment(entry.time),
    kind: entry.kind,
    role: entry.role ?? "session",
    entry,
    of: null,
    apart: null,
  }));
  const accesses = facts.filter((fact) => fact.role === "access" && fact.at !== null);
  for (const fact of facts.filter((fact) => fact.role !== "access" && fact.at !== null)) {
    fact.of = heldAgainst(fact, accesses);
    fact.apart = fact.of === null ? null : (fact.entry.paired_ms ?? fact.at - fact.of.at);
  }
  return [...facts, ...missesOf(explanation, accesses)].filter((fact) => fact.at !== null && fact.kind in KINDS).sort((a, b) => a.at - b.at);
}

/** @returns {object[]} */
export function evidenceOf(document) {
  return records(document.pipewarden?.evidence);
}

/** @returns {object[]} the objects of a list; none where it is no list */
export function records(value) {
  return list(value).filter((entry) => typeof entry === "object" && entry !== null);
}

/** @returns {Array} the value if it is a list, else an empty one */
export function list(value) {
  return Array.isArray(value) ? value : [];
}

/** In one line: `5145 of atlas on winreg from 10.1.0.101:49839 by APERTURE\SVC`. */
export function lineOf(fact) {
  const { entry, role } = fact;
  if (role === "missed") {
    return entry.text;
  }
  const parts = [`${eventOf(entry)} of ${entry.computer}`];
  const object = entry.pipe ?? entry.share ?? entry.path;
  if (object) {
    parts.push(`on ${object}`);
  }
  if (entry.source_ip) {
    parts.push(`from ${entry.source_ip}${entry.source_port ? `:${entry.source_port}` : ""}`);
  }
  if (entry.account) {
    parts.push(`by ${entry.account}`);
  }
  if (entry.image) {
    parts.push(`process ${entry.image}`);
  }
  if (entry.outcome === "failure") {
    parts.push("denied");
  }
  return parts.join(" ");
}

/** What it is to the alert: `the access`, `the same access, 9 ms later`. */
export function roleOf(fact) {
  const apart = fact.apart === null ? "" : `, ${span(fact.apart)} ${fact.apart < 0 ? "before" : "after"} the access`;
  const words = dictionary({
    access: "the access",
    pair: `the same access${apart}`,
    session: `shows who was connected${apart}`,
    local: `the host itself${apart}`,
    call_back: `the host connected back to the source${apart}`,
    conflicting: `contradicts another entry${apart}`,
    missed: `not joined${apart}`,
  });
  return words[fact.role] ?? `${fact.role}${apart}`;
}

function heldAgainst(fact, accesses) {
  const { paired_ms: paired } = fact.entry;
  const wanted = typeof paired === "number" ? fact.at - paired : fact.at;
  const eligible = fact.role === "pair" ? accesses.filter((access) => access.kind === "share_access") : accesses;
  const candidates = eligible.length > 0 ? eligible : accesses;
  return candidates.reduce((best, access) => (best === null || distance(access, wanted) < distance(best, wanted) ? access : best), null);
}

function distance(fact, at) {
  return Math.abs(fact.at - at);
}

function missesOf(explanation, accesses) {
  return records(explanation?.accesses).flatMap((explained) => {
    const at = moment(explained.time);
    const of = accesses.find((access) => access.at === at) ?? null;
    return records(explained.missed)
      .filter((finding) => finding.time)
      .map((entry) => ({ at: moment(entry.time), kind: entry.kind, role: "missed", entry, of, apart: of === null ? null : moment(entry.time) - of.at }));
  });
}
