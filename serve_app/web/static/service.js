/** The view of the service: its models, its load, and what it refused of late. */

import { activity, health, Refusal } from "./api.js";
import { node, table } from "./report.js";

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const SMALL = "ecg-serve/small";

/** @param {any} m a model of `/health` */
function weightsOf(m) {
  if (!m.weights) return m.state;
  const name = m.weights.replace(/@sha256:(.{8}).*/, " ($1…)");
  if (m.trained === false) return `${name}, untrained, says nothing`;
  return m.weights.startsWith(SMALL) ? `${name}, the small model of the package, some labels only` : name;
}

/** Which weights answer, in one sentence; models with the same ones together. @param {any} state of `/health` */
export function weightsLine(state) {
  /** @type {Map<string, string[]>} */
  const by = new Map();
  for (const [name, m] of Object.entries(state.models)) {
    const said = weightsOf(m);
    by.set(said, [...(by.get(said) ?? []), name]);
  }
  return `Weights: ${[...by].map(([said, names]) => `${names.join(" and ")}: ${said}`).join("; ")}.`;
}

/** @param {any} state of `/health` */
function models(state) {
  const rows = Object.entries(state.models).map(([name, m]) => {
    const replicas = m.replicas ? Object.entries(m.replicas).map(([s, n]) => `${n} ${s}`).join(", ") : "";
    const now = m.progress ? `${m.state}: ${m.progress.step}` : m.state;
    return [name, m.change ? `${now}; other weights: ${m.change}` : now, replicas, weightsOf(m), m.backend ? `${m.backend}, ${m.precision}` : "", m.detail ?? ""];
  });
  return table(["model", "state", "replicas", "weights", "engine", "remark"], rows, "Models of the service");
}

/** @param {any} done of `/health/activity` */
function load(done) {
  /** @type {Map<string, Map<number, number>>} */
  const routes = new Map();
  for (const { route, status, count } of done.requests) {
    if (!routes.has(route)) routes.set(route, new Map());
    /** @type {Map<number, number>} */ (routes.get(route)).set(status, count);
  }
  const rows = [...routes].map(([route, by]) => {
    const sum = (/** @type {(s: number) => boolean} */ kind) => String([...by].filter(([s]) => kind(s)).reduce((n, [, c]) => n + c, 0));
    const time = done.latency_ms[route];
    return [route, sum((s) => s < 400), sum((s) => s >= 400 && s < 500 && s !== 429), sum((s) => s === 429 || s === 503),
      sum((s) => s >= 500 && s !== 503), time ? `${time.median} ms` : "", time ? `${time.p95} ms` : ""];
  });
  const box = node("div");
  const bar = node("meter");
  bar.setAttribute("min", "0");
  bar.setAttribute("max", String(done.most_in_progress));
  bar.setAttribute("value", String(done.in_progress));
  bar.setAttribute("aria-label", "Requests in progress");
  const line = node("p", `${done.in_progress} of at most ${done.most_in_progress} requests in progress, since ${new Date(done.since).toLocaleString()}. `);
  line.append(bar);
  box.append(line);
  if (rows.length) box.append(table(["route", "answered", "refused as bad", "refused as busy", "failed", "median", "95 %"], rows, "Requests by route"));
  else box.append(node("p", "No request yet."));
  return box;
}

/** @param {any} done of `/health/activity` */
function last(done) {
  if (!done.last.length) return node("p", "None.");
  const rows = done.last.map((/** @type {any} */ e) => [new Date(e.at).toLocaleTimeString(), e.route, String(e.status), e.code ?? "", e.request_id]);
  return table(["time", "route", "status", "code", "request id, as in the log"], rows, "The last refusals and failures");
}

/** Ask, and show what is known. @returns {Promise<void>} */
export async function showService() {
  let state;
  try {
    state = await health();
  } catch {
    byId("weights").textContent = "The service does not answer.";
    byId("service-status").textContent = "The service does not answer.";
    return;
  }
  byId("weights").textContent = weightsLine(state);
  if (byId("service-view").hidden) return;
  byId("service-status").textContent = `${state.status}, version ${state.versions["ecg-serve"]}.`;
  byId("service-models").replaceChildren(models(state));
  try {
    const done = await activity();
    byId("service-load").replaceChildren(load(done));
    byId("service-last").replaceChildren(last(done));
  } catch (error) {
    const why = error instanceof Refusal && [401, 403].includes(error.status)
      ? "Shown to who presents an API key with the scope read." : "Not known.";
    byId("service-load").replaceChildren(node("p", why));
    byId("service-last").replaceChildren(node("p", why));
  }
}
