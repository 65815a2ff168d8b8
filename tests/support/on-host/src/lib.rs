//! A GPU for tests: the engine's kernels on this machine's processor, thread by thread (`kernels/on-host/machine.h`).
//!
//! It is strict, not fast. A barrier that not all threads reach, an address off its border, an unknown kernel are errors; a
//! byte read behind a buffer ends the program. It deliberately knows no kernel: names and arguments are the caller's.
//! Invariant: one launch runs at a time.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

#[expect(unsafe_code, reason = "the machine is C++")]
// SAFETY: as `machine.cpp` defines them.
unsafe extern "C" {
    fn on_host_alloc(bytes: usize, pages: *mut *mut u8) -> *mut u8;
    fn on_host_free(pages: *mut u8, bytes: usize);
    fn on_host_launch(
        name: *const c_char,
        grid: *const u32,
        block: u32,
        shared_bytes: usize,
        parameters: *mut *mut c_void,
        order: u32,
    ) -> *const c_char;
}

/// The machine has one set of threads.
static MACHINE: Mutex<()> = Mutex::new(());

/// Memory of the device: begins on a 16-byte border, ends at a page that can't be touched.
#[derive(Debug)]
pub struct Memory {
    start: NonNull<u8>,
    pages: NonNull<u8>,
    length: usize,
}

#[expect(unsafe_code, reason = "an owned allocation, as a Box is")]
// SAFETY: it owns its bytes.
unsafe impl Send for Memory {}
#[expect(unsafe_code, reason = "an owned allocation, as a Box is")]
// SAFETY: it is read and written under the machine's lock alone.
unsafe impl Sync for Memory {}

impl Memory {
    /// So many zeros.
    ///
    /// # Panics
    /// When the system has no memory.
    #[expect(unsafe_code, reason = "the machine allocates")]
    pub fn zeroed(length: usize) -> Self {
        let mut pages = std::ptr::null_mut();
        // SAFETY: it writes the second argument; null means that there is no memory.
        let start = unsafe { on_host_alloc(length, &raw mut pages) };
        Self {
            start: NonNull::new(start).expect("memory"),
            pages: NonNull::new(pages).expect("memory"),
            length,
        }
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Where it begins, as a kernel gets it.
    pub fn address(&self) -> u64 {
        self.start.addr().get() as u64
    }

    /// Writes bytes at `offset`.
    ///
    /// # Panics
    /// When they don't fit.
    #[expect(
        unsafe_code,
        reason = "kernels write there too, so there is no slice of it"
    )]
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.length);
        let _turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: inside (just asserted), and nobody else reads or writes under the lock.
        unsafe {
            let to = self.start.as_ptr().add(offset);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }

    /// Reads bytes from `offset`.
    ///
    /// # Panics
    /// When there are not so many.
    #[expect(
        unsafe_code,
        reason = "kernels write there too, so there is no slice of it"
    )]
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        assert!(offset + bytes.len() <= self.length);
        let _turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: inside (just asserted), and nobody else reads or writes under the lock.
        unsafe {
            let from = self.start.as_ptr().add(offset);
            std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len());
        }
    }
}

impl Drop for Memory {
    #[expect(unsafe_code, reason = "gives back what `zeroed` took")]
    fn drop(&mut self) {
        // SAFETY: both are as `on_host_alloc` took and gave them.
        unsafe { on_host_free(self.pages.as_ptr(), self.length) }
    }
}

/// How a kernel is launched.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Its name.
    pub kernel: &'a CStr,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: u32,
    /// Bytes of shared memory.
    pub shared_bytes: usize,
    /// In which order threads take turns: 0 upwards, 1 downwards, others shuffled.
    pub order: u32,
}

/// Runs a kernel to its end. `arguments` are its arguments, each in the low bytes of eight.
///
/// # Errors
/// What a GPU would have done wrong, in words.
///
/// # Safety
/// As for a GPU: number and types of the arguments are the kernel's, and what they point to is there.
#[expect(unsafe_code, reason = "a launch trusts its arguments, as on a GPU")]
pub unsafe fn launch(launch: &Launch, arguments: &mut [u64]) -> Result<(), String> {
    let _turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut places: Vec<*mut c_void> = arguments
        .iter_mut()
        .map(|argument| std::ptr::from_mut(argument).cast())
        .collect();
    // SAFETY: the caller's promise; the words are valid until the next launch, which the lock holds off.
    unsafe {
        let wrong = on_host_launch(
            launch.kernel.as_ptr(),
            launch.grid.as_ptr(),
            launch.block,
            launch.shared_bytes,
            places.as_mut_ptr(),
            launch.order,
        );
        if wrong.is_null() {
            return Ok(());
        }
        Err(CStr::from_ptr(wrong).to_string_lossy().into_owned())
    }
}

/// A name for [`Launch::kernel`].
///
/// # Panics
/// If it has a zero within.
pub fn name(name: &str) -> CString {
    CString::new(name).expect("a name without zeros")
}
