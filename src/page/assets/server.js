/** Asks the server that the page is of. `/api/openapi.json` describes what it answers. */

import { events } from "./events.js";

const TOKEN = "pipewarden.token";
/** A stream that is silent for longer is dead: the server says something every five seconds. */
const SILENCE = 15_000;

/** The server asks for a token, and this one is none or the wrong one. */
export class Denied extends Error {}

/** What is asked for is not held. */
export class Missing extends Error {}

/** @returns {import("./report.js").Backend} */
export function server() {
  return {
    isLive: true,
    about: () => get("about"),
    alerts: () => get("alerts"),
    alert: (id) => get(`alerts/${encodeURIComponent(id)}`),
    revision: (id, revision) => get(`alerts/${encodeURIComponent(id)}/revisions/${encodeURIComponent(revision)}`),
    services: () => get("services"),
    stream,
  };
}

/** Whether there is a token, which is a wrong one where the server denies all the same. */
export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

/** Keeps the token for this tab, until it is closed. */
export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

async function get(path) {
  const response = await ask(path, {});
  return response.json();
}

/**
 * Reads changes until the stream ends, which is always an error: it never ends by itself.
 * @param {{epoch: string, last: number}} from
 * @param {(name: string, data: object) => void} take
 * @param {AbortSignal} signal
 */
async function stream(from, take, signal) {
  const dead = new AbortController();
  const alive = () => setTimeout(() => dead.abort(new Error("the server says nothing any more")), SILENCE);
  let clock = alive();
  try {
    const path = `stream/${encodeURIComponent(from.epoch)}/${from.last}`;
    const response = await ask(path, { signal: AbortSignal.any([signal, dead.signal]) });
    for await (const { name, data } of events(response.body)) {
      clearTimeout(clock);
      clock = alive();
      take(name, JSON.parse(data));
    }
    throw new Error("the server has closed the connection");
  } finally {
    clearTimeout(clock);
  }
}

async function ask(path, options) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  let response;
  try {
    response = await fetch(`api/${path}`, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    throw error instanceof TypeError ? new Error("the server does not answer", { cause: error }) : error;
  }
  if (response.status === 401) {
    throw new Denied("the server asks for a token");
  }
  if (response.status === 404) {
    throw new Missing("this alert is not held");
  }
  if (!response.ok) {
    throw new Error(`the server answers ${response.status}: ${(await response.text()).trim().slice(0, 200)}`);
  }
  return response;
}
