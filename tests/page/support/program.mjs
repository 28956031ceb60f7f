/** The program as it is built: `replay` for documents, `ui` for the page. */

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = fileURLToPath(new URL("../../..", import.meta.url));
export const program = process.env.PIPEWARDEN ?? path.join(root, "target/debug/pipewarden");

const run = promisify(execFile);

/** What it prints with these arguments. */
export async function printed(...args) {
  const { stdout } = await run(program, args, { cwd: root, maxBuffer: 1 << 28 });
  return stdout;
}

/** Alerts and explanations of the samples, as lines. */
export async function sampleLines(...args) {
  const stdout = await printed("replay", "--format", "ndjson", "--explain", "--show-suppressed", "--revisions", "--inventory", "samples/inventory.yaml", ...args, "samples/");
  return stdout.trimEnd().split("\n");
}

const ends = new WeakMap();

/** Does this at the end of the test, after what was asked for later: a browser goes before the server that it looks at. */
export function atEnd(t, act) {
  if (!ends.has(t)) {
    const acts = [];
    ends.set(t, acts);
    t.after(async () => {
      for (const end of acts) {
        await end();
      }
    });
  }
  ends.get(t).unshift(act);
}

/** A folder that is gone at the end of the test. */
export async function folder(t) {
  const made = await mkdtemp(path.join(tmpdir(), "pipewarden-page-"));
  atEnd(t, () => rm(made, { recursive: true, force: true }));
  return made;
}

/** `pipewarden ui`, until the test ends or it is stopped. */
export async function ui(t, ...args) {
  const child = spawn(program, ["ui", ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  const ended = new Promise((done) => child.on("exit", done));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  atEnd(t, stop);
  const url = await Promise.race([
    new Promise((done) => createInterface(child.stdout).once("line", done)),
    ended.then((code) => Promise.reject(new Error(`pipewarden ui has ended with ${code}: ${said}`))),
  ]);
  return { url, port: new URL(url).port, stop };
}
