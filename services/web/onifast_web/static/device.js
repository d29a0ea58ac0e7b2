// The webmail on this device: its service worker, and what "This device" offers where the browser can do it.

import { t } from "./texts.js";

// Each of those who use this browser chooses for themselves.
const { user } = document.body.dataset;
const WANTED = `onifast-notifications ${user}`;
const TOLD = `onifast-told ${user}`;
const LOOKED = `onifast-looked ${user}`;
const MOST = 3; // notifications at once
const LATE = 300_000; // milliseconds for which a message may be under way to the inbox

let installing = null;

export function enableDevice() {
  // Browsers keep service workers to TLS and this machine.
  navigator.serviceWorker?.register(`${document.body.dataset.root}service-worker.js`).catch(() => {});
  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    installing = event;
    showOffers();
  });
  showOffers();
}

export function wantsNotifications() {
  return "Notification" in window && Notification.permission === "granted" && localStorage.getItem(WANTED) === "on";
}

// Of mail that has come to the inbox since the last time; one window tells for all.
export async function tellOfNew(root) {
  if (!wantsNotifications()) return;
  await navigator.locks.request("onifast-telling", async () => {
    const told = Number(localStorage.getItem(TOLD));
    const query = "folder=inbox&unread=true&limit=20";
    const answer = await fetch(`${root}/api/mail/list?${query}`, { headers: { "X-Onifast-Poll": "1" } }).catch(
      () => null,
    );
    if (!answer?.ok) return;
    const { emails } = await answer.json();
    const newest = Math.max(told, ...emails.map((each) => each.id));
    localStorage.setItem(TOLD, newest);
    // By the server's clock, as are the times of messages.
    const looked = Number(localStorage.getItem(LOOKED));
    localStorage.setItem(LOOKED, Date.parse(answer.headers.get("Date")) || Date.now());
    // What has a higher number and came before that was brought in from somewhere else: it is no news.
    const news = emails.filter((one) => one.id > told && Date.parse(one.received_at) > looked - LATE);
    // The first time says what has been told, whatever lies there.
    if (told) for (const each of news.slice(0, MOST)) await tell(root, each);
  });
}

async function tell(root, message) {
  await notify(message.sender, message.subject || t("(no subject)"), `${root}/messages/${message.id}`);
}

async function notify(title, body, url) {
  const worker = await navigator.serviceWorker?.getRegistration();
  // A phone's browser shows none but by a service worker.
  if (worker) worker.showNotification(title, { body, tag: url, data: { url } });
  else new Notification(title, { body, tag: url }).onclick = () => window.focus();
}

function showOffers() {
  const offers = document.querySelector("[data-device]");
  if (!offers) return;
  offer(offers, "install", Boolean(installing), () => installing.prompt());
  const canHandle = window.isSecureContext && "registerProtocolHandler" in navigator;
  offer(offers, "mailto", canHandle, () => navigator.registerProtocolHandler("mailto", offers.dataset.handler));
  showNotifications(offers);
}

function showNotifications(offers) {
  const isThere = window.isSecureContext && "Notification" in window;
  const isOn = isThere && wantsNotifications();
  const isDenied = isThere && Notification.permission === "denied";
  offer(offers, "notify", isThere && !isOn && !isDenied, async () => {
    if ((await Notification.requestPermission()) === "granted") localStorage.setItem(WANTED, "on");
    showNotifications(offers);
  });
  offer(offers, "hush", isOn, () => {
    localStorage.removeItem(WANTED);
    showNotifications(offers);
  });
  offers.querySelector("[data-denied]").hidden = !isDenied;
}

function offer(offers, name, isPossible, act) {
  const button = offers.querySelector(`[data-offer="${name}"]`);
  button.hidden = !isPossible;
  button.onclick = act;
  const otherwise = offers.querySelector(`[data-without="${name}"]`);
  if (otherwise) otherwise.hidden = isPossible;
}
