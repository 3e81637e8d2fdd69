// Hold what is shown as the page's address, so that a link leads to the same results.

export const PAGE = 24;
const NAMES = ["q", "like", "type", "path", "from", "to", "min", "max", "mode", "chunk"];
export const FILTERS = ["type", "path", "from", "to", "min", "max", "mode"];

// Those that the filters of the page offer: the list stands there once.
const modalities = () => [...document.querySelectorAll('#filters [name="modality"]')].map((box) => box.value);

export function fromAddress(search = location.search) {
  const query = new URLSearchParams(search);
  const state = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
  state.modality = query.getAll("modality").filter((name) => modalities().includes(name));
  if (!["vector", "words"].includes(state.mode)) state.mode = "";
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
    ...(state.mode && state.q ? [["mode", state.mode]] : []),
    ...state.modality.map((name) => ["modality", name]),
    ...conditions(state).map((condition) => ["where", condition]),
  ];
  return list.map(([name, value]) => [name, String(value)]);
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
  return found;
}

// A glob without a slash would be compared with the file's name alone.
function containing(text) {
  if (/[*?[]/.test(text)) return text;
  return text.includes("/") ? `*${text}*` : `*/*${text}*`;
}
