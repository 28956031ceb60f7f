/** Telemetry is written by whoever attacks: it stays text. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { another, audited, line } from "./support/alerts.mjs";
import { open } from "./support/browser.mjs";
import { folder, printed, ui } from "./support/program.mjs";

const MARKUP = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'"</style></title>`;
const UNSEEN = "a\u202eb\u0007c\u200bd\ue000\u{e0041}";

/** Puts a text wherever the document has one that telemetry may choose, and some where it has none. */
function poisoned(value, text) {
  const poison = (value) => {
    if (typeof value === "string") {
      return /^\d{4}-\d\d-\d\dT/.test(value) ? value : text;
    }
    if (Array.isArray(value)) {
      return value.map(poison);
    }
    return value !== null && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, poison(inner)])) : value;
  };
  const { pipewarden, ...rest } = value;
  const { alert_id, revision, status, ...own } = pipewarden;
  return {
    ...poison(rest),
    pipewarden: {
      ...poison(own),
      alert_id,
      revision,
      status,
      conflicts: [{ kind: text, text }],
      next: [text],
      references: [{ id: text, url: `javascript:window.pwned=1//${text}` }, { id: text, url: "https://example.org/" }],
      exception: { id: text, action: "downgrade", reason: text, owner: text },
      unexpected: { accounts: [text], only_from: [text], exception: text, owner: text },
      candidates: [1, 2].map(() => ({ ip: text, hosts: [text], users: [text], accounts: [text], strength: text, local: false, explains: 1, nearest_ms: 3 })),
      superseded_by: [text],
      evidence: own.evidence.map((entry) => ({ ...entry, computer: text, account: text, pipe: text, image: text, origin: { topic: text, partition: 0, offset: 1 }, agent: { name: text } })),
      campaign: { assets: [{ id: text, roles: [text], first: text, last: text, alert_ids: [text], accounts: [text], pipes: [text] }] },
      sensor: { kind: text },
      overflow: { accesses: 1, first: [{ ip: text, time: text }], last: [] },
      many_sources: { sources: 2, network: text },
    },
  };
}

for (const [name, text] of [["markup", MARKUP], ["what cannot be seen", UNSEEN], ["a long text", "x".repeat(5000)], ["keys of objects", "__proto__"], ["nothing", ""]]) {
  test(`${name} stays text in every field`, async (t) => {
    const file = path.join(await folder(t), "alerts.ndjson");
    const document = poisoned(another(await audited()), text);
    await writeFile(file, line(document));
    const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
    const page = await open(t, url);
    await page.locator("a.row").click();
    await page.locator("alert-page article").waitFor();
    for (const summary of await page.locator("alert-page summary").all()) {
      await summary.click();
    }
    for (const group of ["campaign", "story", "asset", "source"]) {
      await page.locator("#grouping select").selectOption(group);
    }
    await page.locator("#filter").fill(`asset:${text.slice(0, 20)} `);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    const made = await page.evaluate(() => document.querySelectorAll("main img, main script, main style, main iframe").length);
    assert.equal(made, 0);
    const links = await page.locator("a").evaluateAll((all) => all.map((link) => link.protocol));
    assert.deepEqual(links.filter((protocol) => !["http:", "https:"].includes(protocol)), []);
    const seen = await page.locator("main").innerText();
    assert.doesNotMatch(seen, /[\u202e\u0007\u200b\u{e0041}]/u);
    if (text === UNSEEN) {
      assert.match(seen, /a\\u\{202e\}b\\u\{7\}c\\u\{200b\}d/);
    }
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it is no wider than the window");
  });
}

for (const kind of ["served", "in a report"]) {
  test(`no string becomes markup by mistake, ${kind}`, async (t) => {
    const file = path.join(await folder(t), "file");
    await (kind === "served" ? writeFile(file, "") : printed("replay", "--html", file + ".html", "samples/detect-8.ndjson"));
    const page = await open(t, kind === "served" ? (await ui(t, "--file", file, "--listen", "127.0.0.1:0")).url : `file://${file}.html`, { expected: /Trusted|Content Security Policy/ });
    const tried = await page.evaluate(() => {
      const tries = {
        markup: () => (document.body.innerHTML = "<b>text</b>"),
        handler: () => document.body.setAttribute("onclick", "window.pwned = 1"),
        script: () => (document.createElement("script").text = "window.pwned = 1"),
      };
      return Object.entries(tries).filter(([, act]) => {
        try {
          act();
          return true;
        } catch {
          return false;
        }
      });
    });
    assert.deepEqual(tried.map(([name]) => name), []);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
  });
}

test("values of another type than the schema's break nothing", async (t) => {
  const file = path.join(await folder(t), "alerts.ndjson");
  const base = another(await audited());
  const { alert_id, revision } = base.pipewarden;
  const odd = [null, 7, "text", [], {}, [null], [[{}]], { a: [1] }].map((value, index) => {
    const own = Object.fromEntries(Object.keys(base.pipewarden).map((key) => [key, value]));
    const rest = Object.fromEntries(Object.keys(base).map((key) => [key, value]));
    return { ...rest, message: `odd ${index}`, pipewarden: { ...own, alert_id: `${alert_id}-${index}`, revision, status: "active" } };
  });
  await writeFile(file, odd.map(line).join(""));
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  const page = await open(t, url);
  for (let index = 0; index < odd.length; index += 1) {
    await page.locator("a.row", { hasText: `odd ${index}` }).click();
    await page.locator("alert-page h2", { hasText: `odd ${index}` }).waitFor();
  }
});

test("what is to be copied is quoted for the language that it goes into", async (t) => {
  const dir = await folder(t);
  const file = path.join(dir, "alerts.ndjson");
  const hostile = `$(touch ${dir}/pwned) '; touch ${dir}/pwned #\n\u202e"\\`;
  const document = another(await audited(), (copy) => {
    copy.host.name = hostile;
    copy.pipewarden.accounts = [hostile];
    copy.pipewarden.evidence.forEach((entry) => Object.assign(entry, { computer: hostile, origin: { file: hostile, line: 1 } }));
  });
  await writeFile(file, line(document));
  const { url } = await ui(t, "--file", file, "--listen", "127.0.0.1:0");
  const page = await open(t, url);
  await page.locator("a.row").click();
  const copied = async (name) => {
    await page.locator(`[data-copy=${name}] summary`).click();
    return page.locator(`[data-copy=${name}] pre`).textContent();
  };
  const { execFileSync } = await import("node:child_process");
  const command = (await copied("replay")).replace("pipewarden replay --explain --format pretty", "printf %s");
  assert.equal(execFileSync("bash", ["-c", command], { env: { ...process.env, LC_ALL: "C.UTF-8" } }).toString(), hostile);
  await assert.rejects(import("node:fs/promises").then(({ stat }) => stat(`${dir}/pwned`)));
  const exceptions = path.join(dir, "exceptions.yaml");
  await writeFile(exceptions, await copied("exception"));
  assert.match(await printed("check", "--exceptions", exceptions), /alert-[0-9a-f]{8}/);
});
