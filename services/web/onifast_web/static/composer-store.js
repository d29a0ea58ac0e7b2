// What is being written, kept in the browser too (IndexedDB): it is there before the server has it, and outlives a
// closed tab, a killed browser and an ended session. One record for each composer of each user.

const NAME = "onifast-mail";
const STORE = "composers";
let opened = null;

export function record(user, key) {
  return `${user} ${key}`;
}

export async function put(value) {
  await run("readwrite", (store) => store.put(value));
}

export async function get(id) {
  return run("readonly", (store) => store.get(id));
}

export async function remove(id) {
  await run("readwrite", (store) => store.delete(id));
}

export async function all() {
  return (await run("readonly", (store) => store.getAll())) ?? [];
}

// What nobody comes back for is not kept for ever.
export async function forget(before) {
  for (const each of await all()) if (each.at < before) await remove(each.id);
}

function open() {
  opened ??= new Promise((resolve) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    // Private windows of some browsers have none: then there is the server alone.
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
  return opened;
}

async function run(mode, act) {
  const database = await open();
  if (!database) return undefined;
  return new Promise((resolve) => {
    // Strict: it is on the disk, not only in the browser's process, when it is said to be kept.
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const request = act(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => resolve(undefined);
    transaction.onabort = () => resolve(undefined);
  });
}
