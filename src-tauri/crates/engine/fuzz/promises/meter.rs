//! An allocator that counts: how much memory a piece of work holds at most, and how often it asks for some, which stands
//! for its time. All threads of the process count, so only one piece of work may be measured at a time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
static REQUESTS: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let live = LIVE_BYTES.fetch_add(bytes, Relaxed) + bytes;
    PEAK_BYTES.fetch_max(live, Relaxed);
    REQUESTS.fetch_add(1, Relaxed);
}

#[expect(unsafe_code, reason = "there is no safe way to count allocations")]
// SAFETY: each call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promise is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promise is the system's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may both be there for a moment.
        grown(size);
        LIVE_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    /// The most memory at a time beyond what was there before, in bytes.
    pub(super) peak_bytes: usize,
    /// How often it asked for memory.
    pub(super) requests: usize,
}

/// Runs `work` and measures it.
pub(super) fn measured<T>(work: impl FnOnce() -> T) -> (T, Used) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, requests) = (LIVE_BYTES.load(Relaxed), REQUESTS.load(Relaxed));
    PEAK_BYTES.store(before, Relaxed);
    let done = work();
    let used = Used {
        peak_bytes: PEAK_BYTES.load(Relaxed).saturating_sub(before),
        requests: REQUESTS.load(Relaxed) - requests,
    };
    (done, used)
}
