/* Where the kiosk's page begins: styles, the lock, what is shown. A page of its own, so that a stranger's holds nothing of
   the desk's. */
import "./views/kiosk/kiosk.css";
import { mount } from "svelte";
import { hideStillPointer, lockPage } from "./lib/lock";
import Kiosk from "./views/kiosk/Kiosk.svelte";

// Before anything is there to be clicked.
lockPage(window);
hideStillPointer(window);
mount(Kiosk, { target: document.getElementById("app")! });
