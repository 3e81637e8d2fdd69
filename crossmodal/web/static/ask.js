// Answer a question by what the sources say: grouped by source, cited to the place, sentences marked.

import { addressOf, answer, sees } from "./api.js";
import { excerpt, isText, kindOf } from "./cards.js";
import { $, clock, count, h } from "./dom.js";
import { shortly, standIn } from "./standin.js";

const MODALITIES = ["image", "text", "audio"];
const WRITTEN = new Set(["ocr"]);
let asking = new AbortController();

// The address says what is asked, so that a link leads to the same answer.

function fromAddress() {
  const query = new URLSearchParams(location.search);
  return {
    q: query.get("q") ?? "",
    modality: query.getAll("modality").filter((name) => MODALITIES.includes(name)),
    where: query.getAll("where"),
  };
}

function toAddress({ q, modality, where }) {
  const query = new URLSearchParams(q ? { q } : {});
  for (const name of modality) query.append("modality", name);
  for (const condition of where) query.append("where", condition);
  const text = query.toString();
  return text ? `/ask?${text}` : "/ask";
}

function asked() {
  const chosen = [...document.querySelectorAll("#kinds input:checked")].map((box) => box.value);
  return { q: $("q").value.trim(), modality: chosen, where: fromAddress().where };
}

function fill(state) {
  $("q").value = state.q;
  for (const box of document.querySelectorAll("#kinds input")) box.checked = state.modality.includes(box.value);
  $("search-link").href = state.q ? `/?${new URLSearchParams({ q: state.q })}` : "/";
  document.title = state.q ? `${state.q} · crossmodal` : "Ask · crossmodal";
  sees(state.where);
}

function go() {
  history.pushState(null, "", toAddress(asked()));
  refresh();
}

const say = (text) => ($("said").textContent = text);

function notice(title, text, isProblem = false) {
  $("notice").hidden = !title;
  $("notice").classList.toggle("of-problem", isProblem);
  $("notice").replaceChildren(...(title ? [h("h2", {}, title), h("p", {}, text)] : []));
}

async function refresh() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const state = fromAddress();
  fill(state);
  $("answer").replaceChildren();
  notice("", "");
  if (!state.q) {
    notice("Ask the collection", "The sentences, rows, moments and screenshots that answer come back, each with its place.");
    say("");
    $("q").focus();
    return;
  }
  $("answer").setAttribute("aria-busy", "true");
  say("Looking for an answer…");
  const slow = setTimeout(() => say("Looking for an answer. The first question loads the model and takes longer."), 2500);
  try {
    show(await answer(parameters(state), signal));
  } catch (problem) {
    if (problem.name === "AbortError") return;
    say("");
    notice("That did not work", [problem.message, problem.hint].filter(Boolean).join(": "), true);
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) $("answer").setAttribute("aria-busy", "false");
  }
}

const parameters = ({ q, modality, where }) => [
  ["q", q],
  ...modality.map((name) => ["modality", name]),
  ...where.map((condition) => ["where", condition]),
];

function show(found) {
  $("answer").replaceChildren(...found.sources.map(source));
  if (!found.sources.length) {
    say(found.notices.join(". "));
    notice("No source answers", "Ask in other words, or in all kinds of sources.");
    return;
  }
  const verdict = found.verdict.charAt(0).toUpperCase() + found.verdict.slice(1);
  const took = found.took_ms < 1000 ? `${Math.round(found.took_ms)} ms` : `${(found.took_ms / 1000).toFixed(1)} s`;
  say([verdict, `${count(found.sources.length, "source", "sources")}, in ${took}`, ...found.notices].filter(Boolean).join(". "));
}

function source(each) {
  const { name, folder } = each.evidence[0].hit;
  const plays = each.plays ? `of ${each.plays.split("/").pop()}` : "";
  return h(
    "li",
    { class: "source" },
    h(
      "div",
      { class: "source-head" },
      h("span", { class: "number", "aria-hidden": "true" }, `[${each.number}]`),
      h("h2", { id: `source-${each.number}` }, [name, plays].filter(Boolean).join(" ")),
      h("span", { class: "where", title: each.uri }, folder),
    ),
    ...each.evidence.map((one) => evidence(one, each.number)),
  );
}

