//! The types of tensor elements: every one that the GGUF format knows, by number, name and size of a block.
//!
//! Source: ggml's `ggml_type` and the block sizes of `gguf-py`.

/// The type of a tensor's elements. Elements lie in blocks along the last (fastest) dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(non_camel_case_types, reason = "the names that everybody uses")]
#[expect(missing_docs, reason = "the names say it")]
pub enum TensorType {
    F32,
    F16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_K,
    IQ2_XXS,
    IQ2_XS,
    IQ3_XXS,
    IQ1_S,
    IQ4_NL,
    IQ3_S,
    IQ2_S,
    IQ4_XS,
    I8,
    I16,
    I32,
    I64,
    F64,
    IQ1_M,
    BF16,
    TQ1_0,
    TQ2_0,
    MXFP4,
    NVFP4,
    Q1_0,
    Q2_0,
}

/// Number in the format, name, elements of a block, bytes of a block.
type Row = (TensorType, u32, &'static str, usize, usize);

const TABLE: [Row; 35] = {
    use TensorType as T;
    [
        (T::F32, 0, "F32", 1, 4),
        (T::F16, 1, "F16", 1, 2),
        (T::Q4_0, 2, "Q4_0", 32, 18),
        (T::Q4_1, 3, "Q4_1", 32, 20),
        (T::Q5_0, 6, "Q5_0", 32, 22),
        (T::Q5_1, 7, "Q5_1", 32, 24),
        (T::Q8_0, 8, "Q8_0", 32, 34),
        (T::Q8_1, 9, "Q8_1", 32, 36),
        (T::Q2_K, 10, "Q2_K", 256, 84),
        (T::Q3_K, 11, "Q3_K", 256, 110),
        (T::Q4_K, 12, "Q4_K", 256, 144),
        (T::Q5_K, 13, "Q5_K", 256, 176),
        (T::Q6_K, 14, "Q6_K", 256, 210),
        (T::Q8_K, 15, "Q8_K", 256, 292),
        (T::IQ2_XXS, 16, "IQ2_XXS", 256, 66),
        (T::IQ2_XS, 17, "IQ2_XS", 256, 74),
        (T::IQ3_XXS, 18, "IQ3_XXS", 256, 98),
        (T::IQ1_S, 19, "IQ1_S", 256, 50),
        (T::IQ4_NL, 20, "IQ4_NL", 32, 18),
        (T::IQ3_S, 21, "IQ3_S", 256, 110),
        (T::IQ2_S, 22, "IQ2_S", 256, 82),
        (T::IQ4_XS, 23, "IQ4_XS", 256, 136),
        (T::I8, 24, "I8", 1, 1),
        (T::I16, 25, "I16", 1, 2),
        (T::I32, 26, "I32", 1, 4),
        (T::I64, 27, "I64", 1, 8),
        (T::F64, 28, "F64", 1, 8),
        (T::IQ1_M, 29, "IQ1_M", 256, 56),
        (T::BF16, 30, "BF16", 1, 2),
        (T::TQ1_0, 34, "TQ1_0", 256, 54),
        (T::TQ2_0, 35, "TQ2_0", 256, 66),
        (T::MXFP4, 39, "MXFP4", 32, 17),
        (T::NVFP4, 40, "NVFP4", 64, 36),
        (T::Q1_0, 41, "Q1_0", 128, 18),
        (T::Q2_0, 42, "Q2_0", 64, 18),
    ]
};

impl TensorType {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The type with this number in the format.
    pub fn from_id(id: u32) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == id).map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        // The table has the order of the variants; a test says so.
        &TABLE[self as usize]
    }

    /// Its number in the format.
    pub fn id(self) -> u32 {
        self.row().1
    }

    /// The name that people know, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Elements in a block.
    pub fn block_elements(self) -> usize {
        self.row().3
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.row().4
    }

    /// Bytes of a row of `elements`; `None` if blocks don't fill it.
    pub fn row_bytes(self, elements: usize) -> Option<usize> {
        let blocks = elements / self.block_elements();
        elements
            .is_multiple_of(self.block_elements())
            .then(|| blocks * self.block_bytes())
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_order_of_the_variants() {
        for (at, kind) in TensorType::all().enumerate() {
            assert_eq!(kind as usize, at, "{kind}");
            assert_eq!(TensorType::from_id(kind.id()), Some(kind));
        }
    }
}
