//! A gated convolution over few positions (LFM2): `out(c ⊙ conv(b ⊙ x))`, with `b`, `c` and `x` out of one matrix.
//!
//! A sequence's state: the last `kernel - 1` rows of `b ⊙ x`. Source: transformers' `Lfm2ShortConv`.

use super::RecurrentStep;
use crate::cpu::causal_conv::{causal_conv, transposed};
use crate::decoder::ops::{self, Rows, Scratch};
use crate::decoder::source::{LayerSource, Linear};
use engine_api::EngineError;

/// Its sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct ShortConvDescription {
    /// Channels: the width of the residual stream.
    pub channels: usize,
    /// Positions that it looks at, the newest included.
    pub kernel: usize,
}

/// Its weights.
#[derive(Debug, Clone)]
pub struct ShortConv {
    channels: usize,
    input: Linear,
    /// `[kernel, channels]`.
    taps: Vec<f32>,
    output: Linear,
}

impl ShortConvDescription {
    /// Proves that sizes are positive, divide, and are small.
    ///
    /// # Errors
    /// In words, what doesn't hold.
    pub fn prove(&self) -> Result<(), String> {
        if (2..=64).contains(&self.kernel) {
            return Ok(());
        }
        Err(format!(
            "its convolution looks at {} positions",
            self.kernel
        ))
    }

    /// Numbers that a sequence's state has in such a layer; a new sequence's are zero.
    pub fn state_elements(&self) -> usize {
        (self.kernel - 1) * self.channels
    }

    /// The most numbers of one row that it prepares for its own matrices.
    pub fn widest_input(&self) -> usize {
        self.channels
    }

    /// Numbers of scratch that a step of so many rows takes.
    pub fn scratch_elements(&self, rows: usize) -> usize {
        4 * rows * self.channels
    }
}

impl ShortConv {
    /// Its weights, from the layer's tensors.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(
        description: &ShortConvDescription,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        let ShortConvDescription { channels, kernel } = *description;
        let taps = source.floats("shortconv.conv.weight", &[channels, kernel])?;
        Ok(Self {
            channels,
            input: source.linear("shortconv.in_proj", 3 * channels, embedding)?,
            taps: transposed(&taps, channels),
            output: source.linear("shortconv.out_proj", embedding, channels)?,
        })
    }

    /// Computes the step.
    pub fn forward(&self, mut step: RecurrentStep) {
        let channels = self.channels;
        let count: usize = step.spans.iter().map(|span| span.count).sum();
        let mut scratch = Scratch::new(std::mem::take(&mut step.scratch));
        let (mixed, gated) = (
            scratch.take(3 * count * channels),
            scratch.take(count * channels),
        );
        let rows = Rows::new(step.rows, step.rows.len() / count.max(1));
        ops::linears(
            step.pool,
            step.input,
            rows,
            &mut [(&self.input, &mut *mixed)],
        );
        for (row, gated) in mixed
            .chunks_exact(3 * channels)
            .zip(gated.chunks_exact_mut(channels))
        {
            let (b, x) = (&row[..channels], &row[2 * channels..]);
            for ((gated, b), x) in gated.iter_mut().zip(b).zip(x) {
                *gated = b * x;
            }
        }
        for (at, span) in step.spans.iter().enumerate() {
            let rows = &mut gated[span.first * channels..][..span.count * channels];
            causal_conv(rows, &self.taps, &[], step.state(at), channels);
        }
        for (row, gated) in mixed
            .chunks_exact(3 * channels)
            .zip(gated.chunks_exact_mut(channels))
        {
            for (gated, c) in gated.iter_mut().zip(&row[channels..2 * channels]) {
                *gated *= c;
            }
        }
        ops::linears(
            step.pool,
            step.input,
            Rows::new(gated, channels),
            &mut [(&self.output, step.out)],
        );
    }
}
