// Keep the filter form and the state alike.

import { $, h } from "./dom.js";
import { FILTERS, numFilters } from "./address.js";

export function setUpFilters(changed) {
  const form = $("filters");
  const toggle = $("toggle-filters");
  toggle.addEventListener("click", () => show(form.hidden));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => changed(read()));
  $("clear-filters").addEventListener("click", () => changed(cleared()));
}

export function show(open) {
  $("filters").hidden = !open;
  $("toggle-filters").setAttribute("aria-expanded", String(open));
}

export const cleared = () => ({
  ...Object.fromEntries(FILTERS.map((name) => [name, ""])),
  modality: [],
  every: false,
});

function read() {
  const data = new FormData($("filters"));
  const values = Object.fromEntries(FILTERS.map((name) => [name, String(data.get(name) ?? "").trim()]));
  return { ...values, modality: data.getAll("modality"), every: data.has("every") };
}

export function fill(state) {
  const form = $("filters");
  for (const name of FILTERS) {
    const field = form.elements[name];
    if (name === "type" && state.type && ![...field.options].some((option) => option.value === state.type)) {
      field.append(h("option", { value: state.type }, state.type));
    }
    field.value = state[name];
  }
  for (const box of form.querySelectorAll("[name=modality]")) box.checked = state.modality.includes(box.value);
  form.elements.every.checked = state.every;
  const number = numFilters(state);
  $("num-filters").textContent = String(number);
  $("num-filters").hidden = !number;
  $("clear-filters").hidden = !number;
}

// Offer the types that the collection holds, families first.
export function offerTypes(mediaTypes, chosen) {
  const families = {};
  for (const [type, number] of Object.entries(mediaTypes)) {
    const family = type.split("/")[0];
    if (type.includes("/")) families[family] = (families[family] ?? 0) + number;
  }
  const option = (value, name, number) => h("option", { value }, `${name} (${number.toLocaleString("en")})`);
  const names = { image: "All images", video: "All films", audio: "All sound", text: "All plain text" };
  const select = $("filters").elements.type;
  select.replaceChildren(
    h("option", { value: "" }, "Any"),
    ...Object.entries(families).filter(([family]) => names[family]).map(([family, number]) => option(`${family}/*`, names[family], number)),
    ...Object.entries(mediaTypes).filter(([type]) => type.includes("/")).map(([type, number]) => option(type, short(type), number)),
  );
  if (chosen && ![...select.options].some((found) => found.value === chosen)) select.append(h("option", { value: chosen }, chosen));
  select.value = chosen;
}

const OFFICE = { wordprocessingml: "Word document", presentationml: "Presentation", spreadsheetml: "Spreadsheet" };

function short(type) {
  const office = Object.keys(OFFICE).find((part) => type.includes(part));
  return office ? OFFICE[office] : type;
}
