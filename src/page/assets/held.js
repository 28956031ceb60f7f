/** What the list holds, and that it does not move under the eye of somebody who reads. */

import { dictionary } from "./dictionary.js";
import { state, update } from "./state.js";
import { moment } from "./time.js";

/** In the tab `ended`: nothing to act on any more. */
const TABS = dictionary({ active: "active", suppressed: "kept", superseded: "ended", resolved: "ended" });

/** Takes these rows for all there are. */
export function replace(rows) {
  state.rows = new Map(rows.map((row) => [row.id, row]));
  state.waiting = new Set();
  arrange();
}

/**
 * Takes in what has changed. A revision amends its row where it stands; a new alert waits while somebody reads.
 * @param {object[]} rows
 * @param {number} floor what the server has changed last up to here it no longer holds
 */
export function add(rows, floor) {
  for (const row of rows) {
    if (!state.rows.has(row.id)) {
      state.waiting.add(row.id);
    }
    state.rows.set(row.id, row);
  }
  let isForgotten = false;
  for (const [id, row] of state.rows) {
    if (row.seq <= floor) {
      state.rows.delete(id);
      state.waiting.delete(id);
      isForgotten = true;
    }
  }
  if (isForgotten) {
    state.order = state.order.filter((id) => state.rows.has(id));
  }
  if (!state.held) {
    arrange();
    return;
  }
  update({ version: state.version + 1 });
}

/** Lets what waits into the list, and all into order. */
export function release() {
  arrange();
}

/** Whether somebody reads, so that the list must stay. */
export function hold(held) {
  if (held === state.held) {
    return;
  }
  state.held = held;
  if (!held && state.waiting.size > 0) {
    arrange();
  }
}

/** How many alerts that wait would be in this tab. */
export function waitingIn(tab) {
  return [...state.waiting].filter((id) => TABS[state.rows.get(id)?.status] === tab).length;
}

function decided(row) {
  row.at ??= moment(row.created) ?? moment(row.start) ?? 0;
  return row.at;
}

function arrange() {
  const rows = [...state.rows.values()].sort((a, b) => decided(b) - decided(a) || b.seq - a.seq);
  update({
    order: rows.map((row) => row.id),
    tabs: new Map(rows.map((row) => [row.id, TABS[row.status] ?? "active"])),
    waiting: new Set(),
    version: state.version + 1,
  });
}
