// Requests to the server. What goes wrong becomes a Trouble with the server's own line (RFC 9457).

import { say } from "./texts.js";

const PATIENCE = 30000; // ms for an answer

export class Trouble extends Error {
  // `status` is 0 if the server cannot be reached; `wait` is in seconds, null if the server named none.
  constructor(status, detail = "", wait = null) {
    super(detail || String(status));
    this.status = status;
    this.detail = detail;
    this.wait = wait;
  }

  // Worth trying again later without any change.
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const pause = (ms, signal) =>
  new Promise((done, failed) => {
    signal?.throwIfAborted();
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      failed(signal.reason);
    });
  });

export function detailOf(type, body) {
  if (!/\bjson\b/.test(type ?? "")) return "";
  try {
    const problem = JSON.parse(body);
    const detail = problem.detail ?? problem.title ?? "";
    return typeof detail === "string" ? detail : "";
  } catch {
    return "";
  }
}

// The trouble that an answer's status and headers (a function by name) tell of. 401 also asks for a login.
export function troubleOf(status, header, body) {
  if (status === 401) document.dispatchEvent(new Event("signed-out"));
  const wait = Number.parseFloat(header("Retry-After") ?? "");
  return new Trouble(status, detailOf(header("Content-Type"), body), Number.isFinite(wait) ? wait : null);
}

// Raises Trouble, or the signal's reason when it is aborted.
export async function call(path, { patience = PATIENCE, signal, ...options } = {}) {
  signal?.throwIfAborted();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), patience);
  const stop = () => late.abort();
  signal?.addEventListener("abort", stop);
  try {
    const response = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options, signal: late.signal });
    if (response.ok) return response;
    throw troubleOf(response.status, (name) => response.headers.get(name), await response.text());
  } catch (error) {
    if (error instanceof Trouble) throw error;
    signal?.throwIfAborted();
    throw new Trouble(0);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

// The answer's body and headers, once all of it is there.
export async function callBlob(path, options) {
  const response = await call(path, options);
  try {
    return { blob: await response.blob(), headers: response.headers };
  } catch {
    options.signal?.throwIfAborted();
    throw new Trouble(0);
  }
}

export async function callJson(path, options) {
  const response = await call(path, options);
  try {
    return await response.json();
  } catch {
    throw new Trouble(0);
  }
}

export function jsonBody(value, headers = {}) {
  return { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(value) };
}

// The server's lines begin small and have no full stop.
export const sentence = (line) => `${line.charAt(0).toUpperCase()}${line.slice(1)}${/[.!?]$/.test(line) ? "" : "."}`;

const NAMED = [400, 401, 403, 404, 409, 410, 413, 415, 422, 429];

// Show what went wrong: our words for the kind, then the server's own line.
export function tell(element, error) {
  const status = error instanceof Trouble ? error.status : -1;
  if (["NotReadableError", "NotFoundError"].includes(error.name)) {
    say(element, "trouble.file");
    return;
  }
  delete element.dataset.text;
  const key = status === 0 || NAMED.includes(status) ? `trouble.${status}` : status > 0 ? "trouble.server" : "trouble.page";
  const detail = status > 0 ? error.detail : "";
  const ours = document.createElement("span");
  say(ours, key, { status });
  element.replaceChildren(ours);
  if (detail) {
    const theirs = document.createElement("span");
    theirs.lang = "en";
    theirs.textContent = sentence(detail);
    element.append(" ", theirs);
  }
}
