// What JavaScript adds to pages that work without it.
import { showLocalTimes } from "./times.js";
import { enableShortcuts } from "./shortcuts.js";
import { enableSelection } from "./selection.js";
import { keepUpToDate } from "./live.js";
import { enableComposer } from "./composer.js";
import { fitFrame } from "./frame.js";
import { enableSmallThings } from "./small.js";
import { countDownUndo } from "./undo.js";
import { enableSendingLater } from "./later.js";

showLocalTimes(document);
enableSmallThings();
enableShortcuts();
enableSelection();
enableComposer();
enableSendingLater();
countDownUndo();
fitFrame();
keepUpToDate();
document.documentElement.classList.add("js");
