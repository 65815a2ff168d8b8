//! What computes a loaded model: the processor, or a GPU.
//!
//! The GPU is tried first where the worker was built for one. Whatever keeps it from computing this model, the processor does
//! instead, and the reason is kept in words. Invariant: a step gives the same rows in the same order from either.

#[cfg(any(test, feature = "cuda"))]
use crate::decoder::parts::Parts;
use crate::decoder::{Chunk, Decoder, Description, LoadOptions, RecurrentState, Reserve};
use crate::files::Checkpoint;
#[cfg(any(test, feature = "cuda"))]
use crate::gpu;
use crate::kv::{KvType, PageStore};
use crate::pulse::Pulse;
use crate::sampler::Shortlist;
use engine_api::{EngineError, LoadProgress};

/// What computes.
#[derive(Debug)]
pub(crate) struct Computes {
    with: With,
    weights_bytes: u64,
    device: String,
}

#[derive(Debug)]
enum With {
    Processor(Box<Decoder>),
    #[cfg(any(test, feature = "cuda"))]
    Gpu {
        decoder: Box<gpu::decoder::Decoder>,
        /// Of the latest step, and the row that was asked for last.
        lists: Vec<Shortlist>,
        row: Vec<f32>,
        pulse: Pulse,
        is_lost: bool,
    },
}

impl Computes {
    /// Loads this model onto the GPU that the worker was built for, with this much beside its weights; else for the processor.
    ///
    /// # Errors
    /// As [`Decoder::load`]'s.
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        options: &LoadOptions,
        reserve: Reserve,
        on_progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, EngineError> {
        #[cfg(feature = "cuda")]
        let device = match open() {
            Err(reason) => Err(reason),
            Ok((device, name)) => {
                Self::on(&device, name, checkpoint, options, reserve, on_progress)?
            }
        };
        #[cfg(feature = "cuda")]
        let device = match device {
            Ok(there) => return Ok(there),
            Err(reason) => {
                tracing::warn!(%reason, "the processor computes");
                format!("CPU: {reason}")
            }
        };
        #[cfg(not(feature = "cuda"))]
        let (device, _) = ("CPU".to_owned(), reserve);
        let decoder = Decoder::load(checkpoint, options, on_progress)?;
        Ok(Self::on_processor(decoder, device))
    }

    fn on_processor(decoder: Decoder, device: String) -> Self {
        Self {
            weights_bytes: decoder.weights_bytes(),
            with: With::Processor(Box::new(decoder)),
            device,
        }
    }

    /// Loads this model onto this device, or says why it is not computed there.
    ///
    /// # Errors
    /// What would keep the processor from it, too.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn on(
        device: &gpu::Device,
        name: String,
        checkpoint: &Checkpoint,
        options: &LoadOptions,
        reserve: Reserve,
        on_progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Result<Self, String>, EngineError> {
        let parts = Parts::prove(checkpoint, options)?;
        let there = match gpu::decoder::Decoder::bring(device, &parts, reserve, on_progress) {
            Ok(there) => there,
            Err(gpu::decoder::Refused::Load(error)) => return Err(error),
            Err(refused) => return Ok(Err(refused.to_string())),
        };
        Ok(Ok(Self {
            weights_bytes: parts.weights_bytes(),
            with: With::Gpu {
                decoder: Box::new(there),
                lists: Vec::new(),
                row: Vec::new(),
                pulse: Pulse::default(),
                is_lost: false,
            },
            device: name,
        }))
    }

    /// What it computes.
    pub(crate) fn description(&self) -> &Description {
        match &self.with {
            With::Processor(decoder) => decoder.description(),
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu { decoder, .. } => decoder.description(),
        }
    }

    /// As [`Decoder::empty_state`]. No model with recurrent layers is computed on a GPU yet.
    pub(crate) fn empty_state(&self) -> Option<RecurrentState> {
        match &self.with {
            With::Processor(decoder) => decoder.empty_state(),
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu { .. } => None,
        }
    }

    /// In words, and where it is the processor although a GPU was hoped for, why.
    pub(crate) fn device(&self) -> &str {
        &self.device
    }

    /// Names for its pages.
    pub(crate) fn page_store(&self, kind: KvType) -> PageStore {
        match &self.with {
            With::Processor(decoder) => PageStore::new(decoder.page_shape(kind)),
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu { decoder, .. } => {
                PageStore::elsewhere(decoder.description().page_shape(kind))
            }
        }
    }

