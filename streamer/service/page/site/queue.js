// The jobs of everybody, for those who operate the server: how they stand, never what they show.

import { call, callJson, tell } from "./api.js";
import { $, fromTemplate, part, takeAway } from "./elements.js";
import { isFinal } from "./follow.js";
import { poll } from "./poll.js";
import { isWanted } from "./question.js";
import { label, say } from "./texts.js";

const PERIOD = 3000; // ms
const PAGE = 50;

const rows = new Map(); // by id
let most = PAGE;

const short = (id) => id.slice(0, 8);

function row(id) {
  const element = fromTemplate("row");
  label(part(element, "cancel"), "queue.cancel", { id: short(id) });
  part(element, "cancel").addEventListener("click", async () => {
    if (!(await isWanted("cancel.question", "cancel.yes", { name: short(id) }))) return;
    try {
      await call(`/v1/jobs/${id}`, { method: "DELETE" });
      part(element, "cancel").hidden = true;
    } catch (error) {
      tell($("queue-note"), error);
    }
  });
  return element;
}

function show(element, job) {
  element.dataset.state = job.state;
  say(part(element, "badge"), `state.${job.state}`);
  say(part(element, "when"), "at", { when: job.created });
  const key = job.state === "running" && job.seconds_left !== null ? "queue.left" : `queue.${job.state}`;
  const values = { id: short(job.id), share: job.progress, left: job.seconds_left ?? 0, n: job.place ?? "" };
  say(part(element, "what"), key, values);
  part(element, "cancel").hidden = isFinal(job);
}

async function look(signal) {
  try {
    const { jobs, next } = await callJson(`/v1/jobs?all=true&limit=${most}`, { signal });
    const there = new Set(jobs.map((job) => job.id));
    for (const [id, element] of rows) {
      if (there.has(id)) continue;
      rows.delete(id);
      takeAway(element, $("queue-title"));
    }
    for (const [index, job] of jobs.entries()) {
      if (!rows.has(job.id)) {
        rows.set(job.id, row(job.id));
        $("queue-list").insertBefore(rows.get(job.id), $("queue-list").children[index] ?? null);
      }
      show(rows.get(job.id), job);
    }
    $("queue-older").hidden = !next || most >= 500;
    say($("queue-note"), jobs.length ? "" : "queue.none");
  } catch (error) {
    signal.throwIfAborted();
    tell($("queue-note"), error);
  }
}

export function enterQueue() {
  return poll(PERIOD, look);
}

export function startQueue() {
  $("queue-older").addEventListener("click", () => {
    most += PAGE;
    $("queue-older").hidden = true; // until the next look
  });
}
