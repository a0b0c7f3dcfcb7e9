// The preview page: asks for the token if one is required, lists the streams, and plays one over WHEP.

const TOKEN = "veilcast-token";
const POLL = 1000; // ms
const BACK_OFF = [500, 1000, 2000, 4000, 8000, 15000]; // ms
const PATIENCE = 10000; // ms for a response
const STALL = 6000; // ms without a new picture before reconnecting

const WORDS = {
  starting: "waiting for the first picture",
  settled: "every picture is masked from detections before and after it",
  held: "the next detection is late: masks are extrapolated from the last one",
  blanket: "the whole picture is masked",
  offline: "no pictures from the camera",
};

const $ = (id) => document.getElementById(id);

const show = (id, text) => {
  if ($(id).textContent !== text) $(id).textContent = text;
};

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

class TokenNeeded extends Error {}

async function call(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, {
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE),
    ...options,
    headers,
  });
  if (response.status === 401) throw new TokenNeeded();
  if (response.status === 429) throw new Error("Too many wrong tokens from your address. Wait a minute.");
  return response;
}

// Asks for the token; the caller tries it, and asks again if it is wrong.
async function login() {
  const form = $("login");
  form.classList.toggle("wrong", sessionStorage.getItem(TOKEN) !== null);
  show(
    "login-text",
    sessionStorage.getItem(TOKEN) === null ? "Enter the access token to watch." : "Wrong token. Try again.",
  );
  sessionStorage.removeItem(TOKEN);
  form.hidden = false;
  $("token").focus();
  await new Promise((done) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      // A header may only contain visible ASCII.
      sessionStorage.setItem(TOKEN, $("token").value.replace(/[^\x21-\x7e]/g, ""));
      $("token").value = "";
      done();
    };
  });
  form.hidden = true;
}

let asking = null;

// Ask only once, however many requests were refused.
function token() {
  asking ??= login().finally(() => {
    asking = null;
  });
  return asking;
}

// Parses ICE servers from Link headers: <turn:host>; rel="ice-server"; username="u"; credential="p"
function iceServers(link) {
  const servers = [];
  for (const [, urls, rest] of (link ?? "").matchAll(/<([^>]+)>((?:\s*;\s*[\w-]+="(?:[^"\\]|\\.)*")*)/g)) {
    const values = {};
    for (const [, name, value] of rest.matchAll(/([\w-]+)="((?:[^"\\]|\\.)*)"/g)) {
      values[name] = value.replace(/\\(.)/g, "$1");
    }
    if (values.rel !== "ice-server") continue;
    servers.push(values.username ? { urls, username: values.username, credential: values.credential } : { urls });
  }
  return servers;
}

// Plays the stream until the connection is lost; the caller reconnects.
async function watch(name, video) {
  const endpoint = `/whep/${encodeURIComponent(name)}`;
  const options = await call(endpoint, { method: "OPTIONS" });
  if (!options.ok) throw new Error(options.status === 404 ? "This stream does not exist." : "The server is busy.");
  const peer = new RTCPeerConnection({ iceServers: iceServers(options.headers.get("Link")) });
  let session = null;
  let etag = null;
  let waiting = [];
  let trickling = Promise.resolve();

  const trickle = () => {
    if (!session || !waiting.length) return;
    const found = waiting;
    waiting = [];
    const ufrag = /a=ice-ufrag:(\S+)/.exec(peer.localDescription.sdp)?.[1];
    const lines = [`a=ice-ufrag:${ufrag}`, "m=video 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"];
    lines.push(...found.map((line) => (line === null ? "a=end-of-candidates" : `a=${line}`)));
    const body = `${lines.join("\r\n")}\r\n`;
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag };
    trickling = trickling.then(() => call(session, { method: "PATCH", headers, body })).catch(() => {});
  };
  const leave = () => {
    if (session) call(session, { method: "DELETE", keepalive: true }).catch(() => {});
    session = null;
  };
  const unload = () => leave();

  try {
    peer.addTransceiver("video", { direction: "recvonly" });
    peer.ontrack = (event) => {
      video.srcObject = new MediaStream([event.track]);
    };
    peer.onicecandidate = ({ candidate }) => {
      waiting.push(candidate && candidate.candidate ? candidate.candidate : null);
      trickle();
    };
    const lost = new Promise((done) => {
      peer.onconnectionstatechange = () => {
        if (["failed", "closed", "disconnected"].includes(peer.connectionState)) done();
        if (peer.connectionState === "connected") link("");
      };
    });
    await peer.setLocalDescription();
    const response = await call(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: peer.localDescription.sdp,
    });
    if (response.status === 503) throw new Error("Too many viewers. Try again later.");
    if (response.status !== 201) throw new Error(`The server refused the connection (${response.status}).`);
    session = response.headers.get("Location");
    etag = response.headers.get("ETag");
    addEventListener("pagehide", unload);
    await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    trickle();
    await Promise.race([lost, stalled(video, peer)]);
  } finally {
    removeEventListener("pagehide", unload);
    leave();
    peer.close();
  }
}

