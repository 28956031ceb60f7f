/** Three things to copy: a `replay` of the originals, a query for the SIEM, an exception. */

import { h } from "./dom.js";
import { exceptionOf, kqlOf, replayOf, splOf } from "./commands.js";

/** @returns {HTMLElement} */
export function actionsOf(document, about) {
  const now = Date.now();
  return h(
    "div",
    { class: "copies" },
    copyOf("replay", "Why, and what nearly joined", replayOf(document, about)),
    copyOf("kql", "Originals in Kibana (KQL)", kqlOf(document)),
    copyOf("spl", "Originals in Splunk (SPL)", splOf(document)),
    copyOf("exception", "An exception, if this is legitimate", exceptionOf(document, now)),
  );
}

/** Closed, so that a click copies and a look costs another. */
function copyOf(name, title, written) {
  if (written === null) {
    return null;
  }
  const said = h("span", { role: "status", class: "muted" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(written);
      said.textContent = "copied";
    } catch {
      said.textContent = "select the text below: this browser lets no page copy here";
      details.open = true;
    }
  };
  const details = h("details", { class: "copy", "data-copy": name }, h("summary", { "data-key": `copy-${name}` }, title), h("pre", { tabindex: "0" }, written.split("\n").flatMap((line, index) => (index > 0 ? [document.createTextNode("\n"), line] : [line]))));
  return h("div", { class: "copy-row" }, details, h("button", { type: "button", "data-key": `do-copy-${name}`, "aria-label": `copy: ${title}`, onclick: copy }, "Copy"), said);
}
