// Keeps a place up to date while it is looked at.

import { pause } from "./api.js";

// Calls `look(signal)` now and every `period` ms, not while the page is hidden. Returns a function that ends it.
export function poll(period, look) {
  const control = new AbortController();
  const { signal } = control;
  const run = async () => {
    for (;;) {
      if (!document.hidden) await look(signal);
      await pause(period, signal);
    }
  };
  run().catch(() => {}); // only its own end is raised
  return () => control.abort();
}
