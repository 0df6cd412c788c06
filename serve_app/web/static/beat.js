/** The median beat: all leads over each other, with the edges that the intervals were measured between. */

import { decode, perMillivolt } from "./signal.js";
import { element, grid, trace } from "./paper.js";

const LOOK = { layout: /** @type {"12x1"} */ ("12x1"), speed: 100, gain: 20, from: 0 };
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
  const width = Math.ceil((signal.seconds * LOOK.speed + 4) / 5) * 5;
  const height = 60;
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Median beat with the edges of P, QRS and T",
    "data-r-mm": 2 + (beat.r / beat.fs) * LOOK.speed, "data-mm-per-ms": LOOK.speed / 1000 });
  svg.style.width = size(width);
  grid(svg, width, height);
  const millivolt = perMillivolt(signal);
  for (const lead of signal.leads) {
    const cell = { lead, x: 2, y: height * 0.6, from: 0, seconds: signal.seconds };
    svg.append(element("path", { class: "trace", "data-lead": lead, d: trace(signal.samples[lead], signal.fs, cell, LOOK, millivolt) }));
  }
  Object.entries(NAMES).forEach(([mark, name], i) => {
    const ms = beat.marks[mark];
    if (ms === null || ms === undefined) return;
    const x = 2 + (beat.r / beat.fs + ms / 1000) * LOOK.speed;
    svg.append(element("path", { class: "mark", "data-mark": mark, "data-ms": ms, d: `M${x} 0V${height}` }));
    svg.append(element("text", { class: "mark-name", x: x + 0.5, y: 3 + 3 * (i % 2) }, name));
  });
  return svg;
}

/** Show which marks a value was measured between. @param {string | null} interval */
export function choose(interval) {
  const marks = interval && interval in BETWEEN ? BETWEEN[/** @type {keyof typeof BETWEEN} */ (interval)] : [];
  for (const mark of document.querySelectorAll(".mark")) {
    mark.classList.toggle("chosen", marks.includes(/** @type {SVGElement} */ (mark).dataset.mark ?? ""));
  }
}
