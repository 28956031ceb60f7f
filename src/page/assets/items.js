/** What the list shows of what is held: a tab, a filter, groups. A function of the state, kept until that changes. */

import { filter } from "./filter.js";

let last = { key: null, value: null };

/**
 * @returns {{items: ({kind: "row", row: object} | {kind: "group", key: string, title: string, count: number, isFolded: boolean, row?: object})[],
 *   rows: object[], counts: Object<string, number>, problems: string[]}} `rows` in the order of the list, folded ones too
 */
export function items(state) {
  const { tab, q, group } = state.route;
  const key = [state.version, tab, q, group, [...state.folded].join(" ")].join("\n");
  if (last.key !== key) {
    last = { key, value: computed(state) };
  }
  return last.value;
}

function computed(state) {
  const { tab, q, group } = state.route;
  const { matches, problems } = filter(q);
  const counts = { active: 0, kept: 0, ended: 0 };
  const rows = [];
  for (const id of state.order) {
    const row = state.rows.get(id);
    const own = state.tabs.get(id);
    if (row === undefined || !matches(row)) {
      continue;
    }
    counts[own] += 1;
    if (own === tab) {
      rows.push(row);
    }
  }
  const keyOf = KEYS[group];
  const shown = keyOf === undefined ? rows.map((row) => ({ kind: "row", row })) : grouped(rows, keyOf(rows), state.folded);
  return { items: shown, rows: shown.filter((item) => item.kind === "row").map((item) => item.row), counts, problems };
}

/** By what rows are grouped: given all, the key and title of one; null stands for itself. */
const KEYS = {
  asset: () => (row) => ({ key: row.asset, title: row.asset }),
  source: () => (row) => ({ key: row.source_ip ?? row.who ?? "", title: row.source_ip ?? "source not known" }),
  story: () => (row) => ({ key: row.story, title: `${row.rule} on ${row.asset}${row.source_ip ? ` from ${row.source_ip}` : ""}` }),
  campaign: (rows) => {
    const campaigns = new Map();
    for (const row of rows.filter((row) => row.members !== undefined)) {
      const campaign = { key: row.id, title: row.message, row };
      campaigns.set(row.id, campaign);
      row.members.forEach((id) => campaigns.set(id, campaign));
    }
    return (row) => campaigns.get(row.id) ?? { key: "none", title: "in no campaign" };
  },
};

function grouped(rows, keyOf, folded) {
  const groups = new Map();
  for (const row of rows) {
    const { key, title } = keyOf(row);
    const group = groups.get(key) ?? { key, title, rows: [] };
    group.rows.push(row);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ key, title, rows }) => {
    const isFolded = folded.has(key);
    const head = { kind: "group", key, title, count: rows.length, isFolded };
    return isFolded ? [head] : [head, ...rows.map((row) => ({ kind: "row", row }))];
  });
}
