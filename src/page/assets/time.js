/** Moments and spans. A moment is a number of milliseconds since 1970, with the microseconds behind the point. */

import { h } from "./dom.js";

const FORM = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * Reads RFC 3339.
 * @param {unknown} written
 * @returns {number|null} null where it is no moment
 */
export function moment(written) {
  const parts = FORM.exec(String(written ?? ""));
  const whole = parts ? Date.parse(parts[1] + parts[3]) : NaN;
  return Number.isNaN(whole) ? null : whole + Number(`0${parts[2] ?? ""}`) * 1000;
}

/** `2024-10-24 14:50:06.861Z`; to the second if `to` is "second". */
export function utc(at, to = "millisecond") {
  const iso = new Date(at).toISOString();
  const [day, time] = iso.split("T");
  return to === "second" ? `${day} ${time.slice(0, 8)}Z` : `${day} ${time}`;
}

/** By the clock of whoever reads, with the zone. */
export function local(at) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" }).format(new Date(at));
}

/**
 * A span with its unit: `9 ms`, `4.8 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
 * @param {number} ms
 */
export function span(ms) {
  const size = Math.abs(ms);
  if (size < 1) {
    return size === 0 ? "0 ms" : `${size.toFixed(3)} ms`;
  }
  if (size < 1000) {
    return `${Math.round(size)} ms`;
  }
  if (size < 60_000) {
    return `${trimmed(size / 1000)} s`;
  }
  return long(size);
}

/** How long ago, in one word: `now`, `40 s`, `5 min`, `3 h`, `2 d`; beyond a week the day. */
export function ago(at, now) {
  const size = now - at;
  if (size < 1000) {
    return size < -1000 ? `in ${span(size)}` : "now";
  }
  if (size > 7 * 86_400_000) {
    return new Date(at).toISOString().slice(0, 10);
  }
  const [unit, ms] = size < 60_000 ? ["s", 1000] : size < 3_600_000 ? ["min", 60_000] : size < 172_800_000 ? ["h", 3_600_000] : ["d", 86_400_000];
  return `${Math.floor(size / ms)} ${unit}`;
}

/**
 * `<time>`: UTC, with the local time beside or as a hint.
 * @param {unknown} written RFC 3339
 */
export function stamp(written, { beside = false } = {}) {
  const at = moment(written);
  if (at === null) {
    return h("span", { class: "muted" }, written ? String(written) : "not known");
  }
  const own = beside ? h("span", { class: "muted local" }, local(at)) : null;
  return h("time", { datetime: new Date(at).toISOString(), title: local(at) }, utc(at), own ? " " : null, own);
}

function trimmed(number) {
  return number >= 10 ? number.toFixed(1).replace(/\.0$/, "") : number.toFixed(2).replace(/\.?0+$/, "");
}

function long(size) {
  const units = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1000]];
  const first = units.findIndex(([, ms]) => size >= ms);
  const [[unit, ms], [lesser, lesserMs] = []] = units.slice(first, first + 2);
  const whole = Math.floor(size / ms);
  const rest = lesserMs ? Math.floor((size - whole * ms) / lesserMs) : 0;
  return rest > 0 ? `${whole} ${unit} ${rest} ${lesser}` : `${whole} ${unit}`;
}
