/* An answer of the kiosk as its page follows it, to a visitor or in a scene. It keeps no conversation.
   Invariant: `text` changes at most once a frame, and after `over` only to the whole text. */
import type { KioskAnswer } from "./bindings";
import { perFrame } from "./frame";

export class Answering {
  /** What is painted of it so far. */
  text = $state("");
  /** Whether nothing of it has come yet. */
  thinking = $state(true);
  over = $state(false);
  /** Messages that may still be sent, once it is over. */
  turnsLeft: number | null = null;
  #arrived = "";
  #paint = perFrame(() => this.#show());

  take(event: KioskAnswer): void {
    if (this.over) return;
    switch (event.type) {
      case "thinking":
        return;
      case "token":
        this.#arrived += event.text;
        return this.#paint();
      case "again":
        this.#arrived = "";
        return this.#show();
      case "finished":
        this.#arrived = event.text;
        this.turnsLeft = event.turns_left;
        this.#show();
        this.over = true;
    }
  }

  /** Forgets what was said. */
  drop(): void {
    this.#arrived = "";
    this.#show();
    this.over = true;
  }

  #show(): void {
    if (this.over) return;
    this.text = this.#arrived;
    this.thinking = this.#arrived === "";
  }
}
