/** Makes elements. Strings among the children are made text by `shown`; there is no way from a string to markup. */

import { shown } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element of HTML.
 * @param {string} tag
 * @param {Object<string, unknown>} attributes `onclick` and the like are listeners; `false`, `null` and `undefined` leave one out
 * @param {...(Node|string|number|null|undefined|false|Array)} children
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Replaces what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/** The same, where what has the focus is drawn again under the same `data-key`: it keeps it. */
export function refill(element, ...children) {
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  fill(element, ...children);
  if (key !== undefined) {
    element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  }
}

/** A copy of what a `<template>` of the page holds. */
export function template(id) {
  return document.importNode(document.getElementById(id).content, true);
}

/**
 * A link to another site, which learns nothing of where it was followed from; text where the address is none of the web.
 * @param {unknown} address
 * @param {Node|string} label
 */
export function outside(address, label) {
  let url = null;
  try {
    url = new URL(String(address));
  } catch {
    // No address.
  }
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    return h("span", {}, label);
  }
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, label);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) {
      continue;
    }
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : shown(value));
    }
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (child instanceof Node ? child : document.createTextNode(shown(child))));
}
