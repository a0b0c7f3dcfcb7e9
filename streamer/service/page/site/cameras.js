// Live cameras, masked: a tile for each, which plays when it is asked to.

import { callJson, pause, tell, Trouble } from "./api.js";
import { $, fromTemplate, part } from "./elements.js";
import { poll } from "./poll.js";
import { signedIn } from "./session.js";
import { isKnown, label, say } from "./texts.js";
import { play } from "./whep.js";

const BACK_OFF = [1, 2, 4, 8, 15]; // seconds

const PERIOD = 3000; // ms

let streams = [];
const tiles = new Map(); // by name

class Tile {
  constructor(name) {
    this.name = name;
    this.stop = null;
    this.card = fromTemplate("camera");
    part(this.card, "name").textContent = name;
    label(part(this.card, "video"), "cameras.video", { name });
    part(this.card, "watch").addEventListener("click", () => (this.stop ? this.end() : this.watch()));
    this.button();
  }

  // How the camera is doing, as far as the server tells.
  describe(state) {
    if (!isKnown(`camera.${state}`) || this.card.dataset.state === state) return;
    this.card.dataset.state = state;
    say(part(this.card, "badge"), `camera.${state}`);
    say(part(this.card, "state"), `camera.${state}.text`);
  }

  button() {
    say(part(this.card, "watch"), this.stop ? "watch.end" : "watch");
    this.card.classList.toggle("playing", this.stop !== null);
  }

  async watch() {
    this.stop = new AbortController();
    this.button();
    const { signal } = this.stop;
    const link = part(this.card, "link");
    try {
      for (let tries = 0; ; tries += 1) {
        say(link, tries ? "cameras.again" : "cameras.connecting");
        try {
          const onPlaying = () => {
            tries = 0;
            say(link, "");
          };
          await play(this.name, part(this.card, "video"), { onPlaying, signal });
        } catch (error) {
          if (!(error instanceof Trouble)) throw error;
          if (error.status === 401) await signedIn();
          else if (!error.passing) throw error;
        }
        await pause(BACK_OFF[Math.min(tries, BACK_OFF.length - 1)] * 1000, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.end();
      tell(link, error);
    }
  }

  end() {
    this.stop?.abort(new DOMException("ended", "AbortError"));
    this.stop = null;
    say(part(this.card, "link"), "");
    this.button();
  }
}

// The cameras that there are. Raises Trouble.
export async function loadCameras(signal) {
  try {
    streams = await callJson("/v1/streams", { signal });
  } catch (error) {
    if (error.status !== 404) throw error;
    streams = []; // a server without cameras need not have the list
  }
  return streams;
}

async function look(signal) {
  try {
    await loadCameras(signal);
    say($("cameras-note"), streams.length ? "" : "cameras.none");
  } catch (error) {
    signal.throwIfAborted();
    tell($("cameras-note"), error);
  }
  for (const { name, state } of streams) tiles.get(name)?.describe(state);
}

export function enterCameras() {
  for (const { name, state } of streams) {
    const tile = new Tile(name);
    tile.describe(state);
    tiles.set(name, tile);
    $("camera-list").append(tile.card);
  }
  const stop = poll(PERIOD, look);
  return () => {
    stop();
    for (const tile of tiles.values()) tile.end();
    tiles.clear();
    $("camera-list").replaceChildren();
  };
}
