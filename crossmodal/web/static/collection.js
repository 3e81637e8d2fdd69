// Show the collection as a whole: the map, the models and their figures, the runs.

import { describe, latestRuns, map, models, status } from "./api.js";
import { $, bytes, count, day, h } from "./dom.js";
import { showLineage } from "./lineage.js";

const NUM_PICKED = 8;
const HUES = 16;

let shown = null; // the map
let chosen = null; // a cluster's number

const colour = (cluster, light = 50) => `hsl(${Math.round((cluster * 360 * 7) / HUES) % 360} 60% ${light}%)`;

function say(text, isProblem = false) {
  $("map-said").textContent = text;
  $("map-said").classList.toggle("of-problem", isProblem);
}

// Points

function draw() {
  const canvas = $("points");
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const radius = shown.points.length > 5000 ? 1.6 : shown.points.length > 500 ? 3 : 5;
  for (const [, x, y, cluster] of shown.points) {
    pen.globalAlpha = chosen === null || chosen === cluster ? 0.85 : 0.12;
    pen.fillStyle = colour(cluster);
    pen.beginPath();
    pen.arc(...onCanvas(x, y), radius, 0, 2 * Math.PI);
    pen.fill();
  }
}

// A margin keeps the outermost points and names on the sheet.
const inset = (part) => 0.05 + 0.9 * part;
const onCanvas = (x, y) => [inset(x) * $("points").width, inset(y) * $("points").height];

function label() {
  $("labels").replaceChildren(
    ...shown.clusters.filter((each) => of(each.cluster).length).map((each) => {
      const [x, y] = middle(of(each.cluster));
      const name = h("span", { data: { cluster: each.cluster } }, each.name);
      name.style.left = `${inset(x) * 100}%`;
      name.style.top = `${inset(y) * 100}%`;
      return name;
    }),
  );
  arrange();
}

// Names stay on the sheet; one that would cover the name of a larger cluster is left to the list.
function arrange() {
  const sheet = $("chart").querySelector(".sheet").getBoundingClientRect();
  const placed = [];
  for (const name of $("labels").children) {
    name.style.marginLeft = "0";
    const free = name.getBoundingClientRect();
    const aside = Math.max(0, sheet.left + 2 - free.left) - Math.max(0, free.right + 2 - sheet.right);
    name.style.marginLeft = `${aside}px`;
    const box = name.getBoundingClientRect();
    const covers = placed.some((other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom);
    name.classList.toggle("covered", covers);
    if (!covers) placed.push(box);
  }
}

const of = (cluster) => shown.points.filter((point) => point[3] === cluster);
const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const middle = (points) => [median(points.map((p) => p[1])), median(points.map((p) => p[2]))];

function nearest(x, y, points) {
  const far = (point) => (point[1] - x) ** 2 + (point[2] - y) ** 2;
  return [...points].sort((a, b) => far(a) - far(b)).slice(0, NUM_PICKED);
}

// What lies there

async function pick(points) {
  const found = await Promise.all(points.map((point) => describe(point[0], null, 0).catch(() => null)));
  $("picked").replaceChildren(...found.filter(Boolean).map(({ chunk }) => h("li", {}, face(chunk))));
}

function face(chunk) {
  const place = chunk.place ? `, ${chunk.place}` : "";
  const inside = chunk.thumbnail
    ? h("img", { src: `${chunk.thumbnail}?side=160`, alt: "", loading: "lazy", onerror: standIn })
    : h("span", { class: "mini" }, chunk.text.slice(0, 120) || chunk.name);
  return h("a", { href: `/?like=${chunk.chunk_id}`, title: chunk.uri, "aria-label": `Similar to ${chunk.name}${place}` }, inside);
}

function standIn(event) {
  const link = event.target.closest("a");
  event.target.replaceWith(h("span", { class: "mini" }, link.getAttribute("aria-label")));
}

function choose(cluster) {
  chosen = chosen === cluster ? null : cluster;
  for (const button of $("clusters").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.cluster) === chosen));
  }
  for (const name of $("labels").children) {
    const isChosen = Number(name.dataset.cluster) === chosen;
    name.classList.toggle("dim", chosen !== null && !isChosen);
    name.classList.toggle("chosen", isChosen);
  }
  draw();
  if (chosen === null) $("picked").replaceChildren();
  else pick(nearest(...middle(of(chosen)), of(chosen)));
}

