// Elements of the page: by id, from templates, and new ones.

import { translate } from "./texts.js";

export const $ = (id) => document.getElementById(id);

export const part = (element, name) => element.querySelector(`[data-part="${name}"]`);

// A copy of the template's element, its texts in place.
export function fromTemplate(id) {
  const copy = $(id).content.firstElementChild.cloneNode(true);
  translate(copy);
  return copy;
}

// A new element; attributes that are true stand without a value, those that are false are left out.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// Take the element away without losing the keyboard's place: focus goes to the next one, or to `otherwise`.
export function takeAway(element, otherwise) {
  const focused = element.contains(document.activeElement);
  const next = element.nextElementSibling ?? element.previousElementSibling;
  element.remove();
  if (focused) (next?.querySelector("button:not([hidden]), a:not([hidden])") ?? otherwise).focus();
}
