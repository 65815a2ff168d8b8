/* Coalesces any number of changes into one drawing per animation frame. It does not know what is drawn.
   Invariant: after a request, `draw` runs once more, and drawing never takes more than about a third of the time,
   so that scrolling and typing stay smooth however slow the machine is. */
import { flushSync } from "svelte";

/** Returns a function that asks for a drawing at the next frame. */
export function perFrame(draw: () => void): () => void {
  let asked = false;
  let restUntil = 0;

  function onFrame(): void {
    const began = performance.now();
    if (began < restUntil) return void requestAnimationFrame(onFrame);
    asked = false;
    draw();
    flushSync();
    // A task posted from a frame runs after its layout and paint, so this measures the whole cost, not only ours.
    setTimeout(() => {
      const now = performance.now();
      restUntil = now + 2 * (now - began);
    });
  }

  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(onFrame);
  };
}
