// Draw one hit as what it is: a picture, a moment of a film, a stretch of sound, a passage.

import { addressOf } from "./api.js";
import { clock, h, icon } from "./dom.js";
import { shortly, standIn } from "./standin.js";

const TEXTS = new Set(["passage", "cue", "rows", "table", "ocr", "speech"]);
export const isText = (hit) => TEXTS.has(hit.kind) || hit.modality === "text";

export const KINDS = {
  image: "Picture",
  region: "Part of a picture",
  passage: "Passage",
  page_image: "Page",
  figure: "Figure",
  frame: "Film",
  clip: "Film clip",
  cue: "Subtitles",
  window: "Sound",
  rows: "Table rows",
  table: "Table",
  cell_image: "Picture in a table",
  ocr: "Text in a picture",
  speech: "Speech",
};

// A wave is drawn on nothing and may be stretched; all else is a picture.
export const look = (hit) => (hit.medium?.player === "audio" ? "wave" : null);

export const kindOf = (hit) => KINDS[hit.kind] ?? hit.kind;

export function card(hit, open, verdict = null) {
  const label = [hit.name, hit.place, kindOf(hit)].filter(Boolean).join(", ");
  return h(
    "li",
    { class: `card ${isText(hit) ? "of-text" : "of-media"}` },
    h(
      "button",
      { type: "button", class: "face", "aria-label": label, data: { chunk: hit.chunk_id }, onclick: () => open(hit) },
      isText(hit) ? passage(hit) : media(hit),
      caption(hit),
    ),
    verdict,
  );
}

function media(hit) {
  const box = h("div", { class: "media" });
  if (hit.thumbnail) {
    const picture = h("img", { src: addressOf(hit.thumbnail, { side: 320 }), alt: "", class: look(hit), loading: "lazy", decoding: "async" });
    box.append(standIn(picture, picture.src, shortly(kindOf(hit))));
  } else {
    box.append(h("div", { class: "blank" }, shortly(kindOf(hit))(null)));
  }
  if (hit.medium && hit.facts.start_s !== undefined) {
    box.append(h("span", { class: "moment" }, icon("play"), clock(hit.facts.start_s)));
  }
  return box;
}

function passage(hit) {
  const timed = hit.medium && hit.facts.start_s !== undefined;
  return h(
    "div",
    { class: "words" },
    hit.section.length ? h("p", { class: "section" }, hit.section.join(" › ")) : null,
    h("p", { class: "text" }, ...excerpt(hit)),
    timed ? h("span", { class: "moment" }, icon("play"), clock(hit.facts.start_s)) : null,
  );
}

const NUM_SHOWN = 600;
const NUM_SEEN = 220;

// What is nearest to the question is marked, and the text begins there where it would be out of
// sight. A passage begins with its headings, which stand above it already. Places count code points,
// as Python does.
export function excerpt(hit) {
  const text = [...hit.text];
  const spans = hit.spans ?? [];
  const first = afterHeadings(hit);
  const isFar = spans.length > 0 && spans[0][1] - first > NUM_SEEN && spans[0][0] > first;
  const begin = isFar ? spans[0][0] : first;
  const end = Math.min(text.length, begin + NUM_SHOWN);
  const parts = isFar ? ["… "] : [];
  let at = begin;
  for (const [start, stop] of spans) {
    if (start < at || start >= end) continue;
    parts.push(text.slice(at, start).join(""), h("mark", {}, text.slice(start, Math.min(stop, end)).join("")));
    at = Math.min(stop, end);
  }
  parts.push(text.slice(at, end).join(""));
  return parts;
}

function afterHeadings(hit) {
  let at = 0;
  for (const line of hit.text.split("\n").slice(0, -1)) {
    if (!hit.section.includes(line.trim())) break;
    at += [...line].length + 1;
  }
  return at;
}

function caption(hit) {
  const place = hit.medium?.start_s !== undefined && hit.medium?.start_s !== null ? "" : hit.place;
  const alike = hit.alike?.length ? `${hit.alike.length} nearly the same` : "";
  const about = [kindOf(hit), place, alike].filter(Boolean).join(" · ");
  return h(
    "div",
    { class: "caption" },
    h("div", { class: "title" }, h("span", { class: "filename", title: hit.uri }, hit.name), score(hit)),
    h("div", { class: "about" }, h("span", { title: (hit.alike ?? []).join("\n") }, about), h("span", { class: "path", title: hit.folder }, folder(hit))),
  );
}

const told = (hit) =>
  hit.because === undefined
    ? `Cosine similarity ${hit.score.toFixed(3)}, to be compared among results of one kind`
    : `Suits what is liked by ${hit.score.toFixed(2)}: 0 suits like anything else`;

export const score = (hit) =>
  h(
    "span",
    { class: `score ${hit.strength ? `of-${hit.strength}` : ""}`, title: told(hit) },
    hit.strength || hit.score.toFixed(hit.because === undefined ? 3 : 2),
  );

// The end of a long path says more than its beginning.
function folder(hit) {
  const [, scheme, path] = hit.folder.match(/^([a-z][a-z0-9+.-]*:\/\/)?(.*)$/is);
  const names = path.split("/").filter(Boolean);
  return names.length > 2 ? `${scheme ?? ""}…/${names.slice(-2).join("/")}` : hit.folder || "/";
}

export function skeletons(number) {
  return Array.from({ length: number }, () =>
    h("li", { class: "card skeleton", "aria-hidden": "true" }, h("div", { class: "media" }), h("div", { class: "caption" })),
  );
}
