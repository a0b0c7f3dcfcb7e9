// Videos on their way to the server, one after the other, each of which ends as a job.

import { Trouble, callJson, jsonBody, pause, tell } from "./api.js";
import { $, fromTemplate, part, takeAway } from "./elements.js";
import { fingerprint } from "./fingerprint.js";
import { rememberName } from "./names.js";
import { announce, announceProgress } from "./news.js";
import { signedIn } from "./session.js";
import { videoSettings } from "./settings.js";
import { label, say } from "./texts.js";
import { complete, create, discard, offsetOf, send } from "./tus.js";
import { drop, keep, newKey, recordOf, unfinished } from "./unfinished.js";

const COMPLETE_TRIES = 5;

const uploads = new Map(); // by fingerprint
const waiting = [];
let running = false;
let onJob = () => {};

class Upload {
  constructor(record, file = null) {
    this.record = record;
    this.file = file;
    this.stop = new AbortController();
    this.card = fromTemplate("upload");
    part(this.card, "name").textContent = record.name;
    label(part(this.card, "progress"), "upload.progress", { name: record.name });
    part(this.card, "cancel").addEventListener("click", () => this.cancel());
    part(this.card, "choose").addEventListener("click", () => $("choose").click());
    $("upload-list").append(this.card);
    uploads.set(record.print, this);
  }

  state(key, values) {
    say(part(this.card, "state"), key, values);
  }

  queue() {
    part(this.card, "choose").hidden = true;
    say(part(this.card, "trouble"), "");
    this.state("upload.waiting");
    keep(this.record);
    waiting.push(this);
    next();
  }

  sent(bytes) {
    const share = bytes / this.record.size;
    part(this.card, "progress").value = share;
    const left = this.left(bytes);
    this.state(left === null ? "upload.sending" : "upload.sending.left", { sent: bytes, size: this.record.size, left });
    announceProgress(this.record.print, this.record.name, share);
  }

  // Seconds left at the pace so far; null in the first seconds, which say little.
  left(bytes) {
    this.begun ??= { bytes, at: performance.now() };
    const seconds = (performance.now() - this.begun.at) / 1000;
    const pace = (bytes - this.begun.bytes) / seconds;
    return seconds > 3 && pace > 0 ? (this.record.size - bytes) / pace : null;
  }

  async run() {
    try {
      await this.upload();
      await this.submit();
    } catch (error) {
      if (!this.stop.signal.aborted) this.fail(error);
    }
  }

  async upload() {
    this.begun = null;
    const { signal } = this.stop;
    for (let tries = 0; tries < 3; tries += 1) {
      if (!this.record.address) await this.create();
      const onWait = (error) => this.state(error.status === 401 ? "upload.login" : "upload.paused");
      try {
        await send(this.record.address, this.file, { onSent: (bytes) => this.sent(bytes), onWait, signal });
        return;
      } catch (error) {
        // The server has forgotten what it had: from the beginning.
        if (!(error instanceof Trouble) || ![404, 410].includes(error.status)) throw error;
        this.record.address = null;
      }
    }
    throw new Trouble(404);
  }

  async create() {
    for (;;) {
      try {
        this.record.address = await create(this.record.size, this.stop.signal);
        keep(this.record);
        return;
      } catch (error) {
        await this.wait(error);
      }
    }
  }

  async submit() {
    this.state("upload.submitting");
    const { settings, key, address, name } = this.record;
    const body = { upload: address.split("/").pop(), settings };
    for (let tries = 1; ; tries += 1) {
      try {
        const options = { ...jsonBody(body, { "Idempotency-Key": key }), signal: this.stop.signal };
        const job = await callJson("/v1/jobs", options);
        rememberName(job.id, name);
        this.leave();
        announce("news.uploaded", { name });
        onJob(job);
        return;
      } catch (error) {
        if (error.status === 409 && tries < COMPLETE_TRIES) await this.complete();
        else await this.wait(error);
      }
    }
  }

  async complete() {
    try {
      await complete(this.record.address, this.record.size, this.stop.signal);
    } catch (error) {
      await this.wait(error);
    }
  }

  // Before another try. Raises the error again if none can help.
  async wait(error) {
    if (!(error instanceof Trouble)) throw error;
    if (error.status === 401) await signedIn();
    else if (!error.passing) throw error;
    else {
      this.state("upload.paused");
      await pause((error.wait ?? 5) * 1000, this.stop.signal);
    }
  }

  fail(error) {
    drop(this.record.print);
    uploads.delete(this.record.print);
    say(part(this.card, "state"), "upload.failed");
    tell(part(this.card, "trouble"), error);
    announce("news.failed", { name: this.record.name });
  }

  cancel() {
    this.stop.abort(new DOMException("cancelled", "AbortError"));
    if (this.record.address) discard(this.record.address).catch(() => {}); // else it expires
    this.leave();
  }

  leave() {
    drop(this.record.print);
    uploads.delete(this.record.print);
    takeAway(this.card, $("choose"));
  }

  // After a reload, without the file: what the server has, and a request to choose the file again.
  async recall() {
    const { size, address } = this.record;
    try {
      const offset = address ? await offsetOf(address, this.stop.signal) : 0;
      if (this.file) return; // it was chosen meanwhile
      part(this.card, "progress").value = offset / size;
      if (offset === size) {
        await this.submit();
        return;
      }
      this.state("upload.broken", { sent: offset, size });
      part(this.card, "choose").hidden = false;
    } catch (error) {
      if (this.stop.signal.aborted) return;
      if (error instanceof Trouble && [404, 410].includes(error.status)) {
        this.record.address = null;
        this.state("upload.expired");
        part(this.card, "choose").hidden = false;
      } else tell(part(this.card, "trouble"), error);
    }
  }
}

async function next() {
  if (running || !waiting.length) return;
  running = true;
  const upload = waiting.shift();
  try {
    if (!upload.stop.signal.aborted) await upload.run();
  } finally {
    running = false;
    next();
  }
}

export async function addVideos(files) {
  for (const file of files) {
    const print = await fingerprint(file);
    const known = uploads.get(print);
    if (known?.file) continue; // it is on its way
    if (known) {
      known.file = file;
      known.queue();
      continue;
    }
    const fresh = { print, name: file.name, size: file.size, address: null, settings: videoSettings(), key: newKey() };
    const record = recordOf(print) ?? fresh;
    new Upload(record, file).queue();
  }
}

// `taken(job)` hears of every job that an upload became.
export function startUploads(taken) {
  onJob = taken;
}

// Show what an earlier visit left unfinished.
export function recallUploads() {
  for (const record of unfinished()) {
    if (!uploads.has(record.print)) new Upload(record).recall();
  }
}
