/* The machine and the engine as Rust last said: the loaded model, the memory in parts, the throughput.
   It measures nothing and keeps no history. */
import { commands, type Status } from "../lib/bindings";
import { ask, done } from "../lib/errors";
import { onStatus } from "../lib/events";

class StatusState {
  now = $state.raw<Status | null>(null);
  model = $derived(this.now?.model ?? null);
  memory = $derived(this.now?.memory ?? null);
  throughput = $derived(this.now?.throughput ?? null);
  contextTokens = $derived(this.model?.type === "loaded" ? this.model.context_tokens : null);

  /** Follows the status from now on. Returns when the first one is here. */
  async follow(): Promise<() => void> {
    const stop = await onStatus((status) => (this.now = status));
    const first = await ask(commands.status());
    // An event that came meanwhile is newer than the answer.
    this.now ??= first;
    return stop;
  }

  /** A new worker for a loaded model that is stuck. */
  async restart(): Promise<void> {
    await done(commands.restartModel());
  }

  /** Looks at once, for after a command that changed the model. */
  async refresh(): Promise<void> {
    this.now = (await ask(commands.status())) ?? this.now;
  }
}

export const status = new StatusState();
