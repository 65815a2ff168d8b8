//! NVIDIA's driver, looked for at run time: the device, its memory, the kernels in this program.
//!
//! No library of CUDA's is linked and none is needed but the driver's own (`libcuda.so.1`), so the worker starts everywhere and
//! says in words why it can't compute. The driver's calls are cudarc's. Invariant: everything is queued on one stream.

mod graph;
mod pinned;

use super::device::{DeviceError, Shape};
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute_enum as Attribute, CUresult};
use engine_api::{CUDA_NEEDED, OLDEST_CAPABILITY};
pub(super) use graph::Graph;
use pinned::Pinned;
use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

/// A release as `cuDriverGetVersion` counts.
const fn counted((major, minor): (u32, u32)) -> i32 {
    (major * 1000 + minor * 10).cast_signed()
}

/// The compiled kernels, on a border that the driver can read from.
#[repr(align(64))]
struct Image<const N: usize>([u8; N]);
static KERNELS: Image<{ include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin")).len() }> =
    Image(*include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin")));

/// Why there is no GPU to compute on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No driver.
    #[error("no NVIDIA driver was found")]
    NoDriver,
    /// An old one.
    #[error("NVIDIA's driver knows CUDA {}.{} and Wick needs {}.{}: update it to 580 or newer", .knows / 1000, .knows % 1000 / 10, CUDA_NEEDED.0, CUDA_NEEDED.1)]
    OldDriver {
        /// What it knows, as `cuDriverGetVersion` counts.
        knows: i32,
    },
    /// A driver without a GPU.
    #[error("NVIDIA's driver finds no GPU")]
    NoDevice,
    /// An old GPU.
    #[error("{name} has compute capability {}.{}, and Wick's kernels need {}.{}", .capability.0, .capability.1, OLDEST_CAPABILITY.0, OLDEST_CAPABILITY.1)]
    OldDevice {
        /// Which.
        name: String,
        /// What it has.
        capability: (i32, i32),
    },
    /// A GPU whose memory can't be taken in the order of launches, as under some virtual machines.
    #[error("{name} has no memory pools here, and Wick needs them")]
    NoPools {
        /// Which.
        name: String,
    },
    /// Anything else.
    #[error("the GPU can't be used: {0}")]
    Failed(String),
}

/// What the driver says of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its compute capability.
    pub capability: (i32, i32),
    /// Whether it has one memory with the processor (`CU_DEVICE_ATTRIBUTE_INTEGRATED`).
    pub is_integrated: bool,
    /// Its streaming multiprocessors.
    pub multiprocessors: i32,
    /// Shared memory that a block may ask for, in bytes.
    pub shared_bytes: i32,
}

/// An open device.
#[derive(Debug)]
pub(super) struct Driver {
    facts: Facts,
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
    module: sys::CUmodule,
    kernels: Mutex<HashMap<String, Kernel>>,
    /// Where what is read lands first.
    landing: Mutex<Option<Pinned>>,
}

#[derive(Debug, Clone, Copy)]
struct Kernel(sys::CUfunction);

#[expect(
    unsafe_code,
    reason = "the driver's handles are pointers that any thread may use"
)]
// SAFETY: a handle names something of the driver's, which locks for itself.
unsafe impl Send for Kernel {}
#[expect(
    unsafe_code,
    reason = "the driver's handles are pointers that any thread may use"
)]
// SAFETY: as above; each call makes the context current on its own thread first.
unsafe impl Send for Driver {}
#[expect(
    unsafe_code,
    reason = "the driver's handles are pointers that any thread may use"
)]
// SAFETY: as above.
unsafe impl Sync for Driver {}

/// Bytes on the device, given back in the order of the stream.
#[derive(Debug)]
pub(super) struct Allocation {
    driver: Arc<Driver>,
    address: sys::CUdeviceptr,
}

