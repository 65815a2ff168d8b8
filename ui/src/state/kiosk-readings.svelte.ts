/* The machine's figures as the kiosk shows them, and the rates of the last moments. Nothing is computed here. */
import type { KioskReadings } from "../lib/bindings";
import { onKioskReadings } from "../lib/kiosk-calls";
import { SLOTS } from "../lib/sparkline";

class Readings {
  now = $state.raw<KioskReadings | null>(null);
  /** The last one that was told: what stands large on a wall must not come and go between two answers. */
  rate = $state.raw<number | null>(null);
  /** While something is written; the newest last. */
  rates = $state.raw<number[]>([]);

  /** Follows them from now on. */
  follow(): Promise<() => void> {
    return onKioskReadings((now) => this.take(now));
  }

  take(now: KioskReadings): void {
    this.now = now;
    this.rate = now.decode_tokens_per_second ?? this.rate;
    if (now.running && now.decode_tokens_per_second !== null)
      this.rates = [...this.rates, now.decode_tokens_per_second].slice(-SLOTS);
  }
}

export const readings = new Readings();
