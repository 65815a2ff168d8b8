/* The conversations: the list, the one that is open, what is being written in each, and what runs in each.
   It keeps no message of its own making: every conversation shown is one that Rust sent.
   Invariant: text that a person wrote is in a message, in a draft, or on its way; it is never nowhere. */
import { SvelteMap } from "svelte/reactivity";
import { commands } from "../lib/bindings";
import type {
  ChatEvent,
  Conversation,
  ConversationId,
  ConversationSummary,
  MessageId,
} from "../lib/bindings";
import { ask, done, placeOfRefusal, report, settle, type Failure, type Outcome } from "../lib/errors";
import { chatChannel } from "../lib/events";
import { Generation } from "../lib/generation.svelte";

/** A conversation that is not stored yet has no id; what belongs to it is kept under "new". */
export type Slot = ConversationId | "new";
type Channel = ReturnType<typeof chatChannel>;

class Conversations {
  list = $state.raw<ConversationSummary[]>([]);
  known = $state(false);
  open = $state.raw<Conversation | null>(null);
  slot = $state<Slot>("new");
  /** Counts the wishes for a new conversation, also where one is open already: the composer takes the keyboard. */
  beginnings = $state(0);
  readonly drafts = new SvelteMap<Slot, string>();
  readonly refusals = new SvelteMap<Slot, Failure>();
  readonly generations = new SvelteMap<Slot, Generation>();
  generation = $derived(this.generations.get(this.slot) ?? null);
  /** The open conversation, if an answer is written in it that this page did not ask for: it was loaded anew. */
  orphan = $derived(
    !this.generation && this.open?.messages.at(-1)?.state === "streaming" ? this.open.id : null,
  );
  /** Whether an answer is written in the open conversation, whoever asked for it. */
  writing = $derived(this.generation !== null || this.orphan !== null);
  refusal = $derived(this.refusals.get(this.slot) ?? null);

  #wanted: Slot = "new";

  async refresh(): Promise<void> {
    const list = await ask(commands.conversations());
    if (list) this.list = list;
    this.known = true;
  }

  async show(id: ConversationId): Promise<void> {
    this.#wanted = id;
    const conversation = await ask(commands.conversation(id));
    // Two quick clicks: the answer to the first may come last.
    if (!conversation || this.#wanted !== id) return;
    this.slot = id;
    this.open = conversation;
  }

  /** Shows how far the orphan is by now. */
  async follow(id: ConversationId): Promise<void> {
    const conversation = await ask(commands.conversation(id));
    if (conversation && !this.generations.has(id)) this.#put(conversation);
  }

  startNew(): void {
    this.beginnings++;
    this.#wanted = "new";
    this.slot = "new";
    this.open = null;
  }

  async rename(id: ConversationId, title: string): Promise<void> {
    const name = title.trim();
    if (!name || !(await done(commands.renameConversation(id, name)))) return;
    if (this.open?.id === id) this.open = { ...this.open, title: name };
    await this.refresh();
  }

  async delete(id: ConversationId): Promise<void> {
    if (!(await done(commands.deleteConversation(id)))) return;
    this.#forget(id);
    await this.refresh();
  }

  async select(message: MessageId): Promise<void> {
    const conversation = await ask(commands.selectMessage(message));
    if (conversation) this.#put(conversation);
  }

  async send(text: string): Promise<void> {
    if (this.writing) return;
    const id = this.slot === "new" ? null : this.slot;
    this.drafts.delete(this.slot);
    await this.#run(text, (events) => commands.sendMessage(id, text, events));
  }

  async regenerate(message: MessageId): Promise<void> {
    await this.#run(null, (events) => commands.regenerateMessage(message, events));
  }

  async goOn(message: MessageId): Promise<void> {
    await this.#run(null, (events) => commands.continueMessage(message, events));
  }

  /** Stops what runs in the open conversation. Before Rust has named a new one, the wish is kept until it has. */
  async stop(): Promise<void> {
    const { generation, orphan } = this;
    if (orphan !== null) await done(commands.stopGeneration(orphan));
    if (!generation || generation.stopping) return;
    generation.stopping = true;
    if (generation.conversationId === null) return;
    if (!(await done(commands.stopGeneration(generation.conversationId)))) generation.stopping = false;
  }

  /** Stops what runs in a conversation, open or not. */
  async stopIn(conversation: ConversationId): Promise<void> {
    await done(commands.stopGeneration(conversation));
  }

  async #run(sent: string | null, call: (events: Channel) => Promise<Outcome<null>>): Promise<void> {
    if (this.writing) return;
    const generation = new Generation(this.slot === "new" ? null : this.slot, sent);
    const began = this.slot;
    this.refusals.delete(began);
    this.generations.set(began, generation);
    const outcome = await settle(call(chatChannel((event) => this.#take(generation, event))));
    if (outcome.status === "error") await this.#refused(generation, outcome.error);
    else if (!generation.over) await this.#reconcile(generation);
    await this.refresh();
  }

  #take(generation: Generation, event: ChatEvent): void {
    if (generation.over) return;
    const wasNew = generation.conversationId === null;
    generation.take(event);
    if (event.type === "started") this.#started(generation, event.conversation, wasNew);
    if (event.type === "finished") this.#over(generation, event.conversation);
  }

  #started(generation: Generation, conversation: Conversation, wasNew: boolean): void {
    if (wasNew) {
      this.generations.delete("new");
      this.generations.set(conversation.id, generation);
      // Words written meanwhile go along, unless the person has gone elsewhere already.
      if (this.slot === "new") this.#moveDraft("new", conversation.id);
      if (this.slot === "new") this.slot = conversation.id;
      if (generation.stopping) void done(commands.stopGeneration(conversation.id));
    }
    this.#put(conversation);
    void this.refresh();
  }

  #over(generation: Generation, conversation: Conversation): void {
    generation.over = true;
    this.generations.delete(conversation.id);
    this.#put(conversation);
  }