impl Driver {
    /// The first GPU.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn open() -> Result<Arc<Self>, Unfit> {
        ask_driver()?;
        let fail = |error| failed("opened", error);
        let device = result::device::get(0).map_err(fail)?;
        let facts = facts(device).map_err(fail)?;
        let oldest = (
            OLDEST_CAPABILITY.0.cast_signed(),
            OLDEST_CAPABILITY.1.cast_signed(),
        );
        if facts.capability < oldest {
            let Facts {
                name, capability, ..
            } = facts;
            return Err(Unfit::OldDevice { name, capability });
        }
        // SAFETY: the device is the driver's.
        let pools = unsafe {
            result::device::get_attribute(
                device,
                Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED,
            )
        };
        if pools.map_err(fail)? == 0 {
            return Err(Unfit::NoPools { name: facts.name });
        }
        // SAFETY: the device is the driver's; what is retained is released here or in `drop`.
        unsafe {
            let context = result::primary_ctx::retain(device).map_err(fail)?;
            let opened = Self::open_in(context, device, facts);
            if opened.is_err() {
                let _ = result::primary_ctx::release(device);
            }
            opened.map(Arc::new).map_err(fail)
        }
    }

    #[expect(unsafe_code, reason = "the driver is C")]
    unsafe fn open_in(
        context: sys::CUcontext,
        device: sys::CUdevice,
        facts: Facts,
    ) -> Result<Self, DriverError> {
        // SAFETY: the context is the device's; the image outlives the program.
        unsafe {
            result::ctx::set_current(context)?;
            keep_freed_memory(device)?;
            let kind = result::stream::StreamKind::NonBlocking;
            Ok(Self {
                facts,
                device,
                context,
                stream: result::stream::create(kind)?,
                module: result::module::load_data(KERNELS.0.as_ptr().cast())?,
                kernels: Mutex::default(),
                landing: Mutex::default(),
            })
        }
    }

    /// What it is.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    #[expect(unsafe_code, reason = "the driver is C")]
    fn bind(&self) -> Result<(), DeviceError> {
        // SAFETY: retained in `open`.
        unsafe { result::ctx::set_current(self.context) }.map_err(fault)
    }

    /// What its own memory has free. An integrated one says of free memory alone that it is free, and counts files that are kept
    /// in mind as used: its memory is the machine's, of which the machine tells better.
    pub(super) fn free_bytes(&self) -> Result<Option<u64>, DeviceError> {
        if self.facts.is_integrated {
            return Ok(None);
        }
        self.bind()?;
        let (free, _) = result::mem_get_info().map_err(fault)?;
        Ok(Some(free as u64))
    }

    /// Gives memory back to the system that nobody uses any more.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn give_back_unused(&self) -> Result<(), DeviceError> {
        self.wait()?;
        // SAFETY: the pool is the device's, and what is in use stays.
        unsafe { give_back_unused(self.device) }.map_err(fault)
    }

    /// Room for so many bytes, zeroed.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn zeroed(self: &Arc<Self>, bytes: usize) -> Result<Allocation, DeviceError> {
        self.bind()?;
        // SAFETY: the stream is ours; the memory is written before anything on the stream reads it.
        unsafe {
            let room = result::malloc_async(self.stream, bytes.max(1));
            let address = room.map_err(|DriverError(error)| match error {
                CUresult::CUDA_ERROR_OUT_OF_MEMORY => DeviceError::OutOfMemory { bytes },
                error => fault(DriverError(error)),
            })?;
            let allocation = Allocation {
                driver: self.clone(),
                address,
            };
            result::memset_d8_async(address, 0, bytes.max(1), self.stream).map_err(fault)?;
            Ok(allocation)
        }
    }

    /// Writes bytes, which may be used again when this returns.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn write(
        &self,
        to: &Allocation,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), DeviceError> {
        self.bind()?;
        // A GPU that reads the processor's memory by itself, as a GB10 does, need not have read it when the copy has been asked for.
        // SAFETY: the caller has proven that they fit; they are borrowed until the stream is idle.
        unsafe {
            result::memcpy_htod_async(to.address + offset as u64, bytes, self.stream)
                .map_err(fault)?;
            result::stream::synchronize(self.stream).map_err(fault)
        }
    }

    /// Waits for all that is queued, and reads.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn read(
        &self,
        from: &Allocation,
        offset: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError> {
        self.bind()?;
        let mut landing = self.landing.lock().unwrap_or_else(PoisonError::into_inner);
        if landing
            .as_ref()
            .is_none_or(|landing| landing.bytes() < bytes.len())
        {
            *landing = None;
            *landing = Some(Pinned::room(bytes.len().next_power_of_two())?);
        }
        let Some(landing) = landing.as_mut() else {
            return Err(DeviceError::Failed("no memory to read into".into()));
        };
        let landed = landing.first(bytes.len());
        // SAFETY: the caller has proven that there are as many on the device; they are borrowed until the stream is idle.
        unsafe {
            result::memcpy_dtoh_async(landed, from.address + offset as u64, self.stream)
                .map_err(fault)?;
            result::stream::synchronize(self.stream).map_err(fault)?;
        }
        bytes.copy_from_slice(landed);
        // Nothing of anybody's words stays behind in it.
        crate::wipe::wipe(landed);
        Ok(())
    }

    /// Copies within an allocation.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn copy(
        &self,
        at: &Allocation,
        from: usize,
        to: usize,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        self.bind()?;
        let (from, to) = (at.address + from as u64, at.address + to as u64);
        // SAFETY: the caller has proven that both are inside and apart.
        unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream) }.map_err(fault)
    }

    /// Writes zeros.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn clear(
        &self,
        at: &Allocation,
        from: usize,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: the caller has proven that they are inside.
        unsafe { result::memset_d8_async(at.address + from as u64, 0, bytes, self.stream) }
            .map_err(fault)
    }

    /// Waits for all that is queued.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(super) fn wait(&self) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: the stream is ours.
        unsafe { result::stream::synchronize(self.stream) }.map_err(fault)
    }

    /// Launches a kernel.
    #[expect(
        unsafe_code,
        reason = "the driver is C, and a launch trusts its arguments"
    )]
    pub(super) fn launch(
        &self,
        name: &str,
        shape: Shape,
        arguments: &mut [u64],
    ) -> Result<(), DeviceError> {
        self.bind()?;
        let Kernel(kernel) = self.kernel(name)?;
        let mut places: Vec<_> = arguments
            .iter_mut()
            .map(|place| std::ptr::from_mut(place).cast())
            .collect();
        let [x, y, z] = shape.grid;
        let shared = u32::try_from(shape.shared_bytes).unwrap_or(u32::MAX);
        // SAFETY: the functions of `gpu` pass what their kernels take, over buffers that live until the stream has passed.
        unsafe {
            result::launch_kernel(
                kernel,
                (x, y, z),
                (shape.block, 1, 1),
                shared,
                self.stream,
                &mut places,
            )
        }
        .map_err(fault)
    }

    #[expect(unsafe_code, reason = "the driver is C")]
    fn kernel(&self, name: &str) -> Result<Kernel, DeviceError> {
        let mut known = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = known.get(name) {
            return Ok(*kernel);
        }
        let none = |why: &dyn std::fmt::Display| {
            DeviceError::Failed(format!("there is no kernel {name}: {why}"))
        };
        let c_name = CString::new(name).map_err(|error| none(&error))?;
        // SAFETY: the module is loaded until `drop`.
        let kernel = unsafe { result::module::get_function(self.module, c_name) }
            .map_err(|error| none(&error))?;
        let most = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the kernel is the module's. More than 48 KB must be asked for once.
        unsafe { result::function::set_function_attribute(kernel, most, self.facts.shared_bytes) }
            .map_err(fault)?;
        known.insert(name.to_owned(), Kernel(kernel));
        Ok(Kernel(kernel))
    }
}

