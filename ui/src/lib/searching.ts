/* What can be searched for and how it is called; the catalog's own search, which needs no network. It asks nobody. */
import type { CatalogEntry, Format, Purpose, SearchQuery, Sort } from "./bindings";

export const NO_QUERY: SearchQuery = { text: "", author: null, task: null, format: null, sort: "trending" };

export const SORTS: readonly { value: Sort; name: string }[] = [
  { value: "trending", name: "Trending" },
  { value: "downloads", name: "Most downloads" },
  { value: "likes", name: "Most likes" },
  { value: "newest", name: "Newest" },
];
export const FORMATS: readonly { value: Format; name: string }[] = [
  { value: "gguf", name: "GGUF" },
  { value: "safetensors", name: "safetensors" },
];
/** The hub's own names of tasks, with what a person calls them. */
export const TASKS: readonly { value: string; name: string }[] = [
  { value: "text-generation", name: "Chat and text" },
  { value: "image-text-to-text", name: "Text about pictures" },
  { value: "text2text-generation", name: "Text to text" },
  { value: "translation", name: "Translation" },
  { value: "summarization", name: "Summaries" },
  { value: "feature-extraction", name: "Embeddings" },
  { value: "automatic-speech-recognition", name: "Speech to text" },
];
export const PURPOSES: readonly { value: Purpose; name: string; about: string }[] = [
  { value: "chat", name: "Chat", about: "For talking, writing and questions of all kinds" },
  { value: "code", name: "Code", about: "For writing and reading programs" },
  { value: "reasoning", name: "Reasoning", about: "Thinks before it answers" },
  { value: "small", name: "Small and fast", about: "Runs nearly everywhere, answers at once" },
  { value: "vision", name: "Vision", about: "Reads pictures too" },
];

export function taskName(task: string | null): string | null {
  return TASKS.find((one) => one.value === task)?.name ?? task?.replaceAll("-", " ") ?? null;
}

/** Whether nothing is asked for: then the catalog is shown. */
export function isIdle(query: SearchQuery): boolean {
  return !query.text.trim() && !query.author && !query.task && !query.format && query.sort === "trending";
}

export function byPurpose(
  entries: readonly CatalogEntry[],
): { name: string; about: string; entries: CatalogEntry[] }[] {
  const groups = PURPOSES.map(({ value, name, about }) => ({
    name,
    about,
    entries: entries.filter((entry) => entry.purpose === value),
  }));
  return groups.filter((group) => group.entries.length > 0);
}

/** The entries in which every word of the text occurs: what can be searched without the hub. */
export function matchingEntries(entries: readonly CatalogEntry[], text: string): CatalogEntry[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => {
    const all = `${entry.repo} ${entry.purpose} ${entry.about}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/** What a person calls a repository: its name without what says how its files are kept. */
export function titleOf(repo: string): string {
  return nameOf(repo).replace(/-GGUF$/i, "");
}

const PART = /^[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?$/;

/** A text that can only be a repository's name, also as the address of its page: "ORG/NAME". Else null. */
export function asRepoId(text: string): string | null {
  const path = text.trim().replace(/^(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\//i, "");
  const [author, name, ...rest] = path.split(/[/?#]/);
  const cut = path === text.trim() ? rest.length === 0 : true;
  return cut && author && name && PART.test(author) && PART.test(name) ? `${author}/${name}` : null;
}

export function authorOf(repo: string): string | null {
  return repo.includes("/") ? repo.slice(0, repo.indexOf("/")) : null;
}
export function nameOf(repo: string): string {
  return repo.slice(repo.indexOf("/") + 1);
}
/** "apache-2.0" → "Apache-2.0"; the names of licences that aren't SPDX stay as the hub has them. */
export function licenceName(licence: string | null): string | null {
  if (!licence) return null;
  return /^(?:apache|mit|gemma|llama)/.test(licence)
    ? licence.charAt(0).toUpperCase() + licence.slice(1)
    : licence;
}
