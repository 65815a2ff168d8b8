//! A mixture of experts on the device.

use super::Refused;
use super::step::Step;
use super::weights::{Dense, Linear, Norm, bring_floats, bring_matrix};
use crate::decoder::description::{Activation, Routing};
use crate::decoder::mixture::{MixtureWeights, SharedWeights};
use crate::decoder::ops::Experts as ExpertsOnProcessor;
use crate::gpu::device::{Buffer, Device, DeviceError};
use crate::gpu::matrix::{Chosen, DeviceMatrix, is_quantized};
use crate::gpu::mixture::{self, Parts, Router};
use crate::gpu::rows::{self, Inner, Prepared};

/// From so many rows for each expert, on the average, choices are sorted.
const ROWS_OF_EXPERT: usize = 2;

/// Its weights.
#[derive(Debug)]
pub(super) struct Mixture {
    experts: usize,
    used: usize,
    size: usize,
    fused: bool,
    activation: Activation,
    routing: Routing,
    router: Linear,
    router_norm: Option<Norm>,
    correction: Option<Buffer>,
    /// By which what an expert gives is multiplied.
    factors: Option<Buffer>,
    input_norm: Option<Norm>,
    output_norm: Option<Norm>,
    gate: Option<Experts>,
    up: Experts,
    down: Experts,
    shared: Option<Shared>,
}

/// The same matrix of all experts.
#[derive(Debug)]
struct Experts {
    matrix: DeviceMatrix,
    /// Of one.
    rows: usize,
    /// `[experts, rows]`.
    bias: Option<Buffer>,
}

#[derive(Debug)]
struct Shared {
    dense: Dense,
    gate: Option<Buffer>,
    norm: Option<Norm>,
}

impl Mixture {
    pub(super) fn bring(device: &Device, weights: &MixtureWeights) -> Result<Self, Refused> {
        let sizes = weights.sizes;
        let norm = |norm| Norm::bring_optional(device, norm);
        let gate = weights.gate.as_ref();
        let shared = weights.shared.as_ref();
        let factors = weights.down.scale.as_ref();
        Ok(Self {
            experts: sizes.experts,
            used: sizes.used,
            size: sizes.size,
            fused: sizes.fused,
            activation: weights.activation,
            routing: weights.routing,
            router: Linear::bring(device, &weights.router)?,
            router_norm: norm(weights.router_norm.as_ref())?,
            correction: bring_floats(device, weights.correction.as_ref())?,
            factors: bring_floats(device, factors)?,
            input_norm: norm(weights.input_norm.as_ref())?,
            output_norm: norm(weights.output_norm.as_ref())?,
            gate: gate.map(|gate| Experts::bring(device, gate)).transpose()?,
            up: Experts::bring(device, &weights.up)?,
            down: Experts::bring(device, &weights.down)?,
            shared: shared
                .map(|shared| Shared::bring(device, shared))
                .transpose()?,
        })
    }

    fn router(&self) -> Router<'_> {
        Router {
            routing: &self.routing,
            correction: self.correction.as_ref(),
            factors: self.factors.as_ref(),
            experts: self.experts,
            used: self.used,
        }
    }
}

impl Experts {
    fn bring(device: &Device, experts: &ExpertsOnProcessor) -> Result<Self, Refused> {
        Ok(Self {
            matrix: bring_matrix(device, &experts.matrix)?,
            rows: experts.rows,
            bias: bring_floats(device, experts.bias.as_ref())?,
        })
    }
}

impl Shared {
    fn bring(device: &Device, shared: &SharedWeights) -> Result<Self, Refused> {
        Ok(Self {
            dense: Dense::bring(device, &shared.dense)?,
            gate: bring_floats(device, shared.gate.as_ref())?,
            norm: Norm::bring_optional(device, shared.norm.as_ref())?,
        })
    }
}

/// What of a mixture no kernel knows yet.
pub(super) fn refusal(mixture: &crate::decoder::description::Mixture) -> Option<&'static str> {
    if mixture.latent.is_some() {
        return Some("experts that read a narrower stream");
    }
    let many = mixture.used > mixture::MOST_USED || mixture.experts > mixture::MOST_EXPERTS;
    many.then_some("so many experts")
}

/// What only the weights show.
pub(super) fn refusal_of_weights(weights: &MixtureWeights) -> Option<&'static str> {
    let scaled = |experts: &ExpertsOnProcessor| experts.scale.is_some();
    let biased = scaled(&weights.down) && weights.down.bias.is_some();
    let scaled = scaled(&weights.up) || weights.gate.as_ref().is_some_and(scaled);
    (scaled || biased).then_some("scaled experts of this kind")
}

