// Shows a page of ours where the server cannot be reached. No mail is kept here, and nothing else is answered.
// KEPT has been written above: the page, and the style sheets that it needs.

const CACHE = `offline ${KEPT.styles[0]}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll([KEPT.offline, ...KEPT.styles]))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname } = new URL(request.url);
  const isStyle = KEPT.styles.includes(pathname);
  if (request.method !== "GET" || (request.mode !== "navigate" && !isStyle)) return;
  const kept = isStyle ? pathname : KEPT.offline;
  event.respondWith(fetch(request).catch(() => caches.match(kept)));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { url } = event.notification.data;
  event.waitUntil(
    self.clients.matchAll({ type: "window" }).then((windows) => {
      const open = windows.find((each) => "focus" in each);
      return open ? open.focus().then((each) => each.navigate(url)) : self.clients.openWindow(url);
    }),
  );
});
