/** What is said of a recording, beside its traces. Text only: nothing of an answer is ever read as HTML. */

import { choose } from "./beat.js";

/** @typedef {any} Answer the body of POST /analyze */

/** Usual limits of adults; outside them a value is marked, which is no finding. */
const LIMITS = /** @type {Record<string, [number, number]>} */ ({
  heart_rate: [60, 100], pr_interval: [120, 200], qrs_duration: [60, 110], qtc_fridericia: [350, 460], qrs_axis: [-30, 90],
});
const ROWS = /** @type {[string, string][]} */ ([
  ["heart_rate", "Heart rate"], ["pr_interval", "PR"], ["p_duration", "P duration"], ["qrs_duration", "QRS"], ["qt_interval", "QT"],
  ["qtc_fridericia", "QTc (Fridericia)"], ["qtc_bazett", "QTc (Bazett)"], ["p_axis", "P axis"], ["qrs_axis", "QRS axis"], ["t_axis", "T axis"],
]);

const SAID_BY = /** @type {Record<string, string>} */ ({
  rules: "the measurements' rules", "ecg-fm": "the model", "ecg-fm and rules": "the model and the measurements' rules together",
});

/** @param {string} tag @param {string} [text] @param {string} [kind] */
export function node(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** @param {string[]} heads @param {(string | Node)[][]} rows @param {string} caption */
export function table(heads, rows, caption) {
  const made = node("table");
  made.append(node("caption", caption, "unseen"));
  const head = node("tr");
  for (const text of heads) {
    const cell = node("th");
    cell.append(text ? text : node("span", "what", "unseen")); // a reader's voice needs a word for it
    cell.setAttribute("scope", "col");
    head.append(cell);
  }
  const top = node("thead");
  top.append(head);
  const body = node("tbody");
  for (const row of rows) {
    const line = node("tr");
    for (const cell of row) { const td = node("td"); td.append(cell); line.append(td); }
    body.append(line);
  }
  made.append(top, body);
  return made;
}

/** @param {{value: number | null, unit: string, reason: string | null}} v */
export function valueText(v) {
  return v.value === null ? `not given: ${v.reason}` : `${v.value} ${v.unit === "deg" ? "°" : v.unit}`;
}

/** @param {Answer} answer */
export function headline(answer) {
  const c = answer.clinical_analysis;
  const line = node("p", "", "headline");
  line.append(node("b", c && c.rhythm ? c.rhythm : "Rhythm not decided"));
  const rate = answer.measurements.heart_rate;
  line.append(rate.value === null ? ", rate not measured" : `, ${Math.round(rate.value)}/min. `);
  const others = c ? c.abnormalities.filter((/** @type {string} */ name) => name !== c.rhythm) : [];
  if (others.length) line.append(` ${others.join(", ")}.`);
  line.append(` Said by ${c ? SAID_BY[c.source] ?? "the model" : "nobody"}. Signal ${String(answer.signal_quality).toLowerCase()}.`);
  const all = node("div");
  all.append(line);
  if (answer.warnings.length) {
    const list = node("ul", "", "doubt");
    for (const warning of answer.warnings) list.append(node("li", warning));
    all.append(list);
  }
  return all;
}

/** @param {any[]} found findings or statements @param {string} title */
function findingList(found, title) {
  const box = node("div");
  const group = (/** @type {boolean | null} */ present) => found.filter((f) => f.present === present);
  const item = (/** @type {any} */ f, /** @type {string} */ kind) => {
    const li = node("li", f.label ?? f.name, kind);
    li.append(node("span", f.evidence, "evidence"));
    if (f.not_excluded && f.not_excluded.length) li.append(node("span", `not excluded: ${f.not_excluded.join(", ")}`, "evidence doubt"));
    return li;
  };
  const present = group(true);
  box.append(node("h3", title));
  if (present.length) { const ul = node("ul"); ul.append(...present.map((f) => item(f, "present"))); box.append(ul); } else box.append(node("p", "None present."));
  for (const [state, name] of /** @type {[boolean | null, string][]} */ ([[null, "open"], [false, "absent"]])) {
    const some = group(state);
    if (!some.length) continue;
    const details = node("details");
    details.append(node("summary", `${some.length} ${name}`));
    const ul = node("ul");
    ul.append(...some.map((f) => item(f, "open")));
    details.append(ul);
    box.append(details);
  }
  return box;
}

/** @param {Answer} answer */
export function findings(answer) {
  const box = node("div");
  if (answer.findings) box.append(findingList(answer.findings, "Labels by the rules"));
  if (answer.statements) box.append(findingList(answer.statements, "Further statements"));
  return box;
}

/** @param {Answer} answer */
export function intervals(answer) {
  const m = answer.measurements;
  const device = answer.device && answer.device.measurements ? answer.device.measurements : null;
  const rows = ROWS.filter(([key]) => key in m).map(([key, name]) => {
    const v = m[key];
    const button = node("button", name);
    button.setAttribute("type", "button");
    button.addEventListener("click", () => choose(key));
    button.addEventListener("focus", () => choose(key));
    const limit = LIMITS[key];
    const outside = limit && v.value !== null && (v.value < limit[0] || v.value > limit[1]);
    const value = node("span", valueText(v) + (outside ? " (outside)" : ""), outside ? "outside" : "");
    const row = [button, value, v.spread === null ? "" : `± ${v.spread.toFixed(1)}`, limit ? `${limit[0]} to ${limit[1]}` : ""];
    if (device) row.push(device[key] === undefined || device[key] === null ? "" : String(device[key]), v.difference_from_device === undefined || v.difference_from_device === null ? "" : String(v.difference_from_device));
    return row;
  });
  return table(["", "value", "spread", "usual in adults", ...(device ? ["device", "difference"] : [])], rows, "Intervals, rate and axes");
}

/** A probability in per cent; never 0 or 100, which nobody can know. @param {number} p */
const percent = (p) => (p < 0.001 ? "< 0.1 %" : p > 0.999 ? "> 99.9 %" : `${(100 * p).toFixed(1)} %`);

/** @param {Answer} answer */
export function model(answer) {
  const box = node("div");
  const labels = answer.labels;
  if (!labels || labels.every((/** @type {any} */ l) => l.probability === null)) {
    box.append(node("p", "No trained model answered: probabilities are not given."));
  }
  if (labels) {
    const ruled = new Map((answer.findings ?? []).map((/** @type {any} */ f) => [f.label, f.present]));
    const contradicted = new Set(answer.consistency.map((/** @type {any} */ c) => c.label));
    const rows = labels.filter((/** @type {any} */ l) => l.probability !== null).map((/** @type {any} */ l) => {
      const bar = node("span", "", "bar-room");
      const inner = node("span", "", "bar");
      inner.style.width = `${(100 * l.probability).toFixed(1)}%`;
      bar.append(inner);
      const cell = node("span", "", "chance");
      cell.append(bar, percent(l.probability));
      const rule = ruled.get(l.name);
      const agrees = typeof rule === "boolean" && rule === l.probability >= 0.5;
      return [l.name, cell, contradicted.has(l.name) ? node("span", "contradict", "contradicted") : agrees ? "agree" : "open"];
    });
    if (rows.length) box.append(table(["label", "probability", "the rules"], rows, labels.some((/** @type {any} */ l) => l.calibrated) ? "Calibrated probabilities of the model" : "Probabilities of the model"));
    const silent = labels.filter((/** @type {any} */ l) => l.reason).map((/** @type {any} */ l) => l.name);
    if (silent.length) box.append(node("p", `Not validated, so not given: ${silent.join(", ")}.`));
  }
  const used = Object.entries(answer.provenance.models);
  const list = node("ul");
  for (const [name, m] of /** @type {[string, any][]} */ (used)) list.append(node("li", `${name}: ${m.weights.replace(/(@sha256:.{8}).*/, "$1…")}${!m.trained ? " (untrained: says nothing)" : m.weights.startsWith("ecg-serve/small") ? " (the small model of the package: some labels only; weights: hub for the published one)" : ""}`));
  box.append(list);
  return box;
}

/** @param {Answer} answer */
export function quality(answer) {
  const q = answer.quality;
  const box = node("div");
  const causes = (q.causes ?? []).map((/** @type {any} */ c) => c.code.replaceAll("_", " ")).filter((/** @type {string} */ c, /** @type {number} */ i, /** @type {string[]} */ all) => all.indexOf(c) === i);
  const exchanged = q.lead_reversal ? ` Exchanged electrodes: ${q.lead_reversal}.` : q.possible_reversal ? ` Perhaps exchanged electrodes: ${q.possible_reversal}.` : "";
  box.append(node("p", `${q.grade}${causes.length ? `: ${causes.join(", ")}` : ""}.${exchanged}`));
  const leads = /** @type {[string, any][]} */ (Object.entries(q.per_lead));
  const rows = leads.filter(([, l]) => l.causes.length).map(([lead, l]) => [lead, l.grade,
    l.causes.map((/** @type {any} */ c) => c.code.replaceAll("_", " ")).join(", ")]);
  if (rows.length) box.append(table(["lead", "grade", "causes"], rows, "Quality by lead"));
  const clean = leads.filter(([, l]) => !l.causes.length).map(([lead]) => lead);
  if (clean.length) box.append(node("p", `${clean.length === leads.length ? "All leads are" : `${clean.join(", ")}:`} without a remark.`));
  return box;
}

/**
 * Differences of every interval, axis and finding.
 * @param {{name: string, answer: Answer}} one @param {{name: string, answer: Answer}} other
 */
export function compare(one, other) {
  const [first, second] = [one.answer, other.answer];
  const rows = ROWS.filter(([key]) => key in first.measurements).map(([key, name]) => {
    const a = first.measurements[key];
    const b = second.measurements[key];
    const both = a.value !== null && b.value !== null;
    return [name, valueText(a), valueText(b), both ? `${b.value - a.value > 0 ? "+" : ""}${(b.value - a.value).toFixed(1)}` : ""];
  });
  const word = (/** @type {boolean | null} */ p) => (p === null ? "open" : p ? "present" : "absent");
  const of = (/** @type {Answer} */ x) => [...(x.findings ?? []), ...(x.statements ?? [])];
  const others = new Map(of(second).map((f) => [f.label ?? f.name, f]));
  for (const f of of(first)) {
    const g = others.get(f.label ?? f.name);
    if (g && g.present !== f.present) rows.push([f.label ?? f.name, word(f.present), word(g.present), "changed"]);
  }
  const box = node("section");
  box.append(node("h2", "The two recordings compared"), table(["", one.name, other.name, "difference"], rows, "Differences of two recordings"));
  return box;
}
