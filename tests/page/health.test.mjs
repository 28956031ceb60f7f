/** Health and coverage, as services say. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { open, violations } from "./support/browser.mjs";
import { atEnd, folder, sampleLines, ui } from "./support/program.mjs";

const MARKUP = "<img src=x onerror=window.pwned=1>\u202e";
const now = Date.now();
const seen = (ago) => ({ last_seen: new Date(now - ago).toISOString(), is_blind: false });

/** What a service might answer, with a hostile host among the others. */
const STATUS = {
  version: "0.1.0",
  policy: "abc",
  ready: false,
  reasons: ["correlator-0 is restoring 1 of 3 partitions"],
  workers: { "correlator-0": { role: "correlator", is_alive: true, is_assigned: true, partitions: 3, restoring: 1, lag: { "pipewarden.observations": 1234 } } },
  dead_letters: { undecodable: { count: 7 } },
  assets: { "glados.aperture.local": "never seen", "atlas.aperture.local": new Date(now).toISOString() },
  sensors: {
    "atlas.aperture.local": { network_connection: seen(2000), pipe_connected: { ...seen(9_000_000), is_blind: true }, share_access: seen(5000) },
    "caroline.aperture.local": { network_connection: seen(2000), pipe_connected: seen(4000), share_access: seen(5000) },
    [MARKUP]: { [MARKUP]: seen(2000), share_access: seen(9_000_000) },
  },
};

export async function service(t, status) {
  const server = createServer((request, response) => response.end(JSON.stringify(request.url === "/status" ? status : {})));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  atEnd(t, () => new Promise((done) => server.close(done)));
  return `127.0.0.1:${server.address().port}`;
}

test("services, workers and sensors are shown, what hurts most first", async (t) => {
  const file = path.join(await folder(t), "alerts.ndjson");
  const lines = await sampleLines();
  const alert = JSON.parse(lines.find((line) => !line.startsWith('{"explanation"')));
  await writeFile(file, `${JSON.stringify(alert)}\n`);
  const near = { alert_id: alert.pipewarden.alert_id, accesses: [{ time: alert.event.start, kind: "share_access", joined: [], missed: [{ text: "a near miss of the service" }] }] };
  const address = await service(t, { ...STATUS, explanations: [near] });
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0", "--status", `${address},127.0.0.1:1`);
  const page = await open(t, url);
  await page.getByRole("link", { name: "Health" }).click();
  await page.getByText("correlator-0 is restoring 1 of 3 partitions").waitFor();
  await page.getByText("1234 of pipewarden.observations").waitFor();
  await page.getByText("7 undecodable").waitFor();
  await page.getByText("no answer").waitFor();
  const hosts = await page.getByRole("group", { name: "coverage" }).locator("tbody th").allTextContents();
  assert.deepEqual(hosts.map((host) => host.slice(0, 5)), ["glado", "atlas", "<img ", "carol"]);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.deepEqual(await violations(page), []);
  await page.getByRole("link", { name: "Alerts" }).click();
  await page.locator("a.row").first().click();
  await page.getByText("a near miss of the service").waitFor();
});
