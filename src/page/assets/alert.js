/** `<alert-page>`: one alert, beside the list or in its place. */

import { actionsOf } from "./actions.js";
import { fill, h } from "./dom.js";
import { factsOf } from "./facts.js";
import { headOf } from "./head.js";
import { evidenceTable, rawOf } from "./evidence.js";
import { nextOf } from "./next.js";
import { stepperOf } from "./revisions.js";
import { note } from "./seen.js";
import { go, linkTo } from "./route.js";
import { Missing } from "./server.js";
import { state, update, watch } from "./state.js";
import { extrasOf } from "./extras.js";
import { whoOf } from "./who.js";
import { count } from "./words.js";

/** A skeleton before this would only flicker. */
const SKELETON_AFTER = 300;

class AlertPage extends HTMLElement {
  #backend = null;
  #asked = "";
  #drawn = "";
  #timeline = document.createElement("time-line");

  /** @param {import("./report.js").Backend} backend */
  start(backend) {
    this.#backend = backend;
    watch(() => this.#update());
  }

  #update() {
    const { alert, revision } = state.route;
    this.hidden = alert === "";
    const wanted = [alert, revision, revision === "" ? (state.rows.get(alert)?.seq ?? "") : ""].join(" ");
    if (alert !== "" && wanted !== this.#asked && state.connection !== "loading") {
      this.#asked = wanted;
      this.#load(alert, revision);
    }
    if (alert === "" && this.#asked !== "") {
      this.#asked = "";
      this.#drawn = "";
      fill(this);
    }
  }

  async #load(id, revision) {
    const asked = this.#asked;
    const isOther = state.detail?.id !== id;
    const skeleton = setTimeout(() => isOther && fill(this, this.#bar(), skeletonOf()), SKELETON_AFTER);
    try {
      const data = await this.#backend.alert(id);
      if (data === null) {
        throw new Missing("this alert is not held");
      }
      const old = revision === "" ? null : await this.#backend.revision(id, revision);
      if (asked === this.#asked) {
        update({ detail: { id, data } });
        this.#show(id, data, old ?? data.document);
      }
    } catch (error) {
      if (asked === this.#asked) {
        this.#fail(error);
      }
    } finally {
      clearTimeout(skeleton);
    }
  }

  #show(id, data, document) {
    const { revision } = document.pipewarden;
    const isSame = this.#drawn === id;
    const focused = isSame ? this.#focusedKey() : null;
    note(id, data.revisions.at(-1)?.revision ?? revision);
    const facts = factsOf(document, data.explanation);
    const windows = state.about?.windows ?? null;
    fill(
      this,
      this.#bar(),
      h(
        "article",
        { "aria-labelledby": "alert-title" },
        headOf(document, data),
        h(
          "div",
          { class: "columns" },
          section("Timeline", "timeline", this.#timeline, evidenceTable(facts)),
          section("Who", "who", whoOf(document)),
          section("Next", "next", nextOf(document), actionsOf(document, state.about)),
        ),
        extrasOf(document, data.explanation),
        section(`${count(data.revisions.length, "revision")}: what was known when`, "revisions", stepperOf(data, revision)),
        rawOf(document),
      ),
    );
    this.#timeline.show(facts, windows, isSame);
    if (isSame && focused !== null) {
      this.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    } else if (!isSame) {
      this.scrollTop = 0;
      // On a phone the page stands in the list's place, so the focus goes with it.
      if (getComputedStyle(this).getPropertyValue("--alone").trim() === "1") {
        this.querySelector("h2")?.focus({ preventScroll: true });
      }
    }
    this.#drawn = id;
  }

  #fail(error) {
    const isMissing = error instanceof Missing;
    const words = isMissing
      ? "This alert is not held: it has been forgotten for newer ones, or has never been in what this page reads."
      : `This alert could not be loaded: ${error.message}.`;
    const again = isMissing ? null : h("button", { type: "button", onclick: () => this.#load(state.route.alert, state.route.revision) }, "Try again");
    this.#drawn = "";
    fill(this, this.#bar(), h("div", { class: "empty", role: "alert" }, h("p", {}, words), again));
  }

  #bar() {
    return h(
      "nav",
      { class: "bar", "aria-label": "alert" },
      h("a", { class: "back", href: linkTo({ alert: "", revision: "" }), "data-key": "back" }, "← list"),
      h("button", { type: "button", class: "close", "data-key": "close", "aria-label": "close the alert", title: "Esc", onclick: () => go({ alert: "", revision: "" }) }, "✕"),
    );
  }

  #focusedKey() {
    const active = document.activeElement;
    return active !== null && this.contains(active) ? (active.dataset.key ?? null) : null;
  }
}

function section(title, name, ...children) {
  return h("section", { class: name, "aria-labelledby": `title-${name}` }, h("h3", { id: `title-${name}` }, title), children);
}

function skeletonOf() {
  return h("div", { class: "skeleton", "aria-busy": "true", "aria-label": "loading" }, ["", "", "", ""].map(() => h("div")));
}

customElements.define("alert-page", AlertPage);
