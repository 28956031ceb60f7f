/** Links, filters, keys, themes, sizes. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { another, audited, line } from "./support/alerts.mjs";
import { open, rows, violations } from "./support/browser.mjs";
import { folder, printed, sampleLines, ui } from "./support/program.mjs";

async function samples(t) {
  const file = path.join(await folder(t), "alerts.ndjson");
  await writeFile(file, `${(await sampleLines()).join("\n")}\n`);
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  return url;
}

test("a filter is in the address and its link shows the same", async (t) => {
  const url = await samples(t);
  const page = await open(t, url);
  await page.locator("a.row").first().waitFor();
  const all = await rows(page);
  await page.locator("#filter").fill("confidence:high -account:chell");
  await page.waitForFunction((number) => document.querySelectorAll("a.row").length < number, all.length);
  const filtered = await rows(page);
  assert.match(page.url(), /q=confidence/);
  const other = await open(t, page.url());
  await other.locator("a.row").first().waitFor();
  assert.deepEqual(await rows(other), filtered);
  await page.locator("#filter").fill("source:10.1.0.0/24");
  await page.waitForFunction((number) => document.querySelectorAll("a.row").length !== number, filtered.length);
  await page.locator("#filter").fill("colour:red");
  await page.getByText('there is no field "colour"').waitFor();
});

test("completions are offered and taken by keys", async (t) => {
  const page = await open(t, await samples(t));
  await page.locator("a.row").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("conf");
  await page.getByRole("option", { name: "confidence:" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("option", { name: "confidence:high" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.match(await page.locator("#filter").inputValue(), /^confidence:\w+ $/);
});

test("everything is reached by keys and the focus is where one looks", async (t) => {
  const page = await open(t, await samples(t));
  await page.locator("a.row").first().waitFor();
  const focused = () => page.evaluate(() => document.activeElement.dataset.key);
  await page.keyboard.press("j");
  const first = await focused();
  await page.keyboard.press("j");
  const second = await focused();
  assert.notEqual(first, second);
  await page.keyboard.press("k");
  assert.equal(await focused(), first);
  await page.keyboard.press("Enter");
  await page.locator("alert-page article").waitFor();
  assert.match(page.url(), new RegExp(first));
  await page.keyboard.press("j");
  await page.waitForURL(new RegExp(second));
  await page.keyboard.press("Escape");
  await page.locator("alert-page").waitFor({ state: "hidden" });
  await page.waitForFunction((key) => document.activeElement.dataset.key === key, second);
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
});

test("confidence is a shape, beside the alert as well", async (t) => {
  const page = await open(t, await samples(t));
  const drawn = () => page.locator("a.row").first().locator(".bars rect.on").evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().width > 0));
  await page.locator("a.row").first().waitFor();
  assert.deepEqual(await drawn(), [true, true, true]);
  await page.locator("a.row").first().click();
  await page.locator("alert-page article").waitFor();
  assert.deepEqual(await drawn(), [true, true, true]);
});

test("the timeline is walked, zoomed and read by keys", async (t) => {
  const page = await open(t, await samples(t));
  await page.locator("a.row", { hasText: "atlas" }).first().click();
  const svg = page.locator("time-line svg");
  await svg.focus();
  await page.keyboard.press("ArrowRight");
  await page.locator("time-line .caption strong").waitFor();
  const before = await page.locator("time-line .axis").innerHTML();
  await page.keyboard.press("+");
  assert.notEqual(await page.locator("time-line .axis").innerHTML(), before);
  await page.keyboard.press("0");
  assert.equal(await page.locator("time-line .axis").innerHTML(), before);
  const box = await svg.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 5);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 + 120, box.y + 5);
  await page.mouse.up();
  assert.notEqual(await page.locator("time-line .axis").innerHTML(), before);
});

test("tabs keep what is suppressed apart and an empty one says what it would hold", async (t) => {
  const page = await open(t, await samples(t));
  await page.locator("a.row").first().waitFor();
  assert.ok(!(await rows(page)).some((text) => text.startsWith("The host itself")));
  await page.getByRole("link", { name: /^Suppressed and local/ }).click();
  await page.getByText("The host itself opened").waitFor();
  await page.getByRole("link", { name: /^Withdrawn/ }).click();
  await page.getByText("No alert has been withdrawn or resolved.").waitFor();
});

test("an alert that is not held says so", async (t) => {
  const page = await open(t, `${await samples(t)}#alert=nowhere`, { expected: /404/ });
  await page.getByText("This alert is not held").waitFor();
});

for (const colorScheme of ["light", "dark"]) {
  for (const [name, viewport] of [["a screen", { width: 1440, height: 900 }], ["a phone", { width: 390, height: 844 }]]) {
    test(`axe finds nothing serious on ${name} in ${colorScheme}`, async (t) => {
      const page = await open(t, await samples(t), { colorScheme, viewport });
      await page.locator("a.row").first().waitFor();
      assert.deepEqual(await violations(page), []);
      await page.locator("#grouping select").selectOption("asset");
      await page.locator("a.row", { hasText: "p-body" }).first().click();
      await page.locator("alert-page article").waitFor();
      for (const summary of await page.locator("alert-page summary").all()) {
        await summary.click();
      }
      assert.deepEqual(await violations(page), []);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it is no wider than the window");
      await page.keyboard.press("Escape");
      await page.keyboard.press("?");
      await page.getByRole("dialog").waitFor();
      assert.deepEqual(await violations(page), []);
    });
  }
}

test("ten thousand alerts scroll with few rows in the document", async (t) => {
  const base = await audited();
  const file = path.join(await folder(t), "alerts.ndjson");
  const start = Date.parse(base.event.created);
  const all = Array.from({ length: 10_000 }, (_, index) => another(base, (document) => {
    document.message = `alert ${index}`;
    document.event.action = "test";
    document.event.created = new Date(start + index * 1000).toISOString();
  }));
  await writeFile(file, all.map(line).join(""));
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  const page = await open(t, url);
  await page.getByText("alert 9999").waitFor();
  const drawn = () => page.locator("alert-list li").count();
  for (const share of [0.25, 0.5, 0.75, 1]) {
    await page.locator("alert-list").evaluate((list, share) => list.scrollTo(0, list.scrollHeight * share), share);
    const wanted = Math.max(0, Math.round(9999 - 10_000 * share));
    await page.waitForFunction((wanted) => {
      const box = document.querySelector("alert-list").getBoundingClientRect();
      const inSight = [...document.querySelectorAll("a.row")].filter((row) => row.getBoundingClientRect().bottom > box.top && row.getBoundingClientRect().top < box.bottom);
      return inSight.some((row) => Math.abs(Number(row.querySelector(".what").textContent.slice(6)) - wanted) <= 30);
    }, wanted);
    assert.ok((await drawn()) < 60);
  }
  await page.locator("#filter").fill('"alert 77"');
  await page.waitForFunction(() => /Active 111\D/.test(document.querySelector("#tabs").textContent));
});

test("what is beyond the bound is forgotten, the oldest first, and said", async (t) => {
  const base = await audited();
  const file = path.join(await folder(t), "alerts.ndjson");
  await writeFile(file, ["one", "two", "three"].map((name) => line(another(base, (document) => Object.assign(document, { message: name, event: { ...document.event, action: "test" } })))).join(""));
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0", "--max-alerts", "2");
  const page = await open(t, url);
  await page.getByText("1 older ones forgotten: at most 2 are held").waitFor();
  assert.deepEqual((await rows(page)).sort(), ["three", "two"]);
});

test("a report is one file that shows the same and asks for nothing", async (t) => {
  const file = path.join(await folder(t), "report.html");
  await printed("replay", "--inventory", "samples/inventory.yaml", "--html", file, "samples/");
  const page = await open(t, `file://${file}`);
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.reload();
  await page.locator("a.row").first().waitFor();
  await page.locator("a.row", { hasText: "low" }).first().click();
  await page.locator("alert-page article").waitFor();
  await page.locator(".why .missed").first().waitFor();
  await page.getByText(/^report of /).waitFor();
  assert.deepEqual(requests.filter((request) => !request.startsWith("data:")), [`file://${file}`]);
  assert.deepEqual(await violations(page), []);
});

test("what raised the risk and what ran on a candidate are shown, as text", async (t) => {
  const hostile = 'C:\\<img src=x onerror="window.hit=1">\u202e.exe';
  const document = another(await audited(), (copy) => {
    copy.pipewarden.attribution = "none";
    copy.pipewarden.risk_by = [{ by: 20, call_backs: 2 }, { by: 9, role: "primary-site-server" }, { by: 5, purpose: "client-push", outcome: "success", process: hostile }];
    copy.pipewarden.candidates = [{ ip: "10.2.0.7", local: false, strength: "weak", explains: 1, hosts: ["one"], users: ["APERTURE\\chell"], processes: [{ executable: hostile, pid: 7 }], connections: 1, nearest_ms: 5 }];
  });
  const file = path.join(await folder(t), "alerts.ndjson");
  await writeFile(file, line(document));
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  const page = await open(t, url);
  await page.locator("a.row").first().click();
  const raised = page.locator("alert-page article header p", { hasText: "risk raised by" });
  await raised.waitFor();
  const shown = await raised.textContent();
  for (const part of ["+20: the host connected back 2 times", "+9: the host is a primary-site-server", "+5: the account is for client-push, it was granted, the source ran"]) {
    assert.ok(shown.includes(part), shown);
  }
  const candidate = await page.locator("alert-page [aria-label=candidates] tbody tr").first().textContent();
  assert.ok(candidate.includes("<img src=x") && candidate.includes("APERTURE\\chell"), candidate);
  assert.equal(await page.evaluate(() => window.hit), undefined);
  assert.equal(await page.locator("alert-page img").count(), 0);
});
