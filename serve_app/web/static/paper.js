/** Traces on millimetre paper. Everything is in millimetres: the SVG's user unit is one millimetre of paper. */

import { perMillivolt } from "./signal.js";

const SVG = "http://www.w3.org/2000/svg";
const PULSE_MM = 5; // 200 ms at 25 mm/s, before each row
const LEFT_MM = 10;
const TOP_MM = 6;
const NAME_MM = 9; // of a lead's name over its zero line
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
 * @property {number} from    seconds of the recording at the left edge
 * @property {number} seconds how long the stretch is
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
 * Where each lead stands on the paper.
 * @param {string[]} leads that the recording has @param {Look} look
 * @returns {{cells: Cell[], width: number, height: number}}
 */
export function arrange(leads, look) {
  const have = new Set(leads);
  let columns = COLUMNS[look.layout].map((column) => column.filter((lead) => have.has(lead))).filter((c) => c.length);
  const known = new Set(columns.flat());
  const others = leads.filter((lead) => !known.has(lead));
  if (!columns.length || others.length) columns = [leads]; // what is no standard set stands in one column
  const perColumn = SECONDS / columns.length;
  const rowMm = Math.max(columns.length === 1 && columns[0].length > 6 ? 16 : 22, 2 * look.gain);
  /** @type {Cell[]} */
  const cells = [];
  columns.forEach((column, c) => column.forEach((lead, r) => cells.push({
    lead, x: LEFT_MM + c * perColumn * look.speed, y: TOP_MM + (r + 0.5) * rowMm, from: look.from + c * perColumn, seconds: perColumn,
  })));
  let rows = Math.max(...columns.map((c) => c.length));
  if (look.layout === "3x4" && columns.length === 4 && have.has("II")) {
    cells.push({ lead: "II", x: LEFT_MM, y: TOP_MM + (rows + 0.5) * rowMm, from: look.from, seconds: SECONDS });
    rows += 1;
  }
  const round5 = (/** @type {number} */ mm) => Math.ceil(mm / 5) * 5;
  return { cells, width: round5(LEFT_MM + SECONDS * look.speed + 5), height: round5(TOP_MM + rows * rowMm + 4) };
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
  let down = false;
  for (let i = first; i <= last; i += 1) {
    const v = values[i];
    if (Number.isNaN(v)) { down = false; continue; }
    parts.push(`${down ? "L" : "M"}${(cell.x + (i - cell.from * fs) * xStep).toFixed(3)} ${(cell.y - v * yScale).toFixed(3)}`);
    down = true;
  }
  return parts.join("");
}

/**
 * Draw a recording on paper.
 * @param {import("./signal.js").Signal} signal @param {Look} look
 * @param {Record<string, {grade: string, causes: {code: string}[]}>} quality by lead
 * @returns {{svg: SVGSVGElement, cells: Cell[], width: number, height: number}}
 */
export function draw(signal, look, quality) {
  const { cells, width, height } = arrange(signal.leads, look);
  const millivolt = perMillivolt(signal);
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
    if (cell.x > LEFT_MM) svg.append(element("path", { class: "separator", d: `M${cell.x} ${cell.y - 3}v6` }));
    const judged = quality[cell.lead];
    const name = element("text", { class: `lead-name ${judged ? judged.grade : ""}`, x: cell.x + 1.2, y: cell.y - NAME_MM },
      judged && judged.grade !== "Excellent" && judged.grade !== "Good" ? `${cell.lead} (${judged.grade.toLowerCase()})` : cell.lead);
    if (judged && judged.causes.length) name.append(element("title", {}, judged.causes.map((c) => c.code.replaceAll("_", " ")).join(", ")));
    names.append(name);
  }
  svg.append(names); // above every trace
  return { svg, cells, width, height };
}
