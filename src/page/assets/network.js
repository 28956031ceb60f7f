/** Who touched what, as a graph: sources on the left, hosts on the right. No element in here. */

import { moment } from "./time.js";

/** More nodes of one side than this are grouped: sources by network, hosts by role. */
export const MOST = 24;

const SURENESS = ["low", "medium", "high"];

/**
 * @typedef {object} Node
 * @property {string} key
 * @property {string} label
 * @property {string} q the filter's words for its alerts
 * @property {number} accesses
 * @property {number} members how many sources or hosts it stands for
 * @property {Set<string>} campaigns ids of campaigns that it is in
 */

/**
 * @param {object[]} rows alerts about accesses; others are left out
 * @param {[number, number]|null} within only what began within these moments
 * @returns {{sources: Node[], hosts: Node[], lines: {from: string, to: string, accesses: number, confidence: string, ids: string[]}[], left: number}}
 */
export function network(rows, within) {
  const used = rows.filter((row) => row.who !== undefined && row.who !== null && row.members === undefined && isWithin(row, within));
  const campaigns = campaignsOf(rows);
  const sourceKey = keyOf(used, bySource, byNetwork);
  const hostKey = keyOf(used, byHost, byRole);
  const [sources, hosts, lines] = [new Map(), new Map(), new Map()];
  for (const row of used) {
    const [from, to] = [sourceKey(row), hostKey(row)];
    const own = campaigns.get(row.id);
    addTo(sources, from, row, bySource(row).key, own);
    addTo(hosts, to, row, row.asset, own);
    const key = JSON.stringify([from.key, to.key]);
    const line = lines.get(key) ?? { from: from.key, to: to.key, accesses: 0, confidence: "low", ids: [] };
    line.accesses += row.accesses;
    line.confidence = surer(line.confidence, row.confidence);
    line.ids.push(row.id);
    lines.set(key, line);
  }
  const [shownSources, shownHosts] = [largest(sources), largest(hosts)];
  const shown = new Set([...shownSources, ...shownHosts].map((node) => node.key));
  const kept = [...lines.values()].filter((line) => shown.has(line.from) && shown.has(line.to));
  return { sources: shownSources, hosts: ordered(shownHosts, shownSources, kept), lines: kept, left: sources.size + hosts.size - shown.size };
}

/** Of how many alerts each began in each of so many equal parts of the time: for the brush. */
export function histogram(rows, [from, to], parts) {
  const counts = Array(parts).fill(0);
  for (const row of rows) {
    const at = moment(row.start);
    if (at !== null && at >= from && at <= to) {
      counts[Math.min(parts - 1, Math.floor(((at - from) / (to - from || 1)) * parts))] += 1;
    }
  }
  return counts;
}

function isWithin(row, within) {
  const at = moment(row.start);
  return within === null || (at !== null && at >= within[0] && at <= within[1]);
}

function campaignsOf(rows) {
  const campaigns = new Map();
  for (const row of rows.filter((row) => row.members !== undefined)) {
    row.members.forEach((id) => campaigns.set(id, row.id));
  }
  return campaigns;
}

/** One by one where that is few enough, else grouped. */
function keyOf(rows, single, grouped) {
  const number = new Set(rows.map((row) => single(row).key)).size;
  return number > MOST ? grouped : single;
}

function bySource(row) {
  if (!row.source_ip) {
    return { key: `s ${row.who}`, label: row.who === "local" ? "the host itself" : "not known", q: `who:${row.who}` };
  }
  const name = row.source_names[0];
  return { key: `s ${row.source_ip}`, label: name ? `${row.source_ip} ${name.split(".")[0]}` : row.source_ip, q: `source:${row.source_ip}` };
}

function byNetwork(row) {
  const parts = row.source_ip?.split(".");
  if (parts?.length !== 4) {
    const prefix = row.source_ip?.split(":").slice(0, 4).join(":");
    return prefix ? { key: `s ${prefix}`, label: `${prefix}::/64`, q: `source:${row.source_ip}` } : bySource(row);
  }
  const prefix = `${parts.slice(0, 3).join(".")}.0/24`;
  return { key: `s ${prefix}`, label: prefix, q: `source:${prefix}` };
}

function byHost(row) {
  return { key: `h ${row.asset}`, label: row.asset.split(".")[0], q: `asset:${row.asset}` };
}

function byRole(row) {
  const role = row.roles[0] ?? "no role";
  return { key: `r ${role}`, label: role, q: `role:${role}` };
}

function addTo(nodes, { key, label, q }, row, member, campaign) {
  const node = nodes.get(key) ?? { key, label, q, accesses: 0, members: 0, all: new Set(), campaigns: new Set() };
  node.accesses += row.accesses;
  node.all.add(member);
  node.members = node.all.size;
  if (campaign !== undefined) {
    node.campaigns.add(campaign);
  }
  nodes.set(key, node);
}

function surer(one, other) {
  return SURENESS.indexOf(other) > SURENESS.indexOf(one) ? other : one;
}

function largest(nodes) {
  return [...nodes.values()].sort((a, b) => b.accesses - a.accesses || a.key.localeCompare(b.key)).slice(0, MOST);
}

/** Hosts near the middle of the sources that touched them, so that few lines cross. */
function ordered(hosts, sources, lines) {
  const place = new Map(sources.map((source, index) => [source.key, index]));
  const middle = (host) => {
    const own = lines.filter((line) => line.to === host.key);
    const weight = own.reduce((sum, line) => sum + line.accesses, 0) || 1;
    return own.reduce((sum, line) => sum + place.get(line.from) * line.accesses, 0) / weight;
  };
  return hosts.map((host) => ({ host, at: middle(host) })).sort((a, b) => a.at - b.at).map(({ host }) => host);
}
