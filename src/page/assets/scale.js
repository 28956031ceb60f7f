/** The mathematics of the timeline: no element in here. */

/** The least and the most that a timeline shows, in milliseconds. */
const NARROWEST = 2;
const WIDEST = 40 * 24 * 3_600_000;

/**
 * What is shown, and where it is.
 * @param {[number, number]} domain moments
 * @param {[number, number]} range positions
 */
export function scale([from, to], [left, right]) {
  const perMs = (right - left) / (to - from);
  return {
    x: (at) => left + (at - from) * perMs,
    at: (x) => from + (x - left) / perMs,
    width: (ms) => ms * perMs,
  };
}

/** All of these moments, with room at both ends. */
export function around(moments) {
  const [first, last] = [Math.min(...moments), Math.max(...moments)];
  const room = Math.max((last - first) * 0.08, NARROWEST / 2, last === first ? 1000 : 0);
  return [first - room, last + room];
}

/** Nearer or farther by a factor, so that `at` stays where it is; not beyond `limits` by more than once their width. */
export function zoomed([from, to], factor, at, limits) {
  const width = Math.min(Math.max((to - from) * factor, NARROWEST), WIDEST);
  const share = (at - from) / (to - from);
  return within([at - width * share, at + width * (1 - share)], limits);
}

/** Moved by a share of its width. */
export function panned([from, to], share, limits) {
  const by = (to - from) * share;
  return within([from + by, to + by], limits);
}

/**
 * Where the axis has marks: five to ten, at round distances.
 * @returns {{step: number, ticks: number[]}}
 */
export function ticks([from, to], zero, most = 8) {
  const step = STEPS.find((size) => (to - from) / size <= most) ?? STEPS.at(-1);
  const first = Math.ceil((from - zero) / step);
  const last = Math.floor((to - zero) / step);
  const number = Math.min(last - first + 1, 64);
  return { step, ticks: Array.from({ length: Math.max(number, 0) }, (_, index) => (first + index) * step) };
}

/**
 * Rows for marks so that none covers another: the first row that is free there.
 * @param {number[]} positions ascending
 * @param {number} gap the least distance of two in one row
 * @param {number} most rows; where all are taken the least filled one is used
 * @returns {number[]} the row of each
 */
export function stacked(positions, gap, most = 4) {
  const ends = Array(most).fill(-Infinity);
  return positions.map((x) => {
    const free = ends.findIndex((end) => x - end >= gap);
    const row = free < 0 ? ends.indexOf(Math.min(...ends)) : free;
    ends[row] = x;
    return row;
  });
}

const STEPS = [1, 2, 5]
  .flatMap((digit) => [digit, digit * 10, digit * 100])
  .sort((a, b) => a - b)
  .concat([1, 2, 5, 10, 15, 30].map((seconds) => seconds * 1000))
  .concat([1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60_000))
  .concat([1, 2, 6, 12].map((hours) => hours * 3_600_000))
  .concat([1, 2, 5, 10, 20, 50, 100, 200].map((days) => days * 86_400_000));

function within([from, to], [least, most]) {
  const room = most - least;
  const width = to - from;
  const first = Math.min(Math.max(from, least - room), Math.max(most + room - width, least - room));
  return [first, first + width];
}
