/** The page: what is open, and what the controls do. */

import { ask, presentKey, Refusal, samples } from "./api.js";
import { drawBeat } from "./beat.js";
import { addCalipers } from "./calipers.js";
import { draw } from "./paper.js";
import * as report from "./report.js";
import { showService } from "./service.js";
import { decode } from "./signal.js";

/** @typedef {{source: import("./api.js").Source, name: string, answer: any, signal: import("./signal.js").Signal}} Opened */

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const input = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id));
const CSS_PX_PER_MM = 96 / 25.4;
/** @type {Opened[]} one, or two to compare */
let opened = [];
let zoom = 1;
let ruler = Number(localStorage.getItem("screen-scale")) || 1; // what CSS calls a millimetre, as measured on this screen
const ruled = () => localStorage.getItem("screen-scale") !== null;

const size = (/** @type {number} */ mm) => `${mm * CSS_PX_PER_MM * ruler * zoom}px`;

/** @returns {import("./paper.js").Look} */
function look() {
  return {
    layout: /** @type {any} */ (input("layout").value), speed: Number(input("speed").value), gain: Number(input("gain").value),
    from: Math.max(0, Number(input("from").value) || 0),
  };
}

function sayScale() {
  const { speed, gain } = look();
  const known = opened[0].signal.unit === "mV";
  const true_ = zoom === 1 ? (ruled() ? "true size on this screen" : "true size in print; check this screen with a ruler once") : `${Math.round(100 * zoom)} % of true size`;
  byId("scale").textContent = `${speed} mm/s, ${known ? `${gain} mm/mV` : "amplitudes without a unit"}, ${true_}.`;
}

function drawPapers() {
  const papers = byId("papers");
  papers.replaceChildren();
  papers.className = opened.length > 1 ? "two" : "";
  for (const one of opened) {
    const { svg, cells, width, height, said } = draw(one.signal, look(), one.answer.quality.per_lead);
    svg.style.width = size(width);
    svg.style.height = size(height);
    const place = report.node("section");
    const paper = report.node("div", "", "paper");
    if (opened.length > 1) place.append(report.node("h2", one.name));
    paper.append(svg);
    place.append(report.node("p", said.join(" "), "drawn"), paper);
    papers.append(place);
    addCalipers(svg, cells, one.signal, look(), () => input("march").checked, byId("caliper"));
  }
  sayScale();
}

function show() {
  const { answer } = opened[opened.length - 1];
  byId("headline").replaceChildren(report.headline(answer));
  byId("findings").replaceChildren(report.findings(answer));
  byId("intervals").replaceChildren(report.intervals(answer));
  byId("model").replaceChildren(report.model(answer));
  byId("quality").replaceChildren(report.quality(answer));
  byId("beat").replaceChildren(drawBeat(answer.waveform.median_beat, (mm) => `${mm * CSS_PX_PER_MM * ruler}px`));
  byId("compare").hidden = opened.length < 2;
  byId("which").hidden = opened.length < 2;
  byId("which").textContent = `Of the second, ${opened[opened.length - 1].name}:`;
  if (opened.length > 1) byId("compare").replaceChildren(report.compare(opened[0], opened[1]));
  input("from").max = String(Math.max(0, opened[0].signal.seconds - 10));
  byId("result").hidden = false;
  drawPapers();
}

/** @param {import("./api.js").Source} source @param {string} name */
async function open(source, name) {
  const message = byId("message");
  message.className = "message";
  message.textContent = `Analysing ${name} …`;
  try {
    const answer = await (await ask(source)).json();
    const one = { source, name, answer, signal: decode(answer.waveform) };
    opened = input("second").checked && opened.length ? [opened[0], one] : [one];
    zoom = 1;
    input("from").value = "0";
    message.textContent = `${name}: ${one.signal.seconds.toFixed(1)} s, ${one.signal.leads.length} leads.`;
    show();
  } catch (error) {
    sayFailure(error, `${name} was not read.`);
  }
}

