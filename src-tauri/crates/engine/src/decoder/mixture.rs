//! A mixture of experts: a router, the chosen experts of each row, and a part that every row takes.

use super::description::{Activation, Gate, Mixture, Routing, SharedNames};
use super::families::inverse_root;
use super::feed_forward::{DenseWeights, PLAIN, SHARED};
use super::norm::NormWeights;
use super::ops::{self, Experts, Rows, Scratch};
use super::routing::Router;
use super::source::{LayerSource, Linear};
use crate::cpu::{Input, Pool};
use engine_api::EngineError;

/// Its weights.
#[derive(Debug, Clone)]
pub(crate) struct MixtureWeights {
    pub(crate) sizes: Sizes,
    pub(crate) activation: Activation,
    pub(crate) routing: Routing,
    pub(crate) router: Linear,
    /// Gemma 4's router reads the residual stream through a norm of its own.
    pub(crate) router_norm: Option<NormWeights>,
    pub(crate) correction: Option<Vec<f32>>,
    pub(crate) input_norm: Option<NormWeights>,
    pub(crate) output_norm: Option<NormWeights>,
    pub(crate) latent: Option<(Linear, Linear)>,
    pub(crate) gate: Option<Experts>,
    pub(crate) up: Experts,
    pub(crate) down: Experts,
    pub(crate) shared: Option<SharedWeights>,
}

/// The numbers of a mixture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) embedding: usize,
    /// Width of what experts read and give.
    pub(crate) width: usize,
    /// The same where it is not the embedding's.
    pub(crate) latent: usize,
    pub(crate) experts: usize,
    pub(crate) used: usize,
    pub(crate) size: usize,
    /// Whether gate and up come out of one matrix.
    pub(crate) fused: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct SharedWeights {
    pub(crate) dense: DenseWeights,
    pub(crate) gate: Option<Vec<f32>>,
    pub(crate) norm: Option<NormWeights>,
}

/// What is used again from layer to layer.
#[derive(Debug, Default)]
pub(super) struct MixtureRoom {
    router: Router,
    chosen: Vec<(u32, f32)>,
}

impl MixtureRoom {
    /// Bytes that it takes.
    pub(super) fn bytes_held(&self) -> usize {
        self.chosen.capacity() * size_of::<(u32, f32)>()
    }

    /// Bytes that a step of so many rows takes of it.
    pub(super) fn bytes(mixture: &Mixture, rows: usize) -> usize {
        rows * mixture.used * size_of::<(u32, f32)>()
    }
}

/// What a mixture computes with.
pub(super) struct MixtureStep<'a> {
    pub(super) pool: &'a Pool,
    pub(super) input: &'a mut Input,
    pub(super) room: &'a mut MixtureRoom,
    pub(super) embedding: usize,
    /// The residual stream, `[rows, embedding]`.
    pub(super) residual: &'a [f32],
    /// The same through the layer's norm.
    pub(super) normed: &'a [f32],
}

impl MixtureWeights {
    pub(super) fn build(
        mixture: &Mixture,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        let sizes = Sizes::of(mixture, embedding);
        let (experts, size, width) = (sizes.experts, sizes.size, sizes.width);
        let mut of = |name, rows, columns| Experts::build(name, experts, rows, columns, source);
        let (gate, up) = match mixture.gate {
            Gate::None => (None, of("ffn_up_exps", size, width)?),
            Gate::Separate => {
                let gate = of("ffn_gate_exps", size, width)?;
                (Some(gate), of("ffn_up_exps", size, width)?)
            }
            Gate::Fused => (None, of("ffn_gate_up_exps", 2 * size, width)?),
        };
        let down = of("ffn_down_exps", width, size)?;
        Ok(Self {
            sizes,
            activation: mixture.activation,
            routing: mixture.routing,
            router: router(mixture, embedding, source)?,
            router_norm: router_norm(mixture, embedding, source)?,
            correction: correction(mixture, source)?,
            input_norm: NormWeights::optional(&mixture.input_norm, embedding, source)?,
            output_norm: NormWeights::optional(&mixture.output_norm, embedding, source)?,
            latent: latent(mixture, embedding, source)?,
            gate,
            up,
            down,
            shared: SharedWeights::build(mixture, embedding, source)?,
        })
    }

