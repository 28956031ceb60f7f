/** Who touched what, as a graph. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { MOST, histogram, network } from "../../src/page/assets/network.js";
import { another, audited, line } from "./support/alerts.mjs";
import { open, violations } from "./support/browser.mjs";
import { folder, ui } from "./support/program.mjs";

const row = (change) => ({
  id: JSON.stringify(change), who: "source", source_ip: "10.1.0.1", source_names: [], asset: "atlas", roles: ["cas"], accesses: 1, confidence: "low", start: "2024-10-24T15:00:00Z", ...change,
});

test("lines add accesses and keep the surest word", () => {
  const { sources, hosts, lines } = network([row({ accesses: 2 }), row({ id: "2", confidence: "high" }), row({ asset: "glados" })], null);
  assert.deepEqual(sources.map(({ label, accesses }) => [label, accesses]), [["10.1.0.1", 4]]);
  assert.deepEqual(hosts.map(({ label }) => label).sort(), ["atlas", "glados"]);
  assert.deepEqual(lines.map(({ accesses, confidence }) => [accesses, confidence]), [[3, "high"], [1, "low"]]);
});

test("many sources are grouped by network and many hosts by role, and none is lost", () => {
  const rows = Array.from({ length: 200 }, (_, index) => row({ source_ip: `10.1.${index % 5}.${index}`, asset: `host${index}`, roles: [index % 2 ? "cas" : "sms-provider"] }));
  const { sources, hosts, lines, left } = network(rows, null);
  assert.deepEqual([sources.length, hosts.length, left], [5, 2, 0]);
  assert.equal(sources.reduce((sum, node) => sum + node.members, 0), 200);
  assert.equal(lines.reduce((sum, { accesses }) => sum + accesses, 0), 200);
});

test("what does not fit is counted", () => {
  const rows = Array.from({ length: 300 }, (_, index) => row({ source_ip: `10.1.${index}.1`, accesses: index + 1 }));
  const { sources, left } = network(rows, null);
  assert.deepEqual([sources.length, left], [MOST, 300 - MOST]);
  assert.equal(sources[0].accesses, 300);
});

test("a campaign is what its alerts touched, and no node itself", () => {
  const { sources, hosts } = network([row({ id: "1" }), row({ id: "2", asset: "glados" }), row({ id: "c", who: null, members: ["1"] })], null);
  assert.deepEqual([...sources[0].campaigns], ["c"]);
  assert.deepEqual(hosts.filter((node) => node.campaigns.size > 0).map(({ label }) => label), ["atlas"]);
});

test("the time that is chosen bounds what is drawn", () => {
  const rows = [row({ id: "1" }), row({ id: "2", asset: "glados", start: "2024-10-24T16:00:00Z" })];
  const at = Date.parse("2024-10-24T15:00:00Z");
  assert.equal(network(rows, [at - 1, at + 1]).lines.length, 1);
  assert.deepEqual(histogram(rows, [at, at + 3_600_000], 2), [1, 1]);
});

test("the graph leads to alerts, by mouse and by keys, and hostile names stay text", async (t) => {
  const base = await audited();
  const file = path.join(await folder(t), "alerts.ndjson");
  const hostile = "<img src=x onerror=window.pwned=1>\u202e";
  const alerts = ["atlas", "glados", hostile].map((name, index) => another(base, (document) => {
    document.host.name = name;
    document.source.ip = `10.1.0.${index}`;
    document.event.start = new Date(Date.parse(base.event.start) + index * 60_000).toISOString();
  }));
  await writeFile(file, alerts.map(line).join(""));
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  const page = await open(t, url);
  await page.getByRole("link", { name: "Graph" }).click();
  await page.getByText("3 sources on 3 hosts, 3 accesses.").waitFor();
  assert.equal(await page.evaluate(() => window.pwned ?? document.querySelectorAll("main img").length), 0);
  assert.deepEqual(await violations(page), []);
  await page.locator("graph-view .brush").focus();
  await page.keyboard.press("+");
  await page.getByText(/1 source on 1 host, 1 access from /).waitFor();
  await page.keyboard.press("0");
  await page.getByText("3 sources on 3 hosts, 3 accesses.").waitFor();
  await page.locator("graph-view a", { hasText: "glados" }).click();
  await page.waitForURL(/q=asset%3Aglados/);
  await page.waitForFunction(() => document.querySelectorAll("a.row").length === 1);
});
