// Tie the page together: the address says what is shown, and everything follows from it.

import { addressOf, recommended, searchPicture, searchSimilar, searchText, sees, status } from "./api.js";
import { card, skeletons } from "./cards.js";
import { hideDetails, showDetails } from "./details.js";
import { $, bytes, count, h, icon } from "./dom.js";
import { cleared, fill, offerTypes, setUpFilters, show as showFilters } from "./filters.js";
import { judgeFocused, verdictOf } from "./judge.js";
import { setUpKeyboard } from "./keyboard.js";
import { setUpTaste, showTaste, toggled } from "./taste.js";
import { PAGE, SIGNS, fromAddress, hasTaste, isMixed, numFilters, parameters, parted, toAddress, wanted } from "./address.js";

let state = fromAddress();
let picture = null;
let answer = null;
let likeName = "";
let asking = new AbortController();
let collection = null;
let stale = false;

function go(changes, { replace = false } = {}) {
  state = { ...state, ...changes };
  history[replace ? "replaceState" : "pushState"](null, "", toAddress(state));
}

const search = (changes) => {
  go({ page: 1, chunk: "", ...changes });
  refresh();
};

async function refresh() {
  asking.abort();
  asking = new AbortController();
  stale = false;
  if (isRecommending()) state.page = 1; // there is but one
  sees(state.where.split(";"));
  showQuery();
  fill(state);
  if (!asksSearch() && !hasTaste(state)) return showStart();
  const { signal } = asking;
  const slow = setTimeout(() => say("Searching. The first search loads the model and takes longer."), 2500);
  busy(true);
  try {
    answer = await find(signal);
    showAnswer();
  } catch (problem) {
    if (problem.name === "AbortError") return;
    showProblem(problem);
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) busy(false);
  }
  if (state.chunk && !signal.aborted) openChunk(state.chunk);
}

const asksSearch = () => Boolean(state.q || state.like || picture);
const isRecommending = () => hasTaste(state) && !asksSearch();

function find(signal) {
  const asks = parameters(state);
  if (picture) return searchPicture(picture.file, asks, signal);
  if (state.like) return searchSimilar(state.like, asks, signal);
  if (state.q) return searchText(state.q, asks, signal);
  return recommended(wanted(state), signal);
}

function busy(on) {
  $("results").setAttribute("aria-busy", String(on));
  if (!on) return;
  say("Searching…");
  $("notice").hidden = true;
  $("pages").hidden = true;
  $("results").replaceChildren(...skeletons(8));
}

const say = (text) => ($("summary").textContent = text);

function showAnswer() {
  const { hits } = answer;
  $("results").replaceChildren(...hits.map((hit) => card(hit, (chosen) => open(chosen), verdictOf(hit, asked(), answer))));
  const first = answer.offset + 1;
  const took = answer.took_ms < 1000 ? `${Math.round(answer.took_ms)} ms` : `${(answer.took_ms / 1000).toFixed(1)} s`;
  const range = hits.length ? `Results ${first} to ${first + hits.length - 1}, in ${took}` : "";
  const verdict = hits.length ? answer.verdict.charAt(0).toUpperCase() + answer.verdict.slice(1) : "";
  say([verdict, range, ...answer.notices].filter(Boolean).join(". "));
  $("pages").hidden = !hits.length || (state.page === 1 && answer.next_offset === null);
  $("previous").disabled = state.page === 1;
  $("next").disabled = answer.next_offset === null;
  $("page").textContent = `Page ${state.page}`;
  if (hits.length) return;
  const filtered = numFilters(state) > 0;
  const nothing =
    state.page > 1 ? `Page ${state.page} is past the last result.`
    : filtered ? "Nothing passes these filters."
    : "The collection holds nothing to compare with.";
  notice(
    state.page > 1 ? "There are no more results" : "Nothing found",
    nothing,
    state.page > 1 ? ["First page", () => search({})] : filtered ? ["Clear filters", () => search(cleared())] : null,
  );
}

// A picture that was sent is not kept, so that nothing could be asked with it again.
function asked() {
  if (picture || isRecommending() || (state.q && isMixed(state))) return null;
  return state.like ? { kind: "chunk", query: state.like } : { kind: "text", query: state.q };
}

