//! The selective state space of Mamba-2 (arXiv 2405.21060), position by position.
//!
//! A head's state is `[head_dim, state_dim]`. For each position, with input `x` (`[head_dim]`), step `δ > 0`, `B` and `C`
//! (`[state_dim]`, shared by the heads of a group) and the head's numbers `A < 0` and `D`:
//! `h ← e^(δA)·h + δ·x ⊗ B`, and the output is `h·C + D·x`. Any cut of a sequence gives the same bits.

/// Sizes of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanShape {
    /// Heads.
    pub heads: usize,
    /// Elements of a head's input and output.
    pub head_dim: usize,
    /// Groups of heads that share B and C; divide `heads`.
    pub groups: usize,
    /// Elements of B and C.
    pub state_dim: usize,
}

impl ScanShape {
    /// Elements of a row of x, B and C.
    pub fn mixed(&self) -> usize {
        self.heads * self.head_dim + 2 * self.groups * self.state_dim
    }

    /// Elements of a head's state.
    pub fn head_state(&self) -> usize {
        self.head_dim * self.state_dim
    }
}

/// A head's own numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScanHead {
    /// Which head.
    pub head: usize,
    /// How fast it forgets; negative.
    pub a: f32,
    /// How much of the input goes straight to the output.
    pub d: f32,
}

/// One head over one sequence's positions.
///
/// `mixed`: rows `[positions, mixed()]` of x, B and C. `steps`: `[positions, heads]`, already positive (softplus).
/// `state`: `[head_dim, state_dim]`. `out`: `[positions, head_dim]`.
pub fn selective_scan_head(
    shape: &ScanShape,
    numbers: ScanHead,
    mixed: &[f32],
    steps: &[f32],
    state: &mut [f32],
    out: &mut [f32],
) {
    let head = numbers.head;
    let group = head / (shape.heads / shape.groups);
    let inner = shape.heads * shape.head_dim;
    let rows = mixed
        .chunks_exact(shape.mixed())
        .zip(steps.chunks_exact(shape.heads));
    for ((row, steps), out) in rows.zip(out.chunks_exact_mut(shape.head_dim)) {
        let x = &row[head * shape.head_dim..][..shape.head_dim];
        let b = &row[inner + group * shape.state_dim..][..shape.state_dim];
        let c = &row[inner + (shape.groups + group) * shape.state_dim..][..shape.state_dim];
        let step = steps[head];
        let kept = (step * numbers.a).exp();
        let states = state.chunks_exact_mut(shape.state_dim);
        for ((state, x), out) in states.zip(x).zip(out) {
            *out = remember_and_read(state, kept, step * x, b, c) + numbers.d * x;
        }
    }
}

/// `state ← kept·state + gain·b`; returns `state·c`, summed in eight lanes whatever the length.
fn remember_and_read(state: &mut [f32], kept: f32, gain: f32, b: &[f32], c: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let parts = state.chunks_mut(8).zip(b.chunks(8)).zip(c.chunks(8));
    for ((state, b), c) in parts {
        for (((state, b), c), lane) in state.iter_mut().zip(b).zip(c).zip(&mut lanes) {
            *state = kept * *state + gain * b;
            *lane += *state * c;
        }
    }
    lanes.iter().sum()
}

/// `ln(1 + e^x)`, exact also where `e^x` overflows.
pub fn softplus(x: f32) -> f32 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ScanShape = ScanShape {
        heads: 4,
        head_dim: 2,
        groups: 2,
        state_dim: 11,
    };

    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 32768.0 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    fn inputs(positions: usize) -> (Vec<f32>, Vec<f32>) {
        let steps = noise(positions * 4, 5)
            .iter()
            .map(|step| softplus(*step))
            .collect();
        (noise(positions * SHAPE.mixed(), 4), steps)
    }

    fn run(head: usize, cuts: &[usize]) -> Vec<f32> {
        let (mixed, steps) = inputs(cuts.iter().sum());
        let (mut state, mut out, mut from) = (vec![0.0; SHAPE.head_state()], Vec::new(), 0);
        for cut in cuts {
            let mut part = vec![0.0; cut * 2];
            let mixed = &mixed[from * SHAPE.mixed()..(from + cut) * SHAPE.mixed()];
            let steps = &steps[from * 4..(from + cut) * 4];
            selective_scan_head(
                &SHAPE,
                ScanHead {
                    head,
                    a: -0.7,
                    d: 0.3,
                },
                mixed,
                steps,
                &mut state,
                &mut part,
            );
            out.extend(part);
            from += cut;
        }
        out
    }

    #[test]
    fn it_is_the_recurrence() {
        let (mixed, steps) = inputs(7);
        let mut state = [[0.0_f64; 11]; 2];
        let found = run(3, &[7]);
        for at in 0..7 {
            let row = &mixed[at * SHAPE.mixed()..];
            let step = f64::from(steps[at * 4 + 3]);
            for p in 0..2 {
                let x = f64::from(row[6 + p]);
                let mut y = 0.3 * x;
                for n in 0..11 {
                    let (b, c) = (f64::from(row[8 + 11 + n]), f64::from(row[8 + 33 + n]));
                    state[p][n] = (step * -0.7).exp() * state[p][n] + step * x * b;
                    y += state[p][n] * c;
                }
                assert!((f64::from(found[at * 2 + p]) - y).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn any_cut_gives_the_same_bits() {
        assert_eq!(run(1, &[9]), run(1, &[1; 9]));
        assert_eq!(run(1, &[9]), run(1, &[5, 1, 3]));
    }

    #[test]
    fn softplus_is_exact_at_both_ends() {
        assert!((softplus(0.0) - 2.0_f32.ln()).abs() < 1e-7);
        assert!((softplus(90.0) - 90.0).abs() < 1e-9);
        assert!(softplus(-30.0) > 0.0 && softplus(-30.0) < 1e-12);
    }
}
