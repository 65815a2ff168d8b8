//! A model's weights a part at a time, for whoever keeps them elsewhere: what belongs to no layer, then layer after layer.
//!
//! A GPU that shares the machine's memory would have every weight twice if all were read first. So a part is read as all weights
//! are ([`super::load`]), handed over and dropped; the next one is read meanwhile. Invariant: no more than two parts are there
//! at once, and nothing is read before the whole file has been proven.

use super::description::Description;
use super::layer::Layer;
use super::model::{Frame, ModelWeights};
use super::source::{Form, Source, Wanted};
use super::{LoadOptions, families, load};
use crate::files::{Checkpoint, TensorType};
use engine_api::{EngineError, LoadProgress};
use std::collections::BTreeMap;
use std::sync::mpsc;

/// A model whose file has been proven and not been read.
pub(crate) struct Parts<'a> {
    checkpoint: &'a Checkpoint,
    options: LoadOptions<'a>,
    description: Description,
    /// The tensors of the frame, then those of each layer.
    wanted: Vec<BTreeMap<String, Wanted>>,
}

/// What has been read.
pub(crate) enum Part {
    /// What belongs to no layer: the first.
    Frame(Box<Frame>),
    /// A layer, in their order.
    Layer(Box<Layer>),
}

/// What the reader says.
enum News {
    Progress(LoadProgress),
    Part(Part),
    Failed(EngineError),
}

impl<'a> Parts<'a> {
    /// Proves that each tensor is there and can be computed.
    ///
    /// # Errors
    /// As [`super::Decoder::load`]'s, before it reads.
    pub(crate) fn prove(
        checkpoint: &'a Checkpoint,
        options: &LoadOptions<'a>,
    ) -> Result<Self, EngineError> {
        let description = families::describe(checkpoint)?;
        let mut proof = Source::new(checkpoint, options.quantize);
        ModelWeights::build(&description, options.context_tokens, &mut proof)?;
        let mut wanted = vec![BTreeMap::new(); description.layers.len() + 1];
        for (name, one) in proof.into_wanted() {
            let at = layer_of(&name).map_or(0, |layer| layer + 1);
            let part = wanted.get_mut(at);
            let lost = || EngineError::internal(format!("tensor {name} is of no layer"));
            part.ok_or_else(lost)?.insert(name, one);
        }
        Ok(Self {
            checkpoint,
            options: *options,
            description,
            wanted,
        })
    }

    /// What it computes.
    pub(crate) fn description(&self) -> &Description {
        &self.description
    }

    /// Bytes of all weights.
    pub(crate) fn weights_bytes(&self) -> u64 {
        let all = self.wanted.iter().flat_map(BTreeMap::values);
        all.map(|wanted| wanted.bytes as u64).sum()
    }

    /// Whether a tensor is taken whose name ends so.
    pub(crate) fn has_named(&self, end: &str) -> bool {
        let mut names = self.wanted.iter().flat_map(BTreeMap::keys);
        names.any(|name| name.ends_with(end))
    }

    /// The matrices' types, rows and columns.
    pub(crate) fn matrices(&self) -> impl Iterator<Item = (TensorType, usize, usize)> {
        let all = self.wanted.iter().flat_map(BTreeMap::values);
        all.filter_map(|wanted| match wanted.form {
            Form::Matrix {
                rows,
                columns,
                tensor_type,
            } => Some((tensor_type, rows, columns)),
            Form::Floats(_) => None,
        })
    }

    /// Reads part after part and hands each over; while one is taken, the next one is read.
    ///
    /// # Errors
    /// As [`super::Decoder::load`]'s, and what `take` says; nothing is read any more then.
    pub(crate) fn bring<E: From<EngineError>>(
        &self,
        on_progress: &mut dyn FnMut(LoadProgress),
        mut take: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        // No room in it: the reader waits with a part until the one before has been taken.
        let (tell, news) = mpsc::sync_channel(0);
        std::thread::scope(|scope| {
            scope.spawn(|| self.read_all(&tell));
            // Ends with the reader, or ends it: whoever tells into a channel that is gone stops.
            let news = news;
            let mut taken = 0;
            while taken < self.wanted.len() {
                match news
                    .recv()
                    .map_err(|_| EngineError::internal("the reader is gone"))?
                {
                    News::Progress(progress) => on_progress(progress),
                    News::Failed(error) => return Err(error.into()),
                    News::Part(part) => {
                        take(part)?;
                        taken += 1;
                    }
                }
            }
            Ok(())
        })
    }

