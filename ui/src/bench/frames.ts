/* Painted frames, counted while something is driven. It drives nothing itself. */

export interface FrameFigures {
  seconds: number;
  frames: number;
  framesPerSecond: number;
  /** The fewest frames in any whole second. */
  worstSecond: number;
  longestFrameMs: number;
}

/** Counts from now on; `onFrame` is called in each. The returned function ends it and gives the times of the frames. */
export function watchFrames(onFrame: () => void = () => undefined): () => number[] {
  const times: number[] = [];
  let going = true;
  const frame = (now: number) => {
    times.push(now);
    onFrame();
    if (going) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  return () => {
    going = false;
    return times;
  };
}

export function frameFigures(times: readonly number[]): FrameFigures {
  const first = times[0] ?? 0;
  const seconds = ((times.at(-1) ?? 0) - first) / 1000;
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
  const bySecond = Array.from({ length: Math.floor(seconds) }, (_, second) => {
    const from = first + second * 1000;
    return times.filter((time) => time >= from && time < from + 1000).length;
  });
  return {
    seconds,
    frames: gaps.length,
    framesPerSecond: gaps.length / seconds,
    worstSecond: Math.min(...bySecond),
    longestFrameMs: Math.max(...gaps),
  };
}
