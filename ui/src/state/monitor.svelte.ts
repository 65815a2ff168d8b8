/* What the machine did lately, as Rust keeps it, while somebody looks. It measures nothing.
   Invariant: nothing is asked for unless the view is shown and the window can be seen. */
import { commands, type MonitorNow, type Span, type Timeline } from "../lib/bindings";
import { settle } from "../lib/errors";
import { GROWS, joined, newest, POLL_MS } from "../lib/timeline";

/** How often what is going on is asked for, beside the timeline. */
const NOW_MS = 500;

class MonitorState {
  span = $state<Span>("five_minutes");
  timeline = $state.raw<Timeline | null>(null);
  now = $state.raw<MonitorNow | null>(null);
  #turn = 0;

  /** Looks from now on, until the returned function is called. */
  follow(): () => void {
    const turn = ++this.#turn;
    void this.#poll(
      turn,
      (turn) => this.#look(turn),
      () => POLL_MS[this.span],
    );
    void this.#poll(
      turn,
      (turn) => this.#read(turn),
      () => NOW_MS,
    );
    // Whatever was chosen meanwhile.
    return () => void this.#turn++;
  }

  choose(span: Span): void {
    this.span = span;
    this.timeline = null;
    this.follow();
  }

  async #poll(turn: number, look: (turn: number) => Promise<void>, pause: () => number): Promise<void> {
    while (turn === this.#turn) {
      if (!document.hidden) await look(turn);
      await new Promise((resolve) => setTimeout(resolve, pause()));
    }
  }

  async #read(turn: number): Promise<void> {
    const now = await settle(commands.monitorNow());
    if (now.status === "ok" && turn === this.#turn) this.now = now.data;
  }

  async #look(turn: number): Promise<void> {
    const [span, here] = [this.span, GROWS[this.span] ? this.timeline : null];
    // A reading that fails is one of four a second: the chart stands still, and the next one tells.
    const newer = await settle(commands.timeline(span, here ? newest(here) : 0));
    if (newer.status === "ok" && turn === this.#turn)
      this.timeline = here ? joined(here, newer.data, span) : newer.data;
  }
}

export const monitor = new MonitorState();
