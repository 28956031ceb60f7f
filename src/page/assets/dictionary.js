/** What is looked up by words from outside: a plain object would know `constructor` as well. */
export function dictionary(entries) {
  return Object.assign(Object.create(null), entries);
}
