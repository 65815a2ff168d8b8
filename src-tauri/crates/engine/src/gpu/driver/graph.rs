//! Launches that the driver keeps and launches as one.

use super::{Driver, fault};
use crate::gpu::device::DeviceError;
use cudarc::driver::{result, sys};
use std::sync::Arc;

/// Launches as one, ready to be launched.
#[derive(Debug)]
pub(in crate::gpu) struct Graph {
    driver: Arc<Driver>,
    ready: sys::CUgraphExec,
}

#[expect(
    unsafe_code,
    reason = "the driver's handles are pointers that any thread may use"
)]
// SAFETY: a handle names something of the driver's, which locks for itself.
unsafe impl Send for Graph {}

impl Driver {
    /// Records what `steps` puts on the stream, which computes nothing yet.
    #[expect(unsafe_code, reason = "the driver is C")]
    pub(in crate::gpu) fn record(
        self: &Arc<Self>,
        steps: impl FnOnce() -> Result<(), DeviceError>,
    ) -> Result<Graph, DeviceError> {
        self.bind()?;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is ours. What began ends, whatever `steps` does; both graphs are given back.
        unsafe {
            result::stream::begin_capture(self.stream, mode).map_err(fault)?;
            let capture = Capture(self.stream);
            let launched = steps();
            std::mem::forget(capture);
            let graph = result::stream::end_capture(self.stream).map_err(fault)?;
            let none = sys::CUgraphInstantiate_flags(0);
            let ready =
                launched.and_then(|()| result::graph::instantiate(graph, none).map_err(fault));
            let _ = result::graph::destroy(graph);
            Ok(Graph {
                driver: self.clone(),
                ready: ready?,
            })
        }
    }

    /// Launches all of it.
    #[expect(
        unsafe_code,
        reason = "the driver is C, and a launch trusts its arguments"
    )]
    pub(in crate::gpu) fn replay(&self, graph: &Graph) -> Result<(), DeviceError> {
        self.bind()?;
        // SAFETY: whoever keeps the recording keeps the buffers that it names.
        unsafe { result::graph::launch(graph.ready, self.stream) }.map_err(fault)
    }
}

impl Drop for Graph {
    #[expect(unsafe_code, reason = "gives back what `record` made")]
    fn drop(&mut self) {
        // SAFETY: made by `record`; the driver lets it end first where it still runs.
        unsafe {
            let _ = result::ctx::set_current(self.driver.context);
            let _ = result::graph::exec_destroy(self.ready);
        }
    }
}

/// A capture that has begun and must end, also when what is captured panics.
struct Capture(sys::CUstream);

impl Drop for Capture {
    #[expect(unsafe_code, reason = "ends what began")]
    fn drop(&mut self) {
        // SAFETY: the stream lives as long as the driver, which is borrowed meanwhile.
        unsafe {
            if let Ok(graph) = result::stream::end_capture(self.0) {
                let _ = result::graph::destroy(graph);
            }
        }
    }
}