    fn read_all(&self, tell: &mpsc::SyncSender<News>) {
        let mut before = 0;
        let total_bytes = self.file_bytes(&self.wanted);
        for at in 0..self.wanted.len() {
            let part = self.read(at, &mut |progress| {
                let done_bytes = before + progress.done_bytes;
                let _ = tell.send(News::Progress(LoadProgress {
                    done_bytes,
                    total_bytes,
                }));
            });
            before += self.file_bytes(&self.wanted[at..=at]);
            let (news, is_over) = match part {
                Ok(part) => (News::Part(part), false),
                Err(error) => (News::Failed(error), true),
            };
            if tell.send(news).is_err() || is_over {
                return;
            }
        }
    }

    fn read(
        &self,
        at: usize,
        on_progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Part, EngineError> {
        let LoadOptions {
            threads,
            cancelled,
            context_tokens,
            ..
        } = self.options;
        let loaded = load::load(
            self.checkpoint,
            &self.wanted[at],
            threads,
            cancelled,
            on_progress,
        )?;
        let mut source = Source::with(self.checkpoint, loaded);
        Ok(match at.checked_sub(1) {
            None => Part::Frame(Box::new(Frame::build(
                &self.description,
                context_tokens,
                &mut source,
            )?)),
            Some(layer) => Part::Layer(Box::new(Layer::build(
                &self.description,
                layer,
                &mut source,
            )?)),
        })
    }

    fn file_bytes(&self, parts: &[BTreeMap<String, Wanted>]) -> u64 {
        let names = parts.iter().flat_map(BTreeMap::keys);
        let tensors = names.filter_map(|name| self.checkpoint.tensor(name));
        tensors.map(crate::files::TensorInfo::size_bytes).sum()
    }
}

/// Which layer a tensor is of.
fn layer_of(name: &str) -> Option<usize> {
    let (layer, _) = name.strip_prefix("blk.")?.split_once('.')?;
    layer.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::tests::conformance::fixtures;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn options(cancelled: &AtomicBool) -> LoadOptions<'_> {
        LoadOptions {
            context_tokens: 64,
            threads: 2,
            quantize: None,
            cancelled,
        }
    }

    #[test]
    fn parts_come_in_their_order_with_progress_over_all_of_them() {
        for fixture in fixtures() {
            let never = AtomicBool::new(false);
            let parts = Parts::prove(&fixture.checkpoint, &options(&never)).expect("proven");
            let (mut layers, mut frames, mut done) = (0, 0, Vec::new());
            let taken = parts.bring::<EngineError>(&mut |progress| done.push(progress), |part| {
                match part {
                    Part::Frame(_) if layers == 0 => frames += 1,
                    Part::Frame(_) => panic!("the frame is first"),
                    Part::Layer(_) => layers += 1,
                }
                Ok(())
            });
            taken.expect("read");
            assert_eq!(
                (frames, layers),
                (1, parts.description().layers.len()),
                "{}",
                fixture.name
            );
            assert!(
                done.windows(2)
                    .all(|two| two[0].done_bytes < two[1].done_bytes)
            );
            let last = done.last().expect("progress");
            assert_eq!(last.done_bytes, last.total_bytes);
        }
    }

    #[test]
    fn whoever_refuses_a_part_or_cancels_gets_no_more() {
        let fixture = fixtures().into_iter().next().expect("a fixture");
        let never = AtomicBool::new(false);
        let parts = Parts::prove(&fixture.checkpoint, &options(&never)).expect("proven");
        let mut taken = 0;
        let refused = parts.bring(&mut |_| (), |_| {
            taken += 1;
            Err(EngineError::internal("no room"))
        });
        assert_eq!((taken, refused), (1, Err(EngineError::internal("no room"))));
        let cancelled = AtomicBool::new(false);
        let parts = Parts::prove(&fixture.checkpoint, &options(&cancelled)).expect("proven");
        let stopped = parts.bring::<EngineError>(&mut |_| (), |_| {
            cancelled.store(true, Ordering::Relaxed);
            Ok(())
        });
        assert!(
            matches!(stopped, Err(EngineError::InvalidRequest { .. })),
            "{stopped:?}"
        );
    }
}
