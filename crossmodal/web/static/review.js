// Hand one finding at a time to one person: blurred first, the policy beside it, decided by keys.

import { Problem } from "./api.js";
import { $, day, h } from "./dom.js";

const BASE = "/api/v1/review";
let item = null;
let shown = false;
let asking = false;
const decided = [];

async function ask(path, body, query = "") {
  let response;
  try {
    response = await fetch(`${BASE}${path}${query}`, {
      method: body ? "POST" : "GET",
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Problem(0, { error: "unreachable", detail: "The server does not answer.", hint: "" });
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, { error: "failed", detail: response.statusText, hint: "", ...said });
  return said;
}

const actor = () => $("actor").value.trim();

function say(text, isProblem = false) {
  $("said").textContent = text;
  $("said").classList.toggle("of-problem", isProblem);
}

// One thing at a time: a key pressed twice decides once.
async function once(what) {
  if (asking) return;
  asking = true;
  try {
    await what();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    say([problem.message, problem.hint].filter(Boolean).join(": "), true);
  } finally {
    asking = false;
  }
}

const next = () =>
  once(async () => {
    if (!actor()) {
      $("actor").focus();
      return say("Say who decides: the log keeps a name with every decision.", true);
    }
    localStorage.setItem("reviewer", actor());
    await takeNext();
  });

async function takeNext() {
  const policy = new URLSearchParams(location.search).get("policy");
  const query = policy ? `?${new URLSearchParams({ policy })}` : "";
  item = (await ask("/next", { actor: actor() }, query)).item;
  shown = false;
  draw();
  count();
}

// Not waited for: the next decision may come before the numbers do.
const count = () => showCount().catch(() => ($("left").textContent = ""));

async function showCount() {
  const { counts } = await ask("", null, "?limit=1");
  const open = counts.filter((c) => c.state === "open");
  const sum = (name) => open.reduce((total, c) => total + c[name], 0);
  $("left").textContent = `${sum("num_findings")} open, ${sum("num_first")} urgent`;
}

const act = (event, more = {}) =>
  once(async () => {
    if (!item) return;
    const words = { reason: $("reason").value, note: $("note").value };
    const done = await ask(`/${item.finding_id}`, { event, actor: actor(), ...words, ...more });
    if (event !== "skip") decided.unshift(done);
    say(event === "skip" ? "Skipped; it comes again after the others." : `Finding ${done.finding_id}: ${standing(done)}.`);
    drawDecided();
    await takeNext();
  });

const standing = (finding) => finding.state + (finding.is_hidden ? ", hidden from searches" : "");

const undo = (finding) =>
  once(async () => {
    const last = finding ?? decided[0];
    if (!last) return;
    await ask(`/${last.finding_id}`, { event: "undo", actor: actor() });
    decided.splice(decided.indexOf(last), 1);
    drawDecided();
    say(`Finding ${last.finding_id} is open again.`);
    count();
    if (!item) await takeNext();
  });

function draw() {
  const box = $("item");
  box.hidden = !item;
  $("notice").hidden = Boolean(item);
  if (!item) {
    $("notice").replaceChildren(h("h2", {}, "The queue is empty"), h("p", {}, "Nothing is left to decide, or others hold the rest."));
    return;
  }
  box.replaceChildren(seen(), judge());
  blur();
  box.focus({ preventScroll: true });
}

function seen() {
  const { evidence } = item;
  const picture = h("img", { src: `${item.thumbnail}&side=1024`, alt: "What was found; blurred until it is shown", decoding: "async" });
  const stage = h("div", { class: "stage" }, picture);
  picture.addEventListener("error", () => stage.remove(), { once: true });
  return h(
    "section",
    { class: "seen", id: "seen", "aria-label": "What was found" },
    stage,
    evidence.text ? h("p", { class: "quote" }, evidence.text) : null,
    h("div", {}, h("button", { type: "button", id: "reveal", onclick: reveal }, "Show")),
    h("p", { class: "uri" }, [evidence.uri, evidence.place].filter(Boolean).join(", ")),
  );
}

function judge() {
  return h(
    "section",
    { class: "judge", "aria-label": "Decision" },
    h("h2", {}, `${item.policy_title}, version ${item.policy_version}`),
    h("p", {}, item.is_first ? h("span", { class: "urgent" }, "Urgent. ") : null, `Severity ${item.severity}. ${why()}`),
    h("div", { class: "actions" },
      h("button", { type: "button", id: "violates", class: "main", onclick: () => act("decide", { decision: "violates" }) }, "Violates"),
      h("button", { type: "button", id: "hide", onclick: hide }, "Violates, hide"),
      h("button", { type: "button", id: "allowed", onclick: () => act("decide", { decision: "allowed" }) }, "Allowed"),
      h("button", { type: "button", id: "skip", onclick: () => act("skip") }, "Skip"),
    ),
    h("label", {}, "Reason, for the statement of reasons", h("textarea", { id: "reason", rows: 2, maxlength: 4000 })),
    h("label", {}, "Note for other reviewers", h("textarea", { id: "note", rows: 2, maxlength: 4000 })),
    h("dl", {}, ...facts().flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("div", { class: "policy", tabindex: 0, role: "region", "aria-label": "The policy" }, item.policy_text),
  );
}

function why() {
  const near = item.evidence.example_violates ?? item.evidence.sentence_violates;
  return near ? `Nearest to “${near.shown}”.` : "";
}

function facts() {
  const { evidence } = item;
  const told = (name) => (evidence[name] ? `${evidence[name].shown} (${evidence[name].cosine.toFixed(3)})` : null);
  const { review, first, by } = evidence.thresholds;
  return [
    ["Sentence", told("sentence_violates")],
    ["Example", told("example_violates")],
    ["Against", told("sentence_allowed")],
    ["Score", `${item.score.toFixed(2)}; review from ${review.toFixed(2)}, urgent from ${first.toFixed(2)} (by ${by})`],
    ["Judge", evidence.judge && evidence.judge.violates !== null ? `${Math.round(evidence.judge.violates * 100)} % that it violates (${evidence.judge.model})` : null],
    ["Model", evidence.model],
    ["Held until", day(item.leased_until)],
    ...item.log.map((entry) => [entry.event, `${entry.actor}, ${day(entry.at)} ${entry.note}`]),
  ].filter(([, value]) => value);
}

// Whatever the policy says: searches leave it out until the decision is taken back.
const hide = () => act("decide", { decision: "violates", hide: true });

function reveal() {
  shown = !shown;
  blur();
}

function blur() {
  $("seen").classList.toggle("blurred", !shown);
  $("reveal").textContent = shown ? "Blur" : "Show";
}

function drawDecided() {
  $("done").hidden = !decided.length;
  $("decided").replaceChildren(
    ...decided.slice(0, 20).map((finding) =>
      h("li", {},
        h("span", {}, `${finding.finding_id}: ${standing(finding)}, ${finding.evidence.uri}`),
        h("button", { type: "button", class: "link", "aria-label": `Undo the decision on finding ${finding.finding_id}`, onclick: () => undo(finding) }, "Undo"),
      ),
    ),
  );
}

const KEYS = {
  v: () => act("decide", { decision: "violates" }),
  a: () => act("decide", { decision: "allowed" }),
  h: () => hide(),
  s: () => act("skip"),
  b: () => item && reveal(),
  n: () => next(),
  u: () => undo(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select")) return;
  KEYS[event.key.toLowerCase()]?.();
});
$("who").addEventListener("submit", (event) => {
  event.preventDefault();
  next();
});
$("actor").value = localStorage.getItem("reviewer") ?? "";
count();
if (!actor()) $("actor").focus();
