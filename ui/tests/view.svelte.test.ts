/* What a person sees of an answer: the message component, mounted. Layout is not tested here. */
import { flushSync, mount, unmount } from "svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../src/lib/bindings";
import { pieces } from "../src/bench/sample";
import Markdown from "../src/components/Markdown.svelte";
import { conversations } from "../src/state/conversations.svelte";
import AssistantMessage from "../src/views/chat/AssistantMessage.svelte";
import Composer from "../src/views/chat/Composer.svelte";
import ConversationList from "../src/views/chat/ConversationList.svelte";
import UserMessage from "../src/views/chat/UserMessage.svelte";

const rust = vi.hoisted(() => {
  const done = () =>
    vi.fn<(...args: unknown[]) => Promise<unknown>>(() => Promise.resolve({ status: "ok", data: null }));
  return { openLink: done(), deleteConversation: done(), conversations: done(), renameConversation: done() };
});
vi.mock("../src/lib/bindings", () => ({ commands: rust, events: {} }));

const mounted: Record<string, unknown>[] = [];
function show<P extends Record<string, unknown>>(component: unknown, props: P): HTMLElement {
  document.body.innerHTML = "";
  const view = mount(component as Parameters<typeof mount>[0], { target: document.body, props });
  mounted.push(view);
  flushSync();
  return document.body;
}
afterEach(() => {
  for (const view of mounted.splice(0)) void unmount(view);
});

const MESSAGE: Message = {
  ...{ id: 2, parent_id: 1, role: "assistant", text: "Hello **you**", state: "complete", interruption: null },
  ...{ model: "SmolLM2", finish_reason: "end_of_turn", created_at_ms: 0, reasoning: "", siblings: [2] },
  measured: null,
  timings: {
    ...{ prompt_tokens: 9, reused_tokens: 4, prefilled_tokens: 5, generated_tokens: 7, queue_ms: 0 },
    ...{
      prefill_ms: 9,
      ttft_ms: 420,
      decode_ms: 90,
      prefill_tokens_per_second: 500,
      decode_tokens_per_second: 58.7,
    },
  },
};
const answer = (rest: Partial<Message>, props = {}) =>
  show(AssistantMessage, {
    message: { ...MESSAGE, ...rest },
    generation: null,
    busy: false,
    last: true,
    ...props,
  });
const find = (page: HTMLElement, id: string) => page.querySelector<HTMLButtonElement>(`[data-testid=${id}]`);

describe("an answer", () => {
  it("shows its text, its figures and what can be done", () => {
    const page = answer({});
    expect(page.querySelector("strong")?.textContent).toBe("you");
    expect(find(page, "figures")?.textContent).toBe("58.7 tok/sTTFT 0.42 s7 tokensprefill 5004 reused");
    expect(find(page, "copy")).not.toBeNull();
    expect(find(page, "regenerate")?.disabled).toBe(false);
    expect(find(page, "go-on")).toBeNull();
    expect(find(page, "branch")).toBeNull();
  });
  it("says why it was interrupted, what was kept, and offers to go on", () => {
    const page = answer({ state: "interrupted", interruption: "The engine was killed.", timings: null });
    expect(find(page, "message-assistant")?.dataset.state).toBe("interrupted");
    expect(find(page, "notice")?.textContent).toMatch(
      /The engine was killed\. What was written so far is kept\./,
    );
    expect(find(page, "go-on")?.disabled).toBe(false);
  });
  it("goes on from a stopped one quietly, and only at the end of the conversation", () => {
    expect(find(answer({ state: "stopped" }), "go-on")).not.toBeNull();
    expect(find(answer({ state: "stopped" }), "notice")).toBeNull();
    expect(find(answer({ state: "stopped" }, { last: false }), "go-on")).toBeNull();
  });
  it("is quiet while it is written", () => {
    const page = answer({ state: "streaming", timings: null });
    expect(find(page, "regenerate")).toBeNull();
    expect(page.querySelector("article")?.getAttribute("aria-busy")).toBe("true");
  });
  it("folds away what was thought once there is an answer, and opens it on a click", () => {
    const thought = (page: HTMLElement) => find(page, "reasoning")?.querySelector("em")?.textContent;
    const thinking = { state: "streaming", text: "", reasoning: "*hm*", timings: null } as const;
    expect(thought(answer(thinking))).toBe("hm");
    const page = answer({ reasoning: "*hm*" });
    expect(thought(page)).toBeUndefined();
    find(page, "reasoning")!.querySelector("button")!.click();
    flushSync();
    expect(thought(page)).toBe("hm");
    expect(find(answer({}), "reasoning")).toBeNull();
  });
  it("counts its alternatives", () => {
    expect(find(answer({ siblings: [1, 2, 3] }), "branch")?.textContent).toContain("2 / 3");
  });
});

