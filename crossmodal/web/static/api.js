// Ask the JSON API; every failure is a Problem with words for a person.

const BASE = "/api/v1";

export class Problem extends Error {
  constructor(status, { error, detail, hint }) {
    super(detail);
    this.status = status;
    this.word = error;
    this.hint = hint;
  }
}

async function ask(path, parameters, options = {}) {
  const query = new URLSearchParams(parameters).toString();
  let response;
  try {
    response = await fetch(`${BASE}${path}${query ? `?${query}` : ""}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {
      error: "unreachable",
      detail: "The server does not answer.",
      hint: "Is crossmodal ui still running?",
    });
  }
  if (!response.ok) throw await problemOf(response);
  return response.json().catch(() => ({}));
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem(response.status, { error: "failed", detail: response.statusText, hint: "", ...body });
}

// Why a picture or a file is not given; null where the server would give it.
export async function refusal(url) {
  try {
    const response = await fetch(url, { headers: { Range: "bytes=0-0" } });
    if (!response.ok) return await problemOf(response);
    await response.body?.cancel();
  } catch {
    // no connection: there is nothing more to say
  }
  return null;
}

// What moderation hides is given only where a condition asks for it.
let seesHidden = false;
export const sees = (conditions) => {
  seesHidden = conditions.some((condition) => /^\s*hidden\s*=/i.test(condition));
};

// The address of something of a hit's: its picture, its file.
export function addressOf(url, parameters = {}) {
  const query = new URLSearchParams({ ...parameters, ...(seesHidden ? { hidden: true } : {}) }).toString();
  const [path, part] = url.split("#");
  return `${path}${query && (path.includes("?") ? "&" : "?")}${query}${part ? `#${part}` : ""}`;
}

export const answer = (parameters, signal) => ask("/ask", parameters, { signal });

export const searchText = (text, parameters, signal) =>
  ask("/search", [["q", text], ...parameters], { signal });

export const searchPicture = (file, parameters, signal) =>
  ask("/search", parameters, {
    method: "POST",
    body: file,
    headers: { "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream" },
    signal,
  });

export const searchSimilar = (chunk, parameters, signal) =>
  ask(`/similar/${chunk}`, parameters, { signal });

// One page, in the form of an answer to a search.
export const recommended = async (taste, signal) => ({
  ...(await ask("/recommend", {}, {
    method: "POST",
    body: JSON.stringify(taste),
    headers: { "Content-Type": "application/json" },
    signal,
  })),
  verdict: "recommended",
  offset: 0,
  next_offset: null,
});

export const describe = (chunk, queryId, around) =>
  ask(addressOf(`/chunk/${chunk}`, { around, ...(queryId ? { query_id: queryId } : {}) }), {});

export const judge = (judgement) =>
  ask("/judgements", {}, {
    method: "POST",
    body: JSON.stringify(judgement),
    headers: { "Content-Type": "application/json" },
  });

export const status = () => ask("/status", {});

export const map = () => ask("/map", {});
export const models = () => ask("/models", {});
export const lineage = () => ask("/lineage", {});
export const latestRuns = () => ask("/runs", {});