  /** The command is back but its last event was not seen: the stored conversation is the truth. */
  async #reconcile(generation: Generation): Promise<void> {
    const id = generation.conversationId;
    const stored = id === null ? null : await ask(commands.conversation(id));
    if (generation.over) return;
    generation.over = true;
    this.generations.delete(id ?? "new");
    if (stored) this.#put(stored);
  }

  /** Rust has withdrawn the turn: the text goes back to where it was written, before what is there by now. */
  async #refused(generation: Generation, failure: Failure): Promise<void> {
    if (generation.over) return report(failure);
    generation.over = true;
    const began: Slot = generation.conversationId ?? "new";
    const { slot, withdrawn } = await this.#afterRefusal(generation, began);
    // Only now: without a generation, the answer that is still shown as being written would look like another's.
    this.generations.delete(began);
    const words = [withdrawn && generation.sent, this.drafts.get(slot)].filter(Boolean).join("\n\n");
    if (words) this.drafts.set(slot, words);
    if (placeOfRefusal(failure) === "inline") this.refusals.set(slot, failure);
  }

  /** What a refusal left behind: the conversation as it was, or none where the turn would have begun it. */
  async #afterRefusal(generation: Generation, slot: Slot): Promise<{ slot: Slot; withdrawn: boolean }> {
    if (slot === "new" || generation.messageId === null) return { slot, withdrawn: true };
    const stored = await settle(commands.conversation(slot));
    if (stored.status === "ok" && stored.data.messages.length > 0) {
      this.#put(stored.data);
      // If the turn is stored after all, giving its text back would double it.
      return { slot, withdrawn: !stored.data.messages.some((one) => one.id === generation.messageId) };
    }
    this.#moveDraft(slot, "new");
    this.#forget(slot);
    return { slot: "new", withdrawn: true };
  }

  #moveDraft(from: Slot, to: Slot): void {
    const draft = this.drafts.get(from);
    this.drafts.delete(from);
    if (draft) this.drafts.set(to, draft);
  }

  #forget(id: ConversationId): void {
    this.drafts.delete(id);
    this.refusals.delete(id);
    if (this.slot === id) this.startNew();
  }

  #put(conversation: Conversation): void {
    if (this.slot === conversation.id) this.open = conversation;
  }
}

export const conversations = new Conversations();
