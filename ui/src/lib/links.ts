/* What happens when a person follows a link in an answer: the address goes to Rust, which asks the browser.
   Invariant: this window never navigates and never opens another. Links carry no href (see markdown.ts); the guard
   here is for whatever else might be dropped or clicked. */
import { commands } from "./bindings";
import { copyText } from "./clipboard";
import { done } from "./errors";

/** Opens a web page in the person's own browser; a failure is reported. */
export function openPage(url: string): void {
  void done(commands.openLink(url));
}

/** Opens the link that an event came from, if it came from one. Returns whether it did. */
export function followLink(event: Event): boolean {
  const link = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-url]") : null;
  const url = link?.dataset.url;
  if (!url) return false;
  event.preventDefault();
  // Rust opens web pages only; an address to write to is more use on the clipboard than in an error.
  if (url.startsWith("mailto:")) void copyText(decodeURIComponent(url.slice("mailto:".length)));
  else openPage(url);
  return true;
}

/** Stops the keys that load the page anew, and WebKit's menu, which would offer it, except where it has more to offer. */
function keepPage(event: KeyboardEvent | MouseEvent): void {
  const reloads =
    event instanceof KeyboardEvent
      ? event.key === "F5" || ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "r")
      : !(event.target instanceof Element && event.target.closest("input, textarea")) &&
        (getSelection()?.isCollapsed ?? true);
  if (reloads) event.preventDefault();
}

/** Stops every way in which a page could leave: links, middle clicks on them, things dropped on the window, reloads. */
export function guardNavigation(target: Document): void {
  const stop = (event: Event) => {
    if (event.target instanceof Element && event.target.closest("a")) event.preventDefault();
  };
  for (const name of ["click", "auxclick", "dragstart"])
    target.addEventListener(name, stop, { capture: true });
  target.addEventListener("keydown", keepPage, { capture: true });
  target.addEventListener("contextmenu", keepPage);
  for (const name of ["dragover", "drop"]) target.addEventListener(name, (event) => event.preventDefault());
}
