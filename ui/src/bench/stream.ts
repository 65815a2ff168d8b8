/* The stream bench: a page that drives the same state and the same Message components as the window with a synthetic
   stream, and counts painted frames. It is built only with `vite build --mode bench` and never ships.
   Driven from outside: `await window.runStreamBench({ tokensPerSecond, seconds })` returns a StreamFigures; the page
   also runs once by itself with ?run and writes the figures into `document.documentElement.dataset.bench`. */
import { mount } from "svelte";
import type { Conversation, Message } from "../lib/bindings";
import { Generation } from "../lib/generation.svelte";
import { conversations } from "../state/conversations.svelte";
import MessageLog from "../views/chat/MessageLog.svelte";
import { frameFigures, watchFrames, type FrameFigures } from "./frames";
import { pieces } from "./sample";

export interface StreamFigures extends FrameFigures {
  tokens: number;
  /** How often the answer itself was painted anew. */
  paintsPerSecond: number;
}
interface Wish {
  tokensPerSecond?: number;
  seconds?: number;
}

const ID = 1;

function message(id: number, role: Message["role"], state: Message["state"], text: string): Message {
  const rest = {
    reasoning: "",
    interruption: null,
    model: "bench",
    finish_reason: null,
    timings: null,
    measured: null,
    siblings: [id],
  };
  return { id, parent_id: id > 1 ? id - 1 : null, role, text, state, created_at_ms: 0, ...rest };
}

function conversation(state: Message["state"], text: string): Conversation {
  const messages = [
    message(1, "user", "complete", "A long answer, please."),
    message(2, "assistant", state, text),
  ];
  return { id: ID, title: "Stream bench", messages };
}

function begin(): Generation {
  const generation = new Generation(ID, null);
  const started = conversation("streaming", "");
  generation.take({ type: "started", conversation: started });
  conversations.slot = ID;
  conversations.open = started;
  conversations.generations.set(ID, generation);
  return generation;
}

/** Tokens arrive by the clock, in tasks of their own, as they do from Rust. */
function feed(generation: Generation, tokens: string[], perSecond: number, began: number): Promise<void> {
  return new Promise((resolve) => {
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.min(tokens.length, Math.floor(((performance.now() - began) / 1000) * perSecond));
      for (; sent < due; sent++) generation.take({ type: "token", text: tokens[sent] ?? "" });
      if (sent < tokens.length) return;
      clearInterval(timer);
      resolve();
    }, 2);
  });
}

async function run({ tokensPerSecond = 500, seconds = 10 }: Wish = {}): Promise<StreamFigures> {
  const tokens = pieces(tokensPerSecond * seconds);
  const generation = begin();
  let paints = 0;
  let painted = "";
  const stop = watchFrames(() => {
    if (generation.text !== painted) paints++;
    painted = generation.text;
  });
  await feed(generation, tokens, tokensPerSecond, performance.now());
  const frames = frameFigures(stop());
  const finished = conversation("complete", tokens.join(""));
  generation.take({ type: "finished", conversation: finished });
  conversations.generations.delete(ID);
  conversations.open = finished;
  return { ...frames, tokens: tokens.length, paintsPerSecond: paints / frames.seconds };
}

const target = document.getElementById("app")!;
target.style.cssText = "display:flex;flex-direction:column";
mount(MessageLog, { target });
Object.assign(window, { runStreamBench: run });
document.documentElement.dataset.ready = "true";
if (location.search.includes("run"))
  void run().then((found) => (document.documentElement.dataset.bench = JSON.stringify(found)));
