// Hold what somebody likes and dislikes: chips, how varied the answer is, how much colours count.

import { addressOf } from "./api.js";
import { $, h, icon } from "./dom.js";
import { MAX_EXAMPLES, SLIDERS, TASTE, hasTaste } from "./address.js";

const NAMES = { likes: "Like", dislikes: "Dislike" };

export function setUpTaste({ changed, recommend }) {
  for (const [name, unmoved] of Object.entries(SLIDERS)) {
    const slider = $("taste").elements[name];
    slider.addEventListener("input", () => say(slider, slider.value));
    slider.addEventListener("change", () => changed({ [name]: Number(slider.value) === unmoved ? "" : slider.value }));
  }
  $("taste").addEventListener("submit", (event) => {
    event.preventDefault();
    recommend();
  });
  $("forget-taste").addEventListener("click", () =>
    changed(Object.fromEntries([...Object.keys(TASTE).map((side) => [side, []]), ...Object.keys(SLIDERS).map((name) => [name, ""])])),
  );
}

export function showTaste(state, { changed, isRecommending }) {
  const form = $("taste");
  form.hidden = !hasTaste(state);
  const chips = Object.keys(TASTE).flatMap((side) => state[side].map((id) => chip(side, id, () => changed(toggled(state, side, id)))));
  $("examples").replaceChildren(...chips);
  for (const name of Object.keys(SLIDERS)) {
    form.elements[name].value = state[name] || "0";
    say(form.elements[name], state[name]);
  }
  $("recommend").hidden = isRecommending;
}

// What is liked is not disliked; said twice, it is taken back.
export function toggled(state, side, chunkId) {
  const id = String(chunkId);
  const [other] = Object.keys(TASTE).filter((name) => name !== side);
  const without = state[side].filter((each) => each !== id);
  const isNew = without.length === state[side].length;
  return { [side]: isNew ? [...without, id].slice(-MAX_EXAMPLES) : without, [other]: state[other].filter((each) => each !== id) };
}

export function tasteButtons(chunk, { taste, toggle }) {
  const show = (button, side) => button.setAttribute("aria-pressed", String(taste()[side].includes(String(chunk.chunk_id))));
  const buttons = Object.keys(TASTE).map((side) => h("button", { type: "button", data: { side } }, NAMES[side]));
  const all = () => buttons.forEach((button) => show(button, button.dataset.side));
  for (const button of buttons) {
    button.addEventListener("click", () => {
      toggle(chunk, button.dataset.side);
      all();
    });
  }
  all();
  return buttons;
}

function say(slider, value) {
  const share = value ? Number(value) : SLIDERS[slider.name];
  const words = share === null ? "auto" : share === 0 ? "off" : `${Math.round(100 * share)} %`;
  slider.setAttribute("aria-valuetext", words);
  slider.nextElementSibling.textContent = words;
}

function chip(side, id, remove) {
  const face = h("img", { src: addressOf(`/api/v1/thumbnail/${id}`, { side: 160 }), alt: "" });
  face.addEventListener("error", () => face.replaceWith(h("span", {}, `item ${id}`)), { once: true });
  const label = `${NAMES[side]}: item ${id}, remove`;
  const button = h("button", { type: "button", class: "plain", "aria-label": label, onclick: remove }, icon("close"));
  return h("li", {}, h("span", { "aria-hidden": "true" }, TASTE[side]), face, button);
}
