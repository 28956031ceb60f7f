/** Revisions as a stepper: what was known when, and what each changed. */

import { h } from "./dom.js";
import { linkTo } from "./route.js";
import { cut } from "./text.js";
import { moment, span, stamp } from "./time.js";

/** What is compared, with the word for it. */
const COMPARED = [
  ["status", "status"],
  ["confidence", "confidence"],
  ["attribution", "attribution"],
  ["source_ip", "source"],
  ["accounts", "accounts"],
  ["accesses", "accesses"],
  ["evidence", "evidence"],
  ["candidates", "candidates"],
  ["conflicts", "contradictions"],
  ["exception", "exception"],
  ["risk", "risk"],
  ["outcome", "outcome"],
  ["policy", "policy"],
];

/**
 * @param {{revisions: object[], forgotten: number}} data
 * @param {number} shown the revision that is shown
 * @returns {Node[]}
 */
export function stepperOf({ revisions, forgotten }, shown) {
  const latest = revisions.at(-1)?.revision;
  const first = moment(revisions[0]?.created);
  const steps = revisions.map((revision, index) => {
    const address = linkTo({ revision: revision.revision === latest ? "" : String(revision.revision) });
    return h(
      "li",
      {},
      h(
        "a",
        { href: address, "aria-current": revision.revision === shown ? "step" : null, "data-key": `revision ${revision.revision}` },
        h("strong", {}, `${index + 1 + forgotten}`),
        " ",
        index === 0 ? stamp(revision.created) : after(revision, first),
      ),
      h("div", { class: "muted" }, index === 0 ? firstOf(revision) : changesOf(revisions[index - 1], revision)),
    );
  });
  return [
    forgotten > 0 ? h("p", { class: "muted" }, `The first ${forgotten} revisions are no longer held.`) : null,
    h("ol", { class: "stepper" }, steps),
  ].filter(Boolean);
}

function after(revision, first) {
  const at = moment(revision.created);
  return first === null || at === null ? stamp(revision.created) : h("time", { datetime: revision.created, title: revision.created }, `+${span(at - first)}`);
}

function firstOf(row) {
  return cut(`${row.attribution}, ${row.confidence}${row.source_ip ? `, from ${row.source_ip}` : ""}`, 80);
}

/** @returns {string} `confidence low → high, evidence 2 → 5` */
export function changesOf(before, after) {
  const changes = COMPARED.filter(([name]) => written(before[name]) !== written(after[name])).map(
    ([name, label]) => `${label} ${cut(written(before[name]) || "none", 40)} → ${cut(written(after[name]) || "none", 40)}`,
  );
  if (changes.length === 0 && before.message !== after.message) {
    return "the sentence";
  }
  return changes.length > 0 ? changes.join(", ") : "details only";
}

function written(value) {
  return Array.isArray(value) ? value.join(", ") : String(value ?? "");
}
