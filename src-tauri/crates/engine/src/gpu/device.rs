//! Memory of the device and launches of kernels.
//!
//! Everything goes through one queue, in the order in which it was asked for; only [`Device::read`] waits. Invariant: a
//! buffer is given back when its last handle goes, and what was launched before still finds it.

#[cfg(feature = "cuda")]
use super::driver::{Allocation, Driver, Facts, Unfit};
#[cfg(test)]
use super::recording::{Launch, Recorder};
use std::sync::Arc;

/// What the device said no to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// It has no room.
    #[error("the GPU has no room for {bytes} bytes more")]
    OutOfMemory {
        /// Asked for.
        bytes: usize,
    },
    /// It has less room than all of it would take.
    #[error("the model and its cache take {} MiB, and the GPU has {} MiB free", .bytes.div_ceil(1 << 20), .free >> 20)]
    NoRoom {
        /// What it would take.
        bytes: u64,
        /// What is free.
        free: u64,
    },
    /// A kernel or the driver failed; nothing on the device can be trusted any more.
    #[error("the GPU failed: {0}")]
    Failed(String),
}

/// A device.
#[derive(Debug, Clone)]
pub struct Device(pub(super) Backend);

#[derive(Debug, Clone)]
pub(super) enum Backend {
    /// NVIDIA's driver.
    #[cfg(feature = "cuda")]
    Driver(Arc<Driver>),
    /// The kernels on this machine's processor; `order` is whose turn it is (see `on_host::Launch`).
    #[cfg(test)]
    OnHost {
        order: u32,
        recorder: Recorder,
        /// What it says it has free.
        free_bytes: Option<u64>,
    },
}

/// Bytes on a device, or a part of them. A handle: clones are the same bytes.
#[derive(Debug, Clone)]
pub struct Buffer {
    memory: Memory,
    offset: usize,
    bytes: usize,
}

#[derive(Debug, Clone)]
enum Memory {
    #[cfg(feature = "cuda")]
    Driver(Arc<Allocation>),
    #[cfg(test)]
    OnHost(Arc<on_host::Memory>),
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    /// A buffer, from its first byte.
    Buffer(&'a Buffer),
    /// A null pointer.
    Null,
    /// `uint32_t`.
    Number(u32),
    /// `uint64_t`.
    Long(u64),
    /// `float`.
    Float(f32),
}

impl<'a> Argument<'a> {
    /// A buffer, or a null pointer.
    pub fn optional(buffer: Option<&'a Buffer>) -> Self {
        buffer.map_or(Self::Null, Self::Buffer)
    }

    /// In the low bytes of eight, as a launch takes it.
    fn bits(self) -> u64 {
        match self {
            Self::Buffer(buffer) => buffer.address(),
            Self::Null => 0,
            Self::Number(number) => number.into(),
            Self::Long(number) => number,
            Self::Float(number) => number.to_bits().into(),
        }
    }
}

/// Where parts of a buffer may begin: kernels load 16 bytes at once.
pub const BORDER: usize = 16;

/// How many threads compute.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: u32,
    /// Bytes of shared memory of a block.
    pub shared_bytes: usize,
}

impl Buffer {
    /// How many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The run of so many bytes from an offset on, which is the same memory.
    ///
    /// # Panics
    /// When there are not so many, or the offset is on no border of 16 bytes.
    #[must_use]
    pub fn part(&self, offset: usize, bytes: usize) -> Self {
        assert!(offset + bytes <= self.bytes && offset.is_multiple_of(BORDER));
        Self {
            memory: self.memory.clone(),
            offset: self.offset + offset,
            bytes,
        }
    }

    fn address(&self) -> u64 {
        let start = match &self.memory {
            #[cfg(feature = "cuda")]
            Memory::Driver(memory) => memory.address(),
            #[cfg(test)]
            Memory::OnHost(memory) => memory.address(),
        };
        start + self.offset as u64
    }
}

impl Device {
    /// The machine's first GPU.
    ///
    /// # Errors
    /// [`Unfit`], in words for a person.
    #[cfg(feature = "cuda")]
    pub fn open() -> Result<Self, Unfit> {
        Driver::open().map(|driver| Self(Backend::Driver(driver)))
    }

    /// What the driver says of it.
    #[cfg(feature = "cuda")]
    pub fn facts(&self) -> Option<&Facts> {
        match &self.0 {
            Backend::Driver(driver) => Some(driver.facts()),
            #[cfg(test)]
            Backend::OnHost { .. } => None,
        }
    }

