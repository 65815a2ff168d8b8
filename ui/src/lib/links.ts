/* What happens when a person follows a link in an answer: the address goes to Rust, which asks the browser.
   Invariant: this window never navigates and never opens another. Links carry no href (see markdown.ts); the guard
   here is for whatever else might be dropped or clicked. */
import { commands } from "./bindings";
import { copyText } from "./clipboard";
import { done } from "./errors";

/** Opens the link that an event came from, if it came from one. Returns whether it did. */
export function followLink(event: Event): boolean {
  const link = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-url]") : null;
  const url = link?.dataset.url;
  if (!url) return false;
  event.preventDefault();
  // Rust opens web pages only; an address to write to is more use on the clipboard than in an error.
  if (url.startsWith("mailto:")) void copyText(decodeURIComponent(url.slice("mailto:".length)));
  else void done(commands.openLink(url));
  return true;
}

/** Stops every way in which a page could leave: links, middle clicks on them, and things dropped on the window. */
export function guardNavigation(target: Document): void {
  const stop = (event: Event) => {
    if (event.target instanceof Element && event.target.closest("a")) event.preventDefault();
  };
  for (const name of ["click", "auxclick", "dragstart"])
    target.addEventListener(name, stop, { capture: true });
  for (const name of ["dragover", "drop"]) target.addEventListener(name, (event) => event.preventDefault());
}
