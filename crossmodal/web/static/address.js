// Hold what is shown as the page's address, so that a link leads to the same results.

export const PAGE = 24;
const NAMES = ["q", "like", "type", "path", "from", "to", "min", "max", "where", "mode", "strength", "diversity", "colours", "chunk"];
export const FILTERS = ["type", "path", "from", "to", "min", "max", "where", "mode", "strength"];
export const SIGNS = { plus: "+", minus: "\u2212" };
export const TASTE = { likes: "+", dislikes: "\u2212" };
// What each slider means where nobody has moved it; null lets the examples say.
export const SLIDERS = { diversity: 0, colours: null };
export const MAX_EXAMPLES = 20;
const MAX_PARTS = 8;

// Those that the filters of the page offer: the list stands there once.
const modalities = () => [...document.querySelectorAll('#filters [name="modality"]')].map((box) => box.value);

export function fromAddress(search = location.search) {
  const query = new URLSearchParams(search);
  const state = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
  state.modality = query.getAll("modality").filter((name) => modalities().includes(name));
  if (!["vector", "words"].includes(state.mode)) state.mode = "";
  for (const sign of Object.keys(SIGNS)) state[sign] = query.getAll(sign).slice(0, MAX_PARTS);
  if (!["likely", "strong"].includes(state.strength)) state.strength = "";
  for (const side of Object.keys(TASTE)) {
    state[side] = [...new Set(query.getAll(side).filter((id) => /^[1-9]\d{0,17}$/.test(id)))].slice(0, MAX_EXAMPLES);
  }
  for (const name of Object.keys(SLIDERS)) if (!/^(0|1|0?\.\d{1,3})$/.test(state[name])) state[name] = "";
  state.every = query.get("every") === "1";
  state.page = Math.max(1, Number.parseInt(query.get("page") ?? "1", 10) || 1);
  if (!/^\d{1,18}$/.test(state.like)) state.like = "";
  if (!/^\d{1,18}$/.test(state.chunk)) state.chunk = "";
  return state;
}

export function toAddress(state) {
  const query = new URLSearchParams();
  for (const name of NAMES) if (state[name]) query.set(name, state[name]);
  for (const name of state.modality) query.append("modality", name);
  for (const sign of Object.keys(SIGNS)) for (const part of state[sign]) query.append(sign, part);
  for (const side of Object.keys(TASTE)) for (const id of state[side]) query.append(side, id);
  if (state.every) query.set("every", "1");
  if (state.page > 1) query.set("page", String(state.page));
  const text = query.toString();
  return text ? `/?${text}` : "/";
}

export function parameters(state) {
  const list = [
    ["k", PAGE],
    ["offset", (state.page - 1) * PAGE],
    ["group", !state.every],
    // What has no words, a picture or a chunk, is asked by its meaning.
    ...(state.mode && state.q && !isMixed(state) ? [["mode", state.mode]] : []),
    ...(state.strength ? [["min_strength", state.strength]] : []),
    ...(state.q ? Object.keys(SIGNS).flatMap((sign) => state[sign].map((part) => [sign, part])) : []),
    ...state.modality.map((name) => ["modality", name]),
    ...conditions(state).map((condition) => ["where", condition]),
  ];
  return list.map(([name, value]) => [name, String(value)]);
}

export const hasTaste = (state) => Object.keys(TASTE).some((side) => state[side].length > 0);

// Likes are asked where nothing else is.
export const wanted = (state) => ({
  k: PAGE,
  ...Object.fromEntries(Object.keys(TASTE).map((side) => [side, state[side].map(Number)])),
  ...Object.fromEntries(Object.entries(SLIDERS).map(([name, unmoved]) => [name, state[name] ? Number(state[name]) : unmoved])),
  modalities: state.modality,
  where: conditions(state),
});

export const isMixed = (state) => state.plus.length + state.minus.length > 0;

// What a person types as  a beach + "at night" - "people"  is a text and its parts.
export function parted(text) {
  const parts = { plus: [], minus: [] };
  const q = text.replace(/\s([+-])\s+"([^"]+)"/g, (_, sign, part) => {
    parts[sign === "+" ? "plus" : "minus"].push(part.trim());
    return "";
  });
  if (!parts.plus.length && !parts.minus.length) return { q: text };
  return { q: q.trim().replace(/^"([^"]*)"$/, "$1"), ...parts };
}

export const numFilters = (state) =>
  state.modality.length + FILTERS.filter((name) => state[name]).length + (state.every ? 1 : 0);

function conditions(state) {
  const found = [];
  if (state.type) found.push(`type=${state.type}`);
  if (state.path) found.push(`path=${containing(state.path)}`);
  if (state.from) found.push(`date>=${state.from}`);
  if (state.to) found.push(`date<=${state.to}`);
  if (state.min) found.push(`size>=${state.min}`);
  if (state.max) found.push(`size<=${state.max}`);
  found.push(...state.where.split(";").map((part) => part.trim()).filter(Boolean));
  return found;
}

// A glob without a slash would be compared with the file's name alone.
function containing(text) {
  if (/[*?[]/.test(text)) return text;
  return text.includes("/") ? `*${text}*` : `*/*${text}*`;
}
