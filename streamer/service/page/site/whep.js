// Plays one live stream over WHEP (WebRTC by HTTP).

import { call, pause, Trouble } from "./api.js";

const STALL = 6000; // ms without a new picture

// ICE servers from a Link header: <turn:host>; rel="ice-server"; username="u"; credential="p"
function iceServers(header) {
  const servers = [];
  for (const [, urls, rest] of (header ?? "").matchAll(/<([^>]+)>((?:\s*;\s*[\w-]+="(?:[^"\\]|\\.)*")*)/g)) {
    const pairs = [...rest.matchAll(/([\w-]+)="((?:[^"\\]|\\.)*)"/g)];
    const values = Object.fromEntries(pairs.map(([, name, value]) => [name, value.replace(/\\(.)/g, "$1")]));
    if (values.rel !== "ice-server") continue;
    servers.push(values.username ? { urls, username: values.username, credential: values.credential } : { urls });
  }
  return servers;
}

// Candidates as a fragment of SDP; null stands for the end of them.
function fragment(peer, candidates) {
  const ufrag = /a=ice-ufrag:(\S+)/.exec(peer.localDescription.sdp)?.[1];
  const lines = candidates.map((line) => (line === null ? "a=end-of-candidates" : `a=${line}`));
  return [`a=ice-ufrag:${ufrag}`, "m=video 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", ...lines, ""].join("\r\n");
}

async function untilStalled(video, peer, signal) {
  let frames = 0;
  let since = performance.now();
  while (peer.connectionState !== "closed") {
    await pause(500, signal);
    const now = video.getVideoPlaybackQuality().totalVideoFrames;
    if (now !== frames || document.hidden) since = performance.now();
    frames = now;
    if (performance.now() - since > STALL) return;
  }
}

// Plays until the connection is lost. Raises Trouble if there is none, the signal's reason when it is aborted.
export async function play(name, video, { onPlaying, signal }) {
  const endpoint = `/whep/${encodeURIComponent(name)}`;
  const options = await call(endpoint, { method: "OPTIONS", signal });
  const peer = new RTCPeerConnection({ iceServers: iceServers(options.headers.get("Link")) });
  let session = null;
  let etag = null;
  let candidates = [];
  let trickling = Promise.resolve();
  const trickle = () => {
    if (!session || !candidates.length) return;
    const body = fragment(peer, candidates.splice(0));
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag };
    trickling = trickling.then(() => call(session, { method: "PATCH", headers, body })).catch(() => {});
  };
  const leave = () => {
    if (session) call(session, { method: "DELETE", keepalive: true }).catch(() => {});
    session = null;
  };
  try {
    peer.addTransceiver("video", { direction: "recvonly" });
    peer.addEventListener("track", (event) => {
      video.srcObject = new MediaStream([event.track]);
      video.play().catch(() => {}); // it is taken away again
    });
    peer.addEventListener("icecandidate", ({ candidate }) => {
      candidates.push(candidate?.candidate ? candidate.candidate : null);
      trickle();
    });
    const lost = new Promise((done) => {
      peer.addEventListener("connectionstatechange", () => {
        if (peer.connectionState === "connected") onPlaying();
        if (["failed", "closed", "disconnected"].includes(peer.connectionState)) done();
      });
    });
    await peer.setLocalDescription();
    const headers = { "Content-Type": "application/sdp" };
    const answer = await call(endpoint, { method: "POST", headers, body: peer.localDescription.sdp, signal });
    const place = answer.headers.get("Location");
    if (!place) throw new Trouble(0);
    session = new URL(place, location.href).pathname;
    etag = answer.headers.get("ETag");
    addEventListener("pagehide", leave);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    trickle();
    await Promise.race([lost, untilStalled(video, peer, signal)]);
  } finally {
    removeEventListener("pagehide", leave);
    leave();
    peer.close();
    video.srcObject = null;
  }
}
