//! Weights in memory: bytes as they lie in the file, once, aligned for vector loads.
//!
//! A matrix never holds a second form of itself: kernels compute with the file's own blocks.

use crate::files::TensorType;
use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::Arc;

/// Alignment of each tensor's first byte: a cache line, and the widest vector register.
pub const ALIGNMENT: usize = 64;

/// Bytes whose first one lies on an [`ALIGNMENT`] border.
pub struct AlignedBytes {
    /// What the allocator gave: up to a border more than is used.
    allocation: NonNull<u8>,
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: it owns its bytes, as a `Box<[u8]>` does.
#[expect(unsafe_code, reason = "an owned allocation, as a Box is")]
unsafe impl Send for AlignedBytes {}
// SAFETY: shared access only reads.
#[expect(unsafe_code, reason = "an owned allocation, as a Box is")]
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    /// Zeros. The system hands out zeroed pages lazily: what is never touched takes no memory, and whoever reads a file into
    /// them touches each only then. So it must not be asked for the alignment: for more than its own (16), the standard
    /// library writes the zeros itself, which for all weights of a large model takes longer than a second reading.
    #[expect(
        unsafe_code,
        reason = "no container of the standard library aligns bytes and zeroes lazily"
    )]
    pub fn zeroed(length: usize) -> Self {
        let Some(layout) = layout(length) else {
            return Self {
                allocation: NonNull::dangling(),
                start: NonNull::dangling(),
                length: 0,
            };
        };
        // SAFETY: the layout's size is not zero.
        let allocation = unsafe { std::alloc::alloc_zeroed(layout) };
        let allocation =
            NonNull::new(allocation).unwrap_or_else(|| std::alloc::handle_alloc_error(layout));
        let to_border = allocation.addr().get().wrapping_neg() % ALIGNMENT;
        // SAFETY: the layout has so many bytes more than `length`.
        let start = unsafe { allocation.add(to_border) };
        Self {
            allocation,
            start,
            length,
        }
    }
}

/// Of what is allocated for so many bytes: with room to begin on a border. `None` for no bytes at all.
fn layout(length: usize) -> Option<Layout> {
    if length == 0 {
        return None;
    }
    Layout::from_size_align(length.checked_add(ALIGNMENT)?, 1).ok()
}

impl Drop for AlignedBytes {
    #[expect(unsafe_code, reason = "gives back what `zeroed` took")]
    fn drop(&mut self) {
        #[cfg(test)]
        tests::see_off(self);
        if let Some(layout) = layout(self.length) {
            // SAFETY: allocated in `zeroed` with this layout.
            unsafe { std::alloc::dealloc(self.allocation.as_ptr(), layout) }
        }
    }
}

impl Clone for AlignedBytes {
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.length);
        copy.copy_from_slice(self);
        copy
    }
}

impl std::fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlignedBytes({})", self.length)
    }
}

impl std::ops::Deref for AlignedBytes {
    type Target = [u8];
    #[expect(unsafe_code, reason = "a slice of its own allocation")]
    fn deref(&self) -> &[u8] {
        // SAFETY: `length` initialised bytes (or none, at a dangling place) that live as long as self.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl std::ops::DerefMut for AlignedBytes {
    #[expect(unsafe_code, reason = "a slice of its own allocation")]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

/// A matrix `[rows, columns]` of any type; each row is a run of whole blocks. Computes `y[row] = Σ w[row, column] ·
/// x[column]`. Cheap to clone, and to cut into rows (the experts of a mixture are row ranges of one matrix).
#[derive(Debug, Clone)]
pub struct Matrix {
    bytes: Arc<AlignedBytes>,
    first_byte: usize,
    rows: usize,
    columns: usize,
    tensor_type: TensorType,
}

impl Matrix {
    /// A matrix over these bytes.
    ///
    /// # Panics
    /// If the bytes are not exactly `rows` rows of whole blocks: the loader has proven that before.
    pub fn new(bytes: AlignedBytes, rows: usize, columns: usize, tensor_type: TensorType) -> Self {
        let row_bytes = tensor_type.row_bytes(columns);
        assert_eq!(row_bytes.map(|row| row * rows), Some(bytes.len()));
        Self {
            bytes: Arc::new(bytes),
            first_byte: 0,
            rows,
            columns,
            tensor_type,
        }
    }

    /// An F32 matrix with these values, row after row.
    pub fn from_f32(values: &[f32], rows: usize, columns: usize) -> Self {
        let mut bytes = AlignedBytes::zeroed(size_of_val(values));
        for (to, value) in bytes.chunks_exact_mut(4).zip(values) {
            to.copy_from_slice(&value.to_le_bytes());
        }
        Self::new(bytes, rows, columns, TensorType::F32)
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The type of its elements.
    pub fn tensor_type(&self) -> TensorType {
        self.tensor_type
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.columns / self.tensor_type.block_elements() * self.tensor_type.block_bytes()
    }

    /// All of its bytes, row after row.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.first_byte..self.first_byte + self.rows * self.row_bytes()]
    }

    /// The bytes of one row.
    pub fn row(&self, row: usize) -> &[u8] {
        let size = self.row_bytes();
        &self.bytes()[row * size..(row + 1) * size]
    }

    /// The rows `from .. from + count` as a matrix that shares the bytes.
    ///
    /// # Panics
    /// If there are not so many rows.
    #[must_use]
    pub fn slice_rows(&self, from: usize, count: usize) -> Self {
        assert!(from + count <= self.rows);
        Self {
            bytes: self.bytes.clone(),
            first_byte: self.first_byte + from * self.row_bytes(),
            rows: count,
            columns: self.columns,
            tensor_type: self.tensor_type,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static LEFT_WRITTEN: Cell<usize> = const { Cell::new(0) };
    }

    /// How many buffers of this thread went back with something in them.
    pub(crate) fn left_written() -> usize {
        LEFT_WRITTEN.get()
    }

    pub(super) fn see_off(bytes: &AlignedBytes) {
        let is_written = bytes.iter().any(|byte| *byte != 0);
        LEFT_WRITTEN.set(LEFT_WRITTEN.get() + usize::from(is_written));
    }

    #[test]
    fn bytes_begin_on_a_border_and_are_zeros() {
        for length in [0, 1, 15, 64, 65, 4_096, 300_000] {
            let mut bytes = AlignedBytes::zeroed(length);
            assert!(bytes.len() == length && bytes.iter().all(|byte| *byte == 0));
            assert!(length == 0 || bytes.as_ptr().addr().is_multiple_of(ALIGNMENT));
            bytes.fill(7);
            assert!(bytes.clone()[..] == bytes[..]);
        }
    }

    fn resident_bytes() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/status").expect("Linux");
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a number") * 1024
    }

    /// Loading a model must not touch its memory before the file's bytes come.
    #[test]
    fn what_is_never_touched_takes_no_memory() {
        // Far more than the tests beside it take meanwhile.
        const LENGTH: usize = 4 << 30;
        let before = resident_bytes();
        let bytes = AlignedBytes::zeroed(LENGTH);
        let taken = resident_bytes().saturating_sub(before);
        assert!(
            taken < LENGTH as u64 / 2,
            "{taken} bytes of {}",
            bytes.len()
        );
    }
}
