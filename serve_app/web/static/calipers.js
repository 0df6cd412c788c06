/** Calipers on a paper: two lines that snap to samples; distances in ms, bpm and mV; march-out at equal steps. */

import { element } from "./paper.js";
import { perMillivolt } from "./signal.js";

/**
 * @param {SVGSVGElement} svg @param {import("./paper.js").Cell[]} cells @param {import("./signal.js").Signal} signal
 * @param {import("./paper.js").Look} look @param {() => boolean} marching @param {HTMLElement} output
 */
export function addCalipers(svg, cells, signal, look, marching, output) {
  const layer = element("g", {});
  svg.append(layer);
  const millivolt = perMillivolt(signal);
  /** @type {{cell: import("./paper.js").Cell, a: number, b: number} | null} samples of the recording */
  let held = null;

  /** @param {PointerEvent} event */
  const at = (event) => {
    const matrix = svg.getScreenCTM();
    if (!matrix) return null;
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    return { x: point.x, y: point.y };
  };
  /** @param {{x: number, y: number}} point the cell under a point, by the nearest zero line */
  const cellAt = (point) => cells
    .filter((cell) => point.x >= cell.x && point.x <= cell.x + cell.seconds * look.speed)
    .sort((p, q) => Math.abs(p.y - point.y) - Math.abs(q.y - point.y))[0];
  /** @param {number} x @param {import("./paper.js").Cell} cell */
  const sampleAt = (x, cell) => {
    const sample = Math.round((cell.from + (x - cell.x) / look.speed) * signal.fs);
    const first = Math.ceil(cell.from * signal.fs);
    const last = Math.min(Math.floor((cell.from + cell.seconds) * signal.fs), signal.samples[cell.lead].length - 1);
    return Math.min(Math.max(sample, first), last);
  };

  const show = () => {
    layer.replaceChildren();
    if (!held) return;
    const { cell, a, b } = held;
    const xOf = (/** @type {number} */ s) => cell.x + (s / signal.fs - cell.from) * look.speed;
    const line = (/** @type {number} */ s, /** @type {string} */ kind) => layer.append(
      element("path", { class: kind, d: `M${xOf(s)} ${cell.y - 11}v22` }));
    if (marching() && a !== b) {
      const step = Math.abs(b - a);
      const first = Math.ceil(cell.from * signal.fs);
      const last = Math.floor((cell.from + cell.seconds) * signal.fs);
      for (let s = Math.min(a, b) - step; s >= first; s -= step) line(s, "caliper-march");
      for (let s = Math.max(a, b) + step; s <= last; s += step) line(s, "caliper-march");
    }
    line(a, "caliper-line");
    line(b, "caliper-line");
    const ms = (Math.abs(b - a) / signal.fs) * 1000;
    const values = signal.samples[cell.lead];
    const mv = (values[b] - values[a]) / millivolt;
    output.dataset.ms = String(ms);
    output.dataset.lead = cell.lead;
    output.textContent = `${cell.lead}: ${ms.toFixed(0)} ms` + (ms ? `, ${(60000 / ms).toFixed(0)} bpm` : "")
      + (signal.unit === "mV" && !Number.isNaN(mv) ? `, ${mv.toFixed(2)} mV` : "");
  };

  svg.addEventListener("pointerdown", (event) => {
    const point = at(event);
    const cell = point && cellAt(point);
    if (!point || !cell) return;
    svg.setPointerCapture(event.pointerId);
    const sample = sampleAt(point.x, cell);
    held = { cell, a: sample, b: sample };
    show();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!held || !svg.hasPointerCapture(event.pointerId)) return;
    const point = at(event);
    if (point) { held.b = sampleAt(point.x, held.cell); show(); }
  });
  svg.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (event.key === "Escape") { held = null; show(); }
    if (!step) return;
    event.preventDefault();
    if (!held) { const cell = cells[0]; const s = sampleAt(cell.x, cell); held = { cell, a: s, b: s }; }
    const moved = event.shiftKey ? "a" : "b";
    held[moved] = Math.max(Math.ceil(held.cell.from * signal.fs), Math.min(held[moved] + step, signal.samples[held.cell.lead].length - 1));
    show();
  });
  return { redraw: show };
}
