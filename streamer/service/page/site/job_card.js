// One video in the list: how far it is, and what may be done with it.

import { call, callJson, sentence, tell, Trouble } from "./api.js";
import { fromTemplate, make, part } from "./elements.js";
import { follow, isFinal } from "./follow.js";
import { forgetName, maskedName, nameOf } from "./names.js";
import { announce, announceProgress } from "./news.js";
import { isWanted } from "./question.js";
import { label, say, text } from "./texts.js";

export class JobCard {
  // `onGone(card)` is called when the job is no longer there.
  constructor(job, onGone) {
    this.onGone = onGone;
    this.card = fromTemplate("job");
    this.card.dataset.job = job.id;
    this.unfollow = () => {};
    const act = (name, what) => part(this.card, name).addEventListener("click", what);
    act("watch", () => this.watch());
    act("cancel", () => this.end("cancel.question", "cancel.yes"));
    act("delete", () => this.end("delete.question", "delete.yes"));
    this.show(job);
    if (!isFinal(job)) this.unfollow = follow(job.id, (news) => this.show(news), () => this.onGone(this));
  }

  get name() {
    return nameOf(this.job.id) ?? text("job.unnamed", { when: this.job.created });
  }

  show(job) {
    const before = this.job?.state;
    this.job = job;
    const { state, progress } = job;
    const known = nameOf(job.id);
    if (known === null) say(part(this.card, "name"), "job.unnamed", { when: job.created });
    else part(this.card, "name").textContent = known;
    if (this.card.dataset.state !== state) {
      this.card.dataset.state = state;
      say(part(this.card, "badge"), `state.${state}`);
    }
    this.showProgress();
    this.showActions();
    if (state === "running") announceProgress(job.id, this.name, progress);
    if (before && before !== state && isFinal(job)) announce(`news.${state}`, { name: this.name });
  }

  showProgress() {
    const { state, progress, place, seconds_left: left, ended, expires, result, reason, created, settings } = this.job;
    const bar = part(this.card, "progress");
    bar.hidden = isFinal(this.job);
    label(bar, "job.progress", { name: this.name });
    if (state === "queued") bar.removeAttribute("value");
    else bar.value = progress;
    const line = part(this.card, "state");
    if (state === "queued") say(line, place === null || place < 1 ? "job.queued" : "job.place", { n: place });
    else if (state === "running") say(line, left === null ? "job.running" : "job.left", { share: progress, left });
    else if (state === "done") {
      const key = expires === null ? "job.done" : "job.done.expires";
      say(line, key, { size: result?.bytes ?? 0, when: ended ?? created, expires, settings });
    } else say(line, `job.${state}`, { when: ended ?? created });
    if (reason && state !== "done") part(this.card, "trouble").replaceChildren(make("span", { lang: "en" }, sentence(reason)));
  }

  showActions() {
    const { id, state, result, report, masks } = this.job;
    const set = (name, shown) => {
      part(this.card, name).hidden = !shown;
    };
    const final = isFinal(this.job);
    const focused = part(this.card, "cancel") === document.activeElement;
    const there = state === "done" && result !== null;
    set("watch", there);
    set("download", there);
    set("report", there && report);
    set("masks", there && masks);
    set("cancel", !final);
    set("delete", final);
    if (focused && final) part(this.card, "delete").focus();
    if (!there) return;
    // Not as an attachment: then the name here is the one that is saved.
    part(this.card, "download").href = `/v1/jobs/${id}/result?inline=1`;
    part(this.card, "download").download = maskedName(nameOf(id) ?? "video", result.type);
    part(this.card, "report").href = `/v1/jobs/${id}/report`;
    part(this.card, "masks").href = `/v1/jobs/${id}/masks`;
    part(this.card, "masks").download = "";
  }

  watch() {
    const player = part(this.card, "player");
    const button = part(this.card, "watch");
    if (player.firstChild) {
      player.replaceChildren();
      say(button, "watch");
      return;
    }
    const src = `/v1/jobs/${this.job.id}/result?inline=1`;
    const video = make("video", { src, controls: true, playsinline: true, preload: "metadata" });
    label(video, "job.video", { name: this.name });
    video.addEventListener("error", () => {
      player.replaceChildren();
      say(button, "watch");
      say(part(this.card, "trouble"), "job.unplayable");
    });
    player.append(video);
    say(button, "watch.end");
    video.play().catch(() => {}); // where it may not start by itself, its button does
  }

  async end(question, yes) {
    if (!(await isWanted(question, yes, { name: this.name }))) return;
    const { id } = this.job;
    say(part(this.card, "trouble"), "");
    try {
      await call(`/v1/jobs/${id}`, { method: "DELETE" });
      // What was cancelled may stay in the list as such.
      this.show(await callJson(`/v1/jobs/${id}`));
    } catch (error) {
      if (error instanceof Trouble && error.status === 404) {
        forgetName(id);
        this.onGone(this);
      } else tell(part(this.card, "trouble"), error);
    }
  }

  close() {
    this.unfollow();
    part(this.card, "player").replaceChildren();
  }
}
