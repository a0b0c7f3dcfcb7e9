// Who is signed in, and the login form. Any request that is answered 401 brings the form back.

import { call, callJson, jsonBody, tell } from "./api.js";
import { $ } from "./elements.js";
import { say } from "./texts.js";

let session = null;
let waiting = [];

export const may = (role) => session !== null && (session.roles.includes(role) || session.roles.includes("admin"));

// Resolves when somebody is signed in.
export const signedIn = () => (session ? Promise.resolve() : new Promise((done) => waiting.push(done)));

// Ask the server who we are. Raises Trouble; on 401 the form is shown.
export async function enter() {
  session = await callJson("/v1/session");
  $("login").hidden = true;
  $("log-out").hidden = session.open;
  document.dispatchEvent(new Event("signed-in"));
  for (const done of waiting.splice(0)) done();
}

function showForm() {
  if (!$("login").hidden) return;
  session = null;
  $("question").close();
  $("login").hidden = false;
  $("log-out").hidden = true;
  $("token").focus();
}

async function submit(event) {
  event.preventDefault();
  const token = $("token").value.trim();
  $("token").value = "";
  say($("login-trouble"), "");
  try {
    await call("/v1/session", jsonBody({ token }));
    await enter();
  } catch (error) {
    if (error.status === 401 || error.status === 422) say($("login-trouble"), "login.wrong");
    else tell($("login-trouble"), error);
    $("token").focus();
  }
}

async function logOut() {
  try {
    await call("/v1/session", { method: "DELETE" });
  } catch {
    // Whatever the server says: this page forgets what it shows.
  }
  document.dispatchEvent(new Event("log-out"));
  location.reload();
}

export function startSession() {
  document.addEventListener("signed-out", showForm);
  $("login").addEventListener("submit", submit);
  $("log-out").addEventListener("click", logOut);
}
