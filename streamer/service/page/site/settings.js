// The settings of what is masked next, in plain words, and remembered.

import { callJson } from "./api.js";
import { $, make } from "./elements.js";
import { FORMATS } from "./formats.js";
import { isKnown, label, say, text } from "./texts.js";
import { remember, remembered } from "./storage.js";

const GROUPS = [
  ["style", "styles"],
  ["cover", "covers"],
  ["audio", "audio"],
];

let offered = null;
let chosen = remembered("settings", {});

export const limits = () => ({ picture: offered.max_picture_bytes, upload: offered.max_upload_bytes });

// For POST /v1/jobs.
export const videoSettings = () => ({ ...chosen });

// As a query for POST /v1/pictures. A picture has no sound, and is never checked afterwards.
export function pictureQuery() {
  const { config, style, cover } = chosen;
  return new URLSearchParams({ config, style, cover }).toString();
}

// Settings as one line, in texts: {settings|settings}.
FORMATS.settings = (settings) =>
  ["config", "style", "cover", "audio", "verify"]
    .filter((name) => settings[name])
    .map((name) => wordFor(name, settings[name]))
    .join(" · ");

const keyOf = (name, value) => (name === "verify" ? "verify.short" : `${name}.${value}`);

function wordFor(name, value) {
  const key = [`${name}.${value}.short`, keyOf(name, value)].find(isKnown);
  return key ? text(key) : String(value);
}

// Write the name of a choice, or the server's own word for one that has no text here.
function sayWord(element, name, value) {
  if (isKnown(keyOf(name, value))) say(element, keyOf(name, value));
  else element.textContent = value;
}

function changed() {
  remember("settings", chosen);
  say($("drop-settings"), "drop.settings", { settings: chosen });
}

function choice(name, value) {
  const id = `${name}-${value}`;
  const input = make("input", { type: "radio", name, value, id, checked: chosen[name] === value });
  const word = make("span", { class: "choice-name" });
  sayWord(word, name, value);
  const body = make("span", { class: "choice-text" }, word);
  if (isKnown(`${name}.${value}.text`)) {
    const note = make("span", { class: "soft small", id: `${id}-text` });
    say(note, `${name}.${value}.text`);
    input.setAttribute("aria-describedby", note.id);
    word.id = `${id}-name`;
    input.setAttribute("aria-labelledby", word.id);
    body.append(note);
  }
  input.addEventListener("change", () => {
    chosen[name] = value;
    changed();
  });
  return make("label", { class: "choice" }, input, body);
}

function group(name, values) {
  const legend = make("legend");
  say(legend, `settings.${name}`);
  return make("fieldset", {}, legend, ...values.map((value) => choice(name, value)));
}

function configs() {
  const name = make("label", { for: "config", class: "legend" });
  say(name, "settings.config");
  const select = make("select", { id: "config", "aria-describedby": "config-text" });
  for (const { name: value } of offered.configs) {
    const option = make("option", { value, selected: value === chosen.config });
    sayWord(option, "config", value);
    select.append(option);
  }
  const note = make("p", { id: "config-text", class: "soft small" });
  const explain = () => say(note, isKnown(`config.${chosen.config}.text`) ? `config.${chosen.config}.text` : "");
  select.addEventListener("change", () => {
    chosen.config = select.value;
    explain();
    changed();
  });
  explain();
  return make("div", { class: "field" }, name, select, note);
}

function verify() {
  const input = make("input", { type: "checkbox", id: "verify", checked: chosen.verify });
  const word = make("span", { class: "choice-name", id: "verify-name" });
  say(word, "verify");
  const note = make("span", { class: "soft small", id: "verify-text" });
  say(note, "verify.text");
  input.setAttribute("aria-labelledby", word.id);
  input.setAttribute("aria-describedby", note.id);
  input.addEventListener("change", () => {
    chosen.verify = input.checked;
    changed();
  });
  return make("label", { class: "choice" }, input, make("span", { class: "choice-text" }, word, note));
}

// What is remembered, as far as this server offers it.
function fitting() {
  const first = offered.configs.find((one) => one.default) ?? offered.configs[0];
  const config = offered.configs.some((one) => one.name === chosen.config) ? chosen.config : first.name;
  const fitted = { config };
  for (const [name, list] of GROUPS) {
    fitted[name] = offered[list].includes(chosen[name]) ? chosen[name] : offered[list][0];
  }
  return { ...fitted, verify: chosen.verify === true };
}

// Ask the server what it offers, and draw the form. Raises Trouble.
export async function loadSettings() {
  offered = await callJson("/v1/settings");
  chosen = fitting();
  const form = $("settings-form");
  form.replaceChildren(configs(), ...GROUPS.map(([name, list]) => group(name, offered[list])), verify());
  changed();
}

export function startSettings() {
  const wide = matchMedia("(min-width: 60rem)");
  const open = () => {
    $("settings").open = wide.matches;
  };
  wide.addEventListener("change", open);
  open();
  $("settings-form").addEventListener("submit", (event) => event.preventDefault());
  label($("settings-form"), "settings.title");
}
