/** Puts the page together. */

import "./alert.js";
import "./filter-box.js";
import "./graph.js";
import "./health.js";
import "./list.js";
import "./timeline.js";
import { listen } from "./keys.js";
import { holdWhileRead } from "./list.js";
import { follow as followLive } from "./live.js";
import { report } from "./report.js";
import { follow as followRoute } from "./route.js";
import { server } from "./server.js";
import { update, watch, state } from "./state.js";
import { showConnection, showEmpty, showGrouping, showHeld, showTabs, showTheme, showViews, showWaiting } from "./tools.js";

const find = (id) => document.getElementById(id);
const backend = report() ?? server();
const list = document.querySelector("alert-list");
const help = find("help");

followRoute();
showTheme(find("theme"));
showViews(find("views"));
showTabs(find("tabs"));
showGrouping(find("grouping"));
showWaiting(find("waiting"), list);
showEmpty(find("empty"));
showConnection(find("connection"));
showHeld(find("held"));
holdWhileRead(list);
listen({ list, box: document.querySelector("filter-box"), help });
find("keys").addEventListener("click", () => help.showModal());
document.querySelector("alert-page").start(backend);
document.querySelector("health-view").start(backend);
watch(() => {
  document.body.dataset.view = state.route.view;
  document.body.dataset.open = state.route.alert === "" ? "" : "alert";
});
// A relative time is right to the second for a minute, then to the minute.
setInterval(() => !document.hidden && update({ now: Date.now() }), 1000);
followLive(backend);