    /// Numbers of scratch for a step of so many rows.
    pub(super) fn scratch_elements(mixture: &Mixture, embedding: usize, rows: usize) -> usize {
        let sizes = Sizes::of(mixture, embedding);
        let shared = mixture.shared.as_ref().map_or(0, |shared| {
            rows + DenseWeights::scratch_elements(shared.dense.size, rows)
        });
        sizes.elements(rows) + shared
    }

    /// Computes `out`, `[rows, embedding]`.
    pub(super) fn forward(&self, step: &mut MixtureStep, scratch: &mut [f32], out: &mut [f32]) {
        let Sizes { embedding, .. } = self.sizes;
        let rows = step.normed.len() / embedding;
        let mut scratch = Scratch::new(scratch);
        let stream = scratch.take(rows * embedding);
        self.choose(step, scratch.take(rows * self.sizes.experts), stream);
        let narrow = scratch.take(rows * self.sizes.latent);
        let given = scratch.take(rows * self.sizes.used * self.sizes.width);
        let read = self.expert_input(step, stream, narrow);
        self.experts(step, read, &mut scratch, given);
        self.sum(step, given, narrow, out);
        if let Some(norm) = &self.output_norm {
            stream.copy_from_slice(out);
            norm.forward(step.pool, stream, out);
        }
        if let Some(shared) = &self.shared {
            shared.add(step, stream, &mut scratch, out);
        }
    }

    /// Fills the room with `used` experts and weights for each row.
    fn choose(&self, step: &mut MixtureStep, outputs: &mut [f32], stream: &mut [f32]) {
        let Sizes {
            embedding,
            experts,
            used,
            ..
        } = self.sizes;
        let read: &[f32] = match &self.router_norm {
            Some(norm) => {
                norm.forward(step.pool, step.residual, stream);
                stream
            }
            None => step.normed,
        };
        let read = Rows::new(read, embedding);
        ops::linears(
            step.pool,
            step.input,
            read,
            &mut [(&self.router, &mut *outputs)],
        );
        let MixtureRoom { router, chosen } = &mut *step.room;
        chosen.resize(read.count() * used, (0, 0.0));
        for (outputs, chosen) in outputs
            .chunks_exact(experts)
            .zip(chosen.chunks_exact_mut(used))
        {
            router.route(&self.routing, outputs, self.correction.as_deref(), chosen);
        }
    }

    /// What experts read: the normed stream, or one normed by their own norm, or a narrower one.
    fn expert_input<'r, 'a: 'r>(
        &self,
        step: &mut MixtureStep<'a>,
        stream: &'r mut [f32],
        narrow: &'r mut [f32],
    ) -> Rows<'r> {
        let Sizes {
            embedding, width, ..
        } = self.sizes;
        let read: &[f32] = match &self.input_norm {
            Some(norm) => {
                norm.forward(step.pool, step.residual, stream);
                stream
            }
            None => step.normed,
        };
        let Some((down, _)) = &self.latent else {
            return Rows::new(read, embedding);
        };
        ops::linears(
            step.pool,
            step.input,
            Rows::new(read, embedding),
            &mut [(down, &mut *narrow)],
        );
        Rows::new(narrow, width)
    }

    /// What each chosen expert gives for its row: `[rows · used, width]`.
    fn experts(
        &self,
        step: &mut MixtureStep,
        read: Rows,
        scratch: &mut Scratch,
        given: &mut [f32],
    ) {
        let Sizes {
            used, size, fused, ..
        } = self.sizes;
        let picks = step.room.chosen.len();
        let chosen = &step.room.chosen;
        let inner = scratch.take(picks * size);
        let up = scratch.take(picks * if fused { 2 * size } else { size });
        if let Some(gate) = &self.gate {
            let both = &mut [(gate, &mut *inner), (&self.up, &mut *up)];
            ops::experts(step.pool, step.input, read, chosen, used, both);
            ops::gate(step.pool, self.activation, inner, up);
        } else {
            let one = &mut [(&self.up, &mut *up)];
            ops::experts(step.pool, step.input, read, chosen, used, one);
            ops::close(step.pool, self.activation, up, inner, size);
        }
        let inner = Rows::new(inner, size);
        ops::experts(
            step.pool,
            step.input,
            inner,
            chosen,
            1,
            &mut [(&self.down, given)],
        );
    }

    /// Weighs and sums what the experts of a row gave, best first.
    fn sum(&self, step: &mut MixtureStep, given: &[f32], narrow: &mut [f32], out: &mut [f32]) {
        let Sizes { width, used, .. } = self.sizes;
        let chosen = &step.room.chosen;
        let Some((_, up)) = &self.latent else {
            ops::weighted_sums(step.pool, given, width, chosen, used, out);
            return;
        };
        ops::weighted_sums(step.pool, given, width, chosen, used, narrow);
        ops::linears(
            step.pool,
            step.input,
            Rows::new(narrow, width),
            &mut [(up, out)],
        );
    }
}

