/* What the kiosk shows and whose turn it is. What a visitor says is state/kiosk-visit's, figures are state/kiosk-readings'.
   Invariant: once nobody is there, nothing here holds a word of whoever was. */
import { commands, type KioskNow, type KioskView, type VisitId } from "../lib/bindings";
import { onKiosk, quietly, succeeded } from "../lib/kiosk-calls";
import { channel } from "../lib/events";
import type { Play } from "../lib/kiosk-loop.svelte";

const AGAIN_MS = 500;

class KioskState {
  view = $state.raw<KioskView | null>(null);
  now = $state.raw<KioskNow | null>(null);
  #told = 0;
  #asking = false;

  /** Who is there; null while nobody is. */
  get visit(): VisitId | null {
    const phase = this.now?.phase;
    return phase && phase.type !== "attract" ? phase.visit : null;
  }

  /** Follows the kiosk from now on. */
  async follow(): Promise<void> {
    await onKiosk((now) => this.take(now));
    await this.refresh();
  }

  take(now: KioskNow): void {
    this.#told += 1;
    this.now = now;
    if (now.phase.type === "attract" && this.view?.visit) this.view = { ...this.view, visit: null };
    if (this.view && now.version !== this.view.version) void this.refresh();
  }

  /** Asks until there is an answer: without it there is nothing to show. */
  async refresh(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    for (;;) {
      const told = this.#told;
      const view = await quietly(commands.kioskView());
      if (view) {
        this.view = view;
        // What was told meanwhile is newer.
        if (told === this.#told || !this.now) this.now = view.now;
        if (this.now.version === view.version) break;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    this.#asking = false;
  }

  async begin(): Promise<void> {
    const visit = await quietly(commands.kioskBegin());
    if (visit !== null && this.now?.phase.type === "attract")
      this.now = { ...this.now, phase: { type: "visit", visit } };
  }

  touched(visit: VisitId): void {
    void succeeded(commands.kioskTouched(visit));
  }

  startOver(visit: VisitId): void {
    void succeeded(commands.kioskStartOver(visit));
  }

  play: Play = (index, take) => succeeded(commands.kioskPlay(index, channel(take)));

  /** A picture as an address, or null. */
  picture(name: string): Promise<string | null> {
    return quietly(commands.kioskPicture(name));
  }
}

export const kiosk = new KioskState();
