/** `<alert-list>`: only the rows in sight are in the document, so ten thousand alerts scroll like ten. */

import { fill, h } from "./dom.js";
import { hold } from "./held.js";
import { items } from "./items.js";
import { rowOf, stampOf } from "./row.js";
import { go } from "./route.js";
import { state, update, watch } from "./state.js";

/** Rows beyond what is in sight, above and below. */
const BEYOND = 8;

class AlertList extends HTMLElement {
  #list = h("ul", { class: "rows", "aria-label": "alerts" });
  #drawn = new Map();
  #items = [];

  connectedCallback() {
    this.append(this.#list);
    this.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.addEventListener("focusin", (event) => this.#focused(event.target));
    new ResizeObserver(() => this.#draw()).observe(this);
    watch(() => this.#update());
  }

  /** Moves the focus by so many rows, and opens what it comes to where an alert is open already. */
  move(by) {
    const last = this.#items.length - 1;
    const from = this.#indexOf(document.activeElement?.dataset?.key) ?? this.#indexOf(state.route.alert);
    const to = from === null ? 0 : Math.min(Math.max(from + by, 0), last);
    if (last < 0) {
      return;
    }
    this.#reveal(to);
    this.#drawn.get(keyOf(this.#items[to]))?.element.firstElementChild.focus({ preventScroll: true });
    if (state.route.alert !== "" && this.#items[to].kind === "row") {
      go({ alert: this.#items[to].row.id, revision: "" }, { replace: true });
    }
  }

  /** Puts the focus back on the row of an alert, as where its page has been closed. */
  focusOn(id) {
    const index = this.#indexOf(id);
    if (index !== null) {
      this.#reveal(index);
      this.#drawn.get(id)?.element.firstElementChild.focus({ preventScroll: true });
    }
  }

  toTop() {
    this.scrollTop = 0;
    this.#scrolled();
  }

  #update() {
    const { items: all } = items(state);
    this.#items = all;
    this.hidden = all.length === 0;
    this.#draw();
  }

  #draw() {
    const height = this.#height();
    const all = this.#items;
    this.#list.style.height = `${all.length * height}px`;
    const first = Math.max(0, Math.floor(this.scrollTop / height) - BEYOND);
    const end = Math.min(all.length, Math.ceil((this.scrollTop + this.clientHeight) / height) + BEYOND);
    const wanted = new Set();
    for (let index = first; index < end; index += 1) {
      wanted.add(index);
    }
    const kept = this.#indexOf(this.#focusedKey());
    if (kept !== null) {
      // What has the focus stays, in sight or not.
      wanted.add(kept);
    }
    const keys = new Set([...wanted].map((index) => keyOf(all[index])));
    for (const [key, { element }] of this.#drawn) {
      if (!keys.has(key)) {
        element.remove();
        this.#drawn.delete(key);
      }
    }
    [...wanted].sort((a, b) => a - b).forEach((index) => this.#place(index, height));
  }

  #place(index, height) {
    const item = this.#items[index];
    const key = keyOf(item);
    const stamp = stampOf(item, state);
    const drawn = this.#drawn.get(key) ?? { element: h("li"), stamp: null };
    const { element } = drawn;
    if (drawn.stamp !== stamp) {
      const hasFocus = element.contains(document.activeElement);
      fill(element, rowOf(item, state, { onFold: fold }));
      this.#drawn.set(key, { element, stamp });
      if (element.parentNode === null) {
        this.#list.append(element);
      } else if (hasFocus) {
        element.firstElementChild.focus({ preventScroll: true });
      }
    }
    element.setAttribute("aria-setsize", String(this.#items.length));
    element.setAttribute("aria-posinset", String(index + 1));
    element.style.transform = `translateY(${index * height}px)`;
  }

  #reveal(index) {
    const height = this.#height();
    const top = index * height;
    if (top < this.scrollTop) {
      this.scrollTop = top;
    } else if (top + height > this.scrollTop + this.clientHeight) {
      this.scrollTop = top + height - this.clientHeight;
    }
    this.#draw();
  }

  #scrolled() {
    this.#draw();
    this.dispatchEvent(new CustomEvent("read", { bubbles: true }));
  }

  #focused(target) {
    const index = this.#indexOf(target.dataset?.key);
    if (index !== null) {
      this.#reveal(index);
    }
  }

  #focusedKey() {
    const active = document.activeElement;
    return active !== null && this.contains(active) ? (active.dataset.key ?? null) : null;
  }

  #indexOf(key) {
    const index = key ? this.#items.findIndex((item) => keyOf(item) === key) : -1;
    return index < 0 ? null : index;
  }

  #height() {
    return parseFloat(getComputedStyle(this).getPropertyValue("--row")) || 56;
  }
}

function keyOf(item) {
  return item.kind === "group" ? `group ${item.key}` : item.row.id;
}

function fold(key) {
  const folded = new Set(state.folded);
  if (!folded.delete(key)) {
    folded.add(key);
  }
  update({ folded });
}

/** Whether somebody reads: an alert is open, or the list is scrolled or has the focus. */
export function isRead(list) {
  return state.route.alert !== "" || list.scrollTop > 0 || list.contains(document.activeElement);
}

/** Tells the state so, whenever it may have changed. */
export function holdWhileRead(list) {
  const check = () => hold(isRead(list));
  list.addEventListener("read", check);
  list.addEventListener("focusin", check);
  list.addEventListener("focusout", () => setTimeout(check));
  watch(check);
}

customElements.define("alert-list", AlertList);
