/** The keyboard: everything that the mouse does. */

import { go } from "./route.js";
import { state } from "./state.js";

/**
 * @param {{list: HTMLElement, box: HTMLElement, help: HTMLDialogElement}} page
 */
export function listen({ list, box, help }) {
  const acts = {
    j: () => list.move(1),
    k: () => list.move(-1),
    "/": () => box.focus(),
    "?": () => (help.open ? help.close() : help.showModal()),
    n: () => dispatchEvent(new Event("release")),
    Escape: () => leave(list),
  };
  addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, dialog[open]");
    if (event.ctrlKey || event.metaKey || event.altKey || (isTyping && !(event.key === "?" && help.open))) {
      return;
    }
    const act = acts[event.key];
    if (act !== undefined) {
      event.preventDefault();
      act();
    }
  });
  box.addEventListener("chosen", () => {
    box.querySelector("input").blur();
    list.move(0);
  });
}

function leave(list) {
  const { alert } = state.route;
  if (alert !== "") {
    go({ alert: "", revision: "" });
    requestAnimationFrame(() => requestAnimationFrame(() => list.focusOn(alert)));
  }
}
