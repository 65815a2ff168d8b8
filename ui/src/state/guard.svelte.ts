/* What the guard did since someone looked, and what is set about memory. What it decides is Rust's alone. */
import { commands, type GuardNotice, type MemoryChoice, type MemorySettings } from "../lib/bindings";
import { ask, settle, type Failure } from "../lib/errors";
import { onGuard } from "../lib/events";

export interface Told {
  id: number;
  notice: GuardNotice;
}

class Guard {
  /** The latest last. */
  told = $state.raw<Told[]>([]);
  settings = $state.raw<MemorySettings | null>(null);
  #next = 1;

  /** Follows the guard from now on. */
  follow(): Promise<() => void> {
    return onGuard((notice) => this.take(notice));
  }

  take(notice: GuardNotice): void {
    // Whoever asked for that load has its error before their eyes.
    if (notice.measure === "load_stopped") return;
    // A fourth word would cover what is being worked on.
    this.told = [...this.told, { id: this.#next++, notice }].slice(-3);
  }

  dismiss(id: number): void {
    this.told = this.told.filter((one) => one.id !== id);
  }

  async refresh(): Promise<void> {
    this.settings = await ask(commands.memorySettings());
  }

  /** Null when they are in force, else why they are not. */
  async save(choice: MemoryChoice): Promise<Failure | null> {
    const outcome = await settle(commands.setMemorySettings(choice));
    if (outcome.status === "error") return outcome.error;
    await this.refresh();
    return null;
  }
}

export const guard = new Guard();