    /// As [`Decoder::step`]; [`Self::logits`] has the rows.
    pub(crate) fn step(
        &mut self,
        store: &mut PageStore,
        chunks: &mut [Chunk],
    ) -> Result<(), EngineError> {
        match &mut self.with {
            With::Processor(decoder) => decoder.step(store, chunks).map(drop),
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu {
                decoder,
                lists,
                pulse,
                is_lost,
                ..
            } => {
                crate::decoder::step::check(decoder.description(), &[], store, chunks)?;
                let changes = store.take_changes();
                *lists = decoder
                    .step(&changes, chunks)
                    .map_err(|error| failed(&error, is_lost))?;
                pulse.beat();
                Ok(())
            }
        }
    }

    /// Row `at` of the logits of the latest step, where it lies.
    pub(crate) fn logits(&mut self, at: usize) -> Logits<'_> {
        Logits { computes: self, at }
    }

    /// Does what `store` has not told the device yet, and overwrites what steps left in buffers.
    #[cfg_attr(
        not(any(test, feature = "cuda")),
        expect(clippy::unnecessary_wraps, reason = "a GPU may fail")
    )]
    pub(crate) fn wipe(&mut self, store: &mut PageStore) -> Result<(), EngineError> {
        let changes = store.take_changes();
        match &mut self.with {
            With::Processor(decoder) => {
                debug_assert!(changes.is_empty());
                decoder.wipe_scratch();
            }
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu {
                decoder,
                lists,
                row,
                is_lost,
                ..
            } => {
                lists.iter_mut().for_each(Shortlist::wipe);
                crate::wipe::wipe(row);
                let wiped = decoder
                    .change(&changes)
                    .and_then(|()| decoder.wipe_scratch());
                wiped.map_err(|error| failed(&error, is_lost))?;
            }
        }
        Ok(())
    }

    /// Counts what it computes here from now on.
    pub(crate) fn count_on(&mut self, counted: Pulse) {
        match &mut self.with {
            With::Processor(decoder) => decoder.count_on(counted),
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu { pulse, .. } => *pulse = counted,
        }
    }

    /// Whether its GPU has failed.
    pub(crate) fn is_lost(&self) -> bool {
        match &self.with {
            With::Processor(_) => false,
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu { is_lost, .. } => *is_lost,
        }
    }

    /// Whether nothing of any sequence is left.
    #[cfg(test)]
    fn holds_nothing(&self) -> bool {
        match &self.with {
            With::Processor(_) => true,
            With::Gpu { decoder, .. } => decoder.holds_nothing().expect("read"),
        }
    }

    /// Bytes of its weights.
    pub(crate) fn weights_bytes(&self) -> u64 {
        self.weights_bytes
    }

    /// Bytes of the buffers that its largest step so far has left.
    pub(crate) fn scratch_bytes(&self) -> u64 {
        match &self.with {
            With::Processor(decoder) => decoder.scratch_bytes(),
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu { decoder, .. } => decoder.scratch_bytes(),
        }
    }
}

/// A row of logits of the latest step.
#[derive(Debug)]
pub(crate) struct Logits<'a> {
    computes: &'a mut Computes,
    at: usize,
}

impl<'a> Logits<'a> {
    /// The likeliest of it, where the row lies on a device.
    pub(crate) fn shortlist(&self) -> Option<&Shortlist> {
        match &self.computes.with {
            With::Processor(_) => None,
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu { lists, .. } => lists.get(self.at),
        }
    }

    /// All of it, `[vocabulary]`, to be changed at will.
    ///
    /// # Errors
    /// As for [`Computes::step`], of a device that it is brought from.
    ///
    /// # Panics
    /// When the latest step had no such row.
    #[cfg_attr(
        not(any(test, feature = "cuda")),
        expect(clippy::unnecessary_wraps, reason = "a GPU may fail")
    )]
    pub(crate) fn whole(self) -> Result<&'a mut [f32], EngineError> {
        match &mut self.computes.with {
            With::Processor(decoder) => Ok(decoder.row(self.at)),
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu {
                decoder,
                row,
                is_lost,
                ..
            } => {
                *row = decoder
                    .row(self.at)
                    .map_err(|error| failed(&error, is_lost))?;
                Ok(row)
            }
        }
    }
}

/// The GPU, if it can compute and computes rightly, and its name; else why not.
#[cfg(feature = "cuda")]
fn open() -> Result<(gpu::Device, String), String> {
    if std::env::var_os("WICK_DEVICE").is_some_and(|device| device == "cpu") {
        return Err("WICK_DEVICE says so".into());
    }
    let device = gpu::Device::open().map_err(|unfit| unfit.to_string())?;
    let name = device
        .facts()
        .map_or_else(|| "GPU".into(), |facts| facts.name.clone());
    match gpu::prove::prove(&device) {
        Ok(()) => Ok((device, name)),
        Err(wrong) => Err(format!("{name} is not used: {wrong}")),
    }
}

