/* What one visitor says and is answered. Rust has the conversation; this is what the page shows of it.
   Invariant: after `drop` nothing of it is left here, and nothing comes any more. */
import {
  commands,
  type KioskModelId,
  type KioskView,
  type VisitId,
  type VisitMessage,
} from "../lib/bindings";
import { channel } from "../lib/events";
import { Answering } from "../lib/kiosk-answer.svelte";
import { quietly, succeeded } from "../lib/kiosk-calls";

const LOOK_MS = 500;
const NOT_NOW = "Not just now. Please try again in a moment.";

export class Visit {
  messages = $state.raw<VisitMessage[]>([]);
  /** The answer that is being written here. */
  answering = $state.raw<Answering | null>(null);
  /** Whether an answer is written that a page before this one asked for. */
  resuming = $state(false);
  turnsLeft = $state(0);
  draft = $state("");
  /** What the screen says about itself, in calm words. */
  words = $state<string | null>(null);
  /** The model that is being brought. */
  choosing = $state<KioskModelId | null>(null);
  #gone = false;

  constructor(
    readonly id: VisitId,
    view: KioskView,
  ) {
    this.turnsLeft = view.visitor.max_turns;
    if (view.visit?.visit === id) this.#take(view.visit);
    if (this.resuming) void this.#look();
  }

  get writing(): boolean {
    return this.answering !== null || this.resuming;
  }

  /** Says what is written in the field. */
  async send(): Promise<void> {
    const text = this.draft;
    if (!text.trim() || this.writing) return;
    this.draft = "";
    await this.say(text);
  }

  async say(text: string): Promise<void> {
    const asked = text.trim();
    if (!asked || this.writing || this.turnsLeft === 0) return;
    const answer = new Answering();
    const before = this.messages;
    this.words = null;
    this.messages = [...before, { from_visitor: true, text: asked }];
    this.answering = answer;
    const said = await succeeded(
      commands.kioskSay(
        this.id,
        asked,
        channel((event) => !this.#gone && answer.take(event)),
      ),
    );
    if (this.#gone) return;
    if (answer.over) return this.#keep(answer);
    this.answering = null;
    if (said) return this.#resume();
    // Refused: what was written is given back.
    this.messages = before;
    this.draft ||= asked;
    this.words = NOT_NOW;
  }

  stop(): void {
    void succeeded(commands.kioskStop(this.id));
  }

  async choose(model: KioskModelId): Promise<void> {
    if (this.choosing !== null || this.writing) return;
    this.choosing = model;
    const chosen = await succeeded(commands.kioskChooseModel(this.id, model));
    this.choosing = null;
    if (!this.#gone) this.words = chosen ? null : NOT_NOW;
  }

  /** The visitor is gone. */
  drop(): void {
    this.#gone = true;
    this.answering?.drop();
    this.answering = null;
    this.resuming = false;
    this.messages = [];
    this.draft = "";
    this.words = null;
  }

  #keep(answer: Answering): void {
    this.messages = [...this.messages, { from_visitor: false, text: answer.text }];
    this.turnsLeft = answer.turnsLeft ?? this.turnsLeft;
    this.answering = null;
  }

  /** The end of it is on its way, or was lost: Rust knows what was said. */
  #resume(): void {
    this.resuming = true;
    void this.#look();
  }

  async #look(): Promise<void> {
    while (this.resuming && !this.#gone) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      const view = await quietly(commands.kioskView());
      if (this.#gone) return;
      if (view) this.#take(view.visit?.visit === this.id ? view.visit : null);
    }
  }

  #take(visit: KioskView["visit"]): void {
    this.resuming = visit?.answering ?? false;
    if (!visit) return;
    this.messages = visit.messages;
    this.turnsLeft = visit.turns_left;
  }
}
