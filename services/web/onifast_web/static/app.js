// What JavaScript adds to pages that work without it.

import { enableConversations } from "./conversation.js";
import { enableDevice } from "./device.js";
import { enableDock } from "./dock.js";
import { fitFrames } from "./frame.js";
import { enableSendingLater } from "./later.js";
import { keepUpToDate } from "./live.js";
import { tellOfLocalDrafts } from "./local-drafts.js";
import { enableReading } from "./reading.js";
import { enableSearching } from "./searching.js";
import { enableSelection } from "./selection.js";
import { enableShortcuts } from "./shortcuts.js";
import { enableSmallThings } from "./small.js";
import { enableSorting } from "./sorting.js";
import { showLocalTimes } from "./times.js";
import { countDownUndo } from "./undo.js";

showLocalTimes(document);
enableSmallThings();
enableShortcuts();
enableSelection();
enableSearching();
enableSorting();
// The editor is large, and few pages have it.
if (document.querySelector("form.composer, [data-left-dock]")) (await import("./composer.js")).enableComposer();
if (document.querySelector("[data-rich-field]")) (await import("./rich-field.js")).enableRichFields();
enableDock();
enableDevice();
tellOfLocalDrafts();
enableConversations();
enableSendingLater();
countDownUndo();
fitFrames(document);
if (document.querySelector(".message")) enableReading();
keepUpToDate();
document.documentElement.classList.add("js");
