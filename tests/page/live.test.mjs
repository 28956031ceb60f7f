/** What happens while somebody looks. */

import assert from "node:assert/strict";
import { appendFile, writeFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { another, audited, line, revised } from "./support/alerts.mjs";
import { open, rows } from "./support/browser.mjs";
import { folder, ui } from "./support/program.mjs";

async function started(t, ...documents) {
  const file = path.join(await folder(t), "alerts.ndjson");
  await writeFile(file, documents.map(line).join(""));
  const server = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  return { file, ...server };
}

const named = (name) => (document) => Object.assign(document, { message: name, event: { ...document.event, action: "test" } });

test("an alert appears without reload", async (t) => {
  const base = await audited();
  const { file, url } = await started(t);
  const page = await open(t, url);
  await page.getByText("No alert yet.").waitFor();
  await appendFile(file, line(another(base, named("the first"))));
  await page.getByText("the first").waitFor();
  assert.deepEqual(await rows(page), ["the first"]);
});

test("a revision amends the row and the open alert where they stand", async (t) => {
  const base = await audited();
  const [one, other] = [another(base, named("one")), another(base, named("other"))];
  const { file, url } = await started(t, one, other);
  const page = await open(t, url);
  await page.locator("a.row", { hasText: "one" }).click();
  await page.locator("alert-page h2", { hasText: "one" }).waitFor();
  const before = await rows(page);
  await appendFile(file, line(revised(one, (document) => {
    document.message = "one, amended";
    document.pipewarden.confidence = "medium";
  })));
  await page.locator("alert-page h2", { hasText: "one, amended" }).waitFor();
  await page.getByText("confidence high → medium").waitFor();
  assert.deepEqual(await rows(page), before.map((text) => text.replace(/^one$/, "one, amended")));
  await page.locator(".stepper a").first().click();
  await page.getByText("This is an earlier revision.").waitFor();
  assert.match(page.url(), /revision=\d+/);
  assert.equal(await page.locator("alert-page h2").textContent(), "one");
});

test("new alerts wait while somebody reads and the list does not move", async (t) => {
  const base = await audited();
  const { file, url } = await started(t, another(base, named("read")));
  const page = await open(t, url);
  await page.locator("a.row").first().click();
  await page.locator("alert-page h2").waitFor();
  await appendFile(file, line(another(base, named("later one"))) + line(another(base, named("later other"))));
  await page.getByRole("button", { name: "2 new" }).waitFor();
  assert.deepEqual(await rows(page), ["read"]);
  await page.keyboard.press("n");
  await page.getByText("later other").waitFor();
  assert.equal((await rows(page)).length, 3);
});

test("what has the focus keeps it while the page changes", async (t) => {
  const base = await audited();
  const { file, url } = await started(t, another(base, named("one")));
  const page = await open(t, url);
  const tab = page.getByRole("link", { name: /^Active/ });
  await page.locator("a.row").waitFor();
  await tab.focus();
  await appendFile(file, line(another(base, named("other"))));
  await page.getByRole("link", { name: "Active 2" }).waitFor();
  assert.equal(await tab.evaluate((link) => link === document.activeElement), true);
});

test("a row that has been opened and is amended is marked", async (t) => {
  const base = another(await audited(), named("opened"));
  const { file, url } = await started(t, base);
  const page = await open(t, url);
  await page.locator("a.row").click();
  await page.locator("alert-page h2").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("alert-page").waitFor({ state: "hidden" });
  await appendFile(file, line(revised(base, (document) => (document.pipewarden.confidence = "low"))));
  await page.locator("a.row .mark", { hasText: "amended" }).waitFor();
});

test("a server that goes away is said to be away and is followed again when it is back", async (t) => {
  const base = await audited();
  const { file, url, port, stop } = await started(t, another(base, named("before")));
  const page = await open(t, url, { expected: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ });
  await page.getByText("before").waitFor();
  await stop();
  await page.getByText(/disconnected: .*; next try in/).waitFor();
  // What was there stays to be read.
  assert.deepEqual(await rows(page), ["before"]);
  await appendFile(file, line(another(base, named("meanwhile"))));
  await ui(t, "--file", file, "--listen", `127.0.0.1:${port}`);
  await page.getByRole("button", { name: "Try now" }).click();
  await page.getByText("meanwhile").waitFor();
  await page.getByText(/^live, /).waitFor();
  assert.equal((await rows(page)).length, 2);
});

test("a file that is gone and lines that are no alerts are said", async (t) => {
  const base = await audited();
  const { file, url } = await started(t, another(base, named("sound")));
  const page = await open(t, url);
  await appendFile(file, "no json\n");
  await page.getByText(/1 line could not be read, the last: .*alerts\.ndjson:2: no JSON/).waitFor();
  await import("node:fs/promises").then(({ rm }) => rm(file));
  await page.getByText(/No such file or directory.*trying again/).waitFor();
});