describe("what a person wrote", () => {
  it("is plain text", () => {
    const page = show(UserMessage, { message: { text: "**a** <b>x</b>" }, busy: false });
    expect(find(page, "message-user")?.textContent).toContain("**a** <b>x</b>");
    expect(page.querySelector("b, strong")).toBeNull();
  });
});

describe("Markdown on the page", () => {
  it("follows a link through Rust and never by itself", () => {
    const page = show(Markdown, { text: "[x](https://example.com/a)" });
    const link = page.querySelector("a")!;
    const click = new MouseEvent("click", { bubbles: true, cancelable: true });
    link.dispatchEvent(click);
    expect(click.defaultPrevented).toBe(true);
    expect(rust.openLink).toHaveBeenCalledWith("https://example.com/a");
    expect(link.hasAttribute("href")).toBe(false);
  });
  it("leaves the page's finished blocks alone while more arrives", () => {
    const text = pieces(300).join("");
    const props = $state({ text: "", streaming: true });
    const page = show(Markdown, props);
    let first: Element | null = null;
    for (let end = 0; end < text.length; end += 11) {
      props.text = text.slice(0, end);
      flushSync();
      const blocks = page.querySelectorAll(".markdown > *");
      // From the third block on, the first is surely over: its heading has to stay the very same element.
      if (blocks.length > 2) first ??= blocks[0]!.firstElementChild;
      if (first) expect(blocks[0]!.firstElementChild).toBe(first);
    }
    expect(first?.tagName).toBe("H3");
    props.streaming = false;
    props.text = text;
    flushSync();
    const once = page.querySelector(".markdown")!.textContent;
    expect(show(Markdown, { text }).querySelector(".markdown")!.textContent).toBe(once);
  });
  it("makes top-level code a block with a button", () => {
    const page = show(Markdown, { text: "a\n```rust\nlet x = 1;\n```\n" });
    expect(page.querySelector(".code-block .language")?.textContent).toBe("rust");
    expect(page.querySelector(".hljs-keyword")?.textContent).toBe("let");
    expect(find(page, "copy")).not.toBeNull();
  });
});

describe("the composer", () => {
  let resized: () => void;
  globalThis.ResizeObserver = class {
    constructor(told: ResizeObserverCallback) {
      resized = () => told([], this);
    }
    observe() {}
    unobserve() {}
    disconnect() {}
  };
  const composer = () => find(show(Composer, {}), "composer") as unknown as HTMLTextAreaElement;

  it("is as high as its text, also when that breaks elsewhere", async () => {
    const field = composer();
    Object.defineProperty(field, "scrollHeight", { value: 72 });
    resized();
    await new Promise(requestAnimationFrame);
    expect(field.style.height).toBe("72px");
  });
  it("takes a click beside its text", () => {
    const field = composer();
    field.blur();
    const event = new MouseEvent("mousedown", { bubbles: true, cancelable: true });
    field.closest(".box")?.dispatchEvent(event);
    expect(document.activeElement).toBe(field);
  });
});

describe("the list of conversations", () => {
  // jsdom has the dialog element without its modal behaviour.
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  const list = () => {
    conversations.list = [{ id: 5, title: "Letter to the landlord", updated_at_ms: Date.now() }];
    return show(ConversationList, { onchosen: () => undefined });
  };
  const press = (node: Element | null, key: string) => {
    node?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    flushSync();
  };

  it("deletes only after the question was answered", () => {
    const page = list();
    press(find(page, "conversation-item"), "Delete");
    expect(find(page, "delete-dialog")?.textContent).toContain("Letter to the landlord");
    expect(rust.deleteConversation).not.toHaveBeenCalled();
    find(page, "confirm-delete")?.click();
    flushSync();
    expect(rust.deleteConversation).toHaveBeenCalledWith(5);
    expect(find(page, "delete-dialog")).toBeNull();
  });
  it("renames in place with F2 and Enter, once", () => {
    const page = list();
    press(find(page, "conversation-item"), "F2");
    const field = page.querySelector("input")!;
    expect(field.value).toBe("Letter to the landlord");
    field.value = "Letter, second try";
    press(field, "Enter");
    expect(rust.renameConversation.mock.calls).toEqual([[5, "Letter, second try"]]);
  });
});
