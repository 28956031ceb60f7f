/** Modules that need no browser. */

import assert from "node:assert/strict";
import test from "node:test";
import { network } from "../../src/page/assets/address.js";
import { completions, filter, word, words } from "../../src/page/assets/filter.js";
import { around, panned, scale, stacked, ticks, zoomed } from "../../src/page/assets/scale.js";
import { cut, shown } from "../../src/page/assets/text.js";
import { ago, moment, span } from "../../src/page/assets/time.js";
import { shell, yaml } from "../../src/page/assets/commands.js";

const row = (change = {}) => ({
  id: "1", message: "somebody opened winreg", asset: "atlas.aperture.local", rule: "detect-8", rule_name: "", confidence: "high", attribution: "audited", status: "active",
  action: "named-pipe-access", outcome: "success", source_ip: "10.1.0.101", source_names: ["sentry1"], accounts: ["APERTURE\\svc"], pipes: ["winreg"], paths: [], roles: [], references: [], story: "s", ...change,
});

test("words of a field are alternatives, fields and texts must all hold, a dash excludes", () => {
  for (const [written, is] of [
    ["", true], ["asset:atlas", true], ["asset:ATLAS", true], ["asset:glados", false], ["asset:glados asset:atlas", true], ["asset:atlas confidence:low", false],
    ["-asset:atlas", false], ["-asset:glados", true], ["-asset:glados -asset:atlas", false], ["source:10.1.0.0/24", true], ["source:10.1.1.0/24", false], ["source:sentry", true],
    ["opened WINREG", true], ["opened closed", false], ['"opened winreg"', true], ['"winreg opened"', false], ["-closed", true], ["-opened", false],
    ["account:svc", true], ["who:local", false], ["asset:", true], ["rule:detect", false],
  ]) {
    assert.equal(filter(written).matches(row()), is, written);
  }
});

test("names that every object has are no fields", () => {
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.equal(filter(`${name}:x`).matches(row()), false);
  }
});

test("a field that is none is said and taken for text", () => {
  const { matches, problems } = filter("colour:red");
  assert.match(problems[0], /no field "colour"/);
  assert.equal(matches(row({ message: "colour:red" })), true);
  assert.equal(matches(row()), false);
});

test("a value of any characters comes back from the word that is made of it", () => {
  for (const value of ["atlas", "two words", "APERTURE\\svc", "fe80::1", "a:b", "-x"]) {
    const [only, ...others] = words(word("asset", value));
    assert.deepEqual([only.field, only.value, others.length], ["asset", value, 0]);
  }
});

test("what the caret stands in is completed by what alerts have, most first", () => {
  const rows = [row(), row(), row({ confidence: "low" })];
  assert.deepEqual(completions("x confidence:", 13, rows).choices, ["confidence:high", "confidence:low"]);
  assert.deepEqual(completions("-conf", 5, rows), { start: 0, end: 5, choices: ["-confidence:"] });
});

test("networks hold what is in them, bit by bit", () => {
  for (const [written, address, is] of [
    ["10.1.0.0/24", "10.1.0.255", true], ["10.1.0.0/24", "10.1.1.0", false], ["0.0.0.0/0", "255.255.255.255", true], ["10.0.0.1", "10.0.0.1", true], ["10.0.0.1", "10.0.0.10", false],
    ["fe80::/10", "febf::1", true], ["fe80::/10", "fec0::1", false], ["::1", "0:0:0:0:0:0:0:1", true], ["::/0", "10.0.0.1", false],
  ]) {
    assert.equal(network(written)(address), is, `${written} ${address}`);
  }
  for (const odd of ["", "10.1", "10.1.0.0/33", "10.1.0.0/x", "10.1.0.256", "1::2::3", "fe80::/129", "12345::"]) {
    assert.equal(network(odd), null, odd);
  }
});

test("what cannot be seen is shown and nothing else is changed", () => {
  assert.equal(shown("APERTURE\\svc ü 漢 👍"), "APERTURE\\svc ü 漢 👍");
  assert.equal(shown("a\u202eb\u0000\n\ud800"), "a\\u{202e}b\\u{0}\\n\\u{d800}");
  assert.equal(shown(null), "");
  assert.equal(shown({ a: "\u200b" }), '{"a":"\\u{200b}"}');
});

test("a long text keeps both ends and no character is halved", () => {
  assert.equal(cut("abcdefghij", 5), "ab…ij");
  assert.equal(cut("👍".repeat(9), 5), "👍👍…👍👍");
  assert.equal(cut("abcde", 5), "abcde");
});

test("moments keep microseconds and spans their unit", () => {
  assert.equal(moment("2024-10-24T14:50:06.861234Z"), Date.parse("2024-10-24T14:50:06Z") + 861.234);
  assert.equal(moment("2024-10-24T14:50:06+02:00"), Date.parse("2024-10-24T12:50:06Z"));
  for (const odd of [null, "", "yesterday", 7, "2024-13-24T14:50:06Z"]) {
    assert.equal(moment(odd), null);
  }
  assert.deepEqual([0, 0.25, 9, 4800, 12_500, 720_000, 11_100_000, 180_000_000].map(span), ["0 ms", "0.250 ms", "9 ms", "4.8 s", "12.5 s", "12 min", "3 h 5 min", "2 d 2 h"]);
  assert.deepEqual([500, 40_000, 300_000, 10_800_000, 200_000_000, 700_000_000].map((size) => ago(0, size)), ["now", "40 s", "5 min", "3 h", "2 d", "1970-01-01"]);
});

test("a place on the axis and its moment are each other's", () => {
  const axis = scale([1000, 3000], [100, 500]);
  assert.deepEqual([axis.x(1000), axis.x(2000), axis.at(500), axis.width(500)], [100, 300, 3000, 100]);
});

test("zooming keeps what is under the pointer and ends somewhere", () => {
  const all = around([0, 1000]);
  const near = zoomed(all, 0.5, 250, all);
  assert.ok(Math.abs((250 - near[0]) / (near[1] - near[0]) - (250 - all[0]) / (all[1] - all[0])) < 1e-9);
  let domain = all;
  for (let step = 0; step < 100; step += 1) {
    domain = zoomed(domain, 0.5, 500, all);
  }
  assert.ok(domain[1] - domain[0] >= 2);
  for (let step = 0; step < 100; step += 1) {
    domain = panned(zoomed(domain, 2, 0, all), -1, all);
  }
  assert.ok(Number.isFinite(domain[0]) && domain[1] > domain[0]);
});

test("ticks are few and round at any width", () => {
  for (let width = 2; width < 1e10; width *= 1.7) {
    const { step, ticks: marks } = ticks([-width / 3, (2 * width) / 3], 0);
    assert.ok(marks.length >= 1 && marks.length <= 9, `${width}: ${marks.length}`);
    assert.ok(marks.every((mark) => mark % step === 0));
  }
});

test("marks that would cover each other stand in rows", () => {
  assert.deepEqual(stacked([0, 5, 30, 31, 32], 10, 2), [0, 1, 0, 1, 0]);
});

test("values are quoted for shell and YAML", () => {
  assert.deepEqual(["samples/a.ndjson", "a b", "it's", "$(x)"].map(shell), ["samples/a.ndjson", "'a b'", "'it'\\''s'", "'$(x)'"]);
  assert.equal(shell("a\n'b"), "$'a\\U0000000a\\'b'");
  assert.equal(yaml('a"\n\u202e'), '"a\\"\\n\\u202e"');
});
