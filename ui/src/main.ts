/* Where the window's page begins: styles, the guard against leaving, the App. Nothing else. */
import "./styles/base.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { theme } from "./state/theme.svelte";
import { guardNavigation } from "./lib/links";

// Before anything is painted, so that no other theme flashes up.
theme.apply();
guardNavigation(document);
mount(App, { target: document.getElementById("app")! });
