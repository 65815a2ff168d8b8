//! Norms with their weights.

use super::description::{Norm, NormKind};
use super::source::{LayerSource, Source};
use crate::cpu::{self, Pool};
use engine_api::EngineError;

/// A norm with its weights.
#[derive(Debug, Clone)]
pub struct NormWeights {
    pub(crate) kind: NormKind,
    pub(crate) epsilon: f32,
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
}

impl NormWeights {
    /// An RMS norm of these weights.
    pub fn rms(weights: Vec<f32>, epsilon: f32) -> Self {
        Self {
            kind: NormKind::Rms,
            epsilon,
            weights,
            bias: None,
        }
    }

    /// The norm of this width, from the layer's tensors.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(norm: &Norm, width: usize, source: &mut LayerSource) -> Result<Self, EngineError> {
        Ok(Self {
            kind: norm.kind,
            epsilon: norm.epsilon,
            weights: source.floats(&format!("{}.weight", norm.tensor), &[width])?,
            bias: source.optional(&format!("{}.bias", norm.tensor), &[width])?,
        })
    }

    /// The norm of this width that belongs to no layer.
    ///
    /// # Errors
    /// As [`Source`]'s.
    pub fn of_model(norm: &Norm, width: usize, source: &mut Source) -> Result<Self, EngineError> {
        Ok(Self {
            kind: norm.kind,
            epsilon: norm.epsilon,
            weights: source.floats(&format!("{}.weight", norm.tensor), &[width])?,
            bias: source.optional(&format!("{}.bias", norm.tensor), &[width])?,
        })
    }

    /// The same where there may be none.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn optional(
        norm: &Option<Norm>,
        width: usize,
        source: &mut LayerSource,
    ) -> Result<Option<Self>, EngineError> {
        let build = |norm| Self::build(norm, width, source);
        norm.as_ref().map(build).transpose()
    }

    /// Norms each run of as many elements as there are weights.
    pub fn forward(&self, pool: &Pool, from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
        self.forward_in_place(pool, to);
    }

    /// The same in place.
    pub fn forward_in_place(&self, pool: &Pool, rows: &mut [f32]) {
        match self.kind {
            NormKind::Rms => cpu::rms_norm(pool, rows, &self.weights, self.epsilon),
            NormKind::Layer => self.layer_norm(rows),
        }
        if let Some(bias) = &self.bias {
            for row in rows.chunks_exact_mut(bias.len()) {
                row.iter_mut()
                    .zip(bias)
                    .for_each(|(value, bias)| *value += bias);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the width of a row")]
    fn layer_norm(&self, rows: &mut [f32]) {
        let width = self.weights.len() as f32;
        for row in rows.chunks_exact_mut(self.weights.len()) {
            let mean = row.iter().sum::<f32>() / width;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / width;
            let factor = 1.0 / (variance + self.epsilon).sqrt();
            row.iter_mut()
                .zip(&self.weights)
                .for_each(|(x, weight)| *x = (*x - mean) * factor * weight);
        }
    }
}
