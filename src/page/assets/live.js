/** Keeps the state up to date with whom the page asks, and says how that goes. */

import { add, replace } from "./held.js";
import { Denied } from "./server.js";
import { state, update } from "./state.js";

/** How long to wait before the server is asked again, in seconds: longer each time. */
const WAITS = [1, 2, 4, 8, 15];

/**
 * Loads all alerts, then follows what changes; a live backend for ever.
 * @param {import("./report.js").Backend} backend
 */
export async function follow(backend) {
  if (!backend.isLive) {
    await load(backend);
    update({ connection: "report" });
    return;
  }
  for (let attempt = 0; ; attempt += 1) {
    try {
      await visible();
      await load(backend);
      attempt = 0;
      await listen(backend);
    } catch (error) {
      if (error instanceof Denied) {
        update({ connection: "denied", retry: null });
        return;
      }
      if (error.name !== "AbortError") {
        await pause(WAITS[Math.min(attempt, WAITS.length - 1)] * 1000, error.message);
      }
    }
  }
}

async function load(backend) {
  const about = await backend.about();
  const alerts = await backend.alerts();
  const isSame = state.epoch === alerts.epoch;
  update({ about, epoch: alerts.epoch, last: alerts.last, health: alerts.health, retry: null });
  if (isSame) {
    add(alerts.rows, alerts.floor);
  } else {
    replace(alerts.rows);
  }
}

/** Reads the stream for as long as somebody looks: a hidden tab takes no connection, of which a browser has only six. */
async function listen(backend) {
  const hidden = new AbortController();
  const onChange = () => document.hidden && hidden.abort();
  document.addEventListener("visibilitychange", onChange);
  try {
    update({ connection: "open" });
    await backend.stream({ epoch: state.epoch, last: state.last }, take, hidden.signal);
  } finally {
    document.removeEventListener("visibilitychange", onChange);
  }
}

function take(name, data) {
  if (name === "rows") {
    update({ last: data.last });
    add(data.rows, data.floor);
  } else if (name === "health") {
    update({ health: data });
  } else if (name === "restarted") {
    throw new Error("the server has been restarted");
  }
}

async function pause(ms, problem) {
  const until = Date.now() + ms;
  update({ connection: state.about === null ? "failed" : "closed", retry: { at: until, problem } });
  await Promise.race([new Promise((done) => setTimeout(done, ms)), asked()]);
}

/** Resolves once somebody asks for another attempt by hand, or the network is back. */
function asked() {
  return new Promise((done) => {
    addEventListener("retry", done, { once: true });
    addEventListener("online", done, { once: true });
  });
}

function visible() {
  return new Promise((done) => {
    const check = () => !document.hidden && done();
    document.addEventListener("visibilitychange", check, { once: true });
    check();
  });
}
