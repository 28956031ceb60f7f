/** Documents of alerts for tests: of the samples, changed where the test says so. */

import { randomUUID } from "node:crypto";
import { sampleLines } from "./program.mjs";

/** The last audited alert of the samples, with its evidence. */
export async function audited() {
  const documents = (await sampleLines()).map((line) => JSON.parse(line)).filter((line) => line.pipewarden !== undefined);
  return documents.filter((document) => document.pipewarden.attribution === "audited" && document.event.outcome === "success").at(-1);
}

/** A copy under another id, changed by `change`. */
export function another(document, change = () => {}) {
  const copy = structuredClone(document);
  copy.pipewarden.alert_id = randomUUID();
  change(copy);
  return copy;
}

/** The next revision of a document. */
export function revised(document, change) {
  const copy = structuredClone(document);
  copy.pipewarden.revision += 2;
  copy.event.created = new Date(Date.parse(copy.event.created) + 5000).toISOString();
  change(copy);
  return copy;
}

export function line(document) {
  return `${JSON.stringify(document)}\n`;
}
