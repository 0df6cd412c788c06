/**
 * The samples and marks of a recording, as the service's `waveform` part gives them.
 *
 * @typedef {Object} Signal
 * @property {number} fs              samples per second
 * @property {string | null} unit     "mV", or null when the recording has no unit
 * @property {string[]} leads
 * @property {Record<string, Float32Array>} samples  by lead; NaN where a sample is missing
 * @property {number} seconds
 */

/** @param {string} text base64 of little-endian int16 @returns {Int16Array} */
function int16(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Int16Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i, true));
}

/**
 * Decode one block of samples.
 * @param {{fs: number, unit: string | null, leads: string[], scale: number, missing: number, samples: string[]}} block
 * @returns {Signal}
 */
export function decode(block) {
  /** @type {Record<string, Float32Array>} */
  const samples = {};
  block.leads.forEach((lead, i) => {
    samples[lead] = Float32Array.from(int16(block.samples[i]), (n) => (n === block.missing ? NaN : n * block.scale));
  });
  const length = block.leads.length ? samples[block.leads[0]].length : 0;
  return { fs: block.fs, unit: block.unit, leads: block.leads, samples, seconds: length / block.fs };
}

/** Median of the samples that are there; 0 without any. @param {Float32Array} values */
export function median(values) {
  const there = values.filter((v) => !Number.isNaN(v)).sort();
  const half = there.length >> 1;
  return there.length === 0 ? 0 : there.length % 2 ? there[half] : (there[half - 1] + there[half]) / 2;
}

/**
 * What 1 mV is in the samples' own unit; without a unit, two thirds of the tallest lead's height over its median counts
 * as 1 mV so that it fits the paper, and the page says that amplitudes mean nothing.
 * @param {Signal} signal @returns {number}
 */
export function perMillivolt(signal) {
  if (signal.unit === "mV") return 1;
  let highest = 0;
  for (const lead of signal.leads) {
    const middle = median(signal.samples[lead]);
    for (const v of signal.samples[lead]) if (Math.abs(v - middle) > highest) highest = Math.abs(v - middle);
  }
  return highest > 0 ? highest / 1.5 : 1;
}
