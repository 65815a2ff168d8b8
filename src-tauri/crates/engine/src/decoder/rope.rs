//! Rotations: how far each pair of elements turns at each position of a step.
//!
//! Frequencies and angles are rounded to `f32` step by step as transformers rounds them: models were trained with these
//! roundings, which far positions show. Sines and cosines are computed anew for the rows of each step: a table of all
//! positions would be larger than what it saves. Sources: `YaRN`, arXiv 2309.00071; transformers' `modeling_rope_utils`.

use super::description::{RopeDescription, RopeFactors, RopeScaling, RopeStyle, Yarn};
use super::source::Source;
use engine_api::EngineError;
use std::f64::consts::PI;

/// One kind of rotation, ready to turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Which elements turn together.
    pub style: RopeStyle,
    /// Elements of a head that turn.
    pub dims: usize,
    /// What each pair turns by from one position to the next.
    frequencies: Vec<f32>,
    magnitude: f64,
}

impl Rope {
    /// The rotation of this description in a context of `context` positions.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] if the tensor of its factors is missing or has another length.
    pub fn build(
        description: &RopeDescription,
        context: usize,
        source: &mut Source,
    ) -> Result<Self, EngineError> {
        let pairs = description.dims / 2;
        let factors = match &description.factors {
            RopeFactors::None => Vec::new(),
            RopeFactors::Tensor(name) => source.floats(name, &[pairs])?,
            RopeFactors::ByContext {
                short,
                long,
                original,
            } => {
                let (short, long) = (
                    source.floats(short, &[pairs])?,
                    source.floats(long, &[pairs])?,
                );
                if context > *original { long } else { short }
            }
        };
        Ok(Self {
            style: description.style,
            dims: description.dims,
            frequencies: frequencies(description, &factors),
            magnitude: description.magnitude,
        })
    }

    /// Cosines, then sines, of each row's position: `[rows, dims / 2]` each.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "positions are far below 2^52; sines are f32"
    )]
    pub fn turn(&self, positions: &[usize], cosines: &mut Vec<f32>, sines: &mut Vec<f32>) {
        cosines.clear();
        sines.clear();
        for position in positions {
            for frequency in &self.frequencies {
                let angle = f64::from(*position as f32 * frequency);
                let (sine, cosine) = angle.sin_cos();
                cosines.push((cosine * self.magnitude) as f32);
                sines.push((sine * self.magnitude) as f32);
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "elements of a head; each step is rounded to f32"
)]
fn frequencies(description: &RopeDescription, factors: &[f32]) -> Vec<f32> {
    let dims = description.dims as f64;
    let one = |pair: usize| {
        let power = description.base.powf(2.0 * pair as f64 / dims) as f32;
        let plain = 1.0 / (power * factors.get(pair).unwrap_or(&1.0));
        match description.scaling {
            RopeScaling::None => plain,
            RopeScaling::Linear { factor } => plain / factor as f32,
            RopeScaling::Yarn(yarn) => {
                let share = yarn_share(&yarn, description, pair as f64) as f32;
                let divided = 1.0 / (yarn.factor as f32 * power);
                divided * share + plain * (1.0 - share)
            }
        }
    };
    (0..description.dims / 2).map(one).collect()
}

/// How much of the division a pair takes: 0 for fast pairs, 1 for slow ones.
#[expect(clippy::cast_precision_loss, reason = "elements of a head")]
fn yarn_share(yarn: &Yarn, description: &RopeDescription, pair: f64) -> f64 {
    let dims = description.dims as f64;
    let pair_with = |turns: f64| {
        dims * (yarn.original_context / (turns * 2.0 * PI)).ln() / (2.0 * description.base.ln())
    };
    let (mut low, mut high) = (pair_with(yarn.beta_fast), pair_with(yarn.beta_slow));
    if yarn.truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    let (low, high) = (low.max(0.0), high.min(dims - 1.0));
    let width = if high > low { high - low } else { 0.001 };
    ((pair - low) / width).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(base: f64, dims: usize) -> RopeDescription {
        RopeDescription {
            style: RopeStyle::Neox,
            dims,
            base,
            scaling: RopeScaling::None,
            factors: RopeFactors::None,
            magnitude: 1.0,
        }
    }

    #[test]
    fn pairs_turn_by_powers_of_the_base_divided_by_what_is_asked() {
        let check = |scaling: RopeScaling, factors: &[f32], expected: [f32; 3]| {
            let description = RopeDescription {
                scaling,
                ..plain(1000.0, 6)
            };
            let found = frequencies(&description, factors);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-7, "{found} {expected}");
            }
        };
        check(RopeScaling::None, &[], [1.0, 0.1, 0.01]);
        check(
            RopeScaling::Linear { factor: 4.0 },
            &[],
            [0.25, 0.025, 0.0025],
        );
        check(RopeScaling::None, &[1.0, 2.0, 1e30], [1.0, 0.05, 0.0]);
    }

    #[test]
    fn yarn_divides_slow_pairs_only() {
        let yarn = Yarn {
            factor: 8.0,
            original_context: 2048.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            truncate: true,
        };
        let description = plain(10_000.0, 64);
        let share = |pair| yarn_share(&yarn, &description, pair);
        assert!((share(0.0), share(31.0)) == (0.0, 1.0));
        assert!(share(14.0) > 0.0 && share(14.0) < 1.0);
    }
}
