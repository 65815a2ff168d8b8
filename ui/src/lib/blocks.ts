/* Cuts Markdown that arrives in pieces into top-level blocks, so that a finished block is never rendered again.
   It knows where blocks end, not what they mean: rendering is markdown.ts.
   Invariant: any cut of a text into pieces ends in the same blocks, and a block once finished keeps its identity.
   That holds because only whole lines, in order, move the state; the unfinished last line is tried on a copy. */

export type Block =
  { kind: "prose"; source: string } | { kind: "code"; language: string; code: string; closed: boolean };

export interface Cut {
  blocks: Block[];
  /** Link definitions, for all blocks: `[name]: address` may stand anywhere in the answer. */
  definitions: string;
}

interface Fence {
  mark: string;
  indent: number;
}
interface Open {
  block: Block | null;
  fence: Fence | null; // of an open code block, or of one nested in a list
  list: boolean; // lists and indented code go on after a blank line
  blank: boolean; // the last line was blank
}

const FENCE = /^( *)(`{3,}|~{3,})[ \t]*([^`]*)$/;
const NESTED_FENCE = /^( *(?:[-*+]|\d{1,9}[.)]) +|\s{2,})(`{3,}|~{3,})[^`]*$/;
const LIST = /^(?: {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)| {4}|\t)/;
const CONTINUES = /^(?: {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)| {2}|\t)/;
// An unfinished line that could still become a list marker or the end of a fence.
const UNDECIDED = /^(?: *| {0,3}(?:[-*+]|\d{1,9}[.)]?))$/;
const FENCE_BEGINNING = /^ *(?:`{1,}|~{1,})$/;
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:[ \t]*\S.*$/gm;

const nothing = (): Open => ({ block: null, fence: null, list: false, blank: false });

export class BlockSplitter {
  #text = "";
  #taken = 0; // up to the last whole line
  #done: Block[] = [];
  #definitions = "";
  #open: Open = nothing();

  /** All blocks of `text`. Give the whole text so far; only what is new is looked at. */
  update(text: string, finished: boolean): Cut {
    if (!text.startsWith(this.#text)) this.#reset();
    this.#text = text;
    for (let end = text.indexOf("\n", this.#taken); end !== -1; end = text.indexOf("\n", this.#taken)) {
      feed(this.#open, text.slice(this.#taken, end), this.#finish);
      this.#taken = end + 1;
    }
    return this.#withLastLine(text.slice(this.#taken), finished);
  }

  #reset(): void {
    this.#definitions = "";
    this.#taken = 0;
    this.#done = [];
    this.#open = nothing();
  }

  #finish = (block: Block): void => {
    this.#done.push(block);
    this.#definitions += definitionsIn(block);
  };

  #withLastLine(line: string, finished: boolean): Cut {
    const blocks = [...this.#done];
    const trial = { ...this.#open, block: this.#open.block && { ...this.#open.block } };
    const take = (block: Block) => void blocks.push(block);
    if (line && (finished || !isUndecided(trial, line))) feed(trial, line, take);
    if (trial.block) take(trial.block);
    const last = finished ? blocks.slice(this.#done.length).map(definitionsIn).join("") : "";
    return { blocks, definitions: this.#definitions + last };
  }
}

function definitionsIn(block: Block): string {
  if (block.kind === "code") return "";
  return [...block.source.matchAll(DEFINITION)].map(([line]) => `\n${line}`).join("");
}

/** Fences and list markers half arrived are held back a moment, so that nothing flickers. */
function isUndecided(open: Open, line: string): boolean {
  if (open.fence) return FENCE_BEGINNING.test(line);
  return FENCE_BEGINNING.test(line) || (open.list && open.blank && UNDECIDED.test(line));
}

/** Moves the state by one line; hands a block that ends to `take`. */
function feed(open: Open, raw: string, take: (block: Block) => void): void {
  const line = raw.replace(/\r$/, "");
  if (open.block?.kind === "code") return feedCode(open, open.block, line, take);
  if (open.fence && open.block) return feedNested(open, open.block, line, take);
  if (line.trim() === "") return feedBlank(open, take);
  const fence = FENCE.exec(line);
  if (fence && (fence[1] ?? "").length <= (open.list ? 1 : 3)) return openCode(open, fence, take);
  if (open.blank && !CONTINUES.test(line)) close(open, take);
  append(open, line);
}

function append(open: Open, line: string): void {
  if (open.block?.kind === "prose") open.block.source += `\n${line}`;
  else {
    open.block = { kind: "prose", source: line };
    open.list = LIST.test(line);
  }
  open.blank = false;
  // A list may begin right under a paragraph, too.
  open.list ||= LIST.test(line) && !/^(?: {4}|\t)/.test(line);
  const nested = open.list ? NESTED_FENCE.exec(line) : null;
  if (nested) open.fence = { mark: nested[2] ?? "", indent: (nested[1] ?? "").length };
}

function feedBlank(open: Open, take: (block: Block) => void): void {
  if (!open.list) return close(open, take);
  if (open.block?.kind === "prose") open.block.source += "\n";
  open.blank = true;
}

function feedNested(
  open: Open,
  block: Block & { kind: "prose" },
  line: string,
  take: (b: Block) => void,
): void {
  const fence = open.fence;
  const outdented = line.trim() !== "" && /^ */.exec(line)![0].length < Math.min(2, fence?.indent ?? 0);
  if (outdented) {
    // The list item is over, and with it its code.
    open.fence = null;
    return feed(open, line, take);
  }
  block.source += `\n${line}`;
  if (fence && endsFence(line, fence)) open.fence = null;
}

function openCode(open: Open, fence: RegExpExecArray, take: (block: Block) => void): void {
  close(open, take);
  const language = (fence[3] ?? "").trim().split(/[\s,{]/)[0] ?? "";
  open.block = { kind: "code", language: language.toLowerCase(), code: "", closed: false };
  open.fence = { mark: fence[2] ?? "", indent: (fence[1] ?? "").length };
  open.blank = true; // no line of code yet
}

function feedCode(open: Open, block: Block & { kind: "code" }, line: string, take: (b: Block) => void): void {
  const { fence } = open;
  if (fence && endsFence(line, fence)) {
    block.closed = true;
    return close(open, take);
  }
  const indent = Math.min(fence?.indent ?? 0, /^ */.exec(line)![0].length);
  block.code += (open.blank ? "" : "\n") + line.slice(indent);
  open.blank = false;
}

function endsFence(line: string, fence: Fence): boolean {
  const trimmed = line.trim();
  return trimmed.length >= fence.mark.length && trimmed === (fence.mark[0] ?? "").repeat(trimmed.length);
}

function close(open: Open, take: (block: Block) => void): void {
  if (open.block) take(open.block);
  Object.assign(open, nothing());
}
