//! The codebooks of IQ1, IQ2 and IQ3: runs of eight or four values under one index.
//!
//! `grids.bin` holds each entry in 16 bits, two or three for each value; `tests/reference/blocks.py` wrote it from the
//! tables of gguf-py.

const PACKED: &[u8] = include_bytes!("grids.bin");

/// `N` entries of `V` values, of `bits` bits each, from entry `first` of the file on.
const fn unpack<const N: usize, const V: usize>(
    first: usize,
    bits: usize,
    levels: &[i8],
) -> [[i8; V]; N] {
    let mut grid = [[0; V]; N];
    let mut entry = 0;
    while entry < N {
        let at = 2 * (first + entry);
        let packed = u16::from_le_bytes([PACKED[at], PACKED[at + 1]]);
        let mut value = 0;
        while value < V {
            let level = packed >> (bits * value) & ((1 << bits) - 1);
            grid[entry][value] = levels[level as usize];
            value += 1;
        }
        entry += 1;
    }
    grid
}

const IQ2_LEVELS: [i8; 4] = [8, 25, 43, 0];
const IQ3_XXS_LEVELS: [i8; 8] = [4, 12, 20, 28, 36, 44, 52, 62];
const IQ3_S_LEVELS: [i8; 8] = [1, 3, 5, 7, 9, 11, 13, 15];
const IQ1_LEVELS: [i8; 4] = [-1, 0, 1, 0];

pub(crate) static IQ2_XXS: [[i8; 8]; 256] = unpack(0, 2, &IQ2_LEVELS);
pub(crate) static IQ2_XS: [[i8; 8]; 512] = unpack(256, 2, &IQ2_LEVELS);
pub(crate) static IQ2_S: [[i8; 8]; 1024] = unpack(768, 2, &IQ2_LEVELS);
pub(crate) static IQ3_XXS: [[i8; 4]; 256] = unpack(1792, 3, &IQ3_XXS_LEVELS);
pub(crate) static IQ3_S: [[i8; 4]; 512] = unpack(2048, 3, &IQ3_S_LEVELS);
pub(crate) static IQ1: [[i8; 8]; 2048] = unpack(2560, 2, &IQ1_LEVELS);