impl Allocation {
    pub(super) fn address(&self) -> u64 {
        self.address
    }
}

impl Drop for Allocation {
    #[expect(unsafe_code, reason = "gives back what `zeroed` took")]
    fn drop(&mut self) {
        // An error says that the device is lost, and the memory with it.
        let _ = self.driver.bind();
        // SAFETY: taken from the same stream.
        let _ = unsafe { result::free_async(self.address, self.driver.stream) };
    }
}

impl Drop for Driver {
    #[expect(unsafe_code, reason = "gives back what `open` took")]
    fn drop(&mut self) {
        // SAFETY: all allocations hold this, so none is left. What fails here is lost with the process anyway.
        unsafe {
            let _ = result::ctx::set_current(self.context);
            let _ = result::stream::synchronize(self.stream);
            *self
                .landing
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner) = None;
            let _ = result::module::unload(self.module);
            let _ = result::stream::destroy(self.stream);
            // The processor may be about to need it: on a GB10 it is the same memory.
            let _ = give_back_unused(self.device);
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

/// Asks what can be asked before anything may fail loudly.
#[expect(unsafe_code, reason = "the driver is C")]
fn ask_driver() -> Result<(), Unfit> {
    // SAFETY: it only tries to load the library.
    if !unsafe { sys::is_culib_present() } {
        return Err(Unfit::NoDriver);
    }
    let mut knows = 0;
    // SAFETY: it writes one number, and may be called before `cuInit`.
    unsafe { sys::cuDriverGetVersion(&raw mut knows) }
        .result()
        .map_err(|error| failed("asked", error))?;
    if knows < counted(CUDA_NEEDED) {
        return Err(Unfit::OldDriver { knows });
    }
    match result::init() {
        Err(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)) => return Err(Unfit::NoDevice),
        other => other.map_err(|error| failed("started", error))?,
    }
    match result::device::get_count() {
        Ok(0) => Err(Unfit::NoDevice),
        other => other.map(drop).map_err(|error| failed("asked", error)),
    }
}

#[expect(unsafe_code, reason = "the driver is C")]
fn facts(device: sys::CUdevice) -> Result<Facts, DriverError> {
    // SAFETY: the device is the driver's.
    let ask = |attribute| unsafe { result::device::get_attribute(device, attribute) };
    Ok(Facts {
        name: result::device::get_name(device)?,
        capability: (
            ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        is_integrated: ask(Attribute::CU_DEVICE_ATTRIBUTE_INTEGRATED)? != 0,
        multiprocessors: ask(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        shared_bytes: ask(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
    })
}

/// Freed memory stays with the process: a step that allocates does not wait for the system.
#[expect(unsafe_code, reason = "the driver is C")]
unsafe fn keep_freed_memory(device: sys::CUdevice) -> Result<(), DriverError> {
    let mut all = u64::MAX;
    let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device is the caller's; the attribute is a 64-bit number.
    unsafe {
        let pool = result::device::get_default_mem_pool(device)?;
        result::mem_pool::set_attribute(pool, threshold, (&raw mut all).cast())
    }
}

/// What the pool kept for that and nobody uses.
#[expect(unsafe_code, reason = "the driver is C")]
unsafe fn give_back_unused(device: sys::CUdevice) -> Result<(), DriverError> {
    // SAFETY: the device is the caller's.
    unsafe {
        let pool = result::device::get_default_mem_pool(device)?;
        result::mem_pool::trim_to(pool, 0)
    }
}

fn failed(what: &str, error: DriverError) -> Unfit {
    Unfit::Failed(format!("it could not be {what}: {error}"))
}

fn fault(error: DriverError) -> DeviceError {
    DeviceError::Failed(error.to_string())
}
