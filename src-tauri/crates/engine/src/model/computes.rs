//! What computes a loaded model: the processor, or a GPU.
//!
//! The GPU is tried first where the worker was built for one. Whatever keeps it from computing this model, the processor does
//! instead, and the reason is kept in words. Invariant: a step gives the same rows in the same order from either.

use crate::decoder::{Chunk, Decoder};
#[cfg(any(test, feature = "cuda"))]
use crate::gpu;
use crate::kv::{KvType, PageStore};
use crate::pulse::Pulse;
use engine_api::EngineError;

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
        logits: Vec<f32>,
        pulse: Pulse,
        is_lost: bool,
    },
}

impl Computes {
    /// This model on the GPU that the worker was built for, with room for so many pages; else on the processor.
    pub(crate) fn new(decoder: Decoder, kind: KvType, pages: usize) -> Self {
        #[cfg(feature = "cuda")]
        return match open()
            .and_then(|(device, name)| Self::on(&device, name, &decoder, kind, pages))
        {
            Ok(there) => there,
            Err(reason) => {
                tracing::warn!(%reason, "the processor computes");
                Self::on_processor(decoder, format!("CPU: {reason}"))
            }
        };
        #[cfg(not(feature = "cuda"))]
        {
            let _ = (kind, pages);
            Self::on_processor(decoder, "CPU".into())
        }
    }

    fn on_processor(decoder: Decoder, device: String) -> Self {
        Self {
            weights_bytes: decoder.weights_bytes(),
            with: With::Processor(Box::new(decoder)),
            device,
        }
    }

    /// This model on this device, or why not.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn on(
        device: &gpu::Device,
        name: String,
        decoder: &Decoder,
        kind: KvType,
        pages: usize,
    ) -> Result<Self, String> {
        let there = gpu::decoder::Decoder::bring(device, decoder, kind, pages);
        let there = there.map_err(|refused| refused.to_string())?;
        Ok(Self {
            weights_bytes: decoder.weights_bytes(),
            with: With::Gpu {
                decoder: Box::new(there),
                logits: Vec::new(),
                pulse: Pulse::default(),
                is_lost: false,
            },
            device: name,
        })
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

    /// As [`Decoder::step`].
    pub(crate) fn step(
        &mut self,
        store: &mut PageStore,
        chunks: &mut [Chunk],
    ) -> Result<&[f32], EngineError> {
        match &mut self.with {
            With::Processor(decoder) => decoder.step(store, chunks),
            #[cfg(any(test, feature = "cuda"))]
            With::Gpu {
                decoder,
                logits,
                pulse,
                is_lost,
            } => {
                crate::decoder::step::check(decoder.description(), &[], store, chunks)?;
                let changes = store.take_changes();
                *logits = decoder
                    .step(&changes, chunks)
                    .map_err(|error| failed(&error, is_lost))?;
                pulse.beat();
                Ok(logits)
            }
        }
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
                logits,
                is_lost,
                ..
            } => {
                crate::wipe::wipe(logits);
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
        gpu::DeviceError::OutOfMemory { .. } => EngineError::OutOfMemory { reason },
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
    use crate::decoder::tests::conformance::{difference, fixtures};
    use crate::gpu::Device;
    use crate::kv::PageId;

    fn pair(name: &str) -> [Computes; 2] {
        let fixture = fixtures().into_iter().find(|fixture| fixture.name == name);
        let decoder = fixture.expect(name).load(64);
        let there = Computes::on(&Device::on_host(0), "GPU".into(), &decoder, KvType::F32, 3);
        let here = Computes::new(decoder, KvType::F32, 3);
        [here, there.expect("brought")]
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
        computes.step(store, &mut [chunk]).expect("a step").to_vec()
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
