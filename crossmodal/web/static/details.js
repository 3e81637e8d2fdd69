// Show one chunk whole: what it is, why it matched, what stands around it, and what is like it.

import { describe, searchSimilar, addressOf } from "./api.js";
import { isText, kindOf, look } from "./cards.js";
import { $, bytes, clock, day, h, icon } from "./dom.js";
import { tasteButtons } from "./taste.js";
import { shortly, standIn } from "./standin.js";

const LISTS = { image: "Pictures", text: "Text", audio: "Sound" };
const MORE_AROUND = 8;
let shown = 0;

export async function showDetails(chunkId, { queryId, map, actions, step }) {
  const turn = ++shown;
  const dialog = $("details");
  if (!dialog.open) {
    dialog.replaceChildren(bar("Loading", actions, null), h("div", { class: "body loading", "aria-busy": "true" }));
    dialog.showModal();
  }
  let found;
  try {
    found = await describe(chunkId, queryId, 2);
  } catch (problem) {
    if (turn === shown) dialog.replaceChildren(bar("Not available", actions, step), failure(problem));
    return;
  }
  if (turn !== shown || !dialog.open) return;
  const { chunk } = found;
  const body = h("div", { class: "body" });
  dialog.replaceChildren(bar(chunk.name, actions, step), body);
  const first = isText(chunk) ? [words(found, queryId), medium(chunk, map)] : [medium(chunk, map), words(found, queryId)];
  const parts = [...first, links(chunk, actions), why(found), facts(found), likes(chunk, actions, turn)];
  body.append(...parts.filter(Boolean));
  body.scrollTop = 0;
  dialog.querySelector(".close").focus();
}

export function hideDetails() {
  shown += 1;
  const dialog = $("details");
  for (const player of dialog.querySelectorAll("video, audio")) player.pause();
  if (dialog.open) dialog.close();
  dialog.replaceChildren();
}

function bar(title, actions, step) {
  const move = (by, name, label) =>
    h("button", { type: "button", class: "plain", "aria-label": label, title: label, disabled: !step?.can(by), onclick: () => step?.by(by) }, icon(name));
  return h(
    "div",
    { class: "dialog-bar" },
    h("h2", { id: "details-title" }, title),
    move(-1, "left", "Previous result"),
    move(1, "right", "Next result"),
    h("button", { type: "button", class: "plain close", "aria-label": "Close", title: "Close", onclick: actions.close }, icon("close")),
  );
}

const failure = (problem) =>
  h("div", { class: "body" }, h("p", { class: "problem" }, problem.message), problem.hint ? h("p", {}, problem.hint) : null);

function medium(chunk, map) {
  const player = chunk.medium?.player;
  if (player === "video" || player === "audio") return playing(chunk, player);
  if (!chunk.thumbnail || (isText(chunk) && player !== "pdf")) return null;
  const picture = h("img", { src: addressOf(chunk.thumbnail, { side: 1024 }), alt: chunk.text.slice(0, 200) || chunk.name });
  standIn(picture, picture.src, told(`This ${kindOf(chunk).toLowerCase()} cannot be shown.`));
  const stage = h("div", { class: isText(chunk) ? "stage page" : "stage" }, picture);
  return map ? h("div", {}, stage, mapped(chunk, map, stage)) : stage;
}

// Where a reranker of pages found the words: drawn when somebody asks, since it takes a model.
function mapped(chunk, map, stage) {
  const plain = stage.firstChild;
  const button = h("button", { type: "button", class: "link", "aria-pressed": "false" }, "Show where it matches");
  let drawn = null;
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Show it as it is" : "Show where it matches";
    if (on && !drawn) {
      const picture = h("img", { class: "map", src: addressOf(map), alt: `Where ${chunk.name} matches: the redder, the better` });
      drawn = h("div", {}, picture);
      standIn(picture, picture.src, told("Where it matches cannot be shown."));
    }
    stage.replaceChildren(on ? drawn : plain);
  });
  return button;
}

// The server's words are for a person already.
const told = (otherwise) => (problem) => (problem ? problem.message : otherwise);

function playing(chunk, tag) {
  const start = chunk.medium.start_s ?? 0;
  const poster = tag === "video" && chunk.thumbnail ? addressOf(chunk.thumbnail, { side: 640 }) : null;
  const element = h(tag, { src: addressOf(chunk.medium.url), controls: true, preload: "metadata", poster, playsinline: true });
  element.addEventListener(
    "loadedmetadata",
    () => {
      element.currentTime = start;
      // A browser may want a click first; then the person presses play.
      element.play().catch(() => {});
    },
    { once: true },
  );
  const box = h("div", { class: `stage of-${tag}` });
  if (tag === "audio" && chunk.thumbnail) {
    const wave = h("img", { class: "wave", src: addressOf(chunk.thumbnail, { side: 640 }), alt: "" });
    wave.addEventListener("error", () => wave.remove(), { once: true }); // the player says why
    box.append(wave);
  }
  const otherwise = "This browser cannot play the file here. Open the original instead.";
  box.append(standIn(element, element.src, told(otherwise)));
  const until = chunk.medium.end_s ? ` to ${clock(chunk.medium.end_s)}` : "";
  box.append(h("p", { class: "quiet" }, `Matched from ${clock(start)}${until}`));
  return box;
}

