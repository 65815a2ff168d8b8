/* The page's own part of the kiosk's lock: nothing that a visitor does here opens a menu, leaves the page, drags, zooms,
   prints, copies or pastes. The window's part is Rust's; each has to hold without the other.
   Invariant: what remains is typing and editing in the field, scrolling, Tab, Enter, Escape, and the operator's Ctrl+Alt+K. */

/** Keys with a name that do no more than write, edit or move about. Any other name is stopped. */
const NAMED = new Set([
  ...["Enter", "Tab", "Escape", "Backspace", "Delete", "Home", "End", "PageUp", "PageDown"],
  ...["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
  ...["Shift", "Control", "Alt", "AltGraph", "CapsLock", "NumLock", "Meta"],
  // What input methods and dead keys send.
  ...["Dead", "Process", "Compose", "Unidentified"],
]);
/** With Ctrl, in a field: select all, undo, and by whole words. */
const EDITING = new Set(["a", "z", "ArrowLeft", "ArrowRight", "Backspace", "Delete", "Home", "End"]);

const element = (event: Event): Element | null => (event.target instanceof Element ? event.target : null);
const inField = (event: Event): boolean => Boolean(element(event)?.closest("input, textarea"));

/** Whether it is the operator's: K by its name or by its place, for keyboards that write other letters. */
export function isOperatorsKey(event: KeyboardEvent): boolean {
  const isK = event.key.toLowerCase() === "k" || event.code === "KeyK";
  return isK && event.ctrlKey && event.altKey && !event.metaKey;
}

/** Whether a key may act. */
export function isAllowed(event: KeyboardEvent, field: boolean): boolean {
  const { key } = event;
  if (isOperatorsKey(event)) return true;
  if (key.length > 1 && !NAMED.has(key)) return false;
  if (key === "Control" || key === "Alt" || key === "Meta") return true;
  // AltGr writes signs, and some layouts report it as Ctrl and Alt.
  if (event.getModifierState("AltGraph") && key.length === 1) return true;
  if (event.metaKey || event.altKey) return false;
  return !event.ctrlKey || (field && EDITING.has(key.length === 1 ? key.toLowerCase() : key));
}

function stop(event: Event): void {
  event.preventDefault();
  event.stopImmediatePropagation();
}

const onKey = (event: KeyboardEvent) => {
  const onLink = event.key === "Enter" && element(event)?.closest("a, [data-url]");
  if (onLink || !isAllowed(event, inField(event))) stop(event);
};
/** Links are dead text, and the middle button does nothing. */
const onClick = (event: MouseEvent) => {
  if (event.button !== 0 || element(event)?.closest("a, [data-url]")) stop(event);
};
const onButton = (event: MouseEvent) => {
  if (event.button !== 0) stop(event);
};
const onWheel = (event: WheelEvent) => {
  if (event.ctrlKey || event.metaKey) stop(event);
};
const onTouch = (event: TouchEvent) => {
  if (event.touches.length > 1) event.preventDefault();
};
const onSelect = (event: Event) => {
  if (!inField(event)) stop(event);
};
/** Also the middle button's paste of what was selected elsewhere. */
const onInput = (event: InputEvent) => {
  if (/^insertFrom(?:Paste|Drop|Yank)/.test(event.inputType)) stop(event);
};

const ALWAYS = [
  ...["contextmenu", "dragstart", "dragenter", "dragover", "drop", "copy", "cut", "paste"],
  ...["gesturestart", "gesturechange", "gestureend", "submit"],
] as const;

/** Locks a page for good. */
export function lockPage(target: Window): void {
  const active = { capture: true, passive: false };
  const on = (name: string, take: (event: never) => void) =>
    target.addEventListener(name, take as EventListener, active);
  for (const name of ALWAYS) on(name, stop);
  on("keydown", onKey);
  for (const name of ["click", "auxclick"]) on(name, onClick);
  for (const name of ["mousedown", "mouseup"]) on(name, onButton);
  on("wheel", onWheel);
  for (const name of ["touchstart", "touchmove"]) on(name, onTouch);
  on("selectstart", onSelect);
  on("beforeinput", onInput);
  target.print = () => {};
  target.open = () => null;
}

/** Hides the pointer while it stands still, by a class on the root. */
export function hideStillPointer(target: Window, afterMs = 3000): void {
  const { classList } = target.document.documentElement;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const seen = () => {
    classList.remove("still");
    clearTimeout(timer);
    timer = setTimeout(() => classList.add("still"), afterMs);
  };
  target.addEventListener("pointermove", seen, { capture: true, passive: true });
  seen();
}
