//! The gated delta rule: attention with a state of fixed size (arXiv 2412.06464).
//!
//! A head's state `S` is `[key_dim, value_dim]`. For each position, with key `k` and query `q` of length one, value `v`,
//! decay `g ≤ 0` and strength `β`: `S ← e^g·S`, then `S ← S + k ⊗ β·(v − Sᵀk)`, and the output is `Sᵀq / √key_dim`.
//! Positions are taken one after the other, so any cut of a sequence gives the same bits.

use std::ops::Range;

/// Sizes of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaShape {
    /// Heads that keys and queries have; divide `value_heads`.
    pub key_heads: usize,
    /// Heads that values, decays and strengths have.
    pub value_heads: usize,
    /// Elements of a key's head.
    pub key_dim: usize,
    /// Elements of a value's head.
    pub value_dim: usize,
    /// Which key head a value head reads.
    pub sharing: KeySharing,
}

/// Which key head a value head reads, where there are fewer of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySharing {
    /// Neighbouring value heads share one: `head / (value_heads / key_heads)`.
    Neighbours,
    /// They take turns: `head % key_heads`.
    Turns,
}

impl DeltaShape {
    /// Elements of a row of queries, keys and values.
    pub fn mixed(&self) -> usize {
        2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim
    }

    /// Elements of a head's state.
    pub fn head_state(&self) -> usize {
        self.key_dim * self.value_dim
    }

    fn key_head(&self, head: usize) -> usize {
        match self.sharing {
            KeySharing::Neighbours => head / (self.value_heads / self.key_heads),
            KeySharing::Turns => head % self.key_heads,
        }
    }

    fn query(&self, head: usize) -> Range<usize> {
        let from = self.key_head(head) * self.key_dim;
        from..from + self.key_dim
    }

    fn key(&self, head: usize) -> Range<usize> {
        let from = (self.key_heads + self.key_head(head)) * self.key_dim;
        from..from + self.key_dim
    }

    fn value(&self, head: usize) -> Range<usize> {
        let from = 2 * self.key_heads * self.key_dim + head * self.value_dim;
        from..from + self.value_dim
    }
}

/// What all heads read of one sequence's positions.
#[derive(Debug, Clone, Copy)]
pub struct DeltaInputs<'a> {
    /// Rows `[positions, mixed()]` of queries, keys and values.
    pub mixed: &'a [f32],
    /// `g`: `[positions, value_heads]`.
    pub decay: &'a [f32],
    /// `β`: `[positions, value_heads]`.
    pub strength: &'a [f32],
    /// Keeps the length of queries and keys away from zero: `x / √(Σx² + ε)`.
    pub epsilon: f32,
}

/// One head over one sequence's positions. `state`: `[key_dim, value_dim]`. `out`: `[positions, value_dim]`.
pub fn gated_delta_head(
    shape: &DeltaShape,
    head: usize,
    inputs: &DeltaInputs,
    state: &mut [f32],
    out: &mut [f32],
) {
    let (mut query, mut key) = (vec![0.0; shape.key_dim], vec![0.0; shape.key_dim]);
    let mut change = vec![0.0; shape.value_dim];
    #[expect(clippy::cast_precision_loss, reason = "the size of a head")]
    let scale = 1.0 / (shape.key_dim as f32).sqrt();
    let rows = inputs.mixed.chunks_exact(shape.mixed());
    for (position, (row, out)) in rows.zip(out.chunks_exact_mut(shape.value_dim)).enumerate() {
        unit(&row[shape.query(head)], inputs.epsilon, &mut query);
        unit(&row[shape.key(head)], inputs.epsilon, &mut key);
        let at = position * shape.value_heads + head;
        let kept = inputs.decay[at].exp();
        for element in state.iter_mut() {
            *element *= kept;
        }
        weighted_rows(state, &key, &mut change);
        for (change, value) in change.iter_mut().zip(&row[shape.value(head)]) {
            *change = inputs.strength[at] * (value - *change);
        }
        for (state, key) in state.chunks_exact_mut(shape.value_dim).zip(&key) {
            for (state, change) in state.iter_mut().zip(&change) {
                *state += key * change;
            }
        }
        weighted_rows(state, &query, out);
        for out in out {
            *out *= scale;
        }
    }
}

