/** What is drawn in the timeline: marks, brackets and windows. Shape says the role, place the kind; colour only repeats it. */

import { dictionary } from "./dictionary.js";
import { s } from "./dom.js";
import { span } from "./time.js";

const SIZE = 5;

/** A mark at a place. */
export function markOf(role, x, y, attributes) {
  const shapes = dictionary({
    access: () => s("path", { d: `M${x} ${y - SIZE - 1}L${x + SIZE + 1} ${y}L${x} ${y + SIZE + 1}L${x - SIZE - 1} ${y}Z` }),
    pair: () => s("rect", { x: x - SIZE + 0.5, y: y - SIZE + 0.5, width: 2 * SIZE - 1, height: 2 * SIZE - 1 }),
    conflicting: () => s("path", { d: `M${x - SIZE} ${y - SIZE}L${x + SIZE} ${y + SIZE}M${x + SIZE} ${y - SIZE}L${x - SIZE} ${y + SIZE}` }),
    missed: () => s("circle", { cx: x, cy: y, r: SIZE - 1 }),
    call_back: () => s("path", { d: `M${x + SIZE} ${y - SIZE}L${x - SIZE} ${y}L${x + SIZE} ${y + SIZE}Z` }),
    local: () => s("path", { d: `M${x - SIZE} ${y + SIZE}L${x} ${y - SIZE}L${x + SIZE} ${y + SIZE}Z` }),
  });
  const shape = shapes[role] ?? (() => s("circle", { cx: x, cy: y, r: SIZE }));
  return s("g", { class: `mark ${role}`, ...attributes }, shape());
}

/** A bracket between two moments with their distance, where there is room for it. */
export function bracketOf(from, to, y, ms) {
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  if (right - left < 3) {
    return null;
  }
  const label = span(ms);
  // Above it where there is room, else beside it.
  const hasRoom = right - left > label.length * 6.5 + 8;
  return s(
    "g",
    { class: "bracket" },
    s("path", { d: `M${left} ${y + 4}V${y}H${right}V${y + 4}` }),
    hasRoom ? s("text", { x: (left + right) / 2, y: y - 3, "text-anchor": "middle" }, label) : s("text", { x: left - 5, y: y + 3, "text-anchor": "end" }, label),
  );
}

/** The window in which something counts, as a quiet band. */
export function bandOf(left, right, y, height, name) {
  return s("rect", { class: `band ${name}`, x: left, y, width: Math.max(right - left, 0), height });
}

/** The axis: distances from the first access. */
export function axisOf({ x }, { ticks, step }, zero, y, height) {
  return s(
    "g",
    { class: "axis" },
    ticks.map((ms) =>
      s(
        "g",
        {},
        s("line", { x1: x(zero + ms), x2: x(zero + ms), y1: 0, y2: height, class: ms === 0 ? "zero" : null }),
        s("text", { x: x(zero + ms), y, "text-anchor": "middle" }, tickOf(ms, step)),
      ),
    ),
  );
}

function tickOf(ms, step) {
  if (ms === 0) {
    return "0";
  }
  const sign = ms < 0 ? "−" : "+";
  const size = Math.abs(ms);
  if (step < 1000 && size >= 1000) {
    return `${sign}${(size / 1000).toFixed(step < 10 ? 3 : step < 100 ? 2 : 1)} s`;
  }
  return `${sign}${span(size)}`;
}
