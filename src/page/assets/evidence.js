/** The table behind the timeline: the same events, where the originals are; and the raw document. */

import { h } from "./dom.js";
import { lineOf, roleOf } from "./facts.js";
import { cut, text } from "./text.js";
import { stamp } from "./time.js";
import { KINDS, count } from "./words.js";

/** @returns {HTMLElement} */
export function evidenceTable(facts) {
  const head = ["when", "what", "to the alert", "record", "where it lies", "shipped by"];
  return h(
    "details",
    { class: "evidence" },
    h("summary", { "data-key": "evidence" }, `As a table: ${count(facts.length, "event")}, with where each original lies`),
    h(
      "div",
      { class: "wide", tabindex: "0", role: "group", "aria-label": "evidence" },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, facts.map(rowOf)),
      ),
    ),
  );
}

function rowOf(fact) {
  const { entry } = fact;
  const number = entry.record_id === undefined || entry.record_id === null ? "" : String(entry.record_id);
  return h(
    "tr",
    { class: fact.role },
    h("td", {}, stamp(entry.time)),
    h("td", {}, h("div", { class: "muted" }, KINDS[fact.kind] ?? fact.kind), text(lineOf(fact), { most: 160 }), detailsOf(entry)),
    h("td", {}, roleOf(fact)),
    h("td", { class: "number" }, number),
    h("td", { class: "origin" }, originOf(entry.origin)),
    h("td", {}, entry.agent ? text([entry.agent.name, entry.agent.version].filter(Boolean).join(" "), { most: 40 }) : ""),
  );
}

const DETAILS = {
  share: "share",
  path: "path",
  sid: "SID",
  logon_id: "logon id",
  logon_type: "logon type",
  authentication_package: "package",
  workstation: "workstation",
  access_mask: "mask",
  image: "process",
  user: "user",
  utc_time: "UtcTime",
};

function detailsOf(entry) {
  const known = Object.entries(DETAILS).filter(([name]) => entry[name] !== undefined && entry[name] !== null && entry[name] !== "");
  return known.length === 0 ? null : h("div", { class: "muted" }, known.map(([name, label], index) => [index > 0 ? ", " : null, `${label} `, text(entry[name], { most: 80 })]));
}

function originOf(origin) {
  if (!origin) {
    return "";
  }
  const element = origin.element === undefined ? "" : `, document ${origin.element}`;
  return origin.topic === undefined
    ? [text(origin.file, { most: 60 }), `:${origin.line}${element}`]
    : [text(origin.topic, { most: 60 }), ` partition ${origin.partition} offset ${origin.offset}${element}`];
}

/** @returns {HTMLElement} the document as it was published */
export function rawOf(alert) {
  const written = JSON.stringify(alert, null, 2);
  const pre = h("pre", { tabindex: "0" });
  const details = h("details", { class: "raw" }, h("summary", { "data-key": "raw" }, "The document as it was published"), pre);
  details.addEventListener("toggle", () => {
    // A line at a time, so that a break stays one and everything else that cannot be seen is shown.
    pre.replaceChildren(...written.split("\n").flatMap((line) => [document.createTextNode(cut(line, 2000)), document.createTextNode("\n")]));
  });
  return details;
}