impl SharedWeights {
    fn build(
        mixture: &Mixture,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Option<Self>, EngineError> {
        let Some(shared) = &mixture.shared else {
            return Ok(None);
        };
        let names = match shared.names {
            SharedNames::Shared => SHARED,
            SharedNames::Plain => PLAIN,
        };
        let gate = shared
            .gated
            .then(|| source.floats("ffn_gate_inp_shexp.weight", &[embedding]));
        Ok(Some(Self {
            dense: DenseWeights::build(&shared.dense, names, embedding, source)?,
            gate: gate.transpose()?,
            norm: NormWeights::optional(&shared.output_norm, embedding, source)?,
        }))
    }

    /// Adds what the shared part gives to `out`; `stream` is room of the same size.
    fn add(
        &self,
        step: &mut MixtureStep,
        stream: &mut [f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let embedding = step.embedding;
        let rows = Rows::new(step.normed, embedding);
        let weights = scratch.take(rows.count());
        self.dense
            .forward(step.pool, step.input, rows, scratch.rest(), stream);
        if let Some(norm) = &self.norm {
            norm.forward_in_place(step.pool, stream);
        }
        match &self.gate {
            Some(gate) => ops::sigmoid_dots(rows, gate, weights),
            None => weights.fill(1.0),
        }
        ops::add_weighted(out, stream, weights);
    }
}

impl Sizes {
    fn of(mixture: &Mixture, embedding: usize) -> Self {
        Self {
            embedding,
            width: mixture.latent.unwrap_or(embedding),
            latent: mixture.latent.unwrap_or(0),
            experts: mixture.experts,
            used: mixture.used,
            size: mixture.size,
            fused: mixture.gate == Gate::Fused,
        }
    }

    fn elements(&self, rows: usize) -> usize {
        let up = if self.fused { 2 * self.size } else { self.size };
        let pick = self.width + self.size + up;
        rows * (self.embedding + self.experts + self.latent + self.used * pick)
    }
}

fn router(
    mixture: &Mixture,
    embedding: usize,
    source: &mut LayerSource,
) -> Result<Linear, EngineError> {
    // Gemma 4's `ffn_gate_inp.scale` is no factor on the router's outputs.
    let matrix = source.matrix("ffn_gate_inp.weight", mixture.experts, embedding)?;
    Ok(Linear {
        matrix,
        bias: source.optional("ffn_gate_inp.bias", &[mixture.experts])?,
        scale: None,
    })
}

fn router_norm(
    mixture: &Mixture,
    embedding: usize,
    source: &mut LayerSource,
) -> Result<Option<NormWeights>, EngineError> {
    let Some(epsilon) = mixture.router_norm else {
        return Ok(None);
    };
    let mut weights = source.floats("ffn_gate_inp.scale", &[embedding])?;
    let share = inverse_root(embedding);
    for weight in &mut weights {
        *weight *= share;
    }
    Ok(Some(NormWeights::rms(weights, epsilon)))
}

fn correction(
    mixture: &Mixture,
    source: &mut LayerSource,
) -> Result<Option<Vec<f32>>, EngineError> {
    let correction = mixture.routing.correction;
    let read = correction.then(|| source.floats("exp_probs_b.bias", &[mixture.experts]));
    read.transpose()
}

fn latent(
    mixture: &Mixture,
    embedding: usize,
    source: &mut LayerSource,
) -> Result<Option<(Linear, Linear)>, EngineError> {
    let Some(width) = mixture.latent else {
        return Ok(None);
    };
    let down = source.linear("ffn_latent_down", width, embedding)?;
    Ok(Some((
        down,
        source.linear("ffn_latent_up", embedding, width)?,
    )))
}
