/** Who it was: the source with all its names and whose word each is, the account, the process, the candidates. */

import { dictionary } from "./dictionary.js";
import { h } from "./dom.js";
import { evidenceOf, list, records } from "./facts.js";
import { text } from "./text.js";
import { span } from "./time.js";
import { bars, count } from "./words.js";

const NAMERS = dictionary({ inventory: "the inventory", client: "itself", binding: "a binding of that time" });

/** @returns {Node[]} */
export function whoOf(document) {
  const own = document.pipewarden;
  const { source } = document;
  const facts = [
    source?.ip ? ["source", [h("strong", {}, text(source.ip)), source.port ? h("span", { class: "muted" }, ` port ${source.port}`) : null, namesOf(own)]] : null,
    ["host", [h("strong", {}, text(document.host?.name)), rolesOf(own)]],
    ...accountsOf(document),
    ...processesOf(own),
    list(own.pipes).length > 0 ? ["pipe", list(own.pipes).slice(0, 12).map((pipe, index) => [index > 0 ? ", " : null, text(pipe, { most: 60 })])] : null,
    list(own.paths).length > 0 ? ["path", list(own.paths).slice(0, 12).map((path, index) => [index > 0 ? ", " : null, text(path, { most: 80 })])] : null,
    own.call_backs > 0 ? ["called back", count(own.call_backs, "time")] : null,
    ["accesses", [String(own.accesses ?? 0), document.event?.outcome === "failure" ? " (all denied)" : null, own.untimely ? ` (${own.untimely} untimely)` : null]],
  ];
  return [h("dl", {}, facts.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))), candidatesOf(own)];
}

function namesOf(own) {
  const names = records(own.source?.names);
  const others = list(own.source?.hosts).filter((host) => !names.some(({ name }) => name === host));
  const all = [...names.map(({ name, from }) => [name, NAMERS[from] ?? from]), ...others.map((name) => [name, "itself"])];
  if (all.length === 0) {
    return h("div", { class: "muted" }, "nobody names it");
  }
  return h("ul", { class: "plain" }, all.slice(0, 12).map(([name, from]) => h("li", {}, text(name, { most: 60 }), h("span", { class: "muted" }, ` by ${from}`))));
}

function rolesOf(own) {
  const roles = list(own.asset?.roles);
  return roles.length === 0 ? null : h("div", { class: "muted" }, roles.slice(0, 12).map((role, index) => [index > 0 ? ", " : null, text(role, { most: 40 })]));
}

function accountsOf(document) {
  const entries = evidenceOf(document);
  return list(document.pipewarden.accounts)
    .slice(0, 12)
    .map((account) => {
      const own = entries.filter((entry) => sameAccount(entry.account, account));
      const sid = own.find((entry) => entry.sid)?.sid ?? document.user?.id;
      const logon = own.find((entry) => entry.kind === "logon");
      const how = [
        sid,
        logon?.authentication_package && `by ${logon.authentication_package}`,
        logon?.logon_type !== undefined && `logon type ${logon.logon_type}`,
        logon?.workstation && `calls its machine ${logon.workstation}`,
      ].filter(Boolean);
      return ["account", [h("strong", {}, text(account, { most: 60 })), how.length > 0 ? h("div", { class: "muted" }, how.map((part, index) => [index > 0 ? " · " : null, text(part, { most: 60 })])) : null]];
    });
}

function sameAccount(one, other) {
  const bare = (name) => String(name ?? "").split("\\").at(-1).toLowerCase();
  return one !== undefined && bare(one) === bare(other);
}

function processesOf(own) {
  const users = list(own.source?.users);
  return records(own.source?.processes)
    .slice(0, 8)
    .map((process, index) => [
      "process on the source",
      [
        text(process.executable ?? "not named", { most: 80 }),
        process.pid !== undefined ? h("span", { class: "muted" }, ` pid ${process.pid}`) : null,
        index === 0 && users.length > 0 ? h("div", { class: "muted" }, "as ", text(users.join(", "), { most: 80 })) : null,
      ],
    ]);
}

function candidatesOf(own) {
  const candidates = records(own.candidates);
  if (candidates.length === 0 || (own.attribution !== "none" && candidates.length === 1)) {
    return null;
  }
  const omitted = own.omitted?.candidates ?? 0;
  const rows = candidates.map((candidate, index) => candidateOf(candidate, index, own));
  return [
    h("h4", {}, "Candidates, likeliest first"),
    h(
      "div",
      { class: "wide", tabindex: "0", role: "group", "aria-label": "candidates" },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ["", "source", "strength", "explains", "nearest", "clock"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, rows),
      ),
    ),
    omitted > 0 ? h("p", { class: "muted" }, `and ${omitted} more, farther away`) : null,
  ];
}

const STRENGTHS = dictionary({
  strong: { bars: "high", title: "by the host's own log" },
  weak: { bars: "medium", title: "by its own log" },
  earlier: { bars: "low", title: "connected before the window" },
});

function candidateOf(candidate, index, own) {
  const strength = STRENGTHS[candidate.strength];
  const offset = candidate.clock_offset_ms;
  const processes = records(candidate.processes).map(({ executable }) => executable).filter(Boolean);
  const names = [...list(candidate.hosts), ...list(candidate.accounts), ...processes, ...list(candidate.users)].slice(0, 6);
  return h(
    "tr",
    {},
    h("td", { class: "number muted" }, String(index + 1)),
    h("td", {}, text(candidate.ip), candidate.local ? h("span", { class: "mark" }, "the host itself") : null, names.map((name) => h("div", { class: "muted" }, text(name, { most: 48 })))),
    h("td", { title: strength?.title }, bars(strength?.bars), " ", candidate.strength),
    h("td", { class: "number" }, `${candidate.explains ?? "?"} of ${count(own.accesses, "access", "accesses")}`),
    h("td", { class: "number" }, candidate.nearest_ms === undefined ? "" : span(candidate.nearest_ms)),
    h("td", { class: "number" }, offset === undefined ? "" : offset === 0 ? "same" : `${span(offset)} ${offset > 0 ? "ahead" : "behind"}`),
  );
}