#[cfg(any(test, feature = "cuda"))]
fn failed(error: &gpu::DeviceError, is_lost: &mut bool) -> EngineError {
    let reason = error.to_string();
    match error {
        gpu::DeviceError::OutOfMemory { .. } | gpu::DeviceError::NoRoom { .. } => {
            EngineError::OutOfMemory { reason }
        }
        gpu::DeviceError::Failed(_) => {
            *is_lost = true;
            EngineError::Internal { reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::LogitsWanted;
    use crate::decoder::tests::conformance::{Fixture, difference, fixtures};
    use crate::gpu::Device;
    use crate::kv::PageId;
    use std::sync::atomic::AtomicBool;

    fn fixture(name: &str) -> Fixture {
        let fixture = fixtures().into_iter().find(|fixture| fixture.name == name);
        fixture.expect(name)
    }

    fn on(device: &Device, fixture: &Fixture) -> Result<Computes, String> {
        let options = LoadOptions {
            context_tokens: 64,
            threads: 2,
            quantize: None,
            cancelled: &AtomicBool::new(false),
        };
        let name = "GPU".into();
        let reserve = Reserve {
            kv_type: KvType::F32,
            pages: 3,
            step_tokens: 64,
            step_logits: 1,
        };
        Computes::on(
            device,
            name,
            &fixture.checkpoint,
            &options,
            reserve,
            &mut |_| (),
        )
        .expect("read")
    }

    fn pair(name: &str) -> [Computes; 2] {
        let fixture = fixture(name);
        let there = on(&Device::on_host(0), &fixture).expect("brought");
        [
            Computes::on_processor(fixture.load(64), "CPU".into()),
            there,
        ]
    }

    #[test]
    fn a_model_that_has_no_room_there_or_is_not_known_is_refused_in_words() {
        let refused = on(&Device::on_host_with(4096), &fixture("llama"));
        let words = refused.expect_err("no room");
        assert!(words.contains("the GPU has 0 MiB free"), "{words}");
        let words = on(&Device::on_host(0), &fixture("lfm2")).expect_err("not known");
        assert!(words.contains("layers other than attention"), "{words}");
        let there = on(&Device::on_host_with(1 << 30), &fixture("llama"));
        assert_eq!(there.expect("room").device(), "GPU");
    }

    fn step(
        computes: &mut Computes,
        store: &mut PageStore,
        tokens: &[u32],
        start: usize,
        page: PageId,
    ) -> Vec<f32> {
        let chunk = Chunk {
            tokens,
            start,
            pages: &[page],
            state: None,
            logits: LogitsWanted::Last,
        };
        computes.step(store, &mut [chunk]).expect("a step");
        computes.logits(0).whole().expect("read").to_vec()
    }

    #[test]
    fn pages_are_copied_and_wiped_on_the_device_as_here() {
        let mut rows = Vec::new();
        for mut computes in pair("llama") {
            let mut store = computes.page_store(KvType::F32);
            let [first, second] = [store.grow(), store.grow()];
            step(&mut computes, &mut store, &[1, 2, 3, 4], 0, first);
            store.copy_page(first, second);
            // What comes into the first after the copy is not in the second.
            step(&mut computes, &mut store, &[9, 9], 2, first);
            let copied = step(&mut computes, &mut store, &[5], 4, second);
            let changed = step(&mut computes, &mut store, &[5], 4, first);
            assert!(difference(&copied, &changed) > 1e-3);
            rows.push(copied);
            for page in [first, second] {
                store.release(page);
            }
            computes.wipe(&mut store).expect("wiped");
            assert!(computes.holds_nothing());
        }
        assert!(difference(&rows[1], &rows[0]) < 1e-4);
    }

    #[test]
    fn what_can_not_be_computed_is_refused_as_here() {
        for mut computes in pair("qwen2") {
            let mut store = computes.page_store(KvType::F32);
            let page = store.grow();
            for (tokens, start) in [(&[][..], 0), (&[u32::MAX], 0), (&[1], 32)] {
                let chunk = Chunk {
                    tokens,
                    start,
                    pages: &[page],
                    state: None,
                    logits: LogitsWanted::Last,
                };
                let refused = computes.step(&mut store, &mut [chunk]);
                assert!(matches!(refused, Err(EngineError::InvalidRequest { .. })));
            }
            assert!(!computes.is_lost());
        }
    }
}
