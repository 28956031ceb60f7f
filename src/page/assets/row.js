/** One row of the list: an alert, or the head of a group. */

import { h } from "./dom.js";
import { linkTo } from "./route.js";
import { isAmended, isOpened } from "./seen.js";
import { cut } from "./text.js";
import { ago, moment, utc } from "./time.js";
import { STATUSES, bars, count, whoOf } from "./words.js";

/** @returns {HTMLElement} what stands in an `<li>` for an item of `items.js` */
export function rowOf(item, state, { onFold }) {
  return item.kind === "group" ? groupOf(item, onFold) : alertOf(item.row, state);
}

/** What a drawn row depends on: drawn again only where that has changed. */
export function stampOf(item, state) {
  if (item.kind === "group") {
    return JSON.stringify(item);
  }
  const { row } = item;
  const at = moment(row.created) ?? moment(row.start) ?? 0;
  const address = linkTo({ alert: row.id, revision: "" });
  return [row.seq, state.route.alert === row.id, isOpened(row), isAmended(row), ago(at, state.now), address].join("\n");
}

function alertOf(row, state) {
  const isOpen = state.route.alert === row.id;
  const names = row.source_names.length > 0 ? ` ${shortOf(row.source_names[0])}` : "";
  return h(
    "a",
    {
      class: `row ${isOpened(row) ? "opened" : ""}`,
      href: linkTo({ alert: row.id, revision: "" }),
      "aria-current": isOpen ? "true" : null,
      "data-key": row.id,
    },
    h("span", { class: "sure", title: `confidence ${row.confidence}` }, bars(row.confidence), h("span", {}, row.confidence)),
    h("span", { class: "what", title: row.message }, sentenceOf(row)),
    h("span", { class: "when" }, timeOf(row, state.now)),
    h(
      "span",
      { class: "path" },
      h("span", { class: "from" }, row.source_ip ? cut(`${row.source_ip}${names}`, 48) : whoOf(row)),
      h("span", { class: "arrow", "aria-label": "to" }, "→"),
      h("span", { class: "to", title: row.asset }, cut(shortOf(row.asset), 40)),
      row.roles.slice(0, 1).map((role) => h("span", { class: "role" }, cut(role, 30))),
    ),
    h("span", { class: "marks" }, marksOf(row)),
  );
}

/** What happened, without the source and the roles, which stand below. */
function sentenceOf(row) {
  if (row.action !== "named-pipe-access") {
    return cut(row.message, 160);
  }
  const [account, ...others] = row.accounts;
  const who = row.who === "local" ? "The host itself" : account === undefined ? "An unknown account" : cut(account, 48);
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  const verb = row.outcome === "failure" ? "tried to open" : "opened";
  const pipes = row.pipes.length > 2 ? `${row.pipes.length} pipes` : cut(row.pipes.join(" and "), 40);
  return [`${who}${more} ${verb} ${pipes || "a pipe"}`, h("span", { class: "where" }, ` on ${cut(shortOf(row.asset), 32)}`)];
}

/** The first label of a name; an address is one as a whole. */
function shortOf(name) {
  return /^[\d.:]+$/.test(name) ? name : name.split(".")[0];
}

function timeOf(row, now) {
  const at = moment(row.created) ?? moment(row.start);
  if (at === null) {
    return "";
  }
  return h("time", { datetime: row.created ?? row.start, title: `decided ${utc(at)}` }, ago(at, now));
}

function marksOf(row) {
  const marks = [];
  if (isAmended(row)) {
    marks.push(h("span", { class: "mark amended" }, "amended"));
  }
  if (row.conflicts > 0) {
    marks.push(h("span", { class: "mark doubt", title: count(row.conflicts, "contradiction") }, "contradicted"));
  }
  if (STATUSES[row.status]) {
    marks.push(h("span", { class: "mark" }, row.suppressed_by === "local" ? "local" : STATUSES[row.status]));
  }
  if (row.exception) {
    marks.push(h("span", { class: "mark" }, cut(row.exception, 24)));
  }
  if (row.outcome === "failure") {
    marks.push(h("span", { class: "mark" }, "denied"));
  }
  if (row.accesses > 1) {
    marks.push(h("span", { class: "mark number", title: "accesses" }, `${row.accesses}×`));
  }
  return marks;
}

function groupOf(item, onFold) {
  return h(
    "button",
    { type: "button", class: "group", "aria-expanded": String(!item.isFolded), "data-key": `group ${item.key}`, onclick: () => onFold(item.key) },
    h("span", { class: "sign", "aria-hidden": "true" }, item.isFolded ? "▸" : "▾"),
    h("span", { class: "title" }, cut(item.title, 120)),
    h("span", { class: "number" }, count(item.count, "alert")),
  );
}