/** @param {FileList | File[]} list */
function openFiles(list) {
  const files = [...list];
  if (!files.length) return;
  open({ files, fields: { fs: input("fs").value, leads: input("leads").value, units: input("units").value } }, files[0].name);
}

/** @param {string} accept @param {string} ending */
async function download(accept, ending) {
  const one = opened[opened.length - 1];
  try {
    const blob = await (await ask(one.source, accept)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `ecg-report.${ending}`;
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    sayFailure(error, `There is no ${ending} of it.`);
  }
}

/** What came of a request that failed. @param {unknown} error @param {string} what */
function sayFailure(error, what) {
  const message = byId("message");
  message.className = "message error";
  message.textContent = error instanceof Refusal ? `${what}\n${error.message}` : "The service does not answer. Is it still running?";
  if (error instanceof Refusal && error.status === 401) {
    byId("key-box").setAttribute("open", "");
    byId("key").focus();
  }
}

/** @param {boolean} service */
function view(service) {
  byId("recording-view").hidden = service;
  byId("service-view").hidden = !service;
  byId("show-recording").setAttribute("aria-pressed", String(!service));
  byId("show-service").setAttribute("aria-pressed", String(service));
}

byId("show-recording").addEventListener("click", () => view(false));
byId("show-service").addEventListener("click", () => { view(true); showService(); });
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  presentKey(input("key").value);
  byId("key-said").textContent = input("key").value ? "The key is presented from now on." : "No key is presented.";
  showService();
});
byId("open").addEventListener("submit", (event) => event.preventDefault());
byId("files").addEventListener("change", () => { const files = input("files").files; if (files) openFiles(files); });
for (const name of ["dragover", "dragenter"]) byId("drop").addEventListener(name, (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
byId("drop").addEventListener("dragleave", () => byId("drop").classList.remove("over"));
byId("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("over");
  const dropped = /** @type {DragEvent} */ (event).dataTransfer;
  if (dropped) openFiles(dropped.files);
});
byId("sample").addEventListener("change", () => { const { value } = input("sample"); if (value) open({ sample: value }, /** @type {any} */ (input("sample")).selectedOptions[0].text); });
for (const id of ["layout", "speed", "gain", "from", "march"]) byId(id).addEventListener("change", drawPapers);
const zoomBy = (/** @type {number} */ factor) => { zoom = Math.min(8, Math.max(0.25, zoom * factor)); drawPapers(); };
byId("zoom-in").addEventListener("click", () => zoomBy(1.25));
byId("zoom-out").addEventListener("click", () => zoomBy(0.8));
byId("zoom-one").addEventListener("click", () => { zoom = 1; drawPapers(); });
byId("print").addEventListener("click", () => window.print());
byId("ruler-open").addEventListener("click", () => { byId("ruler").hidden = false; input("ruler-size").value = String(ruler); fitRuler(); });
const fitRuler = () => { byId("ruler-bar").style.width = `${85.6 * CSS_PX_PER_MM * Number(input("ruler-size").value)}px`; };
byId("ruler-size").addEventListener("input", fitRuler);
byId("ruler-done").addEventListener("click", () => {
  ruler = Number(input("ruler-size").value);
  localStorage.setItem("screen-scale", String(ruler));
  byId("ruler").hidden = true;
  show();
});
// Paper is true to scale whatever this screen's scale and zoom are.
let before = { zoom, ruler };
window.addEventListener("beforeprint", () => { before = { zoom, ruler }; if (opened.length) { zoom = 1; ruler = 1; drawPapers(); } });
window.addEventListener("afterprint", () => { ({ zoom, ruler } = before); if (opened.length) drawPapers(); });
for (const button of document.querySelectorAll("[data-accept]")) {
  const { accept, ending } = /** @type {HTMLElement} */ (button).dataset;
  button.addEventListener("click", () => download(accept ?? "", ending ?? ""));
}
samples().then((list) => byId("sample").append(...list.map((s) => { const o = new Option(s.title, s.name); return o; })));
showService();
setInterval(showService, 5000);
