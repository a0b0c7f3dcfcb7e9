// The audit log, for those who may read it: ids and hashes, newest first.

import { callJson, tell } from "./api.js";
import { $, fromTemplate, make, part } from "./elements.js";
import { isKnown, say } from "./texts.js";

const PAGE = 50;
const HASHES = ["input_sha256", "output_sha256"];
const IDS = ["job", "upload", "token"];

let older = null;

// Of an entry that somebody has changed, only its text can be shown.
function damaged(element, { text }) {
  element.dataset.state = "failed";
  say(part(element, "badge"), "audit.damaged");
  part(element, "what").append(make("code", {}, text));
  return element;
}

function row(entry) {
  const element = fromTemplate("row");
  const key = `action.${entry.action}`;
  if (entry.action === null) return damaged(element, entry);
  if (isKnown(key)) say(part(element, "badge"), key);
  else part(element, "badge").textContent = entry.action;
  const failed = (entry.outcome ?? "ok") !== "ok";
  element.dataset.state = failed ? "failed" : "";
  say(part(element, "when"), "at", { when: entry.time });
  const facts = [["actor", entry.actor], ["address", entry.address]];
  for (const name of IDS) facts.push([name, entry[name]]);
  for (const name of HASHES) facts.push([name, entry[name]]);
  if (failed) facts.push(["outcome", entry.outcome]);
  for (const [name, value] of facts) {
    if (value === null || value === undefined) continue;
    const word = make("span", { class: "soft" });
    say(word, `audit.${name}`);
    const fact = make("code", {}, String(value));
    part(element, "what").append(make("span", { class: "fact" }, word, " ", fact), " ");
  }
  return element;
}

async function load(before) {
  try {
    const query = new URLSearchParams({ limit: PAGE, ...(before === null ? {} : { before }) });
    const { entries, next } = await callJson(`/v1/audit?${query}`);
    if (before === null) $("audit-list").replaceChildren();
    $("audit-list").append(...entries.map(row));
    older = next ?? null;
    $("audit-older").hidden = older === null;
    say($("audit-note"), $("audit-list").children.length ? "" : "audit.none");
  } catch (error) {
    tell($("audit-note"), error);
  }
}

export function enterAudit() {
  load(null);
}

export function startAudit() {
  $("audit-older").addEventListener("click", () => load(older));
}
