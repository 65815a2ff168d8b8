//! Launches that are launched again as one: a CUDA graph.
//!
//! A step of a decoder is some hundred launches whose arguments are the same each time; what changes lies in device memory. So
//! they are recorded once and asked for in one call. Invariant: nothing is written, read or allocated while launches are
//! recorded, and whoever keeps a recording keeps all buffers that it names.

#[cfg(test)]
use super::device::Shape;
use super::device::{Backend, Device, DeviceError};
#[cfg(feature = "cuda")]
use super::driver::Graph;

/// Launches in their order.
#[derive(Debug)]
pub struct Recording(Recorded);

#[derive(Debug)]
enum Recorded {
    #[cfg(feature = "cuda")]
    Driver(Graph),
    #[cfg(test)]
    OnHost(Vec<Launch>),
}

/// A launch that waits.
#[cfg(test)]
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) kernel: String,
    pub(super) shape: Shape,
    pub(super) arguments: Vec<u64>,
}

impl Device {
    /// Records what is launched by `launches`, which computes nothing yet.
    ///
    /// # Errors
    /// [`DeviceError`], also when something other than launches is asked for.
    pub fn record(
        &self,
        launches: impl FnOnce() -> Result<(), DeviceError>,
    ) -> Result<Recording, DeviceError> {
        let recorded = match &self.0 {
            #[cfg(feature = "cuda")]
            Backend::Driver(driver) => Recorded::Driver(driver.record(launches)?),
            #[cfg(test)]
            Backend::OnHost { recorder, .. } => {
                recorder.begin();
                let result = launches();
                let recorded = recorder.end();
                result?;
                Recorded::OnHost(recorded)
            }
        };
        Ok(Recording(recorded))
    }

    /// Launches all of a recording, in its order.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn replay(&self, recording: &Recording) -> Result<(), DeviceError> {
        match (&self.0, &recording.0) {
            #[cfg(feature = "cuda")]
            (Backend::Driver(driver), Recorded::Driver(graph)) => driver.replay(graph),
            #[cfg(test)]
            (Backend::OnHost { .. }, Recorded::OnHost(launches)) => {
                launches.iter().try_for_each(|one| self.again(one))
            }
            #[cfg(all(test, feature = "cuda"))]
            _ => Err(DeviceError::Failed("another device's recording".into())),
        }
    }
}

/// Where launches go while they are recorded, on the processor.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(std::sync::Arc<std::sync::Mutex<Option<Vec<Launch>>>>);

#[cfg(test)]
impl Recorder {
    fn launches(&self) -> std::sync::MutexGuard<'_, Option<Vec<Launch>>> {
        self.0.lock().expect("no test panics while it is held")
    }

    fn begin(&self) {
        *self.launches() = Some(Vec::new());
    }

    fn end(&self) -> Vec<Launch> {
        self.launches().take().unwrap_or_default()
    }

    /// Takes a launch, if launches are recorded.
    pub(super) fn takes(&self, launch: &Launch) -> bool {
        let mut launches = self.launches();
        let takes = launches.is_some();
        launches.iter_mut().for_each(|all| all.push(launch.clone()));
        takes
    }

    /// Refuses what a graph can't hold.
    pub(super) fn refuse(&self, what: &str) -> Result<(), DeviceError> {
        if self.launches().is_some() {
            return Err(DeviceError::Failed(format!("{what} while recording")));
        }
        Ok(())
    }
}
