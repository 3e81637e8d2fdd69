// Let people say whether a hit fits what was asked; said twice, it is taken back.

import { judge } from "./api.js";
import { h } from "./dom.js";

const WORDS = [
  [true, "fits"],
  [false, "does not"],
];

export function verdictOf(hit, asked, answer) {
  if (!asked) return null;
  const box = h("div", { class: "verdict", role: "group", "aria-label": `Does ${hit.name} fit?` });
  for (const [fits, words] of WORDS) {
    const say = () => tell(box, fits, { hit, asked, model: answer.model });
    box.append(h("button", { type: "button", "aria-pressed": "false", data: { fits: String(fits) }, onclick: say }, words));
  }
  return box;
}

export function judgeFocused(fits) {
  const box = document.activeElement?.closest(".card")?.querySelector(".verdict");
  box?.querySelector(`[data-fits="${fits}"]`).click();
}

async function tell(box, fits, { hit, asked, model }) {
  const button = box.querySelector(`[data-fits="${fits}"]`);
  const isTakenBack = button.getAttribute("aria-pressed") === "true";
  const said = isTakenBack ? null : fits;
  try {
    await judge({
      query_kind: asked.kind,
      query: asked.query,
      chunk_id: hit.chunk_id,
      fits: said,
      rank: hit.rank,
      model,
      who: localStorage.getItem("reviewer") ?? "",
    });
  } catch (problem) {
    box.title = problem.message;
    return;
  }
  for (const other of box.children) other.setAttribute("aria-pressed", String(other === button && said !== null));
  box.classList.toggle("given", said !== null);
}
