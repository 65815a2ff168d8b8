/* What is looked for on the hub and what was found, page by page, and the catalog, which is there without it.
   One repository with its variants is repository.svelte.ts's.
   Invariant: `found` belongs to `asked`; an answer to an older question is dropped. */
import { commands, type CatalogEntry, type Found, type SearchQuery } from "../lib/bindings";
import { ask, settle, type Failure } from "../lib/errors";
import { isIdle, NO_QUERY } from "../lib/searching";

/** While somebody types, the hub is asked only when the fingers rest. */
const TYPING_MS = 350;

class HubState {
  query = $state.raw<SearchQuery>(NO_QUERY);
  catalog = $state.raw<CatalogEntry[]>([]);
  found = $state.raw<Found[]>([]);
  /** Whether what is shown is not the answer to what is asked yet. */
  searching = $state(false);
  loadingMore = $state(false);
  failure = $state.raw<Failure | null>(null);
  idle = $derived(isIdle(this.query));
  /** Whether there is more to load. */
  more = $derived.by(() => this.#next !== null);

  #next = $state<string | null>(null);
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  async loadCatalog(): Promise<void> {
    if (this.catalog.length === 0) this.catalog = (await ask(commands.catalog())) ?? [];
  }

  /** Looks for something else; a text is waited for a moment, anything else is asked at once. */
  look(part: Partial<SearchQuery>): void {
    this.query = { ...this.query, ...part };
    this.#asked++;
    this.searching = !this.idle;
    clearTimeout(this.#timer);
    if ("text" in part || "author" in part) this.#timer = setTimeout(() => void this.search(), TYPING_MS);
    else void this.search();
  }

  clear(): void {
    this.look({ ...NO_QUERY });
  }

  async search(): Promise<void> {
    clearTimeout(this.#timer);
    const turn = ++this.#asked;
    this.failure = null;
    this.#next = null;
    this.loadingMore = false;
    this.searching = !this.idle;
    if (this.idle) this.found = [];
    else await this.#ask(turn, null);
  }

  /** The next page; while one is on its way, nothing. */
  async loadMore(): Promise<void> {
    if (this.#next === null || this.searching || this.loadingMore) return;
    this.loadingMore = true;
    await this.#ask(this.#asked, this.#next);
  }

  async #ask(turn: number, next: string | null): Promise<void> {
    const trimmed = { ...this.query, text: this.query.text.trim() };
    const outcome = await settle(commands.searchHub(trimmed, next));
    if (turn !== this.#asked) return;
    this.searching = false;
    this.loadingMore = false;
    if (outcome.status === "error") return void (this.failure = outcome.error);
    const { found } = outcome.data;
    this.failure = null;
    this.found = next === null ? found : withoutDoubles(this.found, found);
    this.#next = outcome.data.next;
  }
}

/** Between two pages the hub's order may move on, and bring a repository again. */
function withoutDoubles(before: Found[], after: Found[]): Found[] {
  const known = new Set(before.map((one) => one.id));
  return [...before, ...after.filter((one) => !known.has(one.id))];
}

export const hub = new HubState();
