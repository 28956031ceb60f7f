/**
 * `<time-line>`: an alert's events to scale, a lane for each kind, a bracket between what was held against what. Drag or `+` and `-` zoom,
 * `Shift` with an arrow pans, `0` shows all, arrows go from event to event. The same rows stand in a table behind it.
 */

import { fill, h, s } from "./dom.js";
import { lineOf, roleOf } from "./facts.js";
import { axisOf, bandOf, bracketOf, markOf } from "./marks.js";
import { around, panned, scale, stacked, ticks, zoomed } from "./scale.js";
import { text } from "./text.js";
import { local, span, utc } from "./time.js";
import { KINDS } from "./words.js";

const LEFT = 104;
const RIGHT = 16;
const LANE = 44;
const AXIS = 22;

class TimeLine extends HTMLElement {
  #svg = s("svg", { role: "img", tabindex: "0" });
  #legend = h("p", { class: "legend muted" });
  #caption = h("p", { class: "caption", "aria-live": "polite" });
  #facts = [];
  #windows = null;
  #all = [0, 1];
  #domain = [0, 1];
  #chosen = null;
  #drag = null;

  connectedCallback() {
    const button = (label, title, act) => h("button", { type: "button", title, "aria-label": title, onclick: act }, label);
    this.append(
      h(
        "div",
        { class: "tools" },
        button("+", "zoom in", () => this.#zoom(0.5)),
        button("−", "zoom out", () => this.#zoom(2)),
        button("all", "show all events", () => this.#show(this.#all)),
        button("access", "show the surroundings of the access", () => this.#nearAccess()),
        button("windows", "show the windows as a whole", () => this.#wholeWindows()),
        h("span", { class: "muted hint" }, "drag to zoom, arrows from event to event"),
      ),
      this.#svg,
      this.#legend,
      this.#caption,
    );
    new ResizeObserver(() => this.#draw()).observe(this);
    this.#svg.addEventListener("keydown", (event) => this.#key(event));
    this.#svg.addEventListener("pointerdown", (event) => this.#press(event));
    this.#svg.addEventListener("pointermove", (event) => this.#pull(event));
    this.#svg.addEventListener("pointerup", (event) => this.#let(event));
  }

  /**
   * @param {import("./facts.js").Fact[]} facts by time
   * @param {{attribution_ms: number, after_ms: number, tuple_ms: number, pair_ms: number}|null} windows
   * @param {boolean} isSame whether it is the alert that was shown before, so that the zoom stays
   */
  show(facts, windows, isSame = false) {
    this.#facts = facts;
    this.#windows = windows;
    this.#all = facts.length > 0 ? around(facts.map((fact) => fact.at)) : [0, 1];
    this.#domain = isSame ? this.#domain : this.#all;
    this.#chosen = null;
    this.#svg.setAttribute("aria-label", this.#summary());
    fill(this.#caption, this.#summary());
    fill(this.#legend, this.#bandNames());
    this.#draw();
  }

  get #zero() {
    return (this.#facts.find((fact) => fact.role === "access") ?? this.#facts[0])?.at ?? 0;
  }

  #summary() {
    const [first, last] = [this.#facts[0], this.#facts.at(-1)];
    if (first === undefined) {
      return "No event is listed.";
    }
    const number = this.#facts.length;
    return `${number} ${number === 1 ? "event" : "events"} over ${span(last.at - first.at)}; 0 is the first access, ${utc(this.#zero)}`;
  }

  #lanes() {
    const used = new Set(this.#facts.map((fact) => fact.kind));
    return Object.keys(KINDS).filter((kind) => used.has(kind));
  }

  #draw() {
    const width = this.clientWidth;
    const lanes = this.#lanes();
    if (width === 0 || lanes.length === 0) {
      fill(this.#svg);
      return;
    }
    const height = lanes.length * LANE + AXIS;
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.style.height = `${height}px`;
    const axis = scale(this.#domain, [LEFT, width - RIGHT]);
    const marks = ticks(this.#domain, this.#zero, Math.max(2, Math.floor((width - LEFT) / 90)));
    fill(
      this.#svg,
      s("clipPath", { id: "plot" }, s("rect", { x: LEFT - 8, y: 0, width: width - LEFT - RIGHT + 16, height })),
      s(
        "g",
        { "clip-path": "url(#plot)" },
        this.#bands(axis, lanes),
        axisOf(axis, marks, this.#zero, height - 6, height - AXIS),
        lanes.map((kind, index) => this.#lane(kind, index * LANE, axis)),
      ),
      lanes.map((kind, index) => s("text", { class: "lane", x: 0, y: index * LANE + LANE / 2 + 4 }, KINDS[kind])),
      lanes.map((_, index) => s("line", { class: "rule", x1: 0, x2: width, y1: (index + 1) * LANE, y2: (index + 1) * LANE })),
    );
  }

  /** The windows, in the lanes that they are about. */
  #bands({ x }, lanes) {
    const windows = this.#windows;
    if (windows === null) {
      return [];
    }
    const accesses = this.#facts.filter((fact) => fact.role === "access");
    const band = (kind, access, before, after, name) => {
      const lane = lanes.indexOf(kind);
      return lane < 0 ? null : bandOf(x(access.at - before), x(access.at + after), lane * LANE + 1, LANE - 2, name);
    };
    return accesses.slice(0, 32).map((access) => {
      const [before, after] = access.kind === "share_access" ? [windows.tuple_ms, windows.tuple_ms] : [windows.attribution_ms, windows.after_ms];
      const name = access.kind === "share_access" ? "tuple" : "attribution";
      const sessions = ["network_connection", "logon", "share_session"].map((kind) => band(kind, access, before, after, name));
      return [...sessions, access.kind === "share_access" ? band("pipe_connected", access, windows.pair_ms, windows.pair_ms, "pair") : null];
    });
  }

  #lane(kind, top, { x }) {
    const facts = this.#facts.filter((fact) => fact.kind === kind);
    const rows = stacked(facts.map((fact) => x(fact.at)), 13, 2);
    const shared = rows.some((row) => row > 0);
    return s(
      "g",
      {},
      facts.map((fact, index) => {
        const y = top + LANE / 2 + (shared ? (rows[index] === 0 ? -4 : 9) : 4);
        const isChosen = this.#chosen === fact;
        const bracket = fact.of === null ? null : bracketOf(x(fact.of.at), x(fact.at), top + 13, fact.apart);
        const isShown = isChosen || index === nearest(facts);
        const mark = markOf(fact.role, x(fact.at), y, { "data-chosen": isChosen ? "true" : null, onclick: () => this.#choose(fact) });
        mark.append(s("title", {}, `${lineOf(fact)}: ${roleOf(fact)}`));
        return [isShown ? bracket : null, mark];
      }),
    );
  }

  #choose(fact) {
    this.#chosen = fact;
    const outside = fact.at < this.#domain[0] || fact.at > this.#domain[1];
    if (outside) {
      const half = (this.#domain[1] - this.#domain[0]) / 2;
      this.#domain = [fact.at - half, fact.at + half];
    }
    fill(this.#caption, h("strong", {}, utc(fact.at)), " ", text(lineOf(fact)), ": ", roleOf(fact), h("span", { class: "muted" }, ` (${local(fact.at)})`));
    this.#draw();
    this.dispatchEvent(new CustomEvent("chosen", { detail: fact, bubbles: true }));
  }

  #show(domain) {
    this.#domain = domain;
    this.#draw();
  }

  #nearAccess() {
    const accesses = this.#facts.filter((fact) => fact.role === "access" || fact.role === "pair");
    const moments = (accesses.length > 0 ? accesses : this.#facts).map((fact) => fact.at);
    this.#show(around([...moments, this.#zero - 50, this.#zero + 50]));
  }

  /** What the bands are, of those that are drawn. */
  #bandNames() {
    const windows = this.#windows;
    const kinds = new Set(this.#facts.filter((fact) => fact.role === "access").map((fact) => fact.kind));
    if (windows === null || kinds.size === 0) {
      return [];
    }
    const name = (band, words) => h("span", {}, h("span", { class: `swatch ${band}` }), ` ${words}`);
    return [
      kinds.has("share_access") ? [name("pair", `the same access: ±${span(windows.pair_ms)}`), name("tuple", `same address and port: ±${span(windows.tuple_ms)}`)] : null,
      kinds.has("pipe_connected") ? name("attribution", `connected near it: ${span(windows.attribution_ms)} before to ${span(windows.after_ms)} after`) : null,
    ];
  }

  #wholeWindows() {
    const widest = this.#facts.some((fact) => fact.role === "access" && fact.kind === "share_access") ? "tuple_ms" : "attribution_ms";
    const around_it = this.#windows?.[widest] ?? 1000;
    this.#show(around([...this.#facts.map((fact) => fact.at), this.#zero - around_it, this.#zero + around_it]));
  }

  #zoom(factor, at = (this.#domain[0] + this.#domain[1]) / 2) {
    this.#show(zoomed(this.#domain, factor, at, this.#all));
  }

  #key(event) {
    const chosen = this.#facts.indexOf(this.#chosen);
    const to = (index) => this.#facts[index] && this.#choose(this.#facts[index]);
    const acts = {
      "+": () => this.#zoom(0.5, this.#chosen?.at),
      "=": () => this.#zoom(0.5, this.#chosen?.at),
      "-": () => this.#zoom(2, this.#chosen?.at),
      0: () => this.#show(this.#all),
      ArrowRight: () => (event.shiftKey ? this.#show(panned(this.#domain, 0.25, this.#all)) : to(chosen + 1)),
      ArrowLeft: () => (event.shiftKey ? this.#show(panned(this.#domain, -0.25, this.#all)) : to(chosen < 0 ? this.#facts.length - 1 : chosen - 1)),
      Home: () => to(0),
      End: () => to(this.#facts.length - 1),
    };
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : acts[event.key];
    if (act !== undefined) {
      event.preventDefault();
      act();
    }
  }

  #press(event) {
    if (event.button === 0 && event.target.closest(".mark") === null) {
      this.#drag = { from: this.#place(event), box: s("rect", { class: "drag", y: 0, height: "100%" }) };
      this.#svg.append(this.#drag.box);
      this.#svg.setPointerCapture(event.pointerId);
    }
  }

  #pull(event) {
    if (this.#drag !== null) {
      const [left, right] = [this.#drag.from, this.#place(event)].sort((a, b) => a - b);
      this.#drag.box.setAttribute("x", String(left));
      this.#drag.box.setAttribute("width", String(right - left));
    }
  }

  #let(event) {
    if (this.#drag === null) {
      return;
    }
    const [left, right] = [this.#drag.from, this.#place(event)].sort((a, b) => a - b);
    this.#drag.box.remove();
    this.#drag = null;
    if (right - left > 8) {
      const { at } = scale(this.#domain, [LEFT, this.clientWidth - RIGHT]);
      this.#show([at(left), at(right)]);
    }
  }

  #place(event) {
    return event.clientX - this.#svg.getBoundingClientRect().left;
  }
}

/** The one of a lane whose bracket is drawn without being asked for: the nearest to what it is held against. */
function nearest(facts) {
  const held = facts.map((fact, index) => ({ index, apart: Math.abs(fact.apart ?? Infinity) })).filter(({ apart }) => apart < Infinity);
  return held.reduce((best, other) => (other.apart < best.apart ? other : best), { index: -1, apart: Infinity }).index;
}

customElements.define("time-line", TimeLine);
