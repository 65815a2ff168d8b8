/* The stream bench: a page that drives the same state and the same Message components as the window with a synthetic
   stream, and counts painted frames. It is built only with `vite build --mode bench` and never ships.
   Driven from outside: `await window.runStreamBench({ tokensPerSecond, seconds })` returns a StreamFigures; the page
   also runs once by itself with ?run and writes the figures into `document.documentElement.dataset.bench`. */
import "../styles/base.css";
import { mount } from "svelte";
import type { Conversation, Message } from "../lib/bindings";
import { Generation } from "../lib/generation.svelte";
import { conversations } from "../state/conversations.svelte";
import MessageLog from "../views/chat/MessageLog.svelte";
import { pieces } from "./sample";

export interface StreamFigures {
  seconds: number;
  tokens: number;
  frames: number;
  framesPerSecond: number;
  /** The fewest frames in any whole second. */
  worstSecond: number;
  longestFrameMs: number;
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

function watchFrames(generation: Generation): () => { times: number[]; paints: number } {
  const times: number[] = [];
  let paints = 0;
  let painted = "";
  let going = true;
  const onFrame = (now: number) => {
    times.push(now);
    if (generation.text !== painted) paints++;
    painted = generation.text;
    if (going) requestAnimationFrame(onFrame);
  };
  requestAnimationFrame(onFrame);
  return () => {
    going = false;
    return { times, paints };
  };
}

function figures(times: number[], paints: number, tokens: number): StreamFigures {
  const first = times[0] ?? 0;
  const seconds = ((times.at(-1) ?? 0) - first) / 1000;
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
  const bySecond = Array.from({ length: Math.floor(seconds) }, (_, second) => {
    const from = first + second * 1000;
    return times.filter((time) => time >= from && time < from + 1000).length;
  });
  return {
    seconds,
    tokens,
    frames: gaps.length,
    framesPerSecond: gaps.length / seconds,
    worstSecond: Math.min(...bySecond),
    longestFrameMs: Math.max(...gaps),
    paintsPerSecond: paints / seconds,
  };
}

async function run({ tokensPerSecond = 500, seconds = 10 }: Wish = {}): Promise<StreamFigures> {
  const tokens = pieces(tokensPerSecond * seconds);
  const generation = begin();
  const stop = watchFrames(generation);
  await feed(generation, tokens, tokensPerSecond, performance.now());
  const { times, paints } = stop();
  const finished = conversation("complete", tokens.join(""));
  generation.take({ type: "finished", conversation: finished });
  conversations.generations.delete(ID);
  conversations.open = finished;
  return figures(times, paints, tokens.length);
}

const target = document.getElementById("app")!;
target.style.cssText = "display:flex;flex-direction:column";
mount(MessageLog, { target });
Object.assign(window, { runStreamBench: run });
document.documentElement.dataset.ready = "true";
if (location.search.includes("run"))
  void run().then((found) => (document.documentElement.dataset.bench = JSON.stringify(found)));
