// Stand in for a picture or a player that does not come, and say why.

import { refusal } from "./api.js";
import { h } from "./dom.js";

const REASONS = {
  missing: "is no longer there",
  changed: "has changed since it was indexed",
  outside: "lies outside of what was indexed",
  unreadable: "may not be read",
  too_large: "is too large for a preview",
  no_answer: "lies where nothing answers now",
  read_failed: "cannot be fetched now",
};

export const shortly = (subject) => (problem) =>
  `${subject} ${REASONS[problem?.word] ?? "cannot be shown"}`;

// `say` makes a sentence of the server's refusal, or of null where the browser is to blame.
export function standIn(element, url, say, tag = "div", style = "blank") {
  element.addEventListener(
    "error",
    async () => {
      const box = h(tag, { class: style }, say(null));
      element.replaceWith(box);
      const problem = await refusal(url);
      if (problem) box.textContent = say(problem);
    },
    { once: true },
  );
  return element;
}
