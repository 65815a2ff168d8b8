/* The attract loop: which scene is shown, and for how long. It draws nothing and knows no model: it is told whether one
   can answer, and plays a live scene through what it is given.
   Invariant: something is always shown, and a live scene that can't be played is passed over, until the next round. */
import type { KioskAnswer, Scene } from "./bindings";
import { Answering } from "./kiosk-answer.svelte";

export interface Shown {
  /** Its place in the loop; -1 is the calm title, which is in no loop. */
  index: number;
  scene: Scene;
  /** Of a live scene. */
  answer: Answering | null;
}

/** Plays a live scene and says whether that could be done; resolves when its answer is over. */
export type Play = (index: number, take: (event: KioskAnswer) => void) => Promise<boolean>;

/** How long a live scene may show nothing but its prompt. */
const PATIENCE_MS = 20_000;
const CALM_SECONDS = 5;

/** The place of the next scene that can be shown, after `from`, around the loop; null if none can. */
export function nextScene(count: number, from: number, can: (index: number) => boolean): number | null {
  for (let step = 1; step <= count; step += 1) {
    const index = (from + step) % count;
    if (can(index)) return index;
  }
  return null;
}

export class Loop {
  shown = $state.raw<Shown | null>(null);
  #failed: readonly number[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly scenes: readonly Scene[],
    private readonly calm: string,
    private readonly answers: () => boolean,
    private readonly play: Play,
  ) {}

  start(): void {
    this.#after(-1);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.shown?.answer?.drop();
    this.shown = null;
  }

  #can(index: number): boolean {
    return this.scenes[index]?.type !== "live" || (this.answers() && !this.#failed.includes(index));
  }

  #after(from: number): void {
    const index = nextScene(this.scenes.length, from, (at) => this.#can(at));
    // Around: what could not be played gets another try.
    if (index === null || index <= from) this.#failed = [];
    const scene = index === null ? undefined : this.scenes[index];
    if (index === null || !scene) return this.#showCalm();
    if (scene.type === "live") return void this.#showLive(index, scene);
    this.shown = { index, scene, answer: null };
    this.#hold(scene.seconds);
  }

  #hold(seconds: number): void {
    clearTimeout(this.#timer);
    const from = this.shown?.index ?? -1;
    this.#timer = setTimeout(() => this.#after(from), seconds * 1000);
  }

  #showCalm(): void {
    const scene: Scene = {
      ...{ type: "title", heading: this.calm, text: "" },
      ...{ picture: null, seconds: CALM_SECONDS },
    };
    // The same one goes on standing there: nothing fades.
    if (this.shown?.index !== -1) this.shown = { index: -1, scene, answer: null };
    this.#hold(CALM_SECONDS);
  }

  async #showLive(index: number, scene: Scene): Promise<void> {
    const answer = new Answering();
    const mine = { index, scene, answer };
    this.shown = mine;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => answer.thinking && this.#passOver(mine), PATIENCE_MS);
    const played = await this.play(index, (event) => answer.take(event));
    if (this.shown !== mine) return;
    if (played) this.#hold(scene.seconds);
    else this.#passOver(mine);
  }

  #passOver(live: Shown): void {
    this.#failed = [...this.#failed, live.index];
    this.#after(live.index);
  }
}
