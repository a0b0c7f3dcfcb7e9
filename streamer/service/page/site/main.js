// Puts the page together.

import { Trouble, pause, tell } from "./api.js";
import { enterAudit, startAudit } from "./audit.js";
import { enterCameras, loadCameras } from "./cameras.js";
import { startDrop } from "./drop.js";
import { $ } from "./elements.js";
import { loadJobs, putJob, startJobs } from "./jobs.js";
import { forgetNames } from "./names.js";
import { addPictures, startPictures } from "./pictures.js";
import { addPlace, closePlaces, openPlaces, startPlaces } from "./places.js";
import { enterQueue, startQueue } from "./queue.js";
import { enter, may, startSession } from "./session.js";
import { loadSettings, startSettings } from "./settings.js";
import { say, startTexts } from "./texts.js";
import { forgetUnfinished } from "./unfinished.js";
import { addVideos, recallUploads, startUploads } from "./uploads.js";

const AGAIN = 5000; // ms until an unreachable server is tried again

// Repeats until the server has answered; a login form takes over on 401.
async function persist(what) {
  for (;;) {
    try {
      await what();
      say($("unreachable"), "");
      return;
    } catch (error) {
      if (error instanceof Trouble && error.status === 401) {
        say($("unreachable"), "");
        return;
      }
      tell($("unreachable"), error);
      await pause(AGAIN);
    }
  }
}

async function open() {
  await loadSettings();
  const cameras = may("view") ? await loadCameras() : [];
  openPlaces(cameras.length ? [] : ["cameras"]);
  if (!may("submit")) return;
  await loadJobs();
  recallUploads();
}

startTexts($("language"));
startSettings();
startSession();
startPlaces();
startPictures();
startJobs();
startQueue();
startAudit();
startUploads(putJob);
startDrop(() => !$("mask").hidden, addPictures, addVideos);

addPlace("mask", () => {});
addPlace("cameras", enterCameras);
addPlace("queue", enterQueue);
addPlace("audit", enterAudit);

document.addEventListener("signed-in", () => persist(open));
document.addEventListener("signed-out", () => {
  closePlaces();
  $("places").hidden = true;
});
document.addEventListener("log-out", () => {
  forgetNames();
  forgetUnfinished();
});
persist(enter);