function words(found, queryId) {
  const { chunk } = found;
  if (!chunk.text && !(found.parent?.text ?? "") && !chunk.section.length) return null;
  const box = h("section", { class: "passages short" });
  fillWords(box, found);
  if (isText(chunk) && (found.before.length || found.after.length)) {
    const more = h("button", { type: "button", class: "link" }, "Show more around it");
    more.addEventListener("click", async () => {
      more.disabled = true;
      try {
        fillWords(box, await describe(chunk.chunk_id, queryId, MORE_AROUND));
        box.classList.remove("short");
      } catch (problem) {
        box.append(h("p", { class: "problem" }, problem.message));
      }
    });
    box.append(more);
  }
  return box;
}

function fillWords(box, found) {
  const { chunk } = found;
  const beside = (near) => h("p", { class: "beside", title: near.place }, near.text || near.place);
  const text = isText(chunk);
  const owner = !text && found.parent?.text ? h("p", { class: "beside" }, found.parent.text) : null;
  box.replaceChildren(
    ...[
      chunk.section.length ? h("p", { class: "section" }, chunk.section.join(" › ")) : null,
      ...(text ? found.before.map(beside) : []),
      chunk.text ? h("p", { class: "here" }, chunk.text) : null,
      ...(text ? found.after.map(beside) : []),
      owner,
    ].filter(Boolean),
  );
}

function links(chunk, actions) {
  const copy = h("button", { type: "button" }, "Copy path");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(chunk.uri);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Could not copy";
    }
    setTimeout(() => (copy.textContent = "Copy path"), 1500);
  });
  const page = chunk.medium?.player === "pdf" ? chunk.medium.url : chunk.source;
  return h(
    "div",
    { class: "links" },
    h("button", { type: "button", class: "main", onclick: () => actions.similar(chunk) }, "Find similar"),
    ...tasteButtons(chunk, actions),
    ...(actions.canMix()
      ? [
          h("button", { type: "button", onclick: () => actions.mix(chunk, "plus") }, "More of this"),
          h("button", { type: "button", onclick: () => actions.mix(chunk, "minus") }, "Less of this"),
        ]
      : []),
    h("a", { class: "button", href: addressOf(page), target: "_blank", rel: "noopener" }, "Open file"),
    copy,
  );
}

function why(found) {
  if (!found.why.length) return null;
  const rows = found.why.map((match) =>
    h(
      "tr",
      {},
      h("td", {}, LISTS[match.modality] ?? match.modality),
      h("td", { class: "number" }, match.score.toFixed(3)),
      h("td", { class: "number" }, match.rank ? `${match.rank} of ${match.num_vectors.toLocaleString("en")}` : "–"),
      h("td", { class: "path" }, match.model),
    ),
  );
  const head = ["List", "Score", "Rank", "Model"].map((name, i) => h("th", { scope: "col", class: i === 1 || i === 2 ? "number" : null }, name));
  return h("section", {}, h("h3", {}, "Why it matched"), h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}

function facts(found) {
  const { chunk } = found;
  const f = chunk.facts;
  const rows = [
    ["Path", chunk.uri],
    ["Kind", [kindOf(chunk), chunk.place].filter(Boolean).join(", ")],
    ["File", `${chunk.media_type || "unknown type"}, ${bytes(chunk.size_bytes)}`],
    f.width && f.height ? ["Size", `${f.width} × ${f.height} pixels`] : null,
    f.duration_s ? ["Length", clock(f.duration_s)] : null,
    ["Changed", day(chunk.modified)],
    ["Indexed", day(found.copies[0]?.indexed_at)],
    chunk.medium && chunk.medium.uri !== chunk.uri ? ["Plays", chunk.medium.uri] : null,
    found.copies.length > 1 ? ["Copies", found.copies.slice(1).map((copy) => copy.uri).join("\n")] : null,
    ["Chunk", `${chunk.chunk_id}, number ${found.ordinal + 1} of its file (${found.chunker.split("/")[0]})`],
  ].filter(Boolean);
  const list = rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
  return h("section", {}, h("h3", {}, "Details"), h("dl", {}, list));
}

function likes(chunk, actions, turn) {
  const strip = h("ul", { class: "strip" });
  const box = h("section", { hidden: true }, h("h3", {}, "Similar"), strip);
  searchSimilar(chunk.chunk_id, [["k", "8"]])
    .then((answer) => {
      if (turn !== shown || !answer.hits.length) return;
      strip.replaceChildren(...answer.hits.map((hit) => like(hit, actions)));
      box.hidden = false;
    })
    .catch(() => {}); // the details stand without it
  return box;
}

function small(hit) {
  const picture = h("img", { src: addressOf(hit.thumbnail, { side: 160 }), alt: "", class: look(hit), loading: "lazy" });
  return standIn(picture, picture.src, shortly(kindOf(hit)), "span", "mini");
}

function like(hit, actions) {
  const face =
    hit.thumbnail && !isText(hit)
      ? small(hit)
      : h("span", { class: "mini" }, (hit.text || hit.name).slice(0, 90));
  const label = [hit.name, hit.place].filter(Boolean).join(", ");
  return h("li", {}, h("button", { type: "button", title: label, "aria-label": label, onclick: () => actions.open(hit) }, face, h("span", { class: "like-name" }, hit.name)));
}
