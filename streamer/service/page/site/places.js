// The places of the page (#mask, #queue, ...): which may be entered, and which is shown.

import { $ } from "./elements.js";
import { may } from "./session.js";
import { say } from "./texts.js";

const places = new Map(); // by name: a function that enters the place, and may return one that leaves it
let shown = null;
let leave = () => {};

export function addPlace(name, enter) {
  places.set(name, enter);
}

const linkTo = (name) => $("places").querySelector(`[href="#${name}"]`);

function isOpen(name) {
  const link = linkTo(name);
  return places.has(name) && (!link.dataset.role || may(link.dataset.role)) && !link.hasAttribute("data-empty");
}

function show(name) {
  if (name === shown) return;
  closePlaces();
  shown = name;
  for (const other of places.keys()) {
    $(other).hidden = other !== name;
    if (other === name) linkTo(other).setAttribute("aria-current", "page");
    else linkTo(other).removeAttribute("aria-current");
  }
  leave = places.get(name)() ?? (() => {});
}

function follow() {
  const asked = location.hash.slice(1);
  const name = isOpen(asked) ? asked : [...places.keys()].find(isOpen);
  say($("nothing"), name === undefined ? "nothing" : "");
  if (name !== undefined) show(name);
}

// Offer what the roles allow, and show the place that the address names. `without` are places that are empty here.
export function openPlaces(without) {
  let count = 0;
  for (const name of places.keys()) {
    linkTo(name).toggleAttribute("data-empty", without.includes(name));
    linkTo(name).hidden = !isOpen(name);
    count += isOpen(name) ? 1 : 0;
  }
  $("places").hidden = count < 2;
  follow();
}

export function closePlaces() {
  leave();
  leave = () => {};
  for (const name of places.keys()) $(name).hidden = true;
  say($("nothing"), "");
  shown = null;
}

export function startPlaces() {
  addEventListener("hashchange", () => {
    if (shown !== null) follow();
  });
}
