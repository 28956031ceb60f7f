/** Texts for other programs, made of what telemetry says: each value is quoted for the language that it goes into. */

import { evidenceOf, list } from "./facts.js";
import { moment } from "./time.js";

const MOST = 50;
const DAY = 86_400_000;

/** A shell command that replays the originals; null where their place is not known. */
export function replayOf(document, about) {
  const origins = evidenceOf(document).map((entry) => entry.origin).filter(Boolean);
  const files = [...new Set(origins.map((origin) => origin.file).filter((file) => typeof file === "string"))];
  if (files.length > 0) {
    const names = files.slice(0, MOST).map((file) => shell(file.startsWith("-") && file !== "-" ? `./${file}` : file));
    return `pipewarden replay --explain --format pretty ${names.join(" ")}`;
  }
  const records = origins.filter((origin) => typeof origin.topic === "string").slice(0, MOST);
  if (records.length === 0) {
    return null;
  }
  const brokers = about?.brokers ? shell(about.brokers) : '"$BROKERS"';
  const unique = new Map(records.map((origin) => [`${origin.topic} ${origin.partition} ${origin.offset}`, origin]));
  const lines = [...unique.values()].map((origin) => `  kcat -C -q -b ${brokers} -t ${shell(origin.topic)} -p ${Number(origin.partition)} -o ${Number(origin.offset)} -c 1`);
  return `{\n${lines.join("\n")}\n} | pipewarden replay --explain --format pretty -`;
}

/** KQL for the events behind it, in an index of Winlogbeat. */
export function kqlOf(document) {
  const parts = [...byComputer(document)].map(([computer, ids]) => `(winlog.computer_name: ${kql(computer)} and winlog.record_id: (${ids.map((id) => kql(id)).join(" or ")}))`);
  const time = timesOf(document);
  if (parts.length === 0 || time === null) {
    return null;
  }
  return `@timestamp >= "${time[0]}" and @timestamp <= "${time[1]}" and\n(${parts.join("\n or ")})`;
}

/** The same for Splunk's add-on for Windows. */
export function splOf(document) {
  const parts = [...byComputer(document)].map(([computer, ids]) => `(ComputerName=${quoted(computer)} RecordNumber IN (${ids.map((id) => quoted(id)).join(", ")}))`);
  const time = timesOf(document);
  if (parts.length === 0 || time === null) {
    return null;
  }
  const seconds = time.map((written) => Math.floor(moment(written) / 1000));
  return `index=* earliest=${seconds[0]} latest=${seconds[1]}\n(${parts.join("\n OR ")})`;
}

/** An entry for the exceptions file, with the reason and the owner to fill in; `check` takes it as it is. */
export function exceptionOf(document, now) {
  const own = document.pipewarden;
  const isOfAccesses = ["source", "unattributed"].includes(own.who);
  if (!isOfAccesses) {
    return null;
  }
  const isSure = own.attribution === "audited" && list(own.conflicts).length === 0 && document.source?.ip;
  const selectors = [
    document.source?.ip ? `    sources: {addresses: [${yaml(document.source.ip)}]}` : null,
    list(own.accounts).length > 0 ? `    accounts: [${list(own.accounts).slice(0, MOST).map(yaml).join(", ")}]` : null,
    `    assets: {names: [${yaml(document.host?.name)}]}`,
  ].filter(Boolean);
  const rule = document.rule?.id;
  return [
    "exceptions:",
    `  - id: alert-${String(own.alert_id).toLowerCase().replace(/[^0-9a-f]/g, "").slice(0, 8)}`,
    '    reason: "State why this is no attack."',
    '    owner: "State who answers for it."',
    `    expires: ${new Date(now + 90 * DAY).toISOString().slice(0, 10)}`,
    `    action: ${isSure ? "suppress" : "downgrade"}`,
    ...selectors,
    ...(rule ? [`    rules: [${yaml(rule)}]`] : []),
    ...(document.source?.ip && selectors.length > 1 ? [] : ["    broad: true"]),
    "",
  ].join("\n");
}

function byComputer(document) {
  const computers = new Map();
  for (const entry of evidenceOf(document).slice(0, MOST)) {
    if (entry.record_id !== undefined && entry.computer) {
      const ids = computers.get(entry.computer) ?? new Set();
      computers.set(entry.computer, ids.add(String(entry.record_id)));
    }
  }
  return new Map([...computers].map(([computer, ids]) => [computer, [...ids]]));
}

/** A day around, since a record number alone may come again and a clock may be wrong. */
function timesOf(document) {
  const [start, end] = [moment(document.event?.start), moment(document.event?.end)];
  if (start === null || end === null) {
    return null;
  }
  return [new Date(start - DAY / 2).toISOString(), new Date(end + DAY / 2).toISOString()];
}

/** One word of a POSIX shell; with controls, of bash. */
export function shell(value) {
  const word = String(value);
  if (/^[\w@%+=:,./-]+$/.test(word)) {
    return word;
  }
  const hostile = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
  if (!hostile.test(word)) {
    return `'${word.replaceAll("'", `'\\''`)}'`;
  }
  const escaped = word.replace(/[\\']/g, "\\$&").replace(hostile, (character) => `\\U${character.codePointAt(0).toString(16).padStart(8, "0")}`);
  return `$'${escaped}'`;
}

/** A double-quoted scalar of YAML, which takes all escapes of JSON. */
export function yaml(value) {
  return unicode(JSON.stringify(String(value ?? "")));
}

function kql(value) {
  return `"${String(value).replace(/[\\"]/g, "\\$&")}"`;
}

function quoted(value) {
  return `"${String(value).replace(/[\\"]/g, "\\$&")}"`;
}

function unicode(written) {
  return written.replace(/[\p{Cf}\p{Zl}\p{Zp}\u007f-\u009f]/gu, (character) =>
    [...Array(character.length).keys()].map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`).join(""),
  );
}
