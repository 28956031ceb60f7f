/** A page that asks for a token. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { another, audited, line } from "./support/alerts.mjs";
import { open, rows, violations } from "./support/browser.mjs";
import { folder, ui } from "./support/program.mjs";

test("a page asks for its token, tells a wrong one, and shows alerts for the right one in this tab only", async (t) => {
  const dir = await folder(t);
  const [file, token] = [path.join(dir, "alerts.ndjson"), path.join(dir, "token")];
  await writeFile(file, line(another(await audited())));
  await writeFile(token, "0123456789abcdef-token\n");
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0", "--token-file", token);
  const page = await open(t, url, { expected: /401/ });
  const field = page.getByLabel("This page asks for its token");
  await field.waitFor();
  assert.deepEqual(await violations(page), []);
  await field.fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("That token is not the one.").waitFor();
  await field.fill("0123456789abcdef-token");
  await page.keyboard.press("Enter");
  await page.locator("a.row").first().waitFor();
  assert.equal((await rows(page)).length, 1);
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }).includes("0123456789abcdef") || document.cookie !== ""), false);
  const other = await open(t, url, { expected: /401/ });
  await other.getByLabel("This page asks for its token").waitFor();
});
