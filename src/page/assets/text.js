/**
 * Makes text of what comes from outside. Everything that telemetry says reaches the page through `shown` or `text`: as text, never as
 * markup, with the characters visible that would hide or turn what stands beside them.
 */

/** Controls, formatting (bidi, zero width, soft hyphens, tags), lone surrogates, line and paragraph separators, fillers. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u2800]/gu;

/** The longest text that is shown whole where nobody asks for more. */
export const LONGEST = 120;

/**
 * The value as a string that looks like what it is: `a\u{202e}b`. A backslash stays one, as in `DOMAIN\name`.
 * @param {unknown} value
 * @returns {string}
 */
export function shown(value) {
  return plain(value).replace(UNSEEN, escaped);
}

/**
 * The same, cut in the middle, where names of hosts and ends of paths differ least.
 * @param {unknown} value
 * @param {number} most characters
 */
export function cut(value, most = LONGEST) {
  const characters = [...plain(value)];
  if (characters.length <= most) {
    return shown(value);
  }
  const [head, tail] = ends(characters, most);
  return `${shown(head)}…${shown(tail)}`;
}

/**
 * An element with the value: escapes set apart, and a button for the rest where it is long.
 * @param {unknown} value
 * @param {{most?: number}} options
 * @returns {HTMLElement}
 */
export function text(value, { most = LONGEST } = {}) {
  // Isolated: a name in another direction of writing turns nothing beside it.
  const element = document.createElement("bdi");
  element.className = "text";
  const characters = [...plain(value)];
  if (characters.length <= most) {
    append(element, plain(value));
    return element;
  }
  const [head, tail] = ends(characters, most);
  const more = document.createElement("button");
  more.type = "button";
  more.className = "more";
  more.textContent = "…";
  more.setAttribute("aria-label", `show all ${characters.length} characters`);
  more.addEventListener("click", () => {
    element.replaceChildren();
    append(element, plain(value));
  });
  append(element, head);
  element.append(more);
  append(element, tail);
  return element;
}

function append(element, string) {
  let end = 0;
  for (const match of string.matchAll(UNSEEN)) {
    element.append(string.slice(end, match.index));
    const odd = document.createElement("span");
    odd.className = "odd";
    odd.textContent = escaped(match[0]);
    element.append(odd);
    end = match.index + match[0].length;
  }
  element.append(string.slice(end));
}

function ends(characters, most) {
  const head = Math.ceil((most - 1) / 2);
  const tail = most - 1 - head;
  return [characters.slice(0, head).join(""), characters.slice(characters.length - tail).join("")];
}

function plain(value) {
  if (value === null || value === undefined) {
    return "";
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function escaped(character) {
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
  return short ?? `\\u{${character.codePointAt(0).toString(16)}}`;
}
