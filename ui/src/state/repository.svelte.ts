/* The repository that is open: what it is, its variants with their verdicts, the one that is chosen, its card.
   Bringing it is downloads.svelte.ts's once it has begun.
   Invariant: everything here belongs to `id`; an answer about another repository or another context is dropped. */
import { SvelteMap, SvelteSet } from "svelte/reactivity";
import {
  commands,
  type DownloadId,
  type Judged,
  type Repo,
  type RepoId,
  type Verdict,
} from "../lib/bindings";
import { settle, type Failure } from "../lib/errors";
import { channel } from "../lib/events";

class RepositoryState {
  id = $state<RepoId | null>(null);
  repo = $state.raw<Repo | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** The model card as Markdown; undefined until it is known, null where there is none. */
  card = $state.raw<string | null | undefined>(undefined);
  /** Whether the hub would not give the card. */
  cardFailed = $state(false);
  readonly verdicts = new SvelteMap<string, Verdict>();
  /** The variants whose verdict is for the context window that is chosen now. */
  readonly fresh = new SvelteSet<string>();
  judging = $state(false);
  /** Why no verdict could be given, if none could. */
  unjudged = $state.raw<Failure | null>(null);
  recommended = $state<string | null>(null);
  /** The context window to judge for; null is what Wick would take. */
  contextTokens = $state<number | null>(null);
  withProjector = $state(true);
  starting = $state(false);
  refusal = $state.raw<Failure | null>(null);
  chosen = $derived.by(() => this.#variant(this.#picked) ?? this.#variant(this.recommended) ?? null);

  #picked = $state<string | null>(null);
  #opened = 0;
  #judged = 0;

  async open(id: RepoId): Promise<void> {
    if (id === this.id && this.repo) return;
    this.#forget();
    this.id = id;
    await this.load();
  }

  close(): void {
    this.#forget();
    this.id = null;
  }

  /** Asks about the open repository, again where it failed. */
  async load(): Promise<void> {
    const { id } = this;
    const turn = ++this.#opened;
    if (id === null) return;
    this.failure = null;
    const outcome = await settle(commands.repository(id, null));
    if (turn !== this.#opened) return;
    if (outcome.status === "error") return void (this.failure = outcome.error);
    this.repo = outcome.data;
    await Promise.all([this.#judge(), this.#readCard(outcome.data, turn)]);
  }

  pick(key: string): void {
    this.#picked = key;
    this.refusal = null;
  }

  async chooseContext(tokens: number | null): Promise<void> {
    this.contextTokens = tokens;
    await this.#judge();
  }

  /** Begins to bring what is chosen. A refusal stays beside the button. */
  async download(): Promise<DownloadId | null> {
    const { repo, chosen } = this;
    if (!repo || !chosen || this.starting) return null;
    this.starting = true;
    this.refusal = null;
    const projector = this.withProjector && repo.projectors.length > 0 && chosen.format === "gguf";
    const outcome = await settle(commands.startDownload(repo.id, repo.commit, chosen.key, projector));
    this.starting = false;
    if (outcome.status === "ok") return outcome.data;
    if (this.id === repo.id) this.refusal = outcome.error;
    return null;
  }

  async #judge(): Promise<void> {
    const { repo } = this;
    if (!repo || repo.variants.length === 0) return;
    const turn = ++this.#judged;
    this.judging = true;
    this.fresh.clear();
    this.unjudged = null;
    const take = (judged: Judged) => {
      if (turn !== this.#judged) return;
      if (judged.type === "recommended") return void (this.recommended = judged.key);
      this.fresh.add(judged.verdict.key);
      this.verdicts.set(judged.verdict.key, judged.verdict);
    };
    const outcome = await settle(
      commands.judge(repo.id, repo.commit, this.contextTokens, channel<Judged>(take)),
    );
    if (turn !== this.#judged) return;
    this.judging = false;
    if (outcome.status === "error" && outcome.error.code !== "cancelled") this.unjudged = outcome.error;
  }

  async #readCard(repo: Repo, turn: number): Promise<void> {
    const outcome = await settle(commands.modelCard(repo.id, repo.commit));
    if (turn !== this.#opened) return;
    this.cardFailed = outcome.status === "error";
    this.card = outcome.status === "ok" ? outcome.data : null;
  }

  #variant(key: string | null) {
    return key === null ? null : (this.repo?.variants.find((one) => one.key === key) ?? null);
  }

  #forget(): void {
    this.#opened++;
    this.#judged++;
    this.repo = null;
    this.failure = null;
    this.card = undefined;
    this.verdicts.clear();
    this.fresh.clear();
    this.judging = false;
    this.unjudged = null;
    this.recommended = null;
    this.#picked = null;
    this.refusal = null;
  }
}

export const repository = new RepositoryState();
