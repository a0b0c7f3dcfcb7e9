// News of one job until it has ended: by server-sent events, by asking again where those do not work.

import { Trouble, callJson, pause } from "./api.js";
import { signedIn } from "./session.js";

const FINAL = new Set(["done", "failed", "cancelled"]);
const MOST_STREAMS = 1; // a browser opens six connections to a server, over all its tabs
const QUIET = 60000; // ms without an event, after which the connection may be dead
const ASK = 2000; // ms
const ASK_HIDDEN = 15000; // ms, while nobody looks
const ASKS = 5; // before events are tried again

let streams = 0;

export const isFinal = (job) => FINAL.has(job.state);

// Resolves when the job has ended (true), or when events do not come (false).
function listen(id, onJob, onGone, signal) {
  streams += 1;
  const source = new EventSource(`/v1/jobs/${id}/events`);
  return new Promise((done) => {
    let timer = 0;
    const end = (over) => {
      clearTimeout(timer);
      source.close();
      streams -= 1;
      document.removeEventListener("visibilitychange", hide);
      signal.removeEventListener("abort", stop);
      done(over);
    };
    const hide = () => document.hidden && end(false);
    const stop = () => end(true);
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => end(false), QUIET);
    };
    watch();
    source.addEventListener("job", (event) => {
      watch();
      const job = JSON.parse(event.data);
      onJob(job);
      if (isFinal(job)) end(true);
    });
    source.addEventListener("gone", () => {
      onGone();
      end(true);
    });
    source.addEventListener("error", () => end(false));
    document.addEventListener("visibilitychange", hide);
    signal.addEventListener("abort", stop);
  });
}

// Ask for a while. Resolves as `listen` does.
async function ask(id, onJob, onGone, signal) {
  for (let asked = 0; asked < ASKS || streams >= MOST_STREAMS || document.hidden; asked += 1) {
    let wait = document.hidden ? ASK_HIDDEN : ASK;
    try {
      const job = await callJson(`/v1/jobs/${id}`, { signal });
      onJob(job);
      if (isFinal(job)) return true;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (error.status === 404) {
        onGone();
        return true;
      }
      if (error.status === 401) await signedIn();
      wait = Math.max(wait, (error.wait ?? 0) * 1000);
    }
    await pause(wait, signal);
  }
  return false;
}

// Returns a function that ends it.
export function follow(id, onJob, onGone) {
  const control = new AbortController();
  const { signal } = control;
  const run = async () => {
    for (;;) {
      if (streams < MOST_STREAMS && !document.hidden && (await listen(id, onJob, onGone, signal))) return;
      if (await ask(id, onJob, onGone, signal)) return;
    }
  };
  run().catch(() => {}); // only its own end is raised
  return () => control.abort();
}
