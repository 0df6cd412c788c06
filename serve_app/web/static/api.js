/** Requests to the service this page came from; nowhere else. */

/** The JSON answer with samples and marks, which the page draws. */
export const DISPLAY = "application/vnd.ecg-serve.display+json";
/** What the page does not show is not computed. */
const PARTS = "clinical,measurements,quality";
/** What fewer leads and shorter recordings still get. */
const WITHOUT_MODELS = "measurements,quality";
const UNFIT = ["missing_leads", "recording_too_short", "invalid_samples"];

/** An API key, for as long as this page is open; it is written nowhere. */
let key = "";

/** @param {string} text */
export function presentKey(text) { key = text.trim(); }

/** @param {string} url @param {RequestInit} [request] @returns {Promise<Response>} with the key, if there is one */
function send(url, request = {}) {
  const headers = new Headers(request.headers);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  return fetch(url, { ...request, headers });
}

/** @typedef {{files: File[], fields: Record<string, string>} | {sample: string}} Source */

/** A refusal, with what the service says of it. */
export class Refusal extends Error {
  /** @param {string} message @param {string} [code] @param {number} [status] */
  constructor(message, code = "", status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** @param {Response} response */
async function refusal(response) {
  try {
    const p = await response.json();
    const parts = [p.detail ?? p.title, p.field ? `Field: ${p.field}` : "", p.expected ? `Expected: ${JSON.stringify(p.expected)}` : "", p.got ? `Got: ${JSON.stringify(p.got)}` : ""];
    return new Refusal(parts.filter(Boolean).join("\n"), p.code, response.status);
  } catch {
    return new Refusal(`The service answered ${response.status}.`, "", response.status);
  }
}

/** @param {Source} source @returns {Promise<RequestInit>} */
async function body(source) {
  if ("sample" in source) {
    const response = await fetch(`/samples/${encodeURIComponent(source.sample)}`);
    if (!response.ok) throw await refusal(response);
    return { body: await response.text(), headers: { "Content-Type": "application/json" } };
  }
  const form = new FormData();
  for (const file of source.files) form.append("file", file, file.name);
  for (const [name, value] of Object.entries(source.fields)) if (value) form.append(name, value);
  return { body: form };
}

/** @param {RequestInit} request @param {string} accept @param {string} query */
async function post(request, accept, query) {
  const headers = { ...(request.headers ?? {}), Accept: accept };
  const response = await send(`/analyze${query}`, { method: "POST", ...request, headers });
  if (!response.ok) throw await refusal(response);
  return response;
}

/**
 * The service's answer on a recording, in a media type. What no model takes is measured all the same.
 * @param {Source} source @param {string} accept @returns {Promise<Response>}
 */
export async function ask(source, accept = DISPLAY) {
  const request = await body(source);
  try {
    return await post(request, accept, accept === DISPLAY ? `?include=${PARTS}` : "");
  } catch (error) {
    if (!(error instanceof Refusal) || !UNFIT.includes(error.code)) throw error;
    return post(request, accept, `?include=${WITHOUT_MODELS}`);
  }
}

/** @returns {Promise<any>} */
export async function health() {
  return (await fetch("/health")).json();
}

/** What the service did of late; refused with 401 or 403 to who may not know. @returns {Promise<any>} */
export async function activity() {
  const response = await send("/health/activity");
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/** @returns {Promise<{name: string, title: string}[]>} */
export async function samples() {
  return (await (await fetch("/samples")).json()).samples;
}
