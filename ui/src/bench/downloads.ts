/* The downloads bench: the queue of the models view with a number of downloads, each changing some times a second, as
   Rust tells them; it counts painted frames. Like the stream bench it never ships.
   `await window.runDownloadsBench({ downloads, perSecond, seconds })`, or bench.html?downloads&run. */
import { mount } from "svelte";
import type { Download } from "../lib/bindings";
import { downloads } from "../state/downloads.svelte";
import Downloads from "../views/models/downloads/Downloads.svelte";
import { frameFigures, watchFrames, type FrameFigures } from "./frames";

interface Wish {
  downloads?: number;
  perSecond?: number;
  seconds?: number;
}
const MIB = 2 ** 20;
const TOTAL = 40_000 * MIB;

function begin(id: number): Download {
  return {
    ...{ id, repo: `author-${id}/Model-${id}B-Instruct-GGUF`, revision: "main", commit: "0".repeat(40) },
    ...{ label: "Q4_K_M", file_count: 1, done_bytes: 0, total_bytes: TOTAL, state: { type: "fetching" } },
    ...{ rate_bytes_per_second: 0, remaining_ms: 0, rates: [], note: null, started_at_ms: 0, model_id: null },
  };
}

/** The same download a moment later: every figure of its row is another one; its graph goes on once a second. */
function later(one: Download, turn: number, second: boolean): Download {
  const rate = (40 + 30 * Math.sin(turn / 7 + one.id)) * MIB;
  const done = Math.min(TOTAL, one.done_bytes + rate / 10);
  return {
    ...{
      ...one,
      done_bytes: done,
      rate_bytes_per_second: rate,
      remaining_ms: ((TOTAL - done) / rate) * 1000,
    },
    rates: second ? [...one.rates, rate].slice(-60) : [...one.rates],
  };
}

async function run({ downloads: many = 8, perSecond = 10, seconds = 10 }: Wish = {}): Promise<FrameFigures> {
  let all = Array.from({ length: many }, (_, index) => begin(index + 1));
  const order = all.map((one) => one.id);
  downloads.take({ changed: all, order });
  const stop = watchFrames();
  await new Promise<void>((resolve) => {
    let turn = 0;
    // Each in an event of its own: the worst that Rust may do.
    const timer = setInterval(
      () => {
        const at = turn++ % many;
        const changed = later(all[at]!, turn, Math.floor(turn / many) % perSecond === at % perSecond);
        all = all.with(at, changed);
        downloads.take({ changed: [changed], order });
        if (turn < many * perSecond * seconds) return;
        clearInterval(timer);
        resolve();
      },
      1000 / (many * perSecond),
    );
  });
  return frameFigures(stop());
}

mount(Downloads, { target: document.getElementById("app")! });
Object.assign(window, { runDownloadsBench: run });
document.documentElement.dataset.ready = "true";
if (location.search.includes("run"))
  void run().then((found) => (document.documentElement.dataset.bench = JSON.stringify(found)));
