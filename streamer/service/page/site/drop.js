// Where files come in: dropped anywhere on the page, chosen, or pasted.

import { $ } from "./elements.js";
import { say } from "./texts.js";
import { limits } from "./settings.js";

const PICTURES = /\.(jpe?g|jpe|jfif|png|webp|tiff?|hei[cf]|avif|bmp)$/i;
const VIDEOS = /\.(mp4|m4v|mov|mkv|webm|avi|mts|m2ts|ts|mpe?g|3gp|wmv|flv|ogv|gif|mxf)$/i;

// "picture", "video" or null. The server looks at the content; this only chooses the way there.
export function kindOf(file) {
  if (file.type === "image/gif" || file.type.startsWith("video/")) return "video";
  if (file.type.startsWith("image/")) return "picture";
  if (PICTURES.test(file.name)) return "picture";
  return VIDEOS.test(file.name) ? "video" : null;
}

// Give pictures and videos away, and name the first file that is neither or too large.
function sort(files, onPictures, onVideos) {
  const most = { picture: limits().picture, video: limits().upload };
  const taken = { picture: [], video: [] };
  say($("drop-trouble"), "");
  for (const file of files) {
    const kind = kindOf(file);
    if (kind === null) say($("drop-trouble"), "drop.unknown", { name: file.name });
    else if (file.size === 0) say($("drop-trouble"), "drop.empty", { name: file.name });
    else if (file.size > most[kind]) say($("drop-trouble"), `drop.large.${kind}`, { name: file.name, most: most[kind] });
    else taken[kind].push(file);
  }
  if (taken.picture.length) onPictures(taken.picture);
  if (taken.video.length) onVideos(taken.video);
}

export function startDrop(isReady, onPictures, onVideos) {
  const take = (files) => sort([...files], onPictures, onVideos);
  const input = $("files");
  const holdsFiles = (event) => isReady() && [...(event.dataTransfer?.types ?? [])].includes("Files");
  $("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // the same file may be chosen again
  });
  let inside = 0;
  const mark = (change) => {
    inside = change === 0 ? 0 : Math.max(0, inside + change);
    $("drop").classList.toggle("over", inside > 0);
  };
  addEventListener("dragenter", (event) => holdsFiles(event) && mark(1));
  addEventListener("dragleave", (event) => holdsFiles(event) && mark(-1));
  addEventListener("dragover", (event) => {
    event.preventDefault(); // a file dropped beside the area must not replace the page
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    mark(0);
    if (holdsFiles(event)) take(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (isReady() && event.clipboardData?.files.length) take(event.clipboardData.files);
  });
}
