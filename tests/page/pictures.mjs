/** Takes the pictures of docs/images/ of samples in which an attack, doubtful accesses and a campaign are. */

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { another, line } from "./support/alerts.mjs";
import { open } from "./support/browser.mjs";
import { folder, printed, root, sampleLines, ui } from "./support/program.mjs";

/** Stands for a test's context, to end what was begun. */
const t = { after: (end) => (t.end = end), end: async () => {} };

const target = path.join(root, process.env.PICTURES ?? "docs/images");
await mkdir(target, { recursive: true });
const dir = await folder(t);

async function picture(name, url, { select, prepare = async () => {}, ...options }) {
  const page = await open(t, url, options);
  await page.locator("a.row").first().waitFor();
  if (select !== undefined) {
    await page.locator("a.row", { hasText: select }).first().click();
    await page.locator("alert-page article").waitFor();
    await page.locator("time-line svg .mark").first().waitFor();
  }
  await prepare(page);
  await page.mouse.move(0, 0);
  await page.screenshot({ path: path.join(target, `${name}.png`), animations: "disabled" });
}

/** Of the samples five times: sources and hosts as they are, and a campaign by one of them. */
async function graph() {
  const lines = (await sampleLines()).map((line) => JSON.parse(line)).filter((line) => line.pipewarden?.status === "active");
  const all = [0, 1, 2, 3, 4].flatMap((turn) => lines.map((document, index) => another(document, (copy) => {
    const hosts = ["atlas", "caroline", "glados", "p-body", "turret", "wheatley", "chell", "rattmann"];
    copy.host.name = `${hosts[(index * (turn + 1) + turn) % hosts.length]}.aperture.local`;
    copy.pipewarden.accesses = 1 + ((index * 7 + turn * 3) % 9);
    copy.event.start = new Date(Date.parse("2024-10-24T15:00:00Z") + (turn * 7 + index) * 97_000).toISOString();
  })));
  const own = all.filter((document) => document.source?.ip === "10.1.0.102").slice(0, 4);
  const campaign = another(own[0], (copy) => {
    copy.pipewarden.campaign = { within_seconds: 1800, assets: own.map((document) => ({ id: document.host.name, first: document.event.start, last: document.event.end, alert_ids: [document.pipewarden.alert_id] })) };
    copy.event.action = "campaign";
    delete copy.pipewarden.who;
  });
  const file = path.join(dir, "graph.ndjson");
  await writeFile(file, [...all, campaign].map(line).join(""));
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  const toGraph = async (page) => {
    await page.getByRole("link", { name: "Graph" }).click();
    await page.locator("graph-view .touch").first().waitFor();
  };
  await picture("page-graph", url, { viewport: { width: 1200, height: 560 }, prepare: toGraph });
}

try {
  const file = path.join(dir, "alerts.ndjson");
  await writeFile(file, `${(await sampleLines()).join("\n")}\n`);
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  await picture("page", url, { select: "atlas" });
  await picture("page-list", url, { viewport: { width: 1100, height: 620 } });
  await picture("page-dark", url, { select: "p-body", colorScheme: "dark" });
  await picture("page-phone", url, { viewport: { width: 390, height: 844 }, select: "atlas", colorScheme: "dark" });
  await graph();
  const report = path.join(dir, "report.html");
  await printed("replay", "--inventory", "samples/inventory.yaml", "--html", report, "samples/");
  const scrolled = (page) => page.locator(".why").scrollIntoViewIfNeeded();
  await picture("page-report", `file://${report}`, { select: "low", prepare: scrolled });
} finally {
  await t.end();
}