impl<'a> Step<'a> {
    /// Computes what a mixture gives for all rows.
    pub(super) fn mix(&self, mixture: &Mixture) -> Result<(), DeviceError> {
        let room = self.room.mixture.as_ref().expect("room for a mixture");
        let device = self.device;
        let read = self.normed_by(mixture.router_norm.as_ref())?;
        mixture.router.multiply(device, read, &room.outputs)?;
        let chosen = [&room.chosen, &room.weights];
        mixture::route(
            device,
            &mixture.router(),
            &room.outputs,
            self.shape[0],
            chosen,
        )?;
        if self.is_sorted(mixture) {
            let sizes = [self.shape[0] * mixture.used, mixture.experts];
            mixture::sort_choices(device, &room.chosen, sizes, room.sorted())?;
        }
        let read = self.normed_by(mixture.input_norm.as_ref())?;
        self.experts(mixture, read)?;
        let experts = Some((&room.given, &room.weights, mixture.used));
        let mut parts = Parts {
            experts,
            ..Parts::default()
        };
        if let Some(norm) = &mixture.output_norm {
            mixture::mix(device, parts, &self.room.given, self.shape)?;
            self.norm_in_place(norm, &self.room.given)?;
            parts = Parts {
                base: Some(&self.room.given),
                ..Parts::default()
            };
        }
        parts.shared = self.share(mixture.shared.as_ref())?;
        mixture::mix(device, parts, &self.room.given, self.shape)
    }

    /// What the part that every row takes gives, and by what it is multiplied.
    fn share(
        &self,
        shared: Option<&Shared>,
    ) -> Result<Option<(&'a Buffer, Option<&'a Buffer>)>, DeviceError> {
        let (Some(shared), Some(room)) = (shared, &self.room.mixture) else {
            return Ok(None);
        };
        self.feed(&shared.dense, &room.shared)?;
        if let Some(norm) = &shared.norm {
            self.norm_in_place(norm, &room.shared)?;
        }
        let gates = shared.gate.as_ref().map(|gate| {
            let floats = &self.room.normed.floats;
            mixture::gate_rows(self.device, floats, gate, &room.gates, self.shape)?;
            Ok(&room.gates)
        });
        Ok(Some((&room.shared, gates.transpose()?)))
    }

    /// Whether an expert has several rows, as a rule, so that its weights are better read once for all of them.
    fn is_sorted(&self, mixture: &Mixture) -> bool {
        self.shape[0] * mixture.used >= ROWS_OF_EXPERT * mixture.experts
    }

    /// What each chosen expert gives for its row: `[rows · used, embedding]`.
    fn experts(&self, mixture: &Mixture, read: Prepared) -> Result<(), DeviceError> {
        let (device, room) = (self.device, self.room);
        let picks = self.shape[0] * mixture.used;
        let through = |experts: &Experts, read, per_token, out| {
            self.through(mixture, experts, read, per_token, out)
        };
        let (inner, out) = if let Some(gate) = &mixture.gate {
            through(gate, read, mixture.used, &room.gate)?;
            through(&mixture.up, read, mixture.used, &room.up)?;
            (Inner::Gated(&room.gate, &room.up), &room.up)
        } else {
            through(&mixture.up, read, mixture.used, &room.up)?;
            let fused = mixture.fused;
            (
                if fused {
                    Inner::Fused(&room.up)
                } else {
                    Inner::Plain(&room.up)
                },
                &room.gate,
            )
        };
        let shape = [picks, mixture.size];
        let kind = mixture.down.matrix.kind();
        let quants = room
            .inner
            .of_width(mixture.size)
            .filter(|_| is_quantized(kind));
        rows::activate(
            device,
            mixture.activation,
            inner,
            Some(out),
            quants.as_ref(),
            shape,
        )?;
        let inner = Prepared {
            floats: Some(out),
            quants: quants.as_ref(),
            count: picks,
            columns: mixture.size,
        };
        let given = &room.mixture.as_ref().expect("room for a mixture").given;
        through(&mixture.down, inner, 1, given)
    }

    fn through(
        &self,
        mixture: &Mixture,
        experts: &Experts,
        read: Prepared,
        per_token: usize,
        out: &Buffer,
    ) -> Result<(), DeviceError> {
        let room = self.room.mixture.as_ref().expect("room for a mixture");
        let chosen = Chosen {
            experts: &room.chosen,
            choices: self.shape[0] * mixture.used,
            per_token,
            rows: experts.rows,
            sorted: self.is_sorted(mixture).then(|| room.sorted()),
        };
        let bias = experts.bias.as_ref();
        experts
            .matrix
            .multiply_experts(self.device, read, &chosen, bias, out)
    }
}
