/* What a machine tells, as rows of a name and words. What it does not tell is said so; nothing is made up.
   It knows no colours and no layout. */
import type { GpuAbsence, GpuProcess, GpuReading, Reading, SensorReading, ThrottleReason } from "./bindings";
import { byteRate, celsius, counted, percent, size, watts, wholePercent } from "./format";

export interface Row {
  name: string;
  words: string;
  /** It is not as it should be. */
  tight?: boolean;
}

const SILENT = "not reported by this GPU";

const THROTTLED: Record<ThrottleReason, string> = {
  power_cap: "it draws as much power as it may",
  thermal: "it is too hot",
  hardware_slowdown: "the hardware slows it down",
  power_brake: "the power supply asks for less",
  sync_boost: "it waits for other GPUs",
  application_clocks: "somebody set its clocks",
  other: "for another reason",
};

export function gpuRows(gpu: GpuReading): Row[] {
  const told = <T>(value: T | null, words: (value: T) => string): string =>
    value === null ? SILENT : words(value);
  const mhz = (value: number) => `${value.toLocaleString("en-US")} MHz`;
  const of = (words: string, most: string | null) => (most === null ? words : `${words} of ${most}`);
  return [
    { name: "Utilization", words: told(gpu.utilization, wholePercent) },
    {
      name: "Clock",
      words: told(gpu.sm_clock_mhz, (clock) =>
        of(mhz(clock), gpu.sm_clock_max_mhz === null ? null : mhz(gpu.sm_clock_max_mhz)),
      ),
    },
    { name: "Memory clock", words: told(gpu.memory_clock_mhz, mhz) },
    {
      name: "Power",
      words: told(gpu.power_watts, (power) =>
        of(watts(power), gpu.power_limit_watts === null ? null : watts(gpu.power_limit_watts)),
      ),
    },
    { name: "Temperature", words: told(gpu.celsius, celsius) },
    memoryRow(gpu),
    { name: "Used by", words: told(gpu.processes, processWords) },
    {
      name: "Slowed down",
      words: told(gpu.throttle, (why) =>
        why.length === 0 ? "no" : why.map((one) => THROTTLED[one]).join(", "),
      ),
      tight: (gpu.throttle ?? []).length > 0,
    },
  ];
}

/** "2 programs, 5.2 GiB"; without the sum where the driver tells it of none of them. */
function processWords(processes: readonly GpuProcess[]): string {
  if (processes.length === 0) return "nobody";
  const known = processes.map((one) => one.used_bytes).filter((bytes) => bytes !== null);
  const sum = known.reduce((sum, bytes) => sum + bytes, 0);
  const programs = counted(processes.length, "program");
  return known.length === 0 ? programs : `${programs}, ${size(sum)}`;
}

function memoryRow({ integrated, memory }: GpuReading): Row {
  if (integrated) return { name: "Memory", words: "one pool with the machine's, above" };
  const words = memory
    ? `${size(memory.used_bytes)} of ${size(memory.total_bytes)} (${percent(memory.used_bytes, memory.total_bytes)})`
    : SILENT;
  return { name: "Memory", words };
}

export function absenceWords(absence: GpuAbsence | null): string {
  if (absence?.type === "driver_error") return `NVIDIA's driver does not work: ${absence.value}`;
  return absence?.type === "no_device"
    ? "NVIDIA's driver is installed and finds no GPU."
    : "There is no NVIDIA driver: models run on the processor.";
}

/** What is told of the rest of the machine, shortest first to read: memory's pressure, disks, networks. */
export function machineRows(reading: Reading): Row[] {
  const rows: Row[] = [];
  const { swap, pressure } = reading;
  if (pressure)
    rows.push({
      name: "Waiting for memory",
      words:
        pressure.some_avg10 < 0.05 ? "nobody" : `${pressure.some_avg10.toFixed(1)} % of the last ten seconds`,
      tight: pressure.some_avg10 >= 10,
    });
  if (swap)
    rows.push({
      name: "Swap",
      words: swap.total_bytes === 0 ? "none" : `${size(swap.used_bytes)} of ${size(swap.total_bytes)}`,
    });
  for (const disk of reading.disks)
    rows.push({
      name: `Disk ${disk.name}`,
      words: `read ${byteRate(disk.read_bytes_per_second)}, write ${byteRate(disk.written_bytes_per_second)}`,
    });
  for (const net of reading.networks.filter((one) => one.physical))
    rows.push({
      name: `Network ${net.name}`,
      words: `in ${byteRate(net.received_bytes_per_second)}, out ${byteRate(net.sent_bytes_per_second)}`,
    });
  return rows;
}

/** Sensors with what they feel; equal names are told apart by the chip alone. */
export function sensorRows(sensors: readonly SensorReading[]): Row[] {
  const words = (sensor: SensorReading) =>
    [sensor.celsius !== null && celsius(sensor.celsius), sensor.watts !== null && watts(sensor.watts)]
      .filter(Boolean)
      .join(", ");
  const felt = sensors.map((sensor) => ({ name: `${sensor.chip} ${sensor.label}`, words: words(sensor) }));
  return felt.filter((row) => row.words !== "");
}

/** "4 cores, 37 % busy" */
export function coresWords(cores: readonly number[]): string {
  const busy = cores.reduce((sum, share) => sum + share, 0) / Math.max(cores.length, 1);
  return `${counted(cores.length, "core")}, ${wholePercent(busy)} busy`;
}
