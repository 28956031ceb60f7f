/** Answers out of the document itself, where that is a report: one file without a server. */

/**
 * Whom the page asks.
 * @typedef {object} Backend
 * @property {boolean} isLive whether anything can change
 * @property {() => Promise<object>} about
 * @property {() => Promise<object>} alerts
 * @property {(id: string) => Promise<object>} alert
 * @property {(id: string, revision: string) => Promise<object>} revision
 * @property {() => Promise<object>} services
 * @property {(from: object, take: Function, signal: AbortSignal) => Promise<never>} [stream]
 */

/** @returns {Backend|null} null where the document is no report */
export function report() {
  const element = document.getElementById("report");
  if (element === null) {
    return null;
  }
  const { about, alerts, details } = JSON.parse(element.textContent);
  return {
    isLive: false,
    about: async () => about,
    alerts: async () => alerts,
    alert: async (id) => (Object.hasOwn(details, id) ? details[id] : null),
    revision: async (id, revision) => {
      const own = Object.hasOwn(details, id) ? details[id].documents : [];
      const found = own.find((document) => String(document.pipewarden.revision) === revision);
      return found ?? null;
    },
    services: async () => ({ services: [] }),
  };
}
