/** The top of an alert: the sentence, how sure, on whose word, what contradicts it. */

import { dictionary } from "./dictionary.js";
import { h } from "./dom.js";
import { list, records } from "./facts.js";
import { linkTo } from "./route.js";
import { text } from "./text.js";
import { stamp } from "./time.js";
import { ATTRIBUTIONS, STATUSES, bars, count } from "./words.js";

/** @returns {HTMLElement} */
export function headOf(document, data) {
  const own = document.pipewarden;
  const latest = data.revisions.at(-1)?.revision;
  const isOld = latest !== undefined && own.revision < latest;
  return h(
    "header",
    {},
    isOld ? h("p", { class: "notice", role: "status" }, "This is an earlier revision. ", h("a", { href: linkTo({ revision: "" }) }, "Show the latest")) : null,
    h("h2", { id: "alert-title", tabindex: "-1" }, text(document.message, { most: 400 })),
    h(
      "p",
      { class: "sureness" },
      h("span", { class: `sure ${own.confidence}` }, bars(own.confidence), `${own.confidence} confidence`),
      h("span", {}, ATTRIBUTIONS[own.attribution] ?? own.attribution),
      h("span", { class: "number" }, `risk ${document.event?.risk_score ?? "?"}`),
      STATUSES[own.status] ? h("span", { class: "mark" }, STATUSES[own.status]) : null,
    ),
    raisedBy(records(own.risk_by)),
    unexpectedOf(own.unexpected),
    h("p", { class: "when" }, "first access ", stamp(document.event?.start, { beside: true }), lastOf(document), " · decided ", stamp(document.event?.created)),
    groundsOf(records(own.rests_on)),
    conflictsOf(records(own.conflicts)),
    coveredBy(own),
    replacedBy(own),
  );
}

/** What makes it worse than its rule says, each with how much. */
function raisedBy(raised) {
  if (raised.length === 0) {
    return null;
  }
  const parts = raised.slice(0, 12).map((entry, index) => [index > 0 ? "; " : null, `+${Number(entry.by)}: `, because(entry)]);
  return h("p", { class: "when" }, "risk raised by ", parts);
}

/** Accounts that an exception expects elsewhere. */
function unexpectedOf(unexpected) {
  if (!unexpected) {
    return null;
  }
  const [accounts, places] = [list(unexpected.accounts), list(unexpected.only_from)].map((all) => all.slice(0, 8).join(", "));
  const says = text(`${accounts} is expected only from ${places}`, { most: 240 });
  return h("p", { class: "when" }, says, ", says the exception ", text(unexpected.exception, { most: 60 }), " of ", text(unexpected.owner, { most: 60 }));
}

function because({ call_backs: callBacks, role, purpose, outcome, process }) {
  const reasons = [
    callBacks ? `the host connected back ${count(callBacks, "time")}` : null,
    role ? `the host is a ${role}` : null,
    purpose ? `the account is for ${purpose}` : null,
    outcome ? (outcome === "failure" ? "it was denied" : "it was granted") : null,
    process ? `the source ran ${process}` : null,
  ];
  return text(reasons.filter(Boolean).join(", "), { most: 160 });
}

function lastOf({ event }) {
  return event?.end && event.end !== event.start ? [" · last ", stamp(event.end)] : null;
}

const LOGS = dictionary({ security: "", sysmon: "Sysmon ", inventory: "the inventory", binding: "a binding" });

/** Chips, each ground once with all that it says. */
function groundsOf(grounds) {
  const chips = new Map();
  for (const ground of grounds) {
    const name = `${LOGS[ground.log] ?? `${ground.log} `}${ground.event ?? ""}${ground.computer ? ` of ${short(ground.computer)}` : ""}`;
    const chip = chips.get(name) ?? { says: [], title: ground.computer ?? "", agent: agentOf(ground.agent, ground.computer) };
    chip.says.push(ground.says);
    chips.set(name, chip);
  }
  if (chips.size === 0) {
    return null;
  }
  const items = [...chips].map(([name, { says, title, agent }]) =>
    h("li", { title }, h("strong", {}, text(name, { most: 60 })), h("span", { class: "muted" }, ` ${says.join(", ")}`), agent),
  );
  return h("div", { class: "grounds" }, h("span", { class: "muted" }, "rests on"), h("ul", { "aria-label": "rests on" }, items));
}

/** Who shipped it, where that is not the computer itself. */
function agentOf(agent, computer) {
  const name = agent?.name ?? agent?.id;
  if (!name || (computer && short(name).toLowerCase() === short(computer).toLowerCase())) {
    return null;
  }
  return h("span", { class: "muted" }, ", shipped by ", text(name, { most: 40 }));
}

function short(name) {
  return /^[\d.:]+$/.test(name) ? name : String(name).split(".")[0];
}

function conflictsOf(conflicts) {
  if (conflicts.length === 0) {
    return null;
  }
  const items = conflicts.map((conflict) => h("li", {}, text(conflict.text, { most: 300 })));
  return h("div", { class: "conflicts", role: "note", "aria-label": "contradictions" }, h("strong", {}, "Contradicted"), h("ul", {}, items));
}

function coveredBy(own) {
  if (own.suppressed_by === "local") {
    return h("p", { class: "notice" }, "By the host itself: no alert, and no risk.");
  }
  const entry = own.exception;
  if (!entry) {
    return null;
  }
  return h("p", { class: "notice" }, entry.action === "downgrade" ? "Downgraded by " : "Suppressed by ", h("code", {}, text(entry.id)), ": ", text(entry.reason, { most: 240 }), " (", text(entry.owner), ")");
}

function replacedBy(own) {
  const ids = list(own.superseded_by);
  if (ids.length === 0) {
    return null;
  }
  const links = ids.slice(0, 20).map((id, index) => [index > 0 ? ", " : null, h("a", { href: linkTo({ alert: String(id), revision: "" }) }, text(id))]);
  return h("p", { class: "notice" }, "Its accesses are told by ", links);
}
