/* How the program started: ready, or with a database that it must not touch. It opens nothing by itself.
   Invariant: nothing else of the window asks Rust for anything before `startup.ready`. */
import { commands, type Startup } from "../lib/bindings";
import { settle, type Failure, type Outcome } from "../lib/errors";

class StartupState {
  found = $state.raw<Startup | null>(null);
  failure = $state.raw<Failure | null>(null);
  beginning = $state(false);
  ready = $derived(this.found?.type === "ready");

  async load(): Promise<void> {
    this.#take(await settle(commands.startup()));
  }

  /** Starts with a second database beside the one that cannot be used. */
  async beside(): Promise<void> {
    this.beginning = true;
    this.#take(await settle(commands.startBeside()));
    this.beginning = false;
  }

  #take(outcome: Outcome<Startup>): void {
    this.failure = outcome.status === "error" ? outcome.error : null;
    if (outcome.status === "ok") this.found = outcome.data;
  }
}

export const startup = new StartupState();
