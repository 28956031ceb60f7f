// Holds alerts to the Elastic Common Schema.
//
//     ecs.mjs PACKAGE ALERTS
//
// PACKAGE is the folder of Elastic's own npm package @elastic/ecs, which has every field with its type and, for some, the values
// it may have; ALERTS has one alert a line. Checked are
//
// - schemas/alert.schema.json, which every test holds alerts of every kind to: each field outside `pipewarden` exists in ECS with
//   a type that takes it, and is a list only where ECS has one;
// - the values of event.kind, .category, .type and .outcome, which must be those below and known to ECS;
// - the templates in schemas/index: each field has the type of ECS;
// - the alerts: they name the version of the schema that they are checked against, and bear no field that it lacks.
//
// Every breach is a line; then the exit status is 1.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// What Pipewarden writes.
const VALUES = {
  "event.kind": ["alert"],
  "event.category": ["host", "intrusion_detection", "network"],
  "event.type": ["info"],
  "event.outcome": ["failure", "success", "unknown"],
};

// By the type of ECS, what it takes of the kinds that `kind` below tells apart.
const TAKES = {
  boolean: ["boolean"],
  date: ["date"],
  float: ["integer", "number"],
  ip: ["ip"],
  keyword: ["string"],
  long: ["integer"],
  match_only_text: ["string"],
  wildcard: ["string"],
};

const [folder, alertsFile] = process.argv.slice(2);
const { EcsFlat, EcsVersion } = createRequire(import.meta.url)(`${folder}/build/commonjs/index.js`);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const schema = read("schemas/alert.schema.json");
const breaches = [];
const breach = (text) => breaches.push(text);

// The constant or the enumerated values of a node, lists taken apart.
function valuesOf(node) {
  const values = "const" in node ? [node.const] : (node.enum ?? []);
  return values.flat();
}

// What a leaf of the schema holds.
function kind(node) {
  if (node.format === "date-time") return "date";
  if (node.anyOf?.[0].format === "ipv4") return "ip";
  if (node.type) return node.type;
  const [value] = valuesOf(node);
  return Number.isInteger(value) ? "integer" : typeof value;
}

// Every leaf of the schema outside `pipewarden`: its path, its node, and whether it stands in a list.
function* leaves(node, path = [], inList = false) {
  if (node.$ref) {
    yield* leaves(schema.$defs[node.$ref.split("/").pop()], path, inList);
  } else if (node.type === "array") {
    yield* leaves(node.items, path, true);
  } else if (node.properties) {
    for (const [name, below] of Object.entries(node.properties)) {
      // Sub-techniques have none of their own.
      if (path.length === 0 ? name === "pipewarden" : name === path.at(-1) && name === "subtechnique") continue;
      yield* leaves(below, [...path, name], inList);
    }
  } else {
    const isList = [...(node.enum ?? []), node.const].some(Array.isArray);
    yield { path: path.join("."), node, inList: inList || isList };
  }
}

function checkSchema() {
  const written = {};
  for (const { path, node, inList } of leaves(schema)) {
    const known = EcsFlat[path];
    if (!known) {
      breach(`ECS ${EcsVersion} has no ${path}`);
      continue;
    }
    if (!TAKES[known.type]?.includes(kind(node))) breach(`${path} is ${kind(node)}, and ${known.type} in ECS`);
    // Where all entries say the same, a list is that one value.
    const isOneValue = valuesOf(node).length === 1;
    if (inList && !isOneValue && !known.normalize.includes("array")) breach(`${path} is a list, and no list in ECS`);
    if (path in VALUES) written[path] = [...new Set(valuesOf(node))].sort();
  }
  for (const [path, values] of Object.entries(VALUES)) {
    if (`${written[path]}` !== `${values}`) breach(`${path} may be ${written[path]} by the schema, and ${values} by this check`);
    const allowed = EcsFlat[path].allowed_values.map((value) => value.name);
    for (const value of values) if (!allowed.includes(value)) breach(`ECS knows no ${path} ${value}`);
  }
  for (const { name, expected_event_types: types } of EcsFlat["event.category"].allowed_values) {
    if (!VALUES["event.category"].includes(name)) continue;
    for (const type of VALUES["event.type"]) if (!types.includes(type)) breach(`ECS expects no event.type ${type} of ${name}`);
  }
}

function checkTemplate(template) {
  const walk = (node, path) => {
    for (const [name, below] of Object.entries(node.properties)) {
      const here = [...path, name];
      if (here[0] === "pipewarden") continue;
      const known = EcsFlat[here.join(".")];
      if (below.properties) walk(below, here);
      else if (below.type !== known?.type) breach(`${template}: ${here.join(".")} is ${below.type}, and ${known?.type} in ECS`);
    }
  };
  walk(read(`schemas/index/${template}.json`).template.mappings, []);
}

function checkAlerts(lines) {
  const walk = (value, path) => {
    if (Array.isArray(value)) value.forEach((one) => walk(one, path));
    else if (value && typeof value === "object") {
      for (const [name, below] of Object.entries(value)) {
        if (path.length > 0 || name !== "pipewarden") walk(below, [...path, name]);
      }
    } else if (!EcsFlat[path.join(".")]) breach(`an alert has ${path.join(".")}, and ECS ${EcsVersion} has not`);
  };
  for (const line of lines) {
    const alert = JSON.parse(line);
    if (alert.ecs.version !== EcsVersion) breach(`an alert says ECS ${alert.ecs.version}, and is checked by ${EcsVersion}`);
    walk(alert, []);
  }
}

checkSchema();
["elasticsearch", "opensearch"].forEach(checkTemplate);
const lines = readFileSync(alertsFile, "utf8").split("\n").filter(Boolean);
if (lines.length < 5) breach(`${lines.length} alerts are too few to check`);
checkAlerts(lines);
[...new Set(breaches)].forEach((text) => console.error(text));
if (breaches.length === 0) console.log(`${lines.length} alerts, their schema and index templates keep to ECS ${EcsVersion}`);
process.exitCode = breaches.length > 0 ? 1 : 0;