const KINDS = { ocr: "Text in a picture", speech: "Spoken", image: "Picture", figure: "Figure", frame: "Moment", clip: "Clip", cue: "Moment", window: "Moment" };
const named = (hit) => KINDS[hit.kind] ?? kindOf(hit);

function evidence(one, number) {
  const { hit } = one;
  const picture = isPicture(hit) ? view(hit) : null;
  const label = `[${number}] ${[hit.name, one.place].filter(Boolean).join(", ")}`;
  return h(
    "article",
    { class: `evidence ${picture ? "of-picture" : ""}`, tabindex: -1, "aria-label": label, data: { cite: citation(one) } },
    picture,
    h(
      "div",
      {},
      h(
        "p",
        { class: "cite" },
        h("span", { class: "place" }, one.place || named(hit)),
        one.place ? h("span", {}, named(hit)) : null,
        hit.strength ? h("span", { class: `of-${hit.strength}` }, hit.strength) : null,
      ),
      hit.text ? h("p", { class: "quote" }, ...excerpt(hit)) : null,
      actions(one),
    ),
  );
}

// A screenshot is seen beside the words that were read in it.
const isPicture = (hit) => Boolean(hit.thumbnail) && (!isText(hit) || WRITTEN.has(hit.kind) || hit.kind === "cue");

function view(hit) {
  const image = h("img", { src: addressOf(hit.thumbnail, { side: 640 }), alt: "", loading: "lazy", decoding: "async" });
  return h("div", { class: "view" }, standIn(image, image.src, shortly(kindOf(hit))));
}

const citation = ({ hit, place, quotes }) => {
  const said = quotes.length ? `“${quotes.join(" … ")}” ` : "";
  return `${said}(${[hit.name, place].filter(Boolean).join(", ")})`;
};

function actions(one) {
  const { hit } = one;
  const player = hit.medium?.player;
  const isPlayed = player === "video" || player === "audio";
  const from = hit.medium?.start_s ?? 0;
  const play = h("button", { type: "button", class: "open", onclick: () => play.replaceWith(playing(hit, player, from)) }, `Play from ${clock(from)}`);
  const file = addressOf(player === "pdf" ? hit.medium.url : hit.source);
  return h(
    "div",
    { class: "links" },
    isPlayed ? play : null,
    h("a", { class: isPlayed ? "button" : "button open", href: file, target: "_blank", rel: "noopener" }, "Open file"),
    h("a", { class: "button", href: `/?like=${hit.chunk_id}` }, "Find similar"),
    h("button", { type: "button", class: "copy", onclick: (event) => copy(event.target.closest("article")) }, "Copy citation"),
  );
}

function playing(hit, tag, from) {
  const element = h(tag, { src: addressOf(hit.medium.url), controls: true, preload: "metadata", playsinline: true });
  const begin = () => {
    element.currentTime = from;
    element.play().catch(() => {}); // a browser may want a click first
  };
  element.addEventListener("loadedmetadata", begin, { once: true });
  return standIn(element, element.src, (problem) => problem?.message ?? "This browser cannot play the file here. Open it instead.");
}

async function copy(article) {
  const button = article.querySelector(".copy");
  try {
    await navigator.clipboard.writeText(article.dataset.cite);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Could not copy";
  }
  setTimeout(() => (button.textContent = "Copy citation"), 1500);
}

function move(by) {
  const all = [...document.querySelectorAll(".evidence")];
  const at = all.indexOf(document.activeElement?.closest?.(".evidence"));
  const next = all[at < 0 ? 0 : at + by];
  if (!next) return by < 0 ? $("q").focus() : null;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, video, audio");
  const here = document.activeElement?.closest?.(".evidence");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    $("q").select();
  } else if ((event.key === "ArrowDown" && (!typing || event.target === $("q"))) || (event.key === "ArrowUp" && !typing)) {
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && event.target === here) here.querySelector(".open").click();
  else if (event.key === "c" && here && !typing) copy(here);
});

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("q").value.trim()) go();
});
$("kinds").addEventListener("change", () => $("q").value.trim() && go());
window.addEventListener("popstate", refresh);
refresh();
