/** `<health-view>`: is it working, is it keeping up, is anything blind? As the services that `--status` names say. */

import { dictionary } from "./dictionary.js";
import { fill, h } from "./dom.js";
import { list, records } from "./facts.js";
import { state, watch } from "./state.js";
import { text } from "./text.js";
import { ago, moment, stamp } from "./time.js";
import { KINDS, count } from "./words.js";

/** How often the server is asked; it asks the services every ten seconds. */
const EVERY = 5000;

/** A sensor that has been silent for so long is shown as such. */
const STALE = 3_600_000;

/** The most hosts that are listed, those that hurt most. */
const MOST = 500;

class HealthView extends HTMLElement {
  #backend = null;
  #services = null;
  #problem = null;
  #isAsking = false;

  /** @param {import("./report.js").Backend} backend */
  start(backend) {
    this.#backend = backend;
    setInterval(() => this.#ask(), EVERY);
    watch(() => this.#update());
  }

  #update() {
    const isShown = state.route.view === "health";
    if (isShown && this.hidden) {
      this.hidden = false;
      this.#draw();
      this.#ask();
    }
    this.hidden = !isShown;
  }

  async #ask() {
    if (this.hidden || document.hidden || this.#isAsking) {
      return;
    }
    this.#isAsking = true;
    try {
      this.#services = records((await this.#backend.services()).services);
      this.#problem = null;
    } catch (error) {
      this.#problem = error.message;
    }
    this.#isAsking = false;
    this.#draw();
  }

