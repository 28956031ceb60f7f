/** `<graph-view>`: one host against many, or many against one? Of the alerts that the filter and the tab show. */

import { fill, h, s } from "./dom.js";
import { items } from "./items.js";
import { histogram, network } from "./network.js";
import { go, linkTo } from "./route.js";
import { state, watch } from "./state.js";
import { cut } from "./text.js";
import { moment, utc } from "./time.js";
import { count } from "./words.js";

const ROW = 30;
const SIDE = 250;
const TOP = 26;
const BRUSH = 54;
const PARTS = 60;

class GraphView extends HTMLElement {
  #svg = s("svg", { role: "group", "aria-label": "sources and hosts" });
  #brush = s("svg", { class: "brush", role: "img", tabindex: "0" });
  #said = h("p", { class: "muted", role: "status" });
  #empty = h("p", {}, "No access among the alerts of this tab and filter.");
  #all = h("button", { type: "button", onclick: () => this.#choose(null) }, "all of the time");
  #within = null;
  #press = null;
  #drawn = "";

  connectedCallback() {
    this.append(h("article", {}, h("h2", {}, "Who touched what"), this.#said, this.#empty, this.#svg, h("div", {}, this.#brush, this.#all)));
    new ResizeObserver(() => this.#draw()).observe(this);
    this.#brush.addEventListener("pointerdown", (event) => {
      this.#press = this.#share(event);
      this.#brush.setPointerCapture(event.pointerId);
    });
    this.#brush.addEventListener("pointerup", (event) => this.#release(event));
    this.#brush.addEventListener("keydown", (event) => this.#key(event));
    watch(() => this.#update());
  }

  #update() {
    this.hidden = state.route.view !== "graph";
    const { tab, q } = state.route;
    const wanted = [state.version, tab, q, this.#within].join(" ");
    if (!this.hidden && wanted !== this.#drawn) {
      this.#draw();
    }
  }

  #draw() {
    const { tab, q } = state.route;
    if (this.hidden || this.clientWidth === 0) {
      return;
    }
    this.#drawn = [state.version, tab, q, this.#within].join(" ");
    const rows = this.#rows();
    const graph = network(rows, this.#within);
    const isEmpty = graph.lines.length === 0;
    this.#empty.hidden = !isEmpty;
    this.#svg.toggleAttribute("hidden", isEmpty);
    const narrow = graph.sources.length + graph.hosts.length;
    fill(this.#said, isEmpty ? null : saidOf(graph, this.#within), graph.left > 0 ? ` ${graph.left} of ${narrow + graph.left} with fewest accesses are left out.` : null);
    this.#drawGraph(graph);
    this.#drawBrush(rows);
    this.#all.hidden = this.#within === null;
  }

  #drawGraph({ sources, hosts, lines }) {
    const width = this.#svg.clientWidth || this.clientWidth - 48;
    const side = Math.min(SIDE, width / 3);
    const height = TOP + Math.max(sources.length, hosts.length) * ROW + 8;
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.style.height = `${height}px`;
    const y = (nodes) => new Map(nodes.map((node, index) => [node.key, TOP + (index + 0.5) * (height - TOP) / nodes.length]));
    const [left, right] = [y(sources), y(hosts)];
    const most = Math.max(1, ...lines.map((line) => line.accesses));
    fill(
      this.#svg,
      hullsOf([...sources.map((node) => ({ node, x: side, y: left.get(node.key) })), ...hosts.map((node) => ({ node, x: width - side, y: right.get(node.key) }))]),
      lines.map((line) => lineOf(line, [side, left.get(line.from)], [width - side, right.get(line.to)], most)),
      s("text", { class: "head", x: side - 12, y: 12, "text-anchor": "end" }, "sources"),
      s("text", { class: "head", x: width - side + 12, y: 12 }, "hosts"),
      sources.map((node) => nodeOf(node, side, left.get(node.key), "end", side)),
      hosts.map((node) => nodeOf(node, width - side, right.get(node.key), "start", side)),
    );
  }

  #drawBrush(rows) {
    const domain = domainOf(rows);
    this.#brush.toggleAttribute("hidden", domain === null);
    if (domain === null) {
      return;
    }
    const width = this.#brush.clientWidth || this.clientWidth - 48;
    const counts = histogram(rows, domain, PARTS);
    const most = Math.max(1, ...counts);
    const x = (at) => ((at - domain[0]) / (domain[1] - domain[0])) * width;
    this.#brush.setAttribute("viewBox", `0 0 ${width} ${BRUSH}`);
    this.#brush.setAttribute("aria-label", `${count(rows.length, "alert")} from ${utc(domain[0], "second")} to ${utc(domain[1], "second")}`);
    const bar = (number, index) => {
      const size = (number / most) * (BRUSH - 20);
      return number === 0 ? null : s("rect", { class: "bar", x: (index * width) / PARTS + 1, y: BRUSH - 16 - size, width: Math.max(1, width / PARTS - 2), height: size });
    };
    fill(
      this.#brush,
      this.#within === null ? null : s("rect", { class: "chosen", x: x(this.#within[0]), y: 0, width: Math.max(2, x(this.#within[1]) - x(this.#within[0])), height: BRUSH - 16 }),
      counts.map(bar),
      s("line", { x1: 0, x2: width, y1: BRUSH - 16, y2: BRUSH - 16 }),
      s("text", { x: 0, y: BRUSH - 3 }, utc(domain[0], "second")),
      s("text", { x: width, y: BRUSH - 3, "text-anchor": "end" }, utc(domain[1], "second")),
    );
  }

  #release(event) {
    const domain = domainOf(this.#rows());
    if (this.#press === null || domain === null) {
      return;
    }
    const [from, to] = [this.#press, this.#share(event)].sort((a, b) => a - b);
    this.#press = null;
    const at = (share) => domain[0] + share * (domain[1] - domain[0]);
    this.#choose(to - from < 0.01 ? null : [at(from), at(to)]);
  }

  /** Arrows move what is chosen, `+` and `-` narrow and widen it, `0` takes all. */
  #key(event) {
    const domain = domainOf(this.#rows());
    const keys = { ArrowLeft: [-0.5, 1], ArrowRight: [0.5, 1], "+": [0, 0.5], "=": [0, 0.5], "-": [0, 2], 0: null };
    if (domain === null || !Object.hasOwn(keys, event.key) || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    if (event.key === "0") {
      this.#choose(null);
      return;
    }
    const [by, factor] = keys[event.key];
    const [from, to] = this.#within ?? domain;
    const width = Math.min((to - from) * factor, domain[1] - domain[0]);
    const middle = (from + to) / 2 + (to - from) * by;
    const first = Math.min(Math.max(middle - width / 2, domain[0]), domain[1] - width);
    this.#choose([first, first + width]);
  }

  /** All of the tab and the filter, folded or not. */
  #rows() {
    return items({ ...state, route: { ...state.route, group: "none" } }).rows;
  }

  #share(event) {
    const box = this.#brush.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  }

  #choose(within) {
    this.#within = within;
    this.#draw();
  }
}

function saidOf({ sources, hosts, lines }, within) {
  const members = (nodes) => nodes.reduce((sum, node) => sum + node.members, 0);
  const accesses = lines.reduce((sum, line) => sum + line.accesses, 0);
  const when = within === null ? "" : ` from ${utc(within[0], "second")} to ${utc(within[1], "second")}`;
  return `${count(members(sources), "source")} on ${count(members(hosts), "host")}, ${count(accesses, "access", "accesses")}${when}.`;
}

/** Lines are as thick as they have accesses, by the logarithm, and coloured by the surest alert. */
function lineOf(line, [x1, y1], [x2, y2], most) {
  const middle = (x1 + x2) / 2;
  const width = 1 + 7 * (Math.log1p(line.accesses) / Math.log1p(most));
  const path = s("path", { class: `touch ${["low", "medium", "high"].includes(line.confidence) ? line.confidence : "low"}`, d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`, "stroke-width": width });
  path.append(s("title", {}, `${count(line.accesses, "access", "accesses")} in ${count(line.ids.length, "alert")}, ${line.confidence} confidence`));
  if (line.ids.length === 1) {
    path.addEventListener("click", () => go({ view: "alerts", alert: line.ids[0], revision: "" }));
  }
  return path;
}

/** A link to its alerts. */
function nodeOf(node, x, y, anchor, room) {
  const by = anchor === "end" ? -12 : 12;
  const more = node.members > 1 ? ` (${node.members})` : "";
  const label = cut(node.label, Math.max(8, Math.floor(room / 7.5) - more.length)) + more;
  const link = s("a", { href: linkTo({ view: "alerts", q: node.q, alert: "", revision: "" }) }, s("circle", { cx: x, cy: y, r: 5 }), s("text", { x: x + by, y: y + 4, "text-anchor": anchor }, label));
  link.append(s("title", {}, `${node.label}: ${count(node.accesses, "access", "accesses")}`));
  return link;
}

/** A campaign encloses what it touched. */
function hullsOf(places) {
  const campaigns = new Map();
  for (const { node, x, y } of places) {
    for (const id of node.campaigns) {
      const own = campaigns.get(id) ?? [];
      own.push([x, y]);
      campaigns.set(id, own);
    }
  }
  return [...campaigns].slice(0, 12).map(([id, points]) => {
    const hull = s("polygon", { class: "hull", points: outline(points).map((point) => point.join(",")).join(" ") });
    hull.append(s("title", {}, "a campaign"));
    hull.addEventListener("click", () => go({ view: "alerts", alert: id, revision: "" }));
    return hull;
  });
}

/** Left from top to bottom, then right from bottom to top. */
function outline(points) {
  const side = (isLeft) => {
    const middle = (Math.min(...points.map(([x]) => x)) + Math.max(...points.map(([x]) => x))) / 2;
    return points.filter(([x]) => x <= middle === isLeft).sort((a, b) => a[1] - b[1]);
  };
  return [...side(true), ...side(false).reverse()];
}

function domainOf(rows) {
  const moments = rows.map((row) => moment(row.start)).filter((at) => at !== null);
  if (moments.length === 0) {
    return null;
  }
  const [first, last] = moments.reduce(([least, most], at) => [Math.min(least, at), Math.max(most, at)], [Infinity, -Infinity]);
  return [first, Math.max(last, first + 1000)];
}

customElements.define("graph-view", GraphView);
