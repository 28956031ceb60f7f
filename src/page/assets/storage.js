/** What a browser keeps for this page between visits: nothing that matters, so it may fail. */

/** @returns {unknown} null where nothing is kept */
export function kept(name) {
  try {
    return JSON.parse(localStorage.getItem(`pipewarden.${name}`));
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(`pipewarden.${name}`, JSON.stringify(value));
  } catch {
    // Full, or forbidden for a file.
  }
}