  #draw() {
    const focused = document.activeElement?.dataset?.key;
    fill(this, h("article", {}, h("h2", {}, "Health"), this.#content()));
    if (focused) {
      this.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    }
  }

  #content() {
    const asked = list(state.about?.services);
    if (asked.length === 0) {
      return h("p", {}, "No service is asked how it is. ", h("code", {}, "pipewarden ui --status HOST:PORT"), " names one; several times for all replicas.");
    }
    const problem = this.#problem === null ? null : h("p", { class: "notice", role: "status" }, `Not asked: ${this.#problem}. What is below is older.`);
    if (this.#services === null || this.#services.length === 0) {
      return [problem, h("p", { class: "late" }, "Asking …")];
    }
    return [problem, this.#services.map(serviceOf), coverageOf(this.#services, Date.now())];
  }
}

function serviceOf(service) {
  const { status } = service;
  const isReady = service.problem === null && status?.ready === true;
  const reasons = service.problem !== null ? [service.problem] : list(status?.reasons);
  return h(
    "section",
    { class: "service" },
    h("h3", {}, text(service.name), " ", h("span", { class: `verdict ${isReady ? "well" : "unwell"}` }, isReady ? "ready" : service.problem === null ? "not ready" : "no answer")),
    h("p", { class: "muted" }, "asked ", stamp(service.asked), status?.version ? [", version ", text(status.version)] : null, status?.policy ? [", policy ", text(status.policy)] : null),
    reasons.length > 0 ? h("ul", { class: "reasons" }, reasons.slice(0, 20).map((reason) => h("li", {}, text(reason, { most: 300 })))) : null,
    workersOf(status?.workers),
    lettersOf(status?.dead_letters),
  );
}

function workersOf(workers) {
  const entries = Object.entries(workers ?? {}).filter(([, worker]) => typeof worker === "object" && worker !== null);
  if (entries.length === 0) {
    return null;
  }
  const rows = entries.map(([name, worker]) => {
    const behind = Object.entries(worker.lag ?? {}).map(([topic, records]) => h("div", {}, `${records} of `, text(topic, { most: 60 })));
    const doing = worker.is_alive === false ? "ended" : worker.is_reading_bindings ? "reading bindings" : worker.restoring > 0 ? `restoring ${worker.restoring}` : worker.is_assigned ? "live" : "waits for partitions";
    return h("tr", {}, h("th", { scope: "row" }, text(name)), h("td", {}, doing), h("td", { class: "number" }, String(worker.partitions ?? "")), h("td", { class: "number" }, behind.length > 0 ? behind : "0"), h("td", {}, text(worker.rejected ?? worker.error ?? "", { most: 200 })));
  });
  return tableOf("workers", ["worker", "state", "partitions", "records behind", "problem"], rows);
}

function lettersOf(letters) {
  const reasons = Object.entries(letters ?? {}).filter(([, letter]) => letter?.count > 0);
  return reasons.length === 0 ? null : h("p", {}, "Dead letters since the start: ", reasons.map(([reason, letter], index) => [index > 0 ? ", " : null, `${letter.count} `, text(reason)]));
}

const STATES = dictionary({
  never: { rank: 0, word: "never" },
  blind: { rank: 1, word: "blind" },
  stale: { rank: 2, word: "" },
  seen: { rank: 3, word: "" },
});

/** Hosts by sensors, what hurts most first. */
function coverageOf(services, now) {
  const { hosts, kinds } = coverage(services, now);
  if (hosts.length === 0) {
    return null;
  }
  const cell = ({ state: name, at }) => {
    const { word } = STATES[name];
    const when = at === null ? "" : ago(at, now);
    return h("td", { class: `sensor ${name}`, title: at === null ? word : new Date(at).toISOString() }, [word, when].filter(Boolean).join(", "));
  };
  const rows = hosts.slice(0, MOST).map(({ name, cells }) => h("tr", {}, h("th", { scope: "row" }, text(name, { most: 60 })), cells.map(cell)));
  const unwell = hosts.filter(({ rank }) => rank < 2).length;
  return h(
    "section",
    {},
    h("h3", {}, `Coverage: ${count(hosts.length, "host")}, ${unwell === 0 ? "all seen, none blind" : `${unwell} blind or never seen`}`),
    tableOf("coverage", ["host", ...kinds.map((kind) => KINDS[kind] ?? kind)], rows),
    hosts.length > MOST ? h("p", { class: "muted" }, `and ${hosts.length - MOST} that hurt less`) : null,
  );
}

/** What is known of each host's sensors, over all services: the latest word counts. */
export function coverage(services, now) {
  const known = new Map();
  const kinds = new Set();
  for (const { status } of services) {
    for (const name of Object.keys(status?.assets ?? {})) {
      known.set(name, known.get(name) ?? new Map());
    }
    for (const [name, sensors] of Object.entries(status?.sensors ?? {})) {
      const own = known.get(name) ?? new Map();
      known.set(name, own);
      for (const [kind, sensor] of Object.entries(sensors ?? {})) {
        kinds.add(kind);
        const at = moment(sensor?.last_seen);
        const before = own.get(kind);
        if (before === undefined || (at ?? 0) > (before.at ?? 0)) {
          own.set(kind, { at, state: sensor?.is_blind ? "blind" : at === null ? "never" : now - at > STALE ? "stale" : "seen" });
        }
      }
    }
  }
  const columns = [...kinds].sort();
  const hosts = [...known].map(([name, sensors]) => {
    const cells = columns.map((kind) => sensors.get(kind) ?? { at: null, state: "never" });
    const isSilent = cells.every((cell) => cell.state === "never");
    const ranks = cells.map((cell) => STATES[cell.state].rank);
    // One kind that never comes may be off on purpose; a host of which nothing comes is not.
    return { name, cells, rank: isSilent ? 0 : Math.max(1, Math.min(...ranks.filter((rank) => rank > 0), 3)), never: ranks.filter((rank) => rank === 0).length };
  });
  hosts.sort((a, b) => a.rank - b.rank || b.never - a.never || a.name.localeCompare(b.name));
  return { hosts, kinds: columns };
}

function tableOf(label, head, rows) {
  return h("div", { class: "wide", tabindex: "0", role: "group", "aria-label": label, "data-key": `table-${label}` }, h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}

customElements.define("health-view", HealthView);
