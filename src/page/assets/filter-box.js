/** `<filter-box>`: the filter's words with completion, mirrored in the address bar. */

import { h, fill } from "./dom.js";
import { completions } from "./filter.js";
import { items } from "./items.js";
import { go } from "./route.js";
import { state, watch } from "./state.js";
import { cut } from "./text.js";

class FilterBox extends HTMLElement {
  #input = h("input", {
    type: "search",
    id: "filter",
    placeholder: "asset:atlas confidence:high source:10.1.0.0/24 text",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    role: "combobox",
    "aria-label": "filter alerts",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": "filter-choices",
  });
  #list = h("ul", { id: "filter-choices", role: "listbox", "aria-label": "completions", hidden: true });
  #problem = h("p", { class: "problem", role: "status" });
  #choices = { start: 0, end: 0, choices: [] };
  #active = -1;

  connectedCallback() {
    this.append(this.#input, this.#list, this.#problem);
    this.#input.addEventListener("input", () => {
      go({ q: this.#input.value }, { replace: true });
      this.#offer();
    });
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#input.addEventListener("blur", () => this.#close());
    watch(() => {
      if (document.activeElement !== this.#input && this.#input.value !== state.route.q) {
        this.#input.value = state.route.q;
      }
      fill(this.#problem, items(state).problems.map((problem) => cut(problem, 200)).join("; "));
    });
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  #offer() {
    const found = completions(this.#input.value, this.#input.selectionStart ?? 0, state.rows.values());
    const typed = this.#input.value.slice(found.start, found.end);
    this.#choices = { ...found, choices: found.choices.filter((choice) => choice !== typed) };
    this.#active = -1;
    this.#draw();
  }

  #draw() {
    const { choices } = this.#choices;
    const option = (choice, index) =>
      h(
        "li",
        {
          id: `choice-${index}`,
          role: "option",
          "aria-selected": String(index === this.#active),
          // Before the box loses the focus.
          onmousedown: (event) => {
            event.preventDefault();
            this.#take(index);
          },
        },
        cut(choice, 60),
      );
    fill(this.#list, choices.map(option));
    this.#list.hidden = choices.length === 0;
    this.#input.setAttribute("aria-expanded", String(choices.length > 0));
    if (this.#active >= 0) {
      this.#input.setAttribute("aria-activedescendant", `choice-${this.#active}`);
    } else {
      this.#input.removeAttribute("aria-activedescendant");
    }
  }

  #key(event) {
    const number = this.#choices.choices.length;
    if (event.key === "Escape") {
      if (!this.#list.hidden) {
        this.#close();
      } else {
        this.#input.blur();
      }
      event.stopPropagation();
    } else if (event.key === "ArrowDown" && number === 0) {
      this.#offer();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const by = event.key === "ArrowDown" ? 1 : -1;
      this.#active = (Math.max(this.#active, by < 0 ? 0 : -1) + by + number) % number;
      this.#draw();
    } else if ((event.key === "Enter" || event.key === "Tab") && this.#active >= 0) {
      this.#take(this.#active);
    } else if (event.key === "Enter") {
      this.#close();
      this.dispatchEvent(new CustomEvent("chosen", { bubbles: true }));
    } else {
      return;
    }
    if (event.key !== "Tab") {
      event.preventDefault();
    }
  }

  #take(index) {
    const { start, end, choices } = this.#choices;
    const { value } = this.#input;
    const choice = choices[index];
    const isWhole = !choice.endsWith(":");
    this.#input.value = `${value.slice(0, start)}${choice}${isWhole ? " " : ""}${value.slice(end).trimStart()}`;
    const caret = start + choice.length + (isWhole ? 1 : 0);
    this.#input.setSelectionRange(caret, caret);
    go({ q: this.#input.value }, { replace: true });
    this.#offer();
    if (isWhole) {
      this.#close();
    }
  }

  #close() {
    this.#choices = { start: 0, end: 0, choices: [] };
    this.#active = -1;
    this.#draw();
  }
}

customElements.define("filter-box", FilterBox);
