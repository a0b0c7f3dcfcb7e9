// Texts of the page in two languages. An element remembers which text it shows, so that a switch finds it again.

import { FORMATS } from "./formats.js";
import { remember, remembered } from "./storage.js";
import { CHINESE } from "./texts_zh.js";
import { ENGLISH } from "./texts_en.js";

const TABLES = { en: ENGLISH, zh: CHINESE };
const TAGS = { en: "en", zh: "zh-Hans" };

let language = remembered("language", null);
if (!(language in TABLES)) {
  const known = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in TABLES);
  language = known ?? "en";
}

// A text may have a form for one ({ one, other }); {name|format} stands for a value.
export function text(key, values = {}) {
  let found = TABLES[language][key] ?? ENGLISH[key] ?? key;
  if (typeof found !== "string") found = new Intl.PluralRules(language).select(values.n) === "one" ? found.one : found.other;
  return found.replace(/\{(\w+)(?:\|(\w+))?\}/g, (_, name, format) => {
    const value = values[name] ?? "";
    return format ? FORMATS[format](value, language) : String(value);
  });
}

export const isKnown = (key) => key in ENGLISH;

function put(element, shown) {
  if (element.textContent !== shown) element.textContent = shown;
}

export function say(element, key, values = {}) {
  element.dataset.text = key;
  element.dataset.values = JSON.stringify(values);
  put(element, key ? text(key, values) : "");
}

// The name that a screen reader reads.
export function label(element, key, values = {}) {
  element.dataset.label = key;
  element.dataset.labelValues = JSON.stringify(values);
  element.setAttribute("aria-label", text(key, values));
}

// Put the texts in place below `root`.
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) {
    if (element.dataset.text) put(element, text(element.dataset.text, JSON.parse(element.dataset.values ?? "{}")));
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label, JSON.parse(element.dataset.labelValues ?? "{}")));
  }
}

export function startTexts(button) {
  const show = () => {
    document.documentElement.lang = TAGS[language];
    const other = language === "en" ? "zh" : "en";
    button.textContent = other === "zh" ? "中文" : "English";
    button.lang = TAGS[other];
    translate(document);
  };
  button.addEventListener("click", () => {
    language = language === "en" ? "zh" : "en";
    remember("language", language);
    show();
    document.dispatchEvent(new Event("language"));
  });
  show();
}

export const currentLanguage = () => language;
