/** A page in a headless Chromium that fails the test for what no page of ours does. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { atEnd } from "./program.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/**
 * A page of a browser of its own: no error on its console, no request to another origin.
 * @param {{expected?: RegExp, ...}} options `expected` are errors that the test is about; the rest is of the browser's context
 */
export async function open(t, url, { expected = null, ...options } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.PIPEWARDEN_BROWSER ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking"],
  });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, timezoneId: "Europe/Berlin", locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const errors = [];
  const foreign = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    const target = request.url();
    if (!target.startsWith("data:") && new URL(target).origin !== new URL(url).origin) {
      foreign.push(target);
    }
  });
  atEnd(t, async () => {
    await browser.close();
    assert.deepEqual(errors.filter((error) => !expected?.test(error)), [], "errors on the console");
    assert.deepEqual(foreign, [], "requests to other origins");
  });
  await page.goto(url);
  return page;
}

/** What axe calls serious or worse, as lines. */
export async function violations(page) {
  // By the debugger, as a person's extension would: the page's own policy lets no script in.
  await page.evaluate(await readFile(AXE, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}

/** The rows that are drawn, from the top, each by its first line. */
export async function rows(page) {
  return page.locator("alert-list a.row").evaluateAll((all) =>
    all
      .map((row) => ({ top: row.getBoundingClientRect().top, text: row.querySelector(".what").textContent }))
      .sort((a, b) => a.top - b.top)
      .map(({ text }) => text),
  );
}
