//! The reader: takes a whole reading of a machine, several times a second, and costs next to nothing.
//!
//! Deliberately it keeps no history and draws no conclusion. Files stay open and are read into one buffer; lists of
//! devices are made anew only every few seconds. Invariant: whatever a source says, a reading comes out; what can't be
//! read is absent from it.

use crate::cores::Cores;
use crate::counter::due;
use crate::disks::Disks;
use crate::files::{Buffer, HeldFile, short};
use crate::gpu::Gpus;
use crate::memory::{plausible_memory, pressure, swap};
use crate::networks::Networks;
use crate::sensors::Sensors;
use crate::words::shown;
use crate::{Machine, Reading, SensorReading};
use std::path::Path;
use std::time::Duration;

/// How often is looked which disks and sensors there are.
const SCAN: Duration = Duration::from_secs(5);
/// How often sensors are read.
const SENSE: Duration = Duration::from_secs(1);
/// The time between the two moments of a recorded machine.
const BETWEEN_MOMENTS: Duration = Duration::from_secs(1);

/// Reads a machine again and again.
///
/// A recorded machine is a folder in the form of a root file system (`proc/`, `sys/`), with its label in `recorded`
/// and NVML's raw answers in `nvml.json`. It stands still; so that it has rates, `then/proc/` may hold `stat`,
/// `diskstats` and `net/dev` of one second before.
#[derive(Debug)]
pub struct Reader {
    pub(crate) machine: Machine,
    buffer: Buffer,
    recorded: Option<String>,
    memory: HeldFile,
    pressure: HeldFile,
    now: Counters,
    then: Option<Counters>,
    cores: Cores,
    disks: Disks,
    networks: Networks,
    sensors: Sensors,
    gpus: Gpus,
    scanned: Option<Duration>,
    sensed: Option<Duration>,
    latest_sensors: Vec<SensorReading>,
}

/// The files whose numbers are compared with those before.
#[derive(Debug)]
struct Counters {
    stat: HeldFile,
    diskstats: HeldFile,
    net_dev: HeldFile,
}

impl Counters {
    fn of(root: &Path) -> Self {
        let held = |name| HeldFile::new(root.join("proc").join(name));
        Self {
            stat: held("stat"),
            diskstats: held("diskstats"),
            net_dev: held("net/dev"),
        }
    }
}

impl Reader {
    /// A reader of the machine. Nothing is read yet.
    pub fn new(machine: Machine) -> Self {
        let root = machine.root();
        let recorded = if machine.is_local() {
            None
        } else {
            short(&root.join("recorded")).map(|label| shown(&label))
        };
        let then = root.join("then");
        Self {
            buffer: Buffer::new(),
            recorded,
            memory: HeldFile::new(root.join("proc/meminfo")),
            pressure: HeldFile::new(root.join("proc/pressure/memory")),
            now: Counters::of(root),
            then: then.is_dir().then(|| Counters::of(&then)),
            cores: Cores::default(),
            disks: Disks::default(),
            networks: Networks::default(),
            sensors: Sensors::default(),
            gpus: Gpus::of(&machine),
            scanned: None,
            sensed: None,
            latest_sensors: Vec::new(),
            machine,
        }
    }

    /// Takes a reading. `at` is the time now on any clock that never goes back; rates are over the time since the last
    /// reading.
    ///
    /// It blocks: for a fraction of a millisecond as a rule, but a driver that starts may take a second, and a disk's
    /// sensor a few milliseconds.
    pub fn read(&mut self, at: Duration) -> Reading {
        self.look_around(at);
        let mut reading = Reading {
            recorded: self.recorded.clone(),
            sensors: self.latest_sensors.clone(),
            ..Reading::default()
        };
        self.read_memory(&mut reading);
        self.read_rates(&mut reading, at);
        match self
            .gpus
            .read(at, reading.memory.as_ref(), &mut self.buffer)
        {
            Ok(gpus) => reading.gpus = gpus,
            Err(absence) => reading.gpu_absence = Some(absence),
        }
        reading
    }

    /// What is not done at each reading.
    fn look_around(&mut self, at: Duration) {
        let root = self.machine.root();
        if due(&mut self.scanned, at, SCAN) {
            self.disks.scan(root);
            self.sensors.scan(root);
        }
        if due(&mut self.sensed, at, SENSE) {
            self.latest_sensors = self.sensors.read(at, &mut self.buffer);
        }
    }

    fn read_memory(&mut self, reading: &mut Reading) {
        if let Some(text) = self.memory.read(&mut self.buffer) {
            reading.memory = plausible_memory(&text);
            reading.swap = swap(&text);
        }
        let text = self.pressure.read(&mut self.buffer);
        reading.pressure = text.as_deref().and_then(pressure);
    }

    fn read_rates(&mut self, reading: &mut Reading, at: Duration) {
        let Some(mut then) = self.then.take() else {
            return self.count(None, reading, at);
        };
        self.count(Some(&mut then), &mut Reading::default(), Duration::ZERO);
        self.count(None, reading, BETWEEN_MOMENTS);
        self.then = Some(then);
    }

    /// Compares with the counters before: those of a recorded moment, or those of now.
    fn count(&mut self, moment: Option<&mut Counters>, reading: &mut Reading, at: Duration) {
        let files = moment.unwrap_or(&mut self.now);
        let buffer = &mut self.buffer;
        if let Some(text) = files.stat.read(buffer) {
            reading.cores = self.cores.shares(&text);
        }
        if let Some(text) = files.diskstats.read(buffer) {
            reading.disks = self.disks.read(&text, at);
        }
        if let Some(text) = files.net_dev.read(buffer) {
            reading.networks = self.networks.read(&text, at, self.machine.root());
        }
    }
}
