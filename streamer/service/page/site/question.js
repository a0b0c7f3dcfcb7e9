// Asks before something is deleted.

import { $ } from "./elements.js";
import { say } from "./texts.js";

export function isWanted(question, yes, values) {
  const dialog = $("question");
  say($("question-text"), question, values);
  say($("question-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}
