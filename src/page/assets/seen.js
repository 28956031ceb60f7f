/** Which revision of which alert somebody has opened: a later one is marked. */

import { keep, kept } from "./storage.js";

/** The most alerts that are remembered, the last that were opened. */
const MOST = 2000;

const opened = new Map(entries());

/** @returns {boolean} whether the alert has been opened, and amended since */
export function isAmended(row) {
  const revision = opened.get(row.id);
  return revision !== undefined && revision < row.revision;
}

/** @returns {boolean} */
export function isOpened(row) {
  return opened.has(row.id);
}

/** Remembers that this revision has been seen. */
export function note(id, revision) {
  if (opened.get(id) === revision) {
    return;
  }
  opened.delete(id);
  opened.set(id, revision);
  for (const eldest of opened.keys()) {
    if (opened.size <= MOST) {
      break;
    }
    opened.delete(eldest);
  }
  keep("opened", [...opened]);
}

function entries() {
  const list = kept("opened");
  const isEntry = (entry) => Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "number";
  return Array.isArray(list) ? list.filter(isEntry) : [];
}
