// Names of files. The server never learns them: this browser remembers which job is which file.

import { forget, remember, remembered } from "./storage.js";

const MOST = 500; // jobs whose names are remembered

const ENDINGS = {
  "image/jpeg": ".jpg",
  "image/png": ".png",
  "image/webp": ".webp",
  "image/tiff": ".tif",
  "image/heic": ".heic",
  "image/avif": ".avif",
  "video/mp4": ".mp4",
  "video/webm": ".webm",
  "video/x-matroska": ".mkv",
  "video/quicktime": ".mov",
};

// "trip.mov" and the type of the masked copy: "trip-masked.mp4".
export function maskedName(name, type) {
  const [, stem, end] = /^(.*?)(\.[^.]*)?$/s.exec(name);
  return `${stem || "file"}-masked${ENDINGS[(type ?? "").split(";")[0].trim()] ?? end ?? ""}`;
}

export function rememberName(job, name) {
  const names = Object.entries({ ...remembered("names", {}), [job]: name });
  remember("names", Object.fromEntries(names.slice(-MOST)));
}

export const nameOf = (job) => remembered("names", {})[job] ?? null;

export function forgetName(job) {
  const names = remembered("names", {});
  delete names[job];
  remember("names", names);
}

export const forgetNames = () => forget("names");

// Let the browser save a blob under a name.
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
