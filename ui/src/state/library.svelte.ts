/* The models on the disk, what was left out and why, and the wishes to load, update, check or delete one.
   Which one is loaded is the status's to say, and how far an update is, the downloads'. */
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import {
  commands,
  type VerifyProgress,
  type DownloadId,
  type Checked,
  type LibraryView,
  type LoadRefusal,
  type LoadWish,
  type Model,
  type ModelId,
  type Removal,
} from "../lib/bindings";
import { ask, done, report, settle } from "../lib/errors";
import { channel } from "../lib/events";
import { NO_WISH } from "../lib/loading";

const NOTHING: LibraryView = { models: [], left_out: [], last_used_ms: {}, newer: {}, folders: [] };

/** A model's files being checked, or what came of it. */
export type Check = { progress: VerifyProgress | null } | { files: Checked[] };

/** A load that does not fit, and what would help. */
export interface Refused {
  id: ModelId;
  refusal: LoadRefusal;
}

class Library {
  #view = $state.raw<LibraryView>(NOTHING);
  known = $state(false);
  models = $derived(this.#view.models);
  leftOut = $derived(this.#view.left_out);
  folders = $derived(this.#view.folders);
  checking = $state(false);
  /** The load that was refused last, until someone has decided what becomes of it. */
  refused = $state.raw<Refused | null>(null);
  readonly checks = new SvelteMap<ModelId, Check>();
  /** Models for which a download was asked for and has not begun. */
  readonly asked = new SvelteSet<ModelId>();

  async refresh(): Promise<void> {
    const view = await ask(commands.library());
    if (!view) return;
    this.#view = view;
    this.known = true;
  }

  lastUsed(id: ModelId): number | null {
    return this.#view.last_used_ms[id] ?? null;
  }
  hasNewer(id: ModelId): boolean {
    return this.#view.newer[id] !== undefined;
  }

  /** Resolves when the model is loaded, or the failure or what would help is shown. */
  async load(id: ModelId, wish: LoadWish | null = null): Promise<void> {
    this.refused = null;
    const outcome = await settle(commands.loadModel(id, wish));
    if (outcome.status === "ok") return;
    if (outcome.error.code === "out_of_memory") this.refused = await this.#refusal(id, wish);
    if (!this.refused) report(outcome.error);
  }

  async unload(): Promise<void> {
    await done(commands.unloadModel());
  }

  /** Asks the hub whether what is here has a newer commit. */
  async checkForUpdates(): Promise<boolean> {
    this.checking = true;
    const asked = await done(commands.checkForUpdates());
    this.checking = false;
    await this.refresh();
    return asked;
  }

  update(id: ModelId): Promise<DownloadId | null> {
    return this.#bring(id, () => ask(commands.updateModel(id)));
  }

  async repair(id: ModelId): Promise<DownloadId | null> {
    const download = await this.#bring(id, () => ask(commands.repairModel(id)));
    if (download !== null) this.checks.delete(id);
    return download;
  }

  async verify(id: ModelId): Promise<void> {
    const now = this.checks.get(id);
    if (now && "progress" in now) return;
    this.checks.set(id, { progress: null });
    const take = (progress: VerifyProgress) => {
      const running = this.checks.get(id);
      if (running && "progress" in running) this.checks.set(id, { progress });
    };
    const files = await ask(commands.verifyModel(id, channel(take)));
    if (files) this.checks.set(id, { files });
    else this.checks.delete(id);
  }

  removal(id: ModelId): Promise<Removal | null> {
    return ask(commands.removal(id));
  }

  /** The bytes that it freed, or null where it was refused. */
  async remove(id: ModelId): Promise<number | null> {
    const freed = await ask(commands.removeModel(id));
    this.checks.delete(id);
    await this.refresh();
    return freed?.freed_bytes ?? null;
  }

  /** Asks for a folder and adds it. */
  async addFolder(): Promise<void> {
    const path = await ask(commands.chooseFolder());
    if (path && (await done(commands.addFolder(path)))) await this.refresh();
  }

  async removeFolder(path: string): Promise<void> {
    if (await done(commands.removeFolder(path))) await this.refresh();
  }

  /** Adds files where they lie, and returns those that were taken. */
  async add(paths: readonly string[]): Promise<Model[]> {
    const added: Model[] = [];
    for (const path of paths) {
      const model = await ask(commands.addModel(path));
      if (model) added.push(model);
    }
    if (added.length > 0) await this.refresh();
    return added;
  }

  /** Null where it fits by now, or where that can't be told. */
  async #refusal(id: ModelId, wish: LoadWish | null): Promise<Refused | null> {
    const asked = await settle(commands.admission(id, wish ?? NO_WISH));
    if (asked.status === "error" || asked.data.type === "admitted") return null;
    return { id, refusal: asked.data.refusal };
  }

  async #bring(id: ModelId, call: () => Promise<DownloadId | null>): Promise<DownloadId | null> {
    if (this.asked.has(id)) return null;
    this.asked.add(id);
    const download = await call();
    this.asked.delete(id);
    return download;
  }
}

export const library = new Library();
