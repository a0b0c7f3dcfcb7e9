// The list of one's own videos, newest first. It is the server's: a reload loses nothing.

import { callJson, tell } from "./api.js";
import { $, takeAway } from "./elements.js";
import { JobCard } from "./job_card.js";
import { say } from "./texts.js";

const PAGE = 20;

const cards = new Map(); // by id
let older = null;

function leave(card) {
  card.close();
  cards.delete(card.job.id);
  takeAway(card.card, $("choose"));
  refresh();
}

function refresh() {
  say($("jobs-note"), cards.size || $("upload-list").children.length ? "" : "jobs.none");
  $("jobs-older").hidden = older === null;
}

// Add it at the top, or bring it up to date.
export function putJob(job, atTop = true) {
  const known = cards.get(job.id);
  if (known) known.show(job);
  else {
    const card = new JobCard(job, leave);
    cards.set(job.id, card);
    if (atTop) $("job-list").prepend(card.card);
    else $("job-list").append(card.card);
  }
  refresh();
}

async function load(before) {
  try {
    const query = new URLSearchParams({ limit: PAGE, ...(before === null ? {} : { before }) });
    const { jobs, next } = await callJson(`/v1/jobs?${query}`);
    older = next ?? null;
    for (const job of jobs) putJob(job, false);
    refresh();
  } catch (error) {
    if (error.status !== 401) tell($("jobs-note"), error);
  }
}

// Draw the list anew.
export async function loadJobs() {
  for (const card of cards.values()) {
    card.close();
    card.card.remove();
  }
  cards.clear();
  await load(null);
}

export function startJobs() {
  $("jobs-older").addEventListener("click", () => load(older));
}
