//! Overwriting what somebody's words were computed into, before its memory goes back or is used again.
//!
//! It deliberately promises nothing of copies that the computation made on its way, such as those on a stack.

/// Writes zeros over all of it. The compiler may not leave that out because nobody reads them any more.
pub(crate) fn wipe<T: Copy + Default>(values: &mut [T]) {
    values.fill(T::default());
    #[cfg(test)]
    tests::WIPED.set(tests::WIPED.get() + size_of_val(values));
    std::hint::black_box(values);
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    thread_local! {
        pub(super) static WIPED: Cell<usize> = const { Cell::new(0) };
    }

    /// Bytes that this thread has overwritten so far.
    pub(crate) fn wiped_bytes() -> usize {
        WIPED.get()
    }

    #[test]
    fn nothing_of_it_stays() {
        let mut floats = vec![1.5_f32; 7];
        super::wipe(&mut floats);
        assert_eq!((floats, wiped_bytes()), (vec![0.0; 7], 28));
    }
}
