/** What to check next: the rule's own list, and where it is written down. */

import { h, outside } from "./dom.js";
import { list, records } from "./facts.js";
import { linkTo } from "./route.js";
import { text } from "./text.js";
import { word } from "./filter.js";

/** @returns {Node[]} */
export function nextOf(document) {
  const own = document.pipewarden;
  const steps = list(own.next).map((step) => h("li", {}, text(step, { most: 400 })));
  return [
    steps.length > 0 ? h("ol", { class: "steps" }, steps) : describedBy(document.rule),
    h("p", { class: "links" }, "Also: ", pivots(document).map((link, index) => [index > 0 ? " · " : null, link])),
    referencesOf(document),
  ];
}

function describedBy(rule) {
  return rule?.description ? h("p", {}, text(rule.description, { most: 600 })) : null;
}

/** The list, filtered by what this alert shares with others. */
function pivots(document) {
  const own = document.pipewarden;
  const link = (label, q) => h("a", { href: linkTo({ q, alert: "", revision: "", tab: "active" }) }, label);
  const links = [link("this host", word("asset", String(document.host?.name ?? "")))];
  if (document.source?.ip) {
    links.push(link("this source", word("source", String(document.source.ip))));
  }
  if (list(own.accounts).length === 1) {
    links.push(link("this account", word("account", String(own.accounts[0]))));
  }
  if (own.story_id) {
    links.push(link("this story", word("story", String(own.story_id))));
  }
  return links;
}

function referencesOf(document) {
  const own = records(document.pipewarden.references);
  const named = own.length > 0 ? own.map(({ id, url }) => outside(url, text(id, { most: 40 }))) : text(document.rule?.reference, { most: 120 });
  const attack = records(document.threat)
    .flatMap((threat) => records(threat.technique))
    .flatMap((technique) => [technique, ...records(technique.subtechnique)])
    .filter((technique) => technique?.id)
    .map((technique) => outside(technique.reference ?? techniqueUrl(technique.id), text(`${technique.id} ${technique.name ?? ""}`.trim(), { most: 80 })));
  const all = [...[own.length > 0 ? named : document.rule?.reference ? [named] : []].flat(), ...attack];
  if (all.length === 0) {
    return null;
  }
  return h("p", { class: "links" }, "Written down: ", all.map((link, index) => [index > 0 ? " · " : null, link]));
}

function techniqueUrl(id) {
  return /^T\d{4}(\.\d{3})?$/.test(id) ? `https://attack.mitre.org/techniques/${id.replace(".", "/")}/` : "";
}
