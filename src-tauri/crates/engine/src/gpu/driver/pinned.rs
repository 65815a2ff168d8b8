//! Memory of the processor that the system does not move: the device copies into it at full speed, into other memory through a
//! detour.

use super::fault;
use crate::gpu::device::DeviceError;
use cudarc::driver::result;

/// Memory of the processor that stays where it is.
#[derive(Debug)]
pub(super) struct Pinned {
    start: *mut u8,
    bytes: usize,
}

#[expect(unsafe_code, reason = "an owned allocation, as a Box is")]
// SAFETY: it owns its bytes, and the lock around it lets one thread at them.
unsafe impl Send for Pinned {}

impl Pinned {
    /// How many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Zeros. The context is current.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn room(bytes: usize) -> Result<Self, DeviceError> {
        // SAFETY: given back in `drop`; written before anything reads it.
        unsafe {
            let start = result::malloc_host(bytes, 0).map_err(fault)?.cast::<u8>();
            start.write_bytes(0, bytes);
            Ok(Self { start, bytes })
        }
    }

    /// The first so many bytes, of which there are as many.
    #[expect(unsafe_code, reason = "a slice of its own allocation")]
    pub(super) fn first(&mut self, bytes: usize) -> &mut [u8] {
        let bytes = bytes.min(self.bytes);
        // SAFETY: initialised bytes that live as long as self, borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start, bytes) }
    }
}

impl Drop for Pinned {
    #[expect(unsafe_code, reason = "gives back what `room` took")]
    fn drop(&mut self) {
        // SAFETY: nothing is copied into it any more: whoever read has waited.
        let _ = unsafe { result::free_host(self.start.cast()) };
    }
}
