/** The address bar: every view has a link. Behind the `#`, since a report is a file and has no server. */

import { NOWHERE, state, update } from "./state.js";

const KNOWN = {
  view: ["alerts", "graph", "health"],
  tab: ["active", "kept", "ended"],
  group: ["none", "campaign", "story", "asset", "source"],
};

/**
 * The address of the view that differs in these things from the one that is shown.
 * @param {Partial<typeof NOWHERE>} change
 */
export function linkTo(change) {
  return written({ ...state.route, ...change });
}

/** Goes there. `replace` leaves no trace in the history, as while somebody types. */
export function go(change, { replace = false } = {}) {
  const address = linkTo(change);
  if (replace) {
    history.replaceState(null, "", address);
    read();
  } else if (address !== location.hash) {
    location.hash = address;
  }
}

/** Takes in where the address bar points, from now on. */
export function follow() {
  addEventListener("hashchange", read);
  read();
}

/** @returns {string} `#` and what differs from the defaults */
export function written(route) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(NOWHERE)) {
    if (route[name] !== undefined && route[name] !== value) {
      words.set(name, route[name]);
    }
  }
  return `#${words}`;
}

/** @returns {typeof NOWHERE} what an address says; what it may not say is as by default */
export function parsed(address) {
  const words = new URLSearchParams(address.replace(/^#/, ""));
  const route = { ...NOWHERE };
  for (const name of Object.keys(NOWHERE)) {
    const value = words.get(name);
    if (value !== null && (KNOWN[name] ?? [value]).includes(value)) {
      route[name] = value;
    }
  }
  return route;
}

function read() {
  update({ route: parsed(location.hash) });
}