function showProblem(problem) {
  answer = null;
  $("results").replaceChildren();
  say("");
  const titles = {
    bad_filter: "This filter cannot be understood",
    collection_missing: "There is no collection yet",
    collection_empty: "The collection is empty",
    collection_busy: "The collection is being written",
    unusable_picture: "This picture cannot be used",
    too_large: "This picture is too large",
    no_such_chunk: "That item is no longer there",
    no_such_example: "Something liked or disliked is no longer there",
    unreachable: "No connection",
    token_needed: "This page needs its token",
  };
  if (problem.word === "bad_filter") showFilters(true);
  const action = problem.word === "bad_filter" ? ["Clear filters", () => search(cleared())] : ["Try again", retry];
  notice(titles[problem.word] ?? "That did not work", sentence(problem), action, true);
}

function retry() {
  refresh();
  readStatus();
}

function sentence(problem) {
  const text = [problem.message, problem.hint].filter(Boolean).join(": ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function notice(title, text, action, isProblem = false) {
  const box = $("notice");
  box.classList.toggle("of-problem", isProblem);
  box.setAttribute("role", isProblem ? "alert" : "note");
  box.replaceChildren(
    h("h2", {}, title),
    h("p", {}, text),
    ...(action ? [h("button", { type: "button", onclick: action[1] }, action[0])] : []),
  );
  box.hidden = false;
}

function showStart() {
  answer = null;
  busy(false);
  say("");
  $("results").replaceChildren();
  $("pages").hidden = true;
  if (collection?.problem) return showProblem(collection.problem);
  const held = collection
    ? `${count(collection.num_sources, "file", "files")} and ${count(collection.num_chunks, "searchable part", "searchable parts")}: pictures, pages, moments of films and passages answer alike.`
    : "";
  notice("Search by meaning", `Describe it in your own words, or drop a picture to find its like. ${held}`, ["Choose a picture", () => $("file").click()]);
}

function showQuery() {
  $("q").value = state.q;
  showParts();
  showTaste(state, { changed: tasteChanged, isRecommending: isRecommending() });
  const box = $("asked");
  box.hidden = !picture && !state.like;
  $("search").classList.toggle("has-picture", !box.hidden);
  if (box.hidden) return;
  const name = picture ? picture.file.name || "pasted picture" : likeName || `item ${state.like}`;
  const face = h("img", { src: picture ? picture.url : addressOf(`/api/v1/thumbnail/${state.like}`, { side: 160 }), alt: "" });
  face.addEventListener("error", () => face.remove(), { once: true });
  box.replaceChildren(
    face,
    h("span", {}, `Like ${name}`),
    h("button", { type: "button", class: "plain", "aria-label": "Remove", onclick: () => forget() }, icon("close")),
  );
}

function showParts() {
  const chips = Object.entries(SIGNS).flatMap(([sign, mark]) =>
    state[sign].map((part, place) => chip(mark, part, () => search({ [sign]: state[sign].filter((_, i) => i !== place) }))),
  );
  $("parts").replaceChildren(...chips);
  $("parts").hidden = !state.q || !chips.length;
}

// A number names an item: it is shown by its picture.
function chip(mark, part, remove) {
  const isItem = /^\d{1,18}$/.test(part);
  const face = isItem ? [h("img", { src: addressOf(`/api/v1/thumbnail/${part}`, { side: 160 }), alt: "" })] : [];
  for (const shown of face) shown.addEventListener("error", () => shown.remove(), { once: true });
  const name = isItem ? `item ${part}` : part;
  const button = h("button", { type: "button", class: "plain", "aria-label": `Remove ${name}`, onclick: remove }, icon("close"));
  return h("li", {}, h("span", {}, mark), ...face, h("span", {}, name), button);
}

function tasteChanged(changes) {
  if (!asksSearch()) return search(changes);
  go(changes, { replace: true });
  return showQuery();
}

function forget() {
  dropPicture();
  search({ like: "" });
  $("q").focus();
}

function dropPicture() {
  if (picture) URL.revokeObjectURL(picture.url);
  picture = null;
}

function usePicture(file) {
  if (!file) return;
  dropPicture();
  picture = { file, url: URL.createObjectURL(file) };
  search({ q: "", like: "", plus: [], minus: [] });
}

const hitsNow = () => answer?.hits ?? [];
const place = () => hitsNow().findIndex((hit) => String(hit.chunk_id) === state.chunk);
const step = {
  can: (by) => place() >= 0 && Boolean(hitsNow()[place() + by]),
  by: (by) => step.can(by) && open(hitsNow()[place() + by], true),
};
const actions = {
  close: () => $("details").close(),
  open: (hit) => open(hit),
  similar: (chunk) => {
    hideDetails();
    dropPicture();
    likeName = chunk.name;
    search({ q: "", like: String(chunk.chunk_id), plus: [], minus: [] });
    scrollTo(0, 0);
  },
  taste: () => state,
  // What is open stays open, so that its other side can be chosen; the answer is new behind it.
  toggle: (chunk, side) => {
    const { chunk: open } = state;
    go({ ...toggled(state, side, chunk.chunk_id), page: 1 }, { replace: true });
    if (asksSearch()) showQuery();
    else if (open) stale = true;
  },
  canMix: () => Boolean(state.q),
  mix: (chunk, sign) => {
    hideDetails();
    const parts = [...new Set([...state[sign], String(chunk.chunk_id)])].slice(-8);
    search({ [sign]: parts });
    scrollTo(0, 0);
  },
};

function open(hit, replace = Boolean(state.chunk)) {
  go({ chunk: String(hit.chunk_id) }, { replace });
  openChunk(state.chunk);
}

const openChunk = (chunk) => {
  const hit = hitsNow().find((each) => String(each.chunk_id) === String(chunk));
  return showDetails(chunk, { queryId: answer?.query_id, map: hit?.why, actions, step });
};

function closed() {
  hideDetails();
  if (stale) {
    stale = false;
    search({});
    return;
  }
  if (!state.chunk) return;
  const face = document.querySelector(`.face[data-chunk="${state.chunk}"]`);
  go({ chunk: "" });
  face?.focus();
}

function setUpPictures() {
  const drop = $("drop");
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  $("pick").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    usePicture($("file").files[0]);
    $("file").value = "";
  });
  addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    drop.classList.add("open");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("open"));
  addEventListener("drop", (event) => {
    drop.classList.remove("open");
    if (!hasFile(event)) return;
    event.preventDefault();
    usePicture(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((pasted) => pasted.type.startsWith("image/"));
    if (file) event.preventDefault();
    usePicture(file);
  });
}

function setUpTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  $("theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
  });
}

async function readStatus() {
  try {
    collection = await status();
    offerTypes(collection.media_types, state.type);
    const name = collection.path.split("/").pop();
    $("collection").textContent = `${name} · ${count(collection.num_sources, "file", "files")} · ${bytes(collection.source_bytes)}`;
    $("collection").title = collection.path;
  } catch (problem) {
    collection = { problem };
  }
  if (!asksSearch() && !hasTaste(state)) showStart();
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("q").value.trim();
  if (!text) return;
  dropPicture();
  search({ ...parted(text), like: "" });
});
$("previous").addEventListener("click", () => turn(-1));
$("next").addEventListener("click", () => turn(1));
$("details").addEventListener("close", closed);
$("details").addEventListener("click", (event) => event.target === $("details") && $("details").close());

function turn(by) {
  go({ page: state.page + by, chunk: "" });
  refresh();
  scrollTo(0, 0);
  $("results").focus({ preventScroll: true });
}

addEventListener("popstate", () => {
  const before = { ...state, chunk: "" };
  state = fromAddress();
  // Only details were opened or closed: the results stand.
  if (answer && toAddress(before) === toAddress({ ...state, chunk: "" })) {
    if (state.chunk) openChunk(state.chunk);
    else hideDetails();
    return;
  }
  hideDetails();
  if (state.q || state.like) dropPicture();
  refresh();
});

setUpFilters((changes) => (asksSearch() || hasTaste(state) ? search(changes) : (go({ ...changes, page: 1 }, { replace: true }), fill(state))));
setUpTaste({ changed: tasteChanged, recommend: () => (dropPicture(), search({ q: "", like: "", plus: [], minus: [] })) });
setUpPictures();
setUpTheme();
setUpKeyboard({ step, judge: judgeFocused, close: () => document.activeElement?.blur() });
if (numFilters(state)) showFilters(true);
if (state.page > Math.floor(10000 / PAGE)) state.page = 1;
refresh();
readStatus();
if (!asksSearch() && !hasTaste(state)) $("q").focus();
