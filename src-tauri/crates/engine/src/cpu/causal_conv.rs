//! A convolution over the last few positions of each channel, as recurrent mixers begin with.
//!
//! State: the inputs of the `kernel - 1` positions before, oldest first, `[kernel - 1, channels]`; zeros at the start of
//! a sequence. Source: `causal_conv1d` of Mamba (arXiv 2312.00752) as transformers computes it.

/// Convolves one sequence's positions, in place, and remembers the last inputs.
///
/// `rows`: `[positions, channels]`. `weights`: `[kernel, channels]`, the newest position's last (files have
/// `[channels, kernel]`: see [`transposed`]). `bias`: `[channels]`, or empty. `state`: `[kernel - 1, channels]`.
pub fn causal_conv(
    rows: &mut [f32],
    weights: &[f32],
    bias: &[f32],
    state: &mut [f32],
    channels: usize,
) {
    let kernel = weights.len() / channels;
    debug_assert_eq!(state.len(), (kernel - 1) * channels);
    let mut inputs = state.to_vec();
    inputs.extend_from_slice(rows);
    for (position, row) in rows.chunks_exact_mut(channels).enumerate() {
        if bias.is_empty() {
            row.fill(0.0);
        } else {
            row.copy_from_slice(bias);
        }
        let seen = &inputs[position * channels..][..kernel * channels];
        for (tap, input) in weights
            .chunks_exact(channels)
            .zip(seen.chunks_exact(channels))
        {
            for ((out, weight), input) in row.iter_mut().zip(tap).zip(input) {
                *out += weight * input;
            }
        }
    }
    state.copy_from_slice(&inputs[inputs.len() - state.len()..]);
}

/// The weights of a file, `[channels, kernel]`, as [`causal_conv`] wants them: `[kernel, channels]`.
pub fn transposed(weights: &[f32], channels: usize) -> Vec<f32> {
    let kernel = weights.len() / channels;
    (0..kernel)
        .flat_map(|tap| (0..channels).map(move |channel| weights[channel * kernel + tap]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_over_the_last_positions() {
        // Two channels, kernel 3; the file has each channel's taps together, the oldest first.
        let weights = transposed(&[1.0, 10.0, 100.0, 2.0, 20.0, 200.0], 2);
        let mut state = vec![0.0; 4];
        let mut rows = vec![1.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        causal_conv(&mut rows, &weights, &[0.5, 0.0], &mut state, 2);
        assert_eq!(rows, [100.5, 200.0, 210.5, 620.0, 421.5, 1062.0]);
        assert_eq!(state, [2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn any_cut_gives_the_same() {
        let weights: Vec<f32> = (0..12_u8).map(|at| f32::from(at).sin()).collect();
        let inputs: Vec<f32> = (0..21_u8).map(|at| f32::from(at).cos()).collect();
        let run = |cuts: &[usize]| {
            let (mut state, mut rows) = (vec![0.0; 9], inputs.clone());
            let mut rest = rows.as_mut_slice();
            for cut in cuts {
                let (now, later) = rest.split_at_mut(cut * 3);
                causal_conv(now, &weights, &[], &mut state, 3);
                rest = later;
            }
            (rows, state)
        };
        assert_eq!(run(&[7]), run(&[1; 7]));
        assert_eq!(run(&[7]), run(&[2, 4, 1]));
    }
}
