/** The bar above the list: tabs, grouping, what waits, the connection, light and dark. */

import { fill, h, refill } from "./dom.js";
import { release, waitingIn } from "./held.js";
import { items } from "./items.js";
import { go, linkTo } from "./route.js";
import { hasToken, keepToken } from "./server.js";
import { state, watch, watchFor } from "./state.js";
import { keep, kept } from "./storage.js";
import { cut } from "./text.js";
import { span } from "./time.js";
import { TABS, count } from "./words.js";

const VIEWS = { alerts: "Alerts", graph: "Graph", health: "Health" };

/** The views; without services there is no health to show. */
export function showViews(element) {
  const depends = ({ about, route }) => [(about?.services ?? []).length > 0, route];
  watchFor(depends, ({ about, route }) => {
    const hasServices = (about?.services ?? []).length > 0;
    const shown = Object.entries(VIEWS).filter(([view]) => view !== "health" || hasServices || route.view === view);
    refill(
      element,
      shown.map(([view, name]) => h("a", { href: linkTo({ view }), "data-key": view, "aria-current": state.route.view === view ? "page" : null }, name)),
    );
  });
}

/** Tabs with how many alerts each has under the filter. */
export function showTabs(element) {
  watchFor((state) => [items(state).counts, state.route], () => {
    const { counts } = items(state);
    refill(
      element,
      Object.entries(TABS).map(([tab, { name }]) =>
        h("a", { href: linkTo({ tab, alert: "", revision: "" }), "data-key": tab, "aria-current": state.route.tab === tab ? "page" : null }, name, " ", h("span", { class: "number" }, String(counts[tab]))),
      ),
    );
  });
}

const GROUPS = { none: "no groups", campaign: "by campaign", story: "by story", asset: "by host", source: "by source" };

export function showGrouping(element) {
  const choices = Object.entries(GROUPS).map(([value, label]) => h("option", { value }, label));
  const select = h("select", { "aria-label": "group alerts", onchange: () => go({ group: select.value }) }, choices);
  element.append(select);
  watch(() => {
    select.value = state.route.group;
  });
}

/** "3 new": they come in when somebody says so. */
export function showWaiting(element, list) {
  const let_in = () => {
    list.toTop();
    release();
  };
  addEventListener("release", let_in);
  const button = h("button", { type: "button", class: "waiting", title: "n", onclick: let_in });
  element.append(button);
  watch(() => {
    const number = waitingIn(state.route.tab);
    button.hidden = number === 0;
    fill(button, `${number} new`);
    document.title = `${number > 0 ? `(${number}) ` : ""}Pipewarden`;
  });
}

/** Where the list would be if there were anything to list. */
export function showEmpty(element) {
  const depends = ({ connection, route, rows, about }) => [items(state).items.length > 0, connection, route.tab, route.q, rows.size, about?.hint];
  watchFor(depends, () => {
    element.hidden = items(state).items.length > 0;
    fill(element, element.hidden ? null : emptyOf(state));
  });
}

function emptyOf({ connection, route, rows, about }) {
  if (connection === "loading") {
    return h("p", { class: "late" }, "Loading alerts …");
  }
  if (connection === "denied") {
    return tokenForm();
  }
  if (connection === "failed") {
    return h("p", {}, "The server has not answered yet.");
  }
  if (rows.size === 0) {
    return [h("p", {}, "No alert yet."), h("p", { class: "muted" }, cut(about?.hint ?? "", 300))];
  }
  if (route.q !== "") {
    return [h("p", {}, `No alert in this tab matches. ${count(rows.size, "alert")} in all.`), h("p", {}, h("a", { href: linkTo({ q: "" }) }, "Clear the filter"))];
  }
  return h("p", {}, TABS[route.tab].empty);
}

function tokenForm() {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const send = (event) => {
    event.preventDefault();
    keepToken(input.value.trim());
    location.reload();
  };
  const wrong = hasToken() ? h("p", { class: "problem", role: "alert" }, "That token is not the one.") : null;
  return h("form", { onsubmit: send }, wrong, h("label", { for: "token" }, "This page asks for its token, that of --token-file."), input, h("button", {}, "Open"));
}

/** One line on how the page is connected, and on what was read. */
export function showConnection(element) {
  const retry = h("button", { type: "button", onclick: () => dispatchEvent(new Event("retry")) }, "Try now");
  const said = h("span", {});
  element.append(h("span", { class: "dot", "aria-hidden": "true" }), said, retry);
  watchFor((state) => [connectionOf(state), state.about?.source?.name], () => {
    const { text, isWell, canRetry } = connectionOf(state);
    element.title = state.about?.source?.name ?? "";
    element.className = `connection ${isWell ? "well" : "unwell"}`;
    fill(said, text);
    retry.hidden = !canRetry;
  });
}

function connectionOf({ connection, retry, health, now, about }) {
  if (connection === "report") {
    return { text: cut(`report of ${sourceOf(about)}`, 60), isWell: true };
  }
  if (connection === "denied") {
    return { text: "token needed", isWell: false };
  }
  if (retry !== null) {
    const wait = Math.max(0, retry.at - now);
    return { text: `disconnected: ${retry.problem}; next try in ${span(Math.ceil(wait / 1000) * 1000)}`, isWell: false, canRetry: true };
  }
  if (health?.problem) {
    return { text: cut(health.problem, 160), isWell: false };
  }
  return connection === "open" ? { text: cut(`live, ${sourceOf(about)}`, 60), isWell: true } : { text: "connecting", isWell: true };
}

/** Of a file its name without the folders. */
function sourceOf(about) {
  const { kind, name } = about?.source ?? {};
  return kind === "file" ? name.split("/").at(-1) : (name ?? "");
}

/** What the page holds, and what it could not read or has forgotten. */
export function showHeld(element) {
  watch(() => {
    const { health, about, rows } = state;
    const words = [count(rows.size, "alert")];
    const forgotten = health?.forgotten?.alerts ?? 0;
    if (forgotten > 0) {
      words.push(`${forgotten} older ones forgotten: at most ${about?.bounds?.alerts} are held, in ${Math.round((about?.bounds?.bytes ?? 0) / 1048576)} MiB`);
    }
    const unreadable = health?.read?.unreadable ?? 0;
    if (unreadable > 0) {
      words.push(`${count(unreadable, "line")} could not be read, the last: ${cut(health.last_unreadable, 120)}`);
    }
    fill(element, words.join(" · "));
  });
}

/** Light, dark, or as the platform prefers. */
export function showTheme(button) {
  const themes = ["auto", "light", "dark"];
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = { auto: "◐", light: "☀", dark: "☾" }[theme];
    button.setAttribute("aria-label", `theme: ${theme}`);
    button.title = `theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
    keep("theme", next);
    set(next);
  });
  set(themes.includes(kept("theme")) ? kept("theme") : "auto");
}
