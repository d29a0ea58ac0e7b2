// The number of unread messages in the title and in the page's icon.

let drawn = "";

export function showUnread(number) {
  document.title = `${number ? `(${number}) ` : ""}${document.title.replace(/^\(\d+\) /, "")}`;
  const text = number ? (number > 99 ? "99+" : String(number)) : "";
  if (text === drawn) return;
  drawn = text;
  draw(text);
}

export function unreadShown() {
  const badge = document.querySelector('[data-count="inbox"]');
  if (!badge) return Number(document.title.match(/^\((\d+)\) /)?.[1] ?? 0);
  return badge.hidden ? 0 : Number.parseInt(badge.textContent, 10) || 0;
}

function draw(text) {
  const link = document.querySelector('link[rel="icon"]');
  if (!link) return;
  link.dataset.plain ??= link.href;
  if (!text) {
    link.type = "image/svg+xml";
    link.href = link.dataset.plain;
    return;
  }
  const image = new Image(64, 64);
  image.onload = () => {
    if (drawn !== text) return;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 64;
    const on = canvas.getContext("2d");
    on.drawImage(image, 0, 0, 64, 64);
    const width = text.length > 2 ? 50 : text.length > 1 ? 42 : 34;
    on.fillStyle = "#d3261d";
    on.beginPath();
    on.roundRect(64 - width, 28, width, 36, 17);
    on.fill();
    on.fillStyle = "#fff";
    on.font = "bold 28px sans-serif";
    on.textAlign = "center";
    on.textBaseline = "middle";
    on.fillText(text, 64 - width / 2, 48, width - 6);
    link.type = "image/png";
    link.href = canvas.toDataURL("image/png");
  };
  image.src = link.dataset.plain;
}
