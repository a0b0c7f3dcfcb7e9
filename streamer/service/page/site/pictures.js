// Pictures: sent, masked and answered at once, two at a time. They live in this page only.

import { Trouble, callBlob, pause, tell } from "./api.js";
import { comparison } from "./compare.js";
import { $, fromTemplate, part, takeAway } from "./elements.js";
import { maskedName, save } from "./names.js";
import { announce } from "./news.js";
import { signedIn } from "./session.js";
import { pictureQuery } from "./settings.js";
import { label, say } from "./texts.js";
import { zipped } from "./zip.js";

const AT_ONCE = 2;
const PATIENCE = 600000; // ms
const TRIES = 30;

const pictures = new Set();
const waiting = [];
let running = 0;

class Picture {
  constructor(file) {
    this.file = file;
    this.before = URL.createObjectURL(file);
    this.after = null;
    this.blob = null;
    this.stop = new AbortController();
    this.card = fromTemplate("picture");
    part(this.card, "name").textContent = file.name;
    label(part(this.card, "remove"), "remove", { name: file.name });
    part(this.card, "again").addEventListener("click", () => {
      part(this.card, "remove").focus();
      this.queue();
    });
    part(this.card, "remove").addEventListener("click", () => this.remove());
    $("picture-list").prepend(this.card);
  }

  get name() {
    return maskedName(this.file.name, this.blob.type);
  }

  state(key, values) {
    say(part(this.card, "state"), key, values);
  }

  queue() {
    this.query = pictureQuery();
    this.forgetResult();
    say(part(this.card, "trouble"), "");
    part(this.card, "again").hidden = true;
    this.state("picture.waiting");
    waiting.push(this);
    next();
  }

  async mask() {
    this.state("picture.masking");
    try {
      await this.file.slice(0, 1).arrayBuffer(); // fails if the file has changed, which a request would not tell apart
      const { blob, headers } = await this.answer();
      this.blob = blob;
      this.show(Number.parseInt(headers.get("X-Veilcast-Faces") ?? "", 10), headers.get("X-Veilcast-Whole") === "1");
    } catch (error) {
      if (this.stop.signal.aborted) return;
      say(part(this.card, "state"), "");
      tell(part(this.card, "trouble"), error);
      announce("news.failed", { name: this.file.name });
    }
    part(this.card, "again").hidden = false;
  }

  // Raises Trouble. A full or unreachable server is asked again, a login is waited for.
  async answer() {
    for (let tries = 1; ; tries += 1) {
      try {
        const headers = this.file.type ? { "Content-Type": this.file.type } : {};
        const options = { method: "POST", headers, body: this.file, patience: PATIENCE, signal: this.stop.signal };
        return await callBlob(`/v1/pictures?${this.query}`, options);
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
        if (error.status === 401) await signedIn();
        else if ((error.status !== 429 && error.status !== 503) || tries === TRIES) throw error;
        else {
          const seconds = error.wait ?? Math.min(tries * 2, 20);
          this.state("picture.busy", { wait: seconds });
          await pause(seconds * 1000, this.stop.signal);
          this.state("picture.masking");
        }
      }
    }
  }

  show(faces, whole) {
    this.after = URL.createObjectURL(this.blob);
    if (whole) this.state("picture.whole");
    else if (Number.isNaN(faces)) this.state("picture.done");
    else this.state(faces === 0 ? "picture.none" : "picture.faces", { n: faces });
    this.card.classList.toggle("doubt", whole || faces === 0);
    const view = part(this.card, "show");
    const unshowable = () => {
      view.replaceChildren();
      say(part(this.card, "trouble"), "picture.unshowable");
    };
    view.replaceChildren(comparison(this.before, this.after, this.name, unshowable));
    const link = part(this.card, "download");
    link.href = this.after;
    link.download = this.name;
    link.hidden = false;
    announce("news.done", { name: this.file.name });
    refresh();
  }

  forgetResult() {
    if (this.after) URL.revokeObjectURL(this.after);
    this.after = null;
    this.blob = null;
    part(this.card, "show").replaceChildren();
    part(this.card, "download").hidden = true;
    refresh();
  }

  remove() {
    this.stop.abort();
    this.forgetResult();
    URL.revokeObjectURL(this.before);
    pictures.delete(this);
    takeAway(this.card, $("choose"));
    refresh();
  }
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    const picture = waiting.shift();
    if (picture.stop.signal.aborted) continue;
    running += 1;
    picture.mask().finally(() => {
      running -= 1;
      next();
    });
  }
}

const done = () => [...pictures].filter((picture) => picture.blob);

function refresh() {
  $("pictures").hidden = pictures.size === 0;
  $("pictures-all").hidden = done().length < 2;
}

export function addPictures(files) {
  for (const file of files) {
    const picture = new Picture(file);
    pictures.add(picture);
    picture.queue();
  }
  refresh();
}

export function startPictures() {
  $("pictures-all").addEventListener("click", async () => {
    save(await zipped(done().map(({ name, blob }) => ({ name, blob }))), "veilcast-masked.zip");
  });
  $("pictures-clear").addEventListener("click", () => {
    for (const picture of [...pictures]) picture.remove();
    $("choose").focus();
  });
}
