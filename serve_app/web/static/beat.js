/** The median beat: all leads over each other, with the edges that the intervals were measured between. */

import { decode, perMillivolt } from "./signal.js";
import { element, grid, trace } from "./paper.js";

const SPEED = 100; // mm/s
const GAINS = [20, 10, 5, 2.5]; // mm/mV: the largest that fits
const HEIGHT = 60;
const ZERO = 0.6 * HEIGHT; // of the level between beats
const NAMES = {
  p_onset: "P", p_offset: "P end", qrs_onset: "QRS", qrs_offset: "J", t_end: "T end",
};
/** Which marks an interval lies between. */
export const BETWEEN = {
  pr_interval: ["p_onset", "qrs_onset"], p_duration: ["p_onset", "p_offset"], qrs_duration: ["qrs_onset", "qrs_offset"],
  qt_interval: ["qrs_onset", "t_end"], qtc_fridericia: ["qrs_onset", "t_end"], qtc_bazett: ["qrs_onset", "t_end"],
};

/**
 * @param {any} beat the `median_beat` of the waveform part, or null
 * @param {(mm: number) => string} size CSS length of a number of millimetres
 * @returns {HTMLElement | SVGElement}
 */
export function drawBeat(beat, size) {
  if (!beat) {
    const none = document.createElement("p");
    none.textContent = "Fewer than three beats of one shape were found: there is no median beat.";
    return none;
  }
  const signal = decode(beat);
  const width = Math.ceil((signal.seconds * SPEED + 4) / 5) * 5;
  const height = HEIGHT;
  const millivolt = perMillivolt(signal);
  let [up, down] = [0, 0];
  for (const lead of signal.leads) for (const v of signal.samples[lead]) { up = Math.max(up, v / millivolt); down = Math.max(down, -v / millivolt); }
  const gain = GAINS.find((g) => up * g < ZERO - 8 && down * g < HEIGHT - ZERO) ?? GAINS[GAINS.length - 1];
  const look = { layout: /** @type {"12x1"} */ ("12x1"), speed: SPEED, gain, from: 0 };
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Median beat with the edges of P, QRS and T",
    "data-r-mm": 2 + (beat.r / beat.fs) * SPEED, "data-mm-per-ms": SPEED / 1000 });
  svg.style.width = size(width);
  grid(svg, width, height);
  for (const lead of signal.leads) {
    const cell = { lead, x: 2, y: ZERO, from: 0, seconds: signal.seconds };
    svg.append(element("path", { class: "trace", "data-lead": lead, d: trace(signal.samples[lead], signal.fs, cell, look, millivolt) }));
  }
  Object.entries(NAMES).forEach(([mark, name], i) => {
    const ms = beat.marks[mark];
    if (ms === null || ms === undefined) return;
    const x = 2 + (beat.r / beat.fs + ms / 1000) * SPEED;
    svg.append(element("path", { class: "mark", "data-mark": mark, "data-ms": ms, d: `M${x} 0V${height}` }));
    svg.append(element("text", { class: "mark-name", x: x + 0.5, y: 3 + 3 * (i % 2) }, name));
  });
  svg.append(element("text", { class: "mark-name", x: 2, y: height - 1.5 }, `${SPEED} mm/s${signal.unit === "mV" ? `, ${gain} mm/mV` : ""}`));
  return svg;
}

/** Show which marks a value was measured between. @param {string | null} interval */
export function choose(interval) {
  const marks = interval && interval in BETWEEN ? BETWEEN[/** @type {keyof typeof BETWEEN} */ (interval)] : [];
  for (const mark of document.querySelectorAll(".mark")) {
    mark.classList.toggle("chosen", marks.includes(/** @type {SVGElement} */ (mark).dataset.mark ?? ""));
  }
}
