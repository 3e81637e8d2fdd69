// Let the page be used without a mouse: / to search, arrows to move, f and d to judge, Esc to go back.

import { $ } from "./dom.js";

export function setUpKeyboard({ step, judge, close }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea, video, audio");
    if ($("details").open) {
      if (!typing && event.key === "ArrowLeft") step.by(-1);
      if (!typing && event.key === "ArrowRight") step.by(1);
      return;
    }
    if (event.key === "/" && !typing) {
      event.preventDefault();
      $("q").focus();
      $("q").select();
      return;
    }
    if (event.key === "Escape") close();
    if (!typing && (event.key === "f" || event.key === "d")) judge(event.key === "f");
    if (event.key === "ArrowDown" && event.target === $("q")) move(event, "first");
    if (!typing && event.key.startsWith("Arrow")) move(event, event.key);
  });
}

function move(event, key) {
  const cards = [...document.querySelectorAll("#results .face")];
  if (!cards.length) return;
  const at = cards.indexOf(document.activeElement);
  const target = at < 0 ? cards[0] : neighbour(cards, at, key);
  if (target) {
    event.preventDefault();
    target.focus();
    target.scrollIntoView({ block: "nearest" });
  }
}

function neighbour(cards, at, key) {
  if (key === "ArrowLeft") return cards[at - 1];
  if (key === "ArrowRight") return cards[at + 1];
  const here = cards[at].getBoundingClientRect();
  const middle = here.left + here.width / 2;
  const down = key === "ArrowDown";
  const rows = cards.filter((card) => {
    const box = card.getBoundingClientRect();
    return down ? box.top >= here.bottom - 4 : box.bottom <= here.top + 4;
  });
  const distance = (card) => {
    const box = card.getBoundingClientRect();
    return Math.abs(box.top - here.top) * 10 + Math.abs(box.left + box.width / 2 - middle);
  };
  const nearest = rows.sort((a, b) => distance(a) - distance(b))[0];
  if (!nearest && !down) return $("q");
  return nearest;
}