function listClusters() {
  $("clusters").replaceChildren(
    ...shown.clusters.map((each) => {
      const dot = h("span", { class: "dot", "aria-hidden": "true" });
      dot.style.background = colour(each.cluster);
      const attributes = { type: "button", "aria-pressed": "false", data: { cluster: each.cluster }, onclick: () => choose(each.cluster) };
      return h("li", {}, h("button", attributes, dot, h("span", {}, `${each.name} (${each.num_chunks.toLocaleString("en")})`)));
    }),
  );
}

async function showMap() {
  try {
    shown = await map();
  } catch (problem) {
    say(`${problem.message[0].toUpperCase()}${problem.message.slice(1)}: ${problem.hint}`, problem.status !== 404);
    return;
  }
  const some = shown.points.length < shown.num_chunks ? `, of which ${shown.points.length.toLocaleString("en")} are shown` : "";
  say(`${count(shown.num_chunks, "chunk", "chunks")}${some}, as ${shown.model} sees them: what is alike lies together.`);
  $("chart").hidden = false;
  listClusters();
  draw();
  label();
}

addEventListener("resize", () => shown && arrange());
$("points").addEventListener("click", (event) => {
  const sheet = event.target.getBoundingClientRect();
  const at = (part) => (part - 0.05) / 0.9;
  const x = at((event.clientX - sheet.left) / sheet.width);
  const y = at((event.clientY - sheet.top) / sheet.height);
  pick(nearest(x, y, chosen === null ? shown.points : of(chosen)));
});

// Tables

function table(id, header, rows) {
  $(id).replaceChildren(
    h("thead", {}, h("tr", {}, header.map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, at) => h("td", { class: header[at][1] }, cell))))),
  );
}

const figure = (found) =>
  h("div", {}, `${found.set_name}, ${found.pair}: R@10 ${found.recall_at_10.toFixed(3)} ` +
    `[${found.low.toFixed(3)}, ${found.high.toFixed(3)}] of ${found.num_items.toLocaleString("en")}, ${found.ms_per_query.toFixed(1)} ms`);

const duty = (model) =>
  model.serves.length ? h("span", { class: "live" }, model.serves.join(", ")) : model.is_former ? "former" : "";

async function showModels() {
  const header = [["Version", "label"], ["Serves", null], ["Dimensions", "number"], ["Vectors", "number"], ["Size", "number"], ["Licence", null], ["Figures", null]];
  const rows = (await models()).map((model) => [
    model.label,
    duty(model),
    String(model.dim),
    Object.values(model.vectors).reduce((a, b) => a + b, 0).toLocaleString("en"),
    bytes(model.vector_bytes),
    model.licence,
    model.figures.length ? model.figures.map(figure) : "none yet",
  ]);
  table("models", header, rows);
}

const took = (seconds) => (seconds === null ? "runs" : seconds < 100 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`);

async function showRuns() {
  const header = [["Run", null], ["Flow", null], ["Began", null], ["Took", "number"], ["Embedded", "number"], ["State", null], ["Said", "path"]];
  const rows = (await latestRuns()).map((run) => [
    run.run_id.slice(0, 8),
    run.flow,
    day(run.started_at),
    took(run.wall_s),
    run.num_embedded === null ? "" : run.num_embedded.toLocaleString("en"),
    h("span", { class: run.state === "completed" ? null : "failed" }, run.state),
    run.message,
  ]);
  table("runs", header, rows);
}

async function showSums() {
  const found = await status();
  $("sums").textContent = `${count(found.num_sources, "file", "files")}, ${count(found.num_chunks, "chunk", "chunks")}, ${bytes(found.disk_bytes)}`;
}

const parts = [showSums, showMap, showModels, showLineage, showRuns];
Promise.all(parts.map((part) => part().catch((problem) => say(problem.message, true)))).then(() => {
  document.body.dataset.ready = "yes";
});
