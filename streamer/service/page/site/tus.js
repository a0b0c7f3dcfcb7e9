// Resumable upload by tus 1.0: pieces of 8 MB, each at the offset that the server says it has.

import { Trouble, call, pause, troubleOf } from "./api.js";
import { signedIn } from "./session.js";

const PIECE = 8 * 1000 * 1000; // bytes
const TUS = { "Tus-Resumable": "1.0.0" };
const OFFSET_TYPE = "application/offset+octet-stream";
const BACK_OFF = [1, 2, 4, 8, 15, 30]; // seconds
const STALL = 60000; // ms without a byte getting through
const HASHING = 600000; // ms for the answer to the last piece: the server then reads the whole file

// Begin an upload and return its address. Raises Trouble.
export async function create(length, signal) {
  const headers = { ...TUS, "Upload-Length": String(length) };
  const response = await call("/v1/uploads", { method: "POST", headers, signal });
  const place = response.headers.get("Location");
  if (!place) throw new Trouble(0);
  return new URL(place, location.href).pathname;
}

// How many bytes the server has. Raises Trouble: 404 or 410 if it has forgotten the upload.
export async function offsetOf(address, signal) {
  const response = await call(address, { method: "HEAD", headers: TUS, signal });
  const offset = Number.parseInt(response.headers.get("Upload-Offset") ?? "", 10);
  if (!Number.isInteger(offset)) throw new Trouble(0);
  return offset;
}

// Have the server look at a file of which it has every byte: the connection may have broken off before it did.
export async function complete(address, size, signal) {
  const headers = { ...TUS, "Upload-Offset": String(size), "Content-Type": OFFSET_TYPE };
  try {
    await call(address, { method: "PATCH", headers, body: new Blob(), patience: HASHING, signal });
  } catch (error) {
    if (error.status !== 409) throw error; // it has done so already
  }
}

export const discard = (address) => call(address, { method: "DELETE", headers: TUS });

async function checksum(piece) {
  if (!globalThis.crypto?.subtle) return {}; // only there with TLS and on this machine
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", piece));
  return { "Upload-Checksum": `sha256 ${btoa(String.fromCharCode(...hash))}` };
}

// Send one piece; fetch cannot say how far it is. Returns the new offset. Raises Trouble.
async function sendPiece(address, file, offset, onSent, signal) {
  const piece = await file.slice(offset, offset + PIECE).arrayBuffer();
  const sum = await checksum(piece);
  signal.throwIfAborted();
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    let last = performance.now();
    let patience = STALL;
    const watch = setInterval(() => performance.now() - last > patience && request.abort(), 5000);
    const end = (settle, value) => {
      clearInterval(watch);
      signal.removeEventListener("abort", abort);
      settle(value);
    };
    request.open("PATCH", address);
    const headers = { ...TUS, ...sum, "Upload-Offset": String(offset), "Content-Type": OFFSET_TYPE };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      last = performance.now();
      onSent(offset + event.loaded);
    });
    request.upload.addEventListener("load", () => {
      patience = HASHING;
    });
    request.addEventListener("load", () => {
      const header = (name) => request.getResponseHeader(name);
      const now = Number.parseInt(header("Upload-Offset") ?? "", 10);
      if (request.status < 300 && Number.isInteger(now)) end(done, now);
      else end(failed, troubleOf(request.status, header, request.responseText));
    });
    request.addEventListener("error", () => end(failed, new Trouble(0)));
    request.addEventListener("abort", () => end(failed, signal.aborted ? signal.reason : new Trouble(0)));
    signal.addEventListener("abort", abort);
    request.send(piece);
  });
}

// 409: the server has another offset; 423: an earlier request holds the upload; 460: the piece was damaged.
const isForAnotherTry = (error) => error.passing || [408, 409, 423, 460].includes(error.status);

// Send what is missing, however often the connection breaks. `onWait(trouble)` hears of every pause.
// Raises Trouble for what no other try can mend.
export async function send(address, file, { onSent, onWait, signal }) {
  for (let tries = 0; ; ) {
    try {
      let offset = await offsetOf(address, signal);
      onSent(offset);
      while (offset < file.size) {
        offset = await sendPiece(address, file, offset, onSent, signal);
        tries = 0;
        onSent(offset);
      }
      return;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      onWait(error);
      if (error.status === 401) {
        await signedIn();
      } else if (isForAnotherTry(error)) {
        const seconds = Math.max(error.wait ?? 0, BACK_OFF[Math.min(tries, BACK_OFF.length - 1)]);
        tries += 1;
        await pause(seconds * 1000, signal);
      } else {
        throw error;
      }
    }
  }
}
