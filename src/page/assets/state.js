/** All that the page knows, in one place. Views are functions of it and are drawn again, once a frame, after it has changed. */

/**
 * @typedef {object} State
 * @property {object|null} about what `/api/about` says
 * @property {string|null} epoch which run of the server the numbers of changes are of
 * @property {number} last the number of the last change that is known
 * @property {Map<string, object>} rows each alert as the list shows it, by id
 * @property {string[]} order ids as the list has them, the newest decision first
 * @property {Map<string, string>} tabs the tab that each is in
 * @property {Set<string>} waiting ids that have come while somebody reads
 * @property {number} version rises with each change of what is listed
 * @property {boolean} held whether the list must not move
 * @property {"loading"|"open"|"closed"|"denied"|"failed"|"report"} connection
 * @property {{at: number, problem: string}|null} retry when the server is asked again, and why it has to be
 * @property {object|null} health what the reader of alerts says of itself
 * @property {object} route which view, see `route.js`
 * @property {{id: string, phase: "loading"|"ready"|"missing"|"failed", problem?: string, data?: object}|null} detail
 * @property {Set<string>} folded keys of groups that are folded
 * @property {number} now
 */

/** The view of an address that says nothing. */
export const NOWHERE = { view: "alerts", tab: "active", q: "", group: "none", alert: "", revision: "" };

/** @type {State} */
export const state = {
  about: null,
  epoch: null,
  last: 0,
  rows: new Map(),
  order: [],
  tabs: new Map(),
  waiting: new Set(),
  version: 0,
  held: false,
  connection: "loading",
  retry: null,
  health: null,
  route: { ...NOWHERE },
  detail: null,
  folded: new Set(),
  now: Date.now(),
};

const views = new Set();
let isDue = false;

/** Calls `draw` now and after each change; returns what ends that. */
export function watch(draw) {
  views.add(draw);
  draw(state);
  return () => views.delete(draw);
}

/** The same, where `draw` is needed only if what it depends on has changed: what has the focus is best left alone. */
export function watchFor(depends, draw) {
  let drawn = null;
  return watch(() => {
    const wanted = JSON.stringify(depends(state));
    if (wanted !== drawn) {
      drawn = wanted;
      draw(state);
    }
  });
}

/** Changes the state. */
export function update(change) {
  Object.assign(state, change);
  if (!isDue) {
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      views.forEach((draw) => draw(state));
    });
  }
}
