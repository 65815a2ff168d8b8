/* One run of the engine as the window follows it: from the send, over the waiting, to the text that grows.
   It keeps no message: the conversation that Rust sends at the start and at the end is the truth.
   Invariant: `text` and `reasoning` change at most once a frame; nothing changes after `over`. */
import type { ChatEvent, Conversation, ConversationId, Error as Failure, MessageId } from "./bindings";
import { perFrame } from "./frame";

export type Phase = "sent" | "queued" | "prefill" | "thinking" | "decode";

export class Generation {
  conversationId = $state<ConversationId | null>(null);
  messageId = $state<MessageId | null>(null);
  phase = $state<Phase>("sent");
  processedTokens = $state(0);
  totalTokens = $state(0);
  /** What is painted of the answer so far. */
  text = $state("");
  /** What is painted of the thinking before it. */
  reasoning = $state("");
  stopping = $state(false);
  /** Why the answer, which is over, is not stored yet. */
  unkept = $state.raw<Failure | null>(null);
  over = false;
  #arrived = "";
  #thought = "";
  #paint = perFrame(() => {
    this.text = this.#arrived;
    this.reasoning = this.#thought;
  });

  /** `sent` is the person's own text, which is given back if the send is refused; null for a regeneration. */
  constructor(
    conversationId: ConversationId | null,
    readonly sent: string | null,
  ) {
    this.conversationId = conversationId;
  }

  take(event: ChatEvent): void {
    if (this.over) return;
    switch (event.type) {
      case "started":
        return this.#start(event.conversation);
      case "queued":
        this.phase = "queued";
        return;
      case "prefill":
        // The last of them comes right before the first token, whose frame must not wait for the paint of this.
        if (event.processed_tokens >= event.total_tokens) return;
        this.phase = "prefill";
        this.processedTokens = event.processed_tokens;
        this.totalTokens = event.total_tokens;
        return;
      case "token":
        this.phase = "decode";
        this.#arrived += event.text;
        this.#paint();
        return;
      case "reasoning":
        this.phase = "thinking";
        this.#thought += event.text;
        this.#paint();
        return;
      case "unkept":
        this.unkept = event.error;
        return;
      case "finished":
        this.over = true;
    }
  }

  #start(conversation: Conversation): void {
    const message = conversation.messages.findLast((one) => one.state === "streaming");
    this.conversationId = conversation.id;
    this.messageId = message?.id ?? null;
    // A continued message begins with what it already says.
    this.#arrived = message?.text ?? "";
    this.#thought = message?.reasoning ?? "";
    this.text = this.#arrived;
    this.reasoning = this.#thought;
  }
}
