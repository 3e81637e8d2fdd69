// Draw what every model version was made from: a column a level, a line from parent to child.

import { lineage } from "./api.js";
import { $, count, h, svg } from "./dom.js";

const WIDE = 240;
const HIGH = 84;
const GAP_X = 96;
const GAP_Y = 20;
const LETTERS = 28;

const cut = (text) => (text.length > LETTERS ? `${text.slice(0, LETTERS - 1)}…` : text);
const left = (node) => 1 + node.level * (WIDE + GAP_X);
const top = (node) => 1 + node.place * (HIGH + GAP_Y);

function duties(node) {
  const found = node.serves.length ? [`live: ${node.serves.join(", ")}`] : node.is_former ? ["live before"] : [];
  if (node.in_trial) found.push("in an A/B trial");
  if (node.is_pinned) found.push("pinned");
  return found.join(", ") || (node.kind === "gone" ? "collected" : "serves nothing");
}

const said = (edge) =>
  [edge.kind, ...Object.entries(edge.how).map(([name, value]) => `${name.replace("_", " ")} ${value}`), edge.run && `run ${edge.run.slice(0, 8)}`]
    .filter(Boolean)
    .join(", ");

function box(node) {
  const lines = [cut(node.label), duties(node), node.best ? cut(node.best) : count(node.num_vectors, "vector", "vectors")];
  const texts = lines.map((line, at) =>
    svg("text", { x: left(node) + 10, y: top(node) + 24 + at * 22, class: at ? "faint" : "name" }, line),
  );
  const title = svg("title", {}, `${node.label}: ${duties(node)}${node.best ? `; ${node.best}` : ""}`);
  const kind = node.serves.length ? "box live" : `box ${node.kind}`;
  return svg("g", { class: kind }, title, svg("rect", { x: left(node), y: top(node), width: WIDE, height: HIGH, rx: 6 }), texts);
}

function line(edge, parent, child) {
  const from = [left(parent) + WIDE, top(parent) + HIGH / 2];
  const to = [left(child), top(child) + HIGH / 2];
  const half = (from[0] + to[0]) / 2;
  const path = `M${from} C${half},${from[1]} ${half},${to[1]} ${to}`;
  return svg(
    "g",
    { class: "made" },
    svg("title", {}, `${child.label} was made from ${parent.label}: ${said(edge)}`),
    svg("path", { d: path }),
    svg("text", { x: half, y: (from[1] + to[1]) / 2 - 6, "text-anchor": "middle", class: "faint" }, edge.kind),
  );
}

export async function showLineage() {
  const { nodes, edges } = await lineage();
  const by = new Map(nodes.map((node) => [node.id, node]));
  const wide = Math.max(...nodes.map(left), 0) + WIDE + 1;
  const high = Math.max(...nodes.map(top), 0) + HIGH + 1;
  const lines = edges.map((edge) => line(edge, by.get(edge.parent), by.get(edge.child)));
  const drawing = svg(
    "svg",
    { width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-labelledby": "lineage-title lineage-said" },
    lines,
    nodes.map(box),
  );
  $("lineage").replaceChildren(drawing);
  const made = edges.map((edge) => h("li", {}, `${by.get(edge.child).label} from ${by.get(edge.parent).label}: ${said(edge)}`));
  $("made").replaceChildren(...made);
  $("lineage-said").textContent = nodes.length
    ? `${count(nodes.length, "version", "versions")}, ${edges.length.toLocaleString("en")} of them made from another.`
    : "There is no model version yet.";
}
