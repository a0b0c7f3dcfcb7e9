// Uploads that are under way, remembered so that a reload or a crash costs nothing that has arrived.
// A record: { print, name, size, address, settings, key }.

import { forget, remember, remembered } from "./storage.js";

export const unfinished = () => remembered("uploads", []);

export const recordOf = (print) => unfinished().find((record) => record.print === print) ?? null;

export function keep(record) {
  remember("uploads", [...unfinished().filter((other) => other.print !== record.print), record]);
}

export function drop(print) {
  remember("uploads", unfinished().filter((record) => record.print !== print));
}

export const forgetUnfinished = () => forget("uploads");

// For Idempotency-Key: however often the request is repeated, there is one job.
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
