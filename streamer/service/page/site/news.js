// What a screen reader is told: ends at once, progress in steps of a quarter.

import { $ } from "./elements.js";
import { text } from "./texts.js";

export function announce(key, values) {
  $("news").textContent = text(key, values);
}

const told = new Map();

export function announceProgress(id, name, share) {
  const step = Math.floor(share * 4);
  if (step === (told.get(id) ?? 0)) return;
  told.set(id, step);
  if (step > 0 && step < 4) announce("news.progress", { name, share });
}
