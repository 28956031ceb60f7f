/** Takes the pictures of docs/images/ of samples in which an attack, doubtful accesses and a campaign are. */

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
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

try {
  const file = path.join(dir, "alerts.ndjson");
  await writeFile(file, `${(await sampleLines()).join("\n")}\n`);
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  await picture("page", url, { select: "atlas" });
  await picture("page-list", url, { viewport: { width: 1100, height: 620 } });
  await picture("page-dark", url, { select: "p-body", colorScheme: "dark" });
  await picture("page-phone", url, { viewport: { width: 390, height: 844 }, select: "atlas", colorScheme: "dark" });
  const report = path.join(dir, "report.html");
  await printed("replay", "--inventory", "samples/inventory.yaml", "--html", report, "samples/");
  const scrolled = (page) => page.locator(".why").scrollIntoViewIfNeeded();
  await picture("page-report", `file://${report}`, { select: "low", prepare: scrolled });
} finally {
  await t.end();
}
