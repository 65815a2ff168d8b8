/* The conversations over sequences of events: what is shown, what is kept, and that no written word is lost. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { ChatEvent, Conversation, Error as Failure, Message } from "../src/lib/bindings";

type Turn = { emit: (event: ChatEvent) => void; end: (failure?: Failure) => Promise<void> };
const rust = vi.hoisted(() => ({
  turns: [] as Turn[],
  calls: [] as unknown[][],
  stored: new Map<number, unknown>(),
}));

vi.mock("../src/lib/events", () => ({ chatChannel: (take: unknown) => take, onStatus: vi.fn() }));
vi.mock("../src/lib/bindings", () => {
  const ok = (data: unknown) => Promise.resolve({ status: "ok", data });
  const turn =
    (name: string) =>
    (...args: unknown[]) => {
      rust.calls.push([name, ...args.slice(0, -1)]);
      return new Promise((resolve) => {
        rust.turns.push({
          emit: args.at(-1) as Turn["emit"],
          end: async (error) => {
            resolve(error ? { status: "error", error } : { status: "ok", data: null });
            await settled();
          },
        });
      });
    };
  const absent = { code: "not_found", message: "No such conversation.", hint: null, link: null };
  const plain =
    (name: string) =>
    (...args: unknown[]) => {
      rust.calls.push([name, ...args]);
      return ok(null);
    };
  return {
    commands: {
      sendMessage: turn("send"),
      regenerateMessage: turn("regenerate"),
      continueMessage: turn("continue"),
      stopGeneration: plain("stop"),
      renameConversation: plain("rename"),
      deleteConversation: plain("delete"),
      conversations: () =>
        ok([...rust.stored.values()].map((one) => ({ ...(one as object), updated_at_ms: 1 }))),
      conversation: (id: number) =>
        rust.stored.has(id) ? ok(rust.stored.get(id)) : Promise.resolve({ status: "error", error: absent }),
    },
  };
});

const { conversations } = await import("../src/state/conversations.svelte");
const { showFailuresWith } = await import("../src/lib/errors");
const reported: Failure[] = [];

async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}
const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

function message(id: number, role: Message["role"], text: string, rest: Partial<Message> = {}): Message {
  const base = {
    reasoning: "",
    interruption: null,
    model: null,
    finish_reason: null,
    timings: null,
    measured: null,
    siblings: [id],
  };
  return {
    id,
    parent_id: id > 1 ? id - 1 : null,
    role,
    text,
    state: "complete",
    created_at_ms: 0,
    ...base,
    ...rest,
  };
}
function conversation(answer: Partial<Message>, id = 1): Conversation {
  return { id, title: "Hi", messages: [message(10, "user", "Hi"), message(11, "assistant", "", answer)] };
}
const STARTED: ChatEvent = { type: "started", conversation: conversation({ state: "streaming" }) };
const REFUSED: Failure = { code: "context_exceeded", message: "Too long.", hint: "Shorten it.", link: null };
const answer = () => conversations.open?.messages.at(-1);
const lastTurn = () => rust.turns.at(-1)!;

beforeEach(() => {
  for (const list of [rust.turns, rust.calls, reported]) list.length = 0;
  rust.stored.clear();
  for (const map of [conversations.drafts, conversations.refusals, conversations.generations]) map.clear();
  conversations.startNew();
  showFailuresWith((failure) => reported.push(failure));
});

describe("a turn", () => {
  it("starts a conversation, streams, and ends with what Rust stored", async () => {
    conversations.drafts.set("new", "Hi");
    void conversations.send("Hi");
    expect(rust.calls[0]).toEqual(["send", null, "Hi"]);
    expect(conversations.drafts.size).toBe(0);
    expect(conversations.generation?.phase).toBe("sent");
    lastTurn().emit(STARTED);
    expect(conversations.slot).toBe(1);
    lastTurn().emit({ type: "prefill", processed_tokens: 5, total_tokens: 9 });
    expect(conversations.generation).toMatchObject({ phase: "prefill", processedTokens: 5, totalTokens: 9 });
    // The whole prompt is read: the token that follows is all that is worth a frame.
    lastTurn().emit({ type: "prefill", processed_tokens: 9, total_tokens: 9 });
    expect(conversations.generation).toMatchObject({ phase: "prefill", processedTokens: 5 });
    for (const text of ["Hel", "lo", "!"]) lastTurn().emit({ type: "token", text });
    expect(conversations.generation?.text).toBe("");
    await painted();
    expect(conversations.generation).toMatchObject({ phase: "decode", text: "Hello!", messageId: 11 });
    lastTurn().emit({ type: "finished", conversation: conversation({ text: "Hello!" }) });
    await lastTurn().end();
    expect(conversations.generation).toBeNull();
    expect(answer()).toMatchObject({ state: "complete", text: "Hello!" });
    expect(reported).toEqual([]);
  });

  it("shows an answer that could not be stored, and why, until it is", async () => {
    void conversations.send("Hi");
    lastTurn().emit(STARTED);
    lastTurn().emit({ type: "token", text: "Hello!" });
    const error: Failure = {
      code: "disk_full",
      message: "The disk is full.",
      hint: "Make room.",
      link: null,
    };
    lastTurn().emit({ type: "unkept", error });
    await painted();
    expect(conversations.generation).toMatchObject({ text: "Hello!", unkept: error });
    expect(reported).toEqual([]);
    lastTurn().emit({ type: "finished", conversation: conversation({ text: "Hello!" }) });
    await lastTurn().end();
    expect(conversations.generation).toBeNull();
    expect(answer()).toMatchObject({ state: "complete", text: "Hello!" });
  });

  it("keeps an interrupted answer and goes on from its text", async () => {
    void conversations.send("Hi");
    lastTurn().emit(STARTED);
    const broken = conversation({
      state: "interrupted",
      text: "Hel",
      interruption: "The engine was killed.",
    });
    lastTurn().emit({ type: "finished", conversation: broken });
    await lastTurn().end();
    expect(answer()).toMatchObject({ state: "interrupted", text: "Hel" });
    void conversations.goOn(11);
    expect(rust.calls.at(-1)).toEqual(["continue", 11]);
    lastTurn().emit({ type: "started", conversation: conversation({ state: "streaming", text: "Hel" }) });
    lastTurn().emit({ type: "token", text: "lo" });
    await painted();
    expect(conversations.generation?.text).toBe("Hello");
  });

  it("takes the stored conversation if the last event never came", async () => {
    void conversations.send("Hi");
    lastTurn().emit(STARTED);
    rust.stored.set(1, conversation({ text: "Hello!" }));
    await lastTurn().end();
    expect(answer()).toMatchObject({ state: "complete", text: "Hello!" });
    lastTurn().emit({ type: "token", text: "late" });
    await painted();
    expect(conversations.generation).toBeNull();
  });

  it("is one at a time in a conversation, and a second send loses nothing", () => {
    void conversations.send("Hi");
    conversations.drafts.set("new", "And?");
    void conversations.send("And?");
    expect(rust.turns).toHaveLength(1);
    expect(conversations.drafts.get("new")).toBe("And?");
  });

  it("goes on in its own conversation while another is open", async () => {
    void conversations.send("Hi");
    lastTurn().emit(STARTED);
    rust.stored.set(2, conversation({ text: "other" }, 2));
    await conversations.show(2);
    expect(conversations.generation).toBeNull();
    lastTurn().emit({ type: "token", text: "Hello" });
    await painted();
    expect(answer()?.text).toBe("other");
    rust.stored.set(1, conversation({ state: "streaming", text: "" }));
    await conversations.show(1);
    expect(conversations.generation?.text).toBe("Hello");
  });
});

describe("stop", () => {
  it("asks Rust once", async () => {
    void conversations.send("Hi");
    lastTurn().emit(STARTED);
    await Promise.all([conversations.stop(), conversations.stop()]);
    expect(rust.calls.filter(([name]) => name === "stop")).toEqual([["stop", 1]]);
  });
  it("waits until a new conversation has its name", async () => {
    void conversations.send("Hi");
    await conversations.stop();
    expect(rust.calls.some(([name]) => name === "stop")).toBe(false);
    lastTurn().emit(STARTED);
    expect(rust.calls.at(-1)).toEqual(["stop", 1]);
  });
  it("ends what a page that was loaded anew did not ask for, and nothing is sent meanwhile", async () => {
    rust.stored.set(1, conversation({ state: "streaming", text: "Hel" }));
    await conversations.show(1);
    expect(conversations).toMatchObject({ generation: null, orphan: 1, writing: true });
    await conversations.send("And?");
    await conversations.stop();
    expect(rust.calls).toEqual([["stop", 1]]);
    rust.stored.set(1, conversation({ state: "stopped", text: "Hell" }));
    await conversations.follow(1);
    expect(conversations).toMatchObject({ orphan: null, writing: false });
    expect(answer()?.text).toBe("Hell");
  });
});

describe("a refused send", () => {
  it("before anything was stored gives the text back with the reason", async () => {
    void conversations.send("a long text");
    await lastTurn().end(REFUSED);
    expect(conversations.drafts.get("new")).toBe("a long text");
    expect(conversations.refusal).toEqual(REFUSED);
    expect(conversations.generation).toBeNull();
    expect(reported).toEqual([]);
  });

  it("in a conversation shows it as it was before", async () => {
    const before = { ...conversation({ text: "earlier" }), messages: [message(5, "user", "earlier")] };
    rust.stored.set(1, before);
    await conversations.show(1);
    void conversations.send("a long text");
    lastTurn().emit(STARTED);
    await lastTurn().end(REFUSED);
    expect(conversations.open).toEqual(before);
    expect(conversations.drafts.get(1)).toBe("a long text");
    expect(conversations.refusal).toEqual(REFUSED);
  });

  it("of a new conversation leads back to a new one, with what was typed meanwhile", async () => {
    void conversations.send("first");
    lastTurn().emit(STARTED);
    conversations.drafts.set(1, "second");
    await lastTurn().end(REFUSED);
    expect(conversations.slot).toBe("new");
    expect(conversations.drafts.get("new")).toBe("first\n\nsecond");
    expect(conversations.refusals.get("new")).toEqual(REFUSED);
  });

  it("that was only cancelled says nothing but gives the text back", async () => {
    void conversations.send("Hi");
    await lastTurn().end({ code: "cancelled", message: "Cancelled.", hint: null, link: null });
    expect(conversations.refusal).toBeNull();
    expect(conversations.drafts.get("new")).toBe("Hi");
  });

  it("is forgotten with the next send", async () => {
    void conversations.send("Hi");
    await lastTurn().end(REFUSED);
    void conversations.send("Hi");
    expect(conversations.refusal).toBeNull();
  });
});

describe("the list", () => {
  it("leaves a deleted conversation", async () => {
    rust.stored.set(1, conversation({}));
    await conversations.show(1);
    await conversations.delete(1);
    expect(conversations.slot).toBe("new");
    expect(conversations.open).toBeNull();
  });
  it("reports one that is gone and stays where it was", async () => {
    await conversations.show(99);
    expect(reported.map((failure) => failure.code)).toEqual(["not_found"]);
    expect(conversations.slot).toBe("new");
  });
  it("does not send an empty name", async () => {
    await conversations.rename(1, "  ");
    expect(rust.calls).toEqual([]);
  });
});
