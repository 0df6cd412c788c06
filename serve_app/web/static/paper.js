/** Traces on millimetre paper. Everything is in millimetres: the SVG's user unit is one millimetre of paper. */

import { median, perMillivolt } from "./signal.js";

const SVG = "http://www.w3.org/2000/svg";
const PULSE_MM = 5; // 200 ms at 25 mm/s, before each row
const TOP_MM = 6;
const NAME_MM = 3.8; // from the upper edge of a row to the foot of its lead's name
const OFFSET_MV = 0.3; // a lead whose median is farther from zero is drawn about its median
const ENOUGH = 0.8; // of the paper's seconds: of a shorter recording every column shows the same first seconds
const COLUMNS = {
  "3x4": [["I", "II", "III"], ["aVR", "aVL", "aVF"], ["V1", "V2", "V3"], ["V4", "V5", "V6"]],
  "6x2": [["I", "II", "III", "aVR", "aVL", "aVF"], ["V1", "V2", "V3", "V4", "V5", "V6"]],
  "12x1": [["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]],
};
const SECONDS = 10; // of paper

/**
 * @typedef {Object} Cell  one stretch of one lead on the paper
 * @property {string} lead
 * @property {number} x       left edge, mm
 * @property {number} y       its zero line, mm
 * @property {number} row     height of its row, mm; the zero line is in the middle
 * @property {number} from    seconds of the recording at the left edge
 * @property {number} seconds how long the stretch is
 * @property {number} [offset] what is taken off its samples, in their own unit
 *
 * @typedef {Object} Look
 * @property {"3x4" | "6x2" | "12x1"} layout
 * @property {number} speed  mm/s
 * @property {number} gain   mm/mV
 * @property {number} from   first second shown
 */

/** @param {string} name @param {Record<string, string | number>} attributes @returns {SVGElement} */
export function element(name, attributes, text = "") {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (text) node.textContent = text;
  return node;
}

/**
 * Before each row, for the calibration pulse. @param {Look} look
 */
export const leftMm = (look) => 5 + PULSE_MM * look.speed / 25;

/**
 * Where each lead stands on the paper. Columns share the seconds that are there one after another; of a short recording
 * they all show its first seconds, so that no lead is without a beat.
 * @param {string[]} leads that the recording has @param {Look} look @param {number} length of the recording, seconds
 * @returns {{cells: Cell[], width: number, height: number}}
 */
export function arrange(leads, look, length) {
  const have = new Set(leads);
  let columns = COLUMNS[look.layout].map((column) => column.filter((lead) => have.has(lead))).filter((c) => c.length);
  const known = new Set(columns.flat());
  const others = leads.filter((lead) => !known.has(lead));
  if (!columns.length || others.length) columns = [leads]; // what is no standard set stands in one column
  const left = leftMm(look);
  const start = Math.min(look.from, Math.max(0, length - 1)); // never after the end
  const shown = Math.min(SECONDS, length - start);
  const oneAfterAnother = shown >= ENOUGH * SECONDS;
  const each = oneAfterAnother ? shown / columns.length : Math.min(shown, SECONDS / columns.length);
  const wide = oneAfterAnother ? each : SECONDS / columns.length;
  const rowMm = Math.max(columns.length === 1 && columns[0].length > 6 ? 16 : 22, 2 * look.gain);
  /** @type {Cell[]} */
  const cells = [];
  columns.forEach((column, c) => column.forEach((lead, r) => cells.push({
    lead, x: left + c * wide * look.speed, y: TOP_MM + (r + 0.5) * rowMm, row: rowMm, from: start + (oneAfterAnother ? c * each : 0), seconds: each,
  })));
  let rows = Math.max(...columns.map((c) => c.length));
  if (look.layout === "3x4" && columns.length === 4 && have.has("II")) {
    cells.push({ lead: "II", x: left, y: TOP_MM + (rows + 0.5) * rowMm, row: rowMm, from: start, seconds: shown });
    rows += 1;
  }
  const round5 = (/** @type {number} */ mm) => Math.ceil(mm / 5) * 5;
  return { cells, width: round5(left + SECONDS * look.speed + 5), height: round5(TOP_MM + rows * rowMm + 4) };
}

/** @param {number} width @param {number} height @param {number} step */
function lines(width, height, step) {
  let path = "";
  for (let x = 0; x <= width + 1e-6; x += step) path += `M${x} 0V${height}`;
  for (let y = 0; y <= height + 1e-6; y += step) path += `M0 ${y}H${width}`;
  return path;
}

/** @param {SVGElement} svg @param {number} width @param {number} height */
export function grid(svg, width, height) {
  svg.append(element("path", { class: "grid-minor", d: lines(width, height, 1) }));
  svg.append(element("path", { class: "grid-major", d: lines(width, height, 5) }));
}

/**
 * The line of one stretch; a missing sample lifts the pen.
 * @param {Float32Array} values @param {number} fs @param {Cell} cell @param {Look} look @param {number} millivolt
 */
export function trace(values, fs, cell, look, millivolt) {
  const first = Math.max(0, Math.round(cell.from * fs));
  const last = Math.min(values.length - 1, Math.round((cell.from + cell.seconds) * fs));
  const xStep = look.speed / fs;
  const yScale = look.gain / millivolt;
  const parts = [];
  const offset = cell.offset ?? 0;
  let down = false;
  for (let i = first; i <= last; i += 1) {
    const v = values[i];
    if (Number.isNaN(v)) { down = false; continue; }
    parts.push(`${down ? "L" : "M"}${(cell.x + (i - cell.from * fs) * xStep).toFixed(3)} ${(cell.y - (v - offset) * yScale).toFixed(3)}`);
    down = true;
  }
  return parts.join("");
}

/**
 * Take the offset off each lead whose baseline is not near zero: the median of its drawn seconds.
 * @param {Cell[]} cells @param {import("./signal.js").Signal} signal @param {number} millivolt
 */
function removeOffsets(cells, signal, millivolt) {
  const first = Math.round(Math.min(...cells.map((c) => c.from)) * signal.fs);
  const last = Math.round(Math.max(...cells.map((c) => c.from + c.seconds)) * signal.fs) + 1;
  for (const lead of new Set(cells.map((c) => c.lead))) {
    const middle = median(signal.samples[lead].subarray(first, last));
    if (Math.abs(middle) > OFFSET_MV * millivolt) for (const cell of cells) if (cell.lead === lead) cell.offset = middle;
  }
}

/**
 * Sentences that a reader of the traces must see: which seconds are drawn, what was taken off, what is not to be seen.
 * @param {Cell[]} cells @param {import("./signal.js").Signal} signal @param {Look} look @param {number} millivolt
 * @param {number} height of the paper, mm
 */
export function notes(cells, signal, look, millivolt, height) {
  const names = (/** @type {Cell[]} */ some) => {
    const leads = [...new Set(some.map((c) => c.lead))];
    return leads.length > 1 && leads.length === new Set(cells.map((c) => c.lead)).size ? "all leads" : leads.join(", ");
  };
  const short = (/** @type {number} */ value) => String(Number(value.toFixed(2)));
  const begin = Math.min(...cells.map((c) => c.from));
  const each = Math.min(...cells.map((c) => c.seconds));
  let drawn = `Drawn: ${short(begin)} to ${short(Math.max(...cells.map((c) => c.from + c.seconds)))} s of ${short(signal.seconds)} s`;
  if (new Set(cells.map((c) => c.x)).size > 1) {
    drawn += new Set(cells.map((c) => c.from)).size > 1 ? `; columns one after another, ${short(each)} s each` : `; every column shows the same ${short(each)} s`;
  }
  const empty = [], cut = [], over = [];
  for (const cell of cells) {
    const values = signal.samples[cell.lead].subarray(Math.round(cell.from * signal.fs), Math.round((cell.from + cell.seconds) * signal.fs) + 1);
    const seen = values.filter((v) => !Number.isNaN(v)).map((v) => (v - (cell.offset ?? 0)) / millivolt * look.gain);
    const up = seen.reduce((most, v) => Math.max(most, v), 0), down = seen.reduce((least, v) => Math.min(least, v), 0);
    if (seen.length < 2) empty.push(cell);
    else if (up > cell.y || -down > height - cell.y) cut.push(cell);
    else if (Math.max(up, -down) > cell.row) over.push(cell);
  }
  const said = [`${drawn}.`];
  if (empty.length) said.push(`No samples in the seconds drawn: ${names(empty)}.`);
  const moved = cells.filter((c) => c.offset);
  if (moved.length) {
    const sizes = moved.map((c) => c.offset ?? 0);
    const size = (/** @type {number} */ v) => (v > 0 ? "+" : "−") + (signal.unit === "mV" ? `${Math.abs(v).toFixed(1)} mV` : Math.abs(v).toPrecision(3));
    const [least, most] = [size(Math.min(...sizes)), size(Math.max(...sizes))];
    said.push(`Offset removed: ${least === most ? least : `${least} to ${most}`} (${names(moved)}).`);
  }
  if (cut.length) said.push(`Cut at the edge of the paper: ${names(cut)}.`);
  if (over.length) said.push(`Reaching into other rows: ${names(over)}.`);
  return said;
}

/**
 * Draw a recording on paper.
 * @param {import("./signal.js").Signal} signal @param {Look} look
 * @param {Record<string, {grade: string, causes: {code: string}[]}>} quality by lead
 * @returns {{svg: SVGSVGElement, cells: Cell[], width: number, height: number, said: string[]}}
 */
export function draw(signal, look, quality) {
  const { cells, width, height } = arrange(signal.leads, look, signal.seconds);
  const millivolt = perMillivolt(signal);
  removeOffsets(cells, signal, millivolt);
  const svg = /** @type {SVGSVGElement} */ (element("svg", {
    viewBox: `0 0 ${width} ${height}`, "data-width-mm": width, "data-height-mm": height, role: "img", tabindex: 0,
    "aria-label": `ECG traces of ${signal.leads.join(", ")} at ${look.speed} mm/s and ${look.gain} mm/mV`,
  }));
  grid(svg, width, height);
  for (const y of new Set(cells.map((cell) => cell.y))) {
    const up = signal.unit === "mV" ? look.gain : 0; // without a unit no pulse would be true
    if (up) svg.append(element("path", { class: "pulse", d: `M2 ${y}h1v${-up}h${PULSE_MM * look.speed / 25}v${up}h1` }));
  }
  const names = element("g", {});
  for (const cell of cells) {
    svg.append(element("path", { class: "trace", "data-lead": cell.lead, d: trace(signal.samples[cell.lead], signal.fs, cell, look, millivolt) }));
    if (cell.x > leftMm(look)) svg.append(element("path", { class: "separator", d: `M${cell.x} ${cell.y - 3}v6` }));
    const judged = quality[cell.lead];
    const name = element("text", { class: `lead-name ${judged ? judged.grade : ""}`, x: cell.x + 1.2, y: cell.y - cell.row / 2 + NAME_MM },
      judged && judged.grade !== "Excellent" && judged.grade !== "Good" ? `${cell.lead} (${judged.grade.toLowerCase()})` : cell.lead);
    if (judged && judged.causes.length) name.append(element("title", {}, judged.causes.map((c) => c.code.replaceAll("_", " ")).join(", ")));
    names.append(name);
  }
  svg.append(names); // above every trace
  return { svg, cells, width, height, said: notes(cells, signal, look, millivolt, height) };
}
