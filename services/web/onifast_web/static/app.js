// What JavaScript adds to pages that work without it.

import { enableActing } from "./acting.js";
import { enableConversations } from "./conversation.js";
import { enableDevice } from "./device.js";
import { enableDock } from "./dock.js";
import { fitFrames } from "./frame.js";
import { enableSendingLater } from "./later.js";
import { keepUpToDate } from "./live.js";
import { tellOfLocalDrafts } from "./local-drafts.js";
import { enablePane } from "./pane.js";
import { enableReading } from "./reading.js";
import { enableRowTools } from "./row-tools.js";
import { enableSearching } from "./searching.js";
import { enableSelection } from "./selection.js";
import { enableShortcuts } from "./shortcuts.js";
import { enableSmallThings } from "./small.js";
import { enableSnoozing } from "./snoozing.js";
import { enableSorting } from "./sorting.js";
import { enableSwipes } from "./swipes.js";
import { showLocalTimes } from "./times.js";
import { enableTrail } from "./trail.js";
import { countDownUndo } from "./undo.js";

showLocalTimes(document);
enableSmallThings();
enableShortcuts();
enableSelection();
enableSearching();
enableSorting();
enableTrail();
enablePane();
enableActing();
enableRowTools();
enableSwipes();
enableSnoozing();
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
if (document.querySelector(".message, [data-reading]")) enableReading();
keepUpToDate();
document.documentElement.classList.add("js");
