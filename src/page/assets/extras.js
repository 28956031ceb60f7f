/** What only some alerts have: the hosts of a campaign, sources of an overflow, a missing sensor, what bounds left out, near misses. */

import { dictionary } from "./dictionary.js";
import { h } from "./dom.js";
import { list, records } from "./facts.js";
import { linkTo } from "./route.js";
import { text } from "./text.js";
import { stamp } from "./time.js";
import { count } from "./words.js";

/** @returns {HTMLElement[]} */
export function extrasOf(document, explanation) {
  const own = document.pipewarden;
  return [campaignOf(own.campaign ?? own.sweep), overflowOf(own.overflow), crowdOf(own.many_sources), sensorOf(own.sensor), omittedOf(own), whyOf(explanation)].filter(Boolean);
}

function part(title, name, ...children) {
  return h("section", { class: name, "aria-labelledby": `title-${name}` }, h("h3", { id: `title-${name}` }, title), children);
}

function table(label, head, rows) {
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": label },
    h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)),
  );
}

function campaignOf(campaign) {
  const assets = records(campaign?.assets);
  if (assets.length === 0) {
    return null;
  }
  const rows = assets.map((asset) =>
    h(
      "tr",
      {},
      h("td", {}, text(asset.id, { most: 60 }), h("div", { class: "muted" }, list(asset.roles).slice(0, 4).map((role, index) => [index > 0 ? ", " : null, text(role)]))),
      h("td", {}, stamp(asset.first)),
      h("td", {}, stamp(asset.last)),
      h("td", {}, [...list(asset.rules), ...list(asset.pipes), ...list(asset.paths)].slice(0, 8).map((name, index) => [index > 0 ? ", " : null, text(name, { most: 40 })])),
      h("td", {}, list(asset.accounts).slice(0, 8).map((name, index) => [index > 0 ? ", " : null, text(name, { most: 40 })])),
      h("td", {}, list(asset.alert_ids).slice(0, 8).map((id, index) => [index > 0 ? ", " : null, h("a", { href: linkTo({ alert: String(id), revision: "" }) }, `alert ${index + 1}`)])),
    ),
  );
  const rests = campaign.rests_on;
  return part(
    `Campaign: ${count(assets.length, "host")}${campaign.chain ? `, chain ${campaign.chain}` : ""}`,
    "campaign",
    rests ? h("p", { class: "muted" }, `rests on ${rests.audited ?? 0} audited, ${rests.inferred ?? 0} inferred, ${rests.denied ?? 0} denied, ${rests.downgraded ?? 0} downgraded`) : null,
    table("hosts of the campaign", ["host", "first", "last", "rules and what was opened", "accounts", "alerts"], rows),
  );
}

function overflowOf(overflow) {
  if (!overflow) {
    return null;
  }
  const rows = (entries) => records(entries).map((entry) => h("tr", {}, h("td", {}, text(entry.ip)), h("td", {}, stamp(entry.time))));
  return part(
    `More than has alerts of its own: ${count(overflow.accesses, "access", "accesses")}`,
    "overflow",
    table("first sources", ["first sources", "access"], rows(overflow.first)),
    list(overflow.last).length > 0 ? table("last sources", ["last sources", "access"], rows(overflow.last)) : null,
  );
}

function crowdOf(crowd) {
  return crowd ? part("Many sources", "crowd", h("p", {}, count(crowd.sources, "source"), crowd.network ? [" of the network ", text(crowd.network)] : null)) : null;
}

function sensorOf(sensor) {
  if (!sensor) {
    return null;
  }
  const ends = dictionary({ seen: "The sensor is back.", quiet: "There is too little to tell by." });
  return part("A sensor is missing", "sensor", h("p", {}, "Others show accesses to this host, and nothing comes of kind ", text(sensor.kind), ". ", ends[sensor.resolution] ?? ""));
}

function omittedOf(own) {
  const omitted = own.omitted ?? {};
  const dropped = own.dropped ?? {};
  const words = [
    omitted.evidence > 0 && `${count(omitted.evidence, "entry", "entries")} of evidence`,
    omitted.candidates > 0 && count(omitted.candidates, "candidate"),
    omitted.others > 0 && `${count(omitted.others, "name")}, accounts and the like`,
    omitted.bytes > 0 && `${omitted.bytes} bytes`,
    dropped.accesses > 0 && `details of ${count(dropped.accesses, "access", "accesses")}, which are counted`,
    dropped.evidence > 0 && `${count(dropped.evidence, "piece")} of session evidence`,
  ].filter(Boolean);
  if (omitted.rejected) {
    words.push(`the whole document, which the broker rejected (${omitted.rejected}): it is a dead letter`);
  }
  return words.length === 0 ? null : h("p", { class: "notice" }, "Bounds left out ", words.join(", "), ".");
}

/** What was joined and what nearly joined, where an explanation is at hand. */
function whyOf(explanation) {
  const accesses = records(explanation?.accesses);
  if (accesses.length === 0) {
    return null;
  }
  const findings = (entries, sign, name) => records(entries).map((entry) => h("li", { class: name }, h("span", { "aria-label": name }, sign), " ", text(entry.text, { most: 300 })));
  const items = accesses.map((access) =>
    h(
      "li",
      {},
      stamp(access.time),
      " ",
      text(`${access.kind} ${access.pipe ?? ""}`),
      h("span", { class: "muted" }, ` ${access.attribution}`),
      h("ul", { class: "findings" }, findings(access.joined, "+", "joined"), findings(access.missed, "−", "missed")),
    ),
  );
  const more = explanation.omitted_accesses > 0 ? h("p", { class: "muted" }, `and ${count(explanation.omitted_accesses, "more access", "more accesses")}`) : null;
  return part("Why, and what nearly joined", "why", h("ul", { class: "accesses" }, items), more);
}
