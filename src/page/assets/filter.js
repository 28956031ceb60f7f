/**
 * The words of the filter box: `asset:atlas confidence:high source:10.1.0.0/24 -rule:campaign text "two words"`.
 * Words of one field are alternatives; all fields, and every word of text, must hold. A `-` before a word excludes.
 */

import { network } from "./address.js";
import { dictionary } from "./dictionary.js";

/** The fields, and what of an alert each looks at. */
export const FIELDS = dictionary({
  asset: { of: (row) => [row.asset], by: named },
  source: { of: (row) => [row.source_ip, ...row.source_names], by: addressed },
  account: { of: (row) => row.accounts, by: named },
  rule: { of: (row) => [row.rule], by: same },
  confidence: { of: (row) => [row.confidence], by: same },
  attribution: { of: (row) => [row.attribution], by: same },
  status: { of: (row) => [row.status, row.suppressed_by], by: same },
  who: { of: (row) => [row.who], by: same },
  action: { of: (row) => [row.action], by: same },
  outcome: { of: (row) => [row.outcome], by: same },
  role: { of: (row) => row.roles, by: same },
  pipe: { of: (row) => row.pipes, by: named },
  path: { of: (row) => row.paths, by: named },
  exception: { of: (row) => [row.exception], by: same },
  story: { of: (row) => [row.story], by: same },
  id: { of: (row) => [row.id], by: named },
});

/**
 * @param {string} written
 * @returns {{matches: (row: object) => boolean, problems: string[]}}
 */
export function filter(written) {
  const fields = new Map();
  const texts = [];
  const problems = [];
  for (const word of words(written)) {
    const field = word.field === null ? undefined : FIELDS[word.field];
    if (field === undefined) {
      if (word.field !== null) {
        problems.push(`there is no field "${word.field}": fields are ${Object.keys(FIELDS).join(", ")}`);
      }
      texts.push({ is: !word.isExcluded, text: (word.field === null ? word.value : `${word.field}:${word.value}`).toLowerCase() });
      continue;
    }
    if (word.value === "") {
      continue;
    }
    const key = `${word.isExcluded ? "-" : ""}${word.field}`;
    fields.set(key, [...(fields.get(key) ?? []), field.by(word.value.toLowerCase())]);
  }
  const matches = (row) =>
    texts.every(({ is, text }) => everything(row).includes(text) === is) &&
    [...fields].every(([key, tests]) => {
      const isExcluded = key.startsWith("-");
      const values = FIELDS[isExcluded ? key.slice(1) : key].of(row).filter(Boolean);
      return tests.some((test) => values.some((value) => test(String(value).toLowerCase()))) !== isExcluded;
    });
  return { matches, problems };
}

/**
 * The words, where each begins and ends.
 * @returns {{field: string|null, value: string, isExcluded: boolean, start: number, end: number}[]}
 */
export function words(written) {
  const found = written.matchAll(/(-?)(?:([a-z_]+):)?(?:"([^"]*)"?|(\S+)|(?<=:))/gi);
  return [...found]
    .filter((match) => match[0] !== "" && match[0] !== "-")
    .map((match) => ({
      isExcluded: match[1] === "-",
      field: match[2]?.toLowerCase() ?? null,
      value: match[3] ?? match[4] ?? "",
      start: match.index,
      end: match.index + match[0].length,
    }));
}

/** A word as the box takes it. */
export function word(field, value) {
  return `${field}:${/[\s"]/.test(value) || value === "" ? `"${value.replaceAll('"', "")}"` : value}`;
}

/**
 * What the word at the caret could become: names of fields, then values that alerts have.
 * @param {string} written
 * @param {number} caret
 * @param {Iterable<object>} rows
 * @returns {{start: number, end: number, choices: string[]}}
 */
export function completions(written, caret, rows, most = 8) {
  const current = words(written).find(({ start, end }) => start < caret && caret <= end);
  if (current === undefined) {
    return { start: caret, end: caret, choices: Object.keys(FIELDS).slice(0, most).map((name) => `${name}:`) };
  }
  const { start, end, isExcluded } = current;
  const sign = isExcluded ? "-" : "";
  if (current.field === null) {
    const names = Object.keys(FIELDS).filter((name) => name.startsWith(current.value.toLowerCase()));
    return { start, end, choices: names.slice(0, most).map((name) => `${sign}${name}:`) };
  }
  const field = FIELDS[current.field];
  const counts = new Map();
  for (const row of field === undefined ? [] : rows) {
    for (const value of field.of(row)) {
      if (value && String(value).toLowerCase().includes(current.value.toLowerCase())) {
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
    }
  }
  const byNumber = [...counts].sort((a, b) => b[1] - a[1] || String(a[0]).localeCompare(String(b[0])));
  return { start, end, choices: byNumber.slice(0, most).map(([value]) => sign + word(current.field, String(value))) };
}

function same(wanted) {
  return (value) => value === wanted;
}

function named(wanted) {
  return (value) => value.includes(wanted);
}

function addressed(wanted) {
  const isIn = network(wanted);
  return isIn === null ? named(wanted) : (value) => isIn(value);
}

function everything(row) {
  row.text ??= [
    row.message,
    row.asset,
    row.source_ip,
    row.rule,
    row.rule_name,
    row.id,
    ...row.source_names,
    ...row.accounts,
    ...row.pipes,
    ...row.paths,
    ...row.roles,
    ...row.references,
  ]
    .join("\n")
    .toLowerCase();
  return row.text;
}
