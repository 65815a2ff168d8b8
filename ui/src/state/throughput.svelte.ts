/* How fast answers came, by model, and what a person can do about these figures: write them into a file, and measure anew
   what the memory gives. Nothing is computed here, and what comes now is the status's. */
import { commands, type ExportFormat, type ThroughputByModel } from "../lib/bindings";
import { ask } from "../lib/errors";

class ThroughputState {
  models = $state.raw<ThroughputByModel[]>([]);
  /** The file that was written last, since the window opened. */
  exported = $state<string | null>(null);
  exporting = $state(false);
  measuring = $state(false);

  async refresh(): Promise<void> {
    this.models = (await ask(commands.throughputByModel())) ?? this.models;
  }

  async export(format: ExportFormat): Promise<void> {
    if (this.exporting) return;
    this.exporting = true;
    this.exported = null;
    this.exported = await ask(commands.exportThroughput(format));
    this.exporting = false;
  }

  /** Takes a third of a second; the monitor tells the new figure by itself. */
  async measure(): Promise<void> {
    if (this.measuring) return;
    this.measuring = true;
    await ask(commands.measureBandwidth());
    this.measuring = false;
  }
}

export const throughput = new ThroughputState();
