//! The C library's heap, told not to hold on to memory that has been given back.
//!
//! A worker's memory is planned to a few percent, and what an allocator keeps for later is in no plan: a load leaves
//! millions of freed pieces of metadata behind, and each freed page of keys and values would raise the size from which
//! on the allocator returns memory at once. It deliberately changes nothing else. Elsewhere than on glibc it does nothing.

/// From this size on, memory comes from the system and goes back to it: glibc's own beginning, which otherwise grows to
/// 32 MiB with what is freed (mallopt(3)). A page of keys and values is larger for all but tiny models.
#[cfg(target_env = "gnu")]
const OWN_MAPPING_BYTES: i32 = 128 << 10;

/// Keeps large buffers apart from the heap, for the whole life of this process. To be called before anything large is
/// allocated.
pub fn keep_large_buffers_apart() {
    #[cfg(target_env = "gnu")]
    {
        // `M_MMAP_THRESHOLD` of malloc.h. A refusal changes nothing.
        let _ = glibc::mallopt(-3, OWN_MAPPING_BYTES);
    }
}

/// Gives what was freed back to the system, also from the middle of the heap.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // It says whether there was anything.
        let _ = glibc::malloc_trim(0);
    }
}

#[cfg(target_env = "gnu")]
mod glibc {
    // SAFETY: both take numbers, may be called at any time by any thread, and change nothing that a program can see but
    // its size (mallopt(3), malloc_trim(3)).
    #[expect(unsafe_code, reason = "no safe library offers these two")]
    unsafe extern "C" {
        pub(super) safe fn mallopt(parameter: i32, value: i32) -> i32;
        pub(super) safe fn malloc_trim(pad: usize) -> i32;
    }
}
