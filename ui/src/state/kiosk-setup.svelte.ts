/* The kiosk as the desk sets it up: the screen, the PIN, the folder of scenes, and who came. What is right is Rust's to say. */
import { commands, type Display, type KioskLog, type KioskSetup } from "../lib/bindings";
import { ask, done, settle, type Failure } from "../lib/errors";

export const LOG_DAYS = [1, 7, 30] as const;
export type LogDays = (typeof LOG_DAYS)[number];

class KioskSetupState {
  now = $state.raw<KioskSetup | null>(null);
  displays = $state.raw<Display[]>([]);
  days = $state<LogDays>(7);
  log = $state.raw<KioskLog | null>(null);
  /** The file that was written last, since the window opened. */
  exported = $state<string | null>(null);
  /** Why it did not start. */
  failure = $state.raw<Failure | null>(null);

  /** Looks again: a file that was mended, a screen that was plugged in. Quietly, as it is asked every other second. */
  async look(): Promise<void> {
    const [setup, displays] = await Promise.all([
      settle(commands.kioskSetup()),
      settle(commands.kioskDisplays()),
    ]);
    if (setup.status === "ok") this.now = setup.data;
    if (displays.status === "ok") this.displays = displays.data;
  }

  async showDays(days: LogDays): Promise<void> {
    this.days = days;
    const log = await ask(commands.kioskSessions(days));
    if (days === this.days) this.log = log ?? this.log;
  }

  async choose(display: string | null): Promise<void> {
    if (await done(commands.setKioskDisplay(display))) await this.look();
  }

  flash(): void {
    void done(commands.flashDisplays());
  }

  /** Null when it is in force, else why it is not. */
  async setPin(pin: string): Promise<Failure | null> {
    const outcome = await settle(commands.setKioskPin(pin));
    if (outcome.status === "error") return outcome.error;
    await this.look();
    return null;
  }

  async makeFolder(): Promise<void> {
    this.now = (await ask(commands.makeKioskFolder())) ?? this.now;
  }

  openFolder(): void {
    void done(commands.openKioskFolder());
  }

  async start(): Promise<void> {
    const outcome = await settle(commands.startKiosk());
    this.failure = outcome.status === "error" ? outcome.error : null;
  }

  async export(): Promise<void> {
    this.exported = null;
    this.exported = await ask(commands.exportKioskSessions());
  }
}

export const kioskSetup = new KioskSetupState();
