/* How the kiosk's page calls Rust: what fails is told to nobody, since whoever stands there can't mend it.
   The desk's page asks through errors.ts, which shows each failure; a stranger's page has words of its own.
   Invariant: nothing here rejects, and no error's text comes out. */
import { commands, events, type KioskNow, type KioskReadings } from "./bindings";
import { settle, type Outcome } from "./errors";

/** The data of a command, or null if it failed. */
export async function quietly<T>(call: Promise<Outcome<T>>): Promise<T | null> {
  const outcome = await settle(call);
  return outcome.status === "ok" ? outcome.data : null;
}

/** Whether a command that returns nothing was done. */
export async function succeeded(call: Promise<Outcome<null>>): Promise<boolean> {
  return (await settle(call)).status === "ok";
}

/** Calls `take` with each change of what goes on until the returned function is called. */
export async function onKiosk(take: (now: KioskNow) => void): Promise<() => void> {
  return events.kioskChanged.listen((event) => take(event.payload));
}

/** Calls `take` with the machine's figures until the returned function is called. */
export async function onKioskReadings(take: (readings: KioskReadings) => void): Promise<() => void> {
  return events.kioskRead.listen((event) => take(event.payload));
}

const BEAT_MS = 2000;

/** Tells Rust every two seconds that this page paints, until the returned function is called. */
export function beat(): () => void {
  let going = true;
  let frame = 0;
  const now = () => {
    frame = 0;
    if (!going) return;
    void succeeded(commands.kioskBeat());
    setTimeout(next, BEAT_MS);
  };
  // Out of a frame: a page that runs its scripts and paints no more is frozen to those who stand before it. A hidden one
  // gets no frames, and nobody stands before it.
  const next = () => {
    if (document.hidden) now();
    else frame = requestAnimationFrame(now);
  };
  const onvisibilitychange = () => {
    if (!frame || !document.hidden) return;
    cancelAnimationFrame(frame);
    now();
  };
  document.addEventListener("visibilitychange", onvisibilitychange);
  next();
  return () => {
    going = false;
    document.removeEventListener("visibilitychange", onvisibilitychange);
  };
}