/// `x / √(Σx² + ε)`.
fn unit(vector: &[f32], epsilon: f32, into: &mut [f32]) {
    let length = (vector.iter().map(|x| x * x).sum::<f32>() + epsilon).sqrt();
    for (into, x) in into.iter_mut().zip(vector) {
        *into = x / length;
    }
}

/// `Σ weight[row] · rows[row]`.
fn weighted_rows(rows: &[f32], weights: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for (row, weight) in rows.chunks_exact(out.len()).zip(weights) {
        for (out, x) in out.iter_mut().zip(row) {
            *out += weight * x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: DeltaShape = DeltaShape {
        key_heads: 2,
        value_heads: 4,
        key_dim: 3,
        value_dim: 2,
        sharing: KeySharing::Neighbours,
    };

    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 32768.0 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    /// The recurrence by its definition, in f64.
    fn reference(head: usize, key_head: usize, positions: usize) -> Vec<f64> {
        let (mixed, decay, strength) = inputs(positions);
        let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let unit = |x: Vec<f64>| {
            let length = (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
            x.iter().map(|x| x / length).collect::<Vec<_>>()
        };
        let (mut state, mut out) = ([[0.0_f64; 2]; 3], Vec::new());
        for at in 0..positions {
            let row = &mixed[at * 20..][..20];
            let q = unit(wide(&row[key_head * 3..][..3]));
            let k = unit(wide(&row[6 + key_head * 3..][..3]));
            let v = wide(&row[12 + head * 2..][..2]);
            let (g, beta) = (
                f64::from(decay[at * 4 + head]).exp(),
                f64::from(strength[at * 4 + head]),
            );
            for j in 0..2 {
                let seen: f64 = (0..3).map(|i| g * state[i][j] * k[i]).sum();
                for i in 0..3 {
                    state[i][j] = g * state[i][j] + k[i] * beta * (v[j] - seen);
                }
                out.push((0..3).map(|i| state[i][j] * q[i]).sum::<f64>() / 3.0_f64.sqrt());
            }
        }
        out
    }

    fn inputs(positions: usize) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let decay = noise(positions * 4, 2).iter().map(|g| -g.abs()).collect();
        let strength = noise(positions * 4, 3).iter().map(|b| b.abs()).collect();
        (noise(positions * 20, 1), decay, strength)
    }

    fn run(shape: &DeltaShape, head: usize, cuts: &[usize]) -> Vec<f32> {
        let (mixed, decay, strength) = inputs(cuts.iter().sum());
        let (mut state, mut out, mut from) = (vec![0.0; 6], Vec::new(), 0);
        for cut in cuts {
            let mut part = vec![0.0; cut * 2];
            let to = from + cut;
            let inputs = DeltaInputs {
                mixed: &mixed[from * 20..to * 20],
                decay: &decay[from * 4..to * 4],
                strength: &strength[from * 4..to * 4],
                epsilon: 1e-6,
            };
            gated_delta_head(shape, head, &inputs, &mut state, &mut part);
            out.extend(part);
            from = to;
        }
        out
    }

    #[test]
    fn it_is_the_recurrence() {
        let turns = DeltaShape {
            sharing: KeySharing::Turns,
            ..SHAPE
        };
        for (shape, head, key_head) in [
            (SHAPE, 0, 0),
            (SHAPE, 1, 0),
            (SHAPE, 3, 1),
            (turns, 1, 1),
            (turns, 2, 0),
        ] {
            let expected = reference(head, key_head, 9);
            for (found, expected) in run(&shape, head, &[9]).iter().zip(expected) {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-6,
                    "{found} for {expected}"
                );
            }
        }
    }

    #[test]
    fn any_cut_gives_the_same_bits() {
        assert_eq!(run(&SHAPE, 2, &[9]), run(&SHAPE, 2, &[1; 9]));
        assert_eq!(run(&SHAPE, 2, &[9]), run(&SHAPE, 2, &[4, 2, 3]));
    }
}
