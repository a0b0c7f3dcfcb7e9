// The original, which never comes from the server, over its masked copy, with a line to drag between them.

import { fromTemplate, part } from "./elements.js";
import { text } from "./texts.js";

// `before` and `after` are addresses of blobs; `name` is the file's.
export function comparison(before, after, name, onUnshowable) {
  const element = fromTemplate("compare");
  const slider = part(element, "slider");
  const move = () => {
    element.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", text("compare.value", { n: slider.value }));
  };
  slider.addEventListener("input", move);
  part(element, "after").alt = name;
  part(element, "after").addEventListener("error", () => onUnshowable());
  part(element, "after").src = after;
  // HEIC and TIFF are shown by few browsers: then there is only the copy to look at.
  part(element, "before").addEventListener("error", () => element.classList.add("alone"));
  part(element, "before").src = before;
  move();
  return element;
}