// Returns when no picture has arrived for a while; time while the page is hidden does not count.
async function stalled(video, peer) {
  let frames = 0;
  let since = performance.now();
  while (peer.connectionState !== "closed") {
    await pause(500);
    const now = video.getVideoPlaybackQuality().totalVideoFrames;
    if (now !== frames || document.hidden) since = performance.now();
    frames = now;
    if (performance.now() - since > STALL) return;
  }
}

const link = (text) => show("link", text);

async function keepWatching(name) {
  const video = $("video");
  for (let tries = 0; ; tries += 1) {
    link(tries ? "Reconnecting …" : "Connecting …");
    const begun = performance.now();
    let reason = "The connection was lost.";
    try {
      await watch(name, video);
    } catch (error) {
      if (error instanceof TokenNeeded) {
        await token();
        tries = -1;
        continue;
      }
      reason = error instanceof TypeError || error.name === "TimeoutError" ? "Cannot reach the server." : error.message;
    }
    if (performance.now() - begun > 20000) tries = 0;
    const wait = BACK_OFF[Math.min(tries, BACK_OFF.length - 1)] * (0.75 + Math.random() / 2);
    link(`${reason} Reconnecting …`);
    await pause(wait);
  }
}

const rate = (value) => value.toFixed(1);

const seconds = (value) => (value === null ? "none" : `${Math.round(value * 1000)} ms`);

function since(stream) {
  if (stream.state !== "offline" || !stream.offline_since) return WORDS[stream.state] ?? "";
  return `${WORDS.offline} since ${new Date(stream.offline_since * 1000).toLocaleTimeString()}`;
}

function describe(stream) {
  if ($("state").dataset.state !== stream.state) $("state").dataset.state = stream.state;
  show("state-word", stream.state);
  show("state-text", since(stream));
  show("fps-in", rate(stream.fps_in));
  show("fps-out", rate(stream.fps_out));
  show("delay", seconds(stream.delay[0]));
  show("faces", String(stream.faces));
  show("mask-age", seconds(stream.mask_age));
  show("viewers", String(stream.viewers));
  show("trouble", stream.errors.length ? stream.errors[stream.errors.length - 1] : "");
}

function entry(stream) {
  const item = document.createElement("li");
  const card = document.createElement("a");
  card.className = "card";
  card.href = `/?stream=${encodeURIComponent(stream.name)}`;
  const title = document.createElement("h2");
  const state = document.createElement("p");
  const dot = document.createElement("span");
  const word = document.createElement("strong");
  const facts = document.createElement("p");
  title.textContent = stream.name;
  state.className = "state";
  state.dataset.state = stream.state;
  dot.className = "dot";
  dot.setAttribute("aria-hidden", "true");
  word.textContent = stream.state;
  facts.className = "note";
  facts.textContent = `${rate(stream.fps_out)} fps, ${stream.viewers} ${stream.viewers === 1 ? "viewer" : "viewers"}`;
  state.append(dot, word, ` ${since(stream)}`);
  card.append(title, state, facts);
  item.append(card);
  return item;
}

let drawn = "";

function list(streams) {
  const now = JSON.stringify(streams.map((s) => [s.name, s.state, s.offline_since, rate(s.fps_out), s.viewers]));
  if (now === drawn) return;
  drawn = now;
  const focused = [...$("streams").children].findIndex((item) => item.contains(document.activeElement));
  $("streams").replaceChildren(...streams.map(entry));
  if (focused >= 0) $("streams").children[focused]?.firstElementChild.focus();
  show("list-note", streams.length ? "" : "There are no streams.");
}

async function poll(name) {
  for (;;) {
    try {
      const response = await call("/api/streams");
      if (!response.ok) throw new Error("The server is busy.");
      const streams = await response.json();
      if (name === null) {
        list(streams);
      } else {
        const stream = streams.find((one) => one.name === name);
        if (stream) describe(stream);
        else show("trouble", "This stream does not exist.");
      }
    } catch (error) {
      if (error instanceof TokenNeeded) {
        await token();
        continue;
      }
      show(name === null ? "list-note" : "trouble", "Cannot reach the server.");
    }
    await pause(POLL);
  }
}

function chosen() {
  const asked = new URLSearchParams(location.search).get("stream");
  return asked ?? (location.pathname === "/" ? null : decodeURIComponent(location.pathname.slice(1)));
}

const name = chosen();
if (name === null) {
  $("list").hidden = false;
} else {
  document.title = `${name} – veilcast`;
  show("title", name);
  $("viewer").hidden = false;
  keepWatching(name);
}
poll(name);