    /// The kernels on this machine's processor, threads taking turns in this order.
    #[cfg(test)]
    pub(crate) fn on_host(order: u32) -> Self {
        Self(Backend::OnHost {
            order,
            recorder: Recorder::default(),
            free_bytes: None,
        })
    }

    /// The same with so much memory.
    #[cfg(test)]
    pub(crate) fn on_host_with(free: u64) -> Self {
        Self(Backend::OnHost {
            order: 0,
            recorder: Recorder::default(),
            free_bytes: Some(free),
        })
    }

    /// What its own memory has free; `None` where it has one memory with the processor, which the app's plan has counted already.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn free_bytes(&self) -> Result<Option<u64>, DeviceError> {
        match &self.0 {
            #[cfg(feature = "cuda")]
            Backend::Driver(driver) => driver.free_bytes(),
            #[cfg(test)]
            Backend::OnHost { free_bytes, .. } => Ok(*free_bytes),
        }
    }

    /// Gives memory back to the system that nobody uses any more; as a rule it is kept for what comes next.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn give_back_unused(&self) -> Result<(), DeviceError> {
        match &self.0 {
            #[cfg(feature = "cuda")]
            Backend::Driver(driver) => driver.give_back_unused(),
            #[cfg(test)]
            Backend::OnHost { .. } => Ok(()),
        }
    }

    /// Room for so many bytes, zeroed.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn zeroed(&self, bytes: usize) -> Result<Buffer, DeviceError> {
        let memory = match &self.0 {
            #[cfg(feature = "cuda")]
            Backend::Driver(driver) => Memory::Driver(Arc::new(driver.zeroed(bytes)?)),
            #[cfg(test)]
            Backend::OnHost { recorder, .. } => {
                recorder.refuse("an allocation")?;
                Memory::OnHost(Arc::new(on_host::Memory::zeroed(bytes)))
            }
        };
        Ok(Buffer {
            memory,
            offset: 0,
            bytes,
        })
    }

    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// When they don't fit.
    pub fn write(&self, to: &Buffer, offset: usize, bytes: &[u8]) -> Result<(), DeviceError> {
        assert!(offset + bytes.len() <= to.bytes);
        if bytes.is_empty() {
            return Ok(());
        }
        let offset = to.offset + offset;
        match (&self.0, &to.memory) {
            #[cfg(feature = "cuda")]
            (Backend::Driver(driver), Memory::Driver(memory)) => {
                driver.write(memory, offset, bytes)
            }
            #[cfg(test)]
            (Backend::OnHost { recorder, .. }, Memory::OnHost(memory)) => {
                recorder.refuse("a write")?;
                memory.write(offset, bytes);
                Ok(())
            }
            #[cfg(all(test, feature = "cuda"))]
            _ => Err(DeviceError::Failed("another device's buffer".into())),
        }
    }

    /// Waits for all that was launched, and reads bytes from an offset.
    ///
    /// # Errors
    /// [`DeviceError`], also of what was launched before.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn read(&self, from: &Buffer, offset: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        assert!(offset + bytes.len() <= from.bytes);
        let offset = from.offset + offset;
        match (&self.0, &from.memory) {
            #[cfg(feature = "cuda")]
            (Backend::Driver(driver), Memory::Driver(memory)) => driver.read(memory, offset, bytes),
            #[cfg(test)]
            (Backend::OnHost { recorder, .. }, Memory::OnHost(memory)) => {
                recorder.refuse("a read")?;
                memory.read(offset, bytes);
                Ok(())
            }
            #[cfg(all(test, feature = "cuda"))]
            _ => Err(DeviceError::Failed("another device's buffer".into())),
        }
    }

    /// Copies bytes within a buffer; the two runs don't overlap.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// When there are not so many.
    pub fn copy(
        &self,
        buffer: &Buffer,
        from: usize,
        to: usize,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        assert!(
            from + bytes <= buffer.bytes
                && to + bytes <= buffer.bytes
                && from.abs_diff(to) >= bytes
        );
        if bytes == 0 {
            return Ok(());
        }
        let (from, to) = (buffer.offset + from, buffer.offset + to);
        match (&self.0, &buffer.memory) {
            #[cfg(feature = "cuda")]
            (Backend::Driver(driver), Memory::Driver(memory)) => {
                driver.copy(memory, from, to, bytes)
            }
            #[cfg(test)]
            (Backend::OnHost { .. }, Memory::OnHost(memory)) => {
                let mut copied = vec![0; bytes];
                memory.read(from, &mut copied);
                memory.write(to, &copied);
                Ok(())
            }
            #[cfg(all(test, feature = "cuda"))]
            _ => Err(DeviceError::Failed("another device's buffer".into())),
        }
    }

    /// Overwrites bytes with zeros.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// When there are not so many.
    pub fn clear(&self, buffer: &Buffer, from: usize, bytes: usize) -> Result<(), DeviceError> {
        assert!(from + bytes <= buffer.bytes);
        if bytes == 0 {
            return Ok(());
        }
        let from = buffer.offset + from;
        match (&self.0, &buffer.memory) {
            #[cfg(feature = "cuda")]
            (Backend::Driver(driver), Memory::Driver(memory)) => driver.clear(memory, from, bytes),
            #[cfg(test)]
            (Backend::OnHost { .. }, Memory::OnHost(memory)) => {
                memory.write(from, &vec![0; bytes]);
                Ok(())
            }
            #[cfg(all(test, feature = "cuda"))]
            _ => Err(DeviceError::Failed("another device's buffer".into())),
        }
    }

    /// Waits for all that was launched.
    ///
    /// # Errors
    /// [`DeviceError`] of any of it.
    pub fn wait(&self) -> Result<(), DeviceError> {
        match &self.0 {
            #[cfg(feature = "cuda")]
            Backend::Driver(driver) => driver.wait(),
            #[cfg(test)]
            Backend::OnHost { .. } => Ok(()),
        }
    }

    /// These numbers in a buffer of their own.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn upload<N: Number>(&self, numbers: &[N]) -> Result<Buffer, DeviceError> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.bytes()).collect();
        let buffer = self.zeroed(bytes.len())?;
        self.write(&buffer, 0, &bytes)?;
        Ok(buffer)
    }

    /// All of a buffer of floats.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn floats(&self, from: &Buffer) -> Result<Vec<f32>, DeviceError> {
        let mut bytes = vec![0; from.bytes];
        self.read(from, 0, &mut bytes)?;
        let floats = bytes.as_chunks().0.iter();
        Ok(floats.map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// Launches a kernel. Only the functions of this module do: they know what each takes.
    pub(super) fn launch(
        &self,
        kernel: &str,
        shape: Shape,
        arguments: &[Argument],
    ) -> Result<(), DeviceError> {
        let mut bits: Vec<u64> = arguments.iter().map(|argument| argument.bits()).collect();
        match &self.0 {
            #[cfg(feature = "cuda")]
            Backend::Driver(driver) => driver.launch(kernel, shape, &mut bits),
            #[cfg(test)]
            Backend::OnHost { .. } => self.again(&Launch {
                kernel: kernel.to_owned(),
                shape,
                arguments: std::mem::take(&mut bits),
            }),
        }
    }

    /// Launches, or records while launches are recorded.
    #[cfg(test)]
    pub(super) fn again(&self, launch: &Launch) -> Result<(), DeviceError> {
        match &self.0 {
            Backend::OnHost { recorder, .. } if recorder.takes(launch) => Ok(()),
            Backend::OnHost { order, .. } => {
                let mut arguments = launch.arguments.clone();
                on_host_launch(&launch.kernel, launch.shape, *order, &mut arguments)
            }
            #[cfg(feature = "cuda")]
            Backend::Driver(_) => Err(DeviceError::Failed("another device's launch".into())),
        }
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "a launch trusts its arguments, as on a GPU")]
fn on_host_launch(
    kernel: &str,
    shape: Shape,
    order: u32,
    arguments: &mut [u64],
) -> Result<(), DeviceError> {
    // What a GPU refuses. Of shared memory a GB10 has the least.
    let [_, y, z] = shape.grid;
    if shape.block > 1024 || y.max(z) > 65_535 || shape.shared_bytes > 99 << 10 {
        return Err(DeviceError::Failed(format!(
            "{kernel} has no room: {shape:?}"
        )));
    }
    let kernel = on_host::name(kernel);
    let launch = on_host::Launch {
        kernel: &kernel,
        grid: shape.grid,
        block: shape.block,
        shared_bytes: shape.shared_bytes,
        order,
    };
    // SAFETY: the functions of this module pass what their kernels take, over buffers that they hold.
    unsafe { on_host::launch(&launch, arguments) }.map_err(DeviceError::Failed)
}

/// Numbers that kernels read.
pub trait Number: Copy {
    /// As they lie in memory.
    fn bytes(self) -> Vec<u8>;
}

impl Number for f32 {
    fn bytes(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl Number for u32 {
    fn bytes(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}
