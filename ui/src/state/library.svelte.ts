/* The models on the disk, and the wish to load or unload one. Which one is loaded is the status's to say. */
import { commands, type Model, type ModelId } from "../lib/bindings";
import { ask, done } from "../lib/errors";

class Library {
  models = $state.raw<Model[]>([]);
  known = $state(false);

  async refresh(): Promise<void> {
    const models = await ask(commands.models());
    if (!models) return;
    this.models = models;
    this.known = true;
  }

  /** Resolves when the model is loaded or the failure was shown. */
  async load(id: ModelId): Promise<void> {
    await done(commands.loadModel(id));
  }

  async unload(): Promise<void> {
    await done(commands.unloadModel());
  }
}

export const library = new Library();
