/* Whether somebody is at the screen: touches, keys, and a pointer that is really moved. Told at most once a second.
   What comes of it is Rust's to decide.
   What is marked `data-presence="touch"` takes no mere movement for somebody, what is marked "none" nothing at all.
   Invariant: a trembling mouse on a shaking table is nobody, and neither is a bag that lies on the keyboard. */

const PAUSE_MS = 1000;
/** How far a pointer has to go to count, in CSS pixels. */
const FAR = 40;

/** What the place of an event says of who is there. */
function marked(event: Event): string | undefined {
  const place = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-presence]") : null;
  return place?.dataset.presence;
}

export class Presence {
  #toldAt = -Infinity;
  #from: { x: number; y: number } | null = null;

  constructor(
    private readonly tell: () => void,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  /** Somebody did something. */
  act(): void {
    const now = this.clock();
    if (now - this.#toldAt < PAUSE_MS) return;
    this.#toldAt = now;
    this.tell();
  }

  /** A pointer is at a place. */
  move(x: number, y: number): void {
    this.#from ??= { x, y };
    if (Math.hypot(x - this.#from.x, y - this.#from.y) < FAR) return;
    this.#from = { x, y };
    this.act();
  }

  /** The next thing is told at once, whatever was told before. */
  hurry(): void {
    this.#toldAt = -Infinity;
  }

  /** Listens on a window until the returned function is called. */
  follow(target: Window): () => void {
    const act = (event: Event) => marked(event) !== "none" && this.act();
    const move = (event: PointerEvent) => marked(event) || this.move(event.clientX, event.clientY);
    const key = (event: KeyboardEvent) => event.repeat || this.act();
    const names = ["pointerdown", "touchstart", "wheel"] as const;
    const how = { capture: true, passive: true };
    for (const name of names) target.addEventListener(name, act, how);
    target.addEventListener("keydown", key, how);
    target.addEventListener("pointermove", move, how);
    return () => {
      for (const name of names) target.removeEventListener(name, act, how);
      target.removeEventListener("keydown", key, how);
      target.removeEventListener("pointermove", move, how);
    };
  }
}
