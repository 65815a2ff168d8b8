//! NVIDIA's GPUs on the PCI bus, whether a driver holds them or not: what there is when NVML is silent.

use crate::Machine;
use crate::files::{names, short};

const NVIDIA: &str = "0x10de";
/// The first byte of the class of displays and of 3D controllers, which GPUs without an output are.
const DISPLAY: &str = "0x03";

/// A GPU as the bus knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciGpu {
    /// Its place: `0000:01:00.0`.
    pub address: String,
    /// The kernel's driver that holds it: `nvidia`, `nouveau`, `vfio-pci`; `None` where none does.
    pub driver: Option<String>,
}

/// NVIDIA's GPUs in the machine, in the order of their places. A GPU inside of a chip may be on no bus.
pub fn nvidia_gpus(machine: &Machine) -> Vec<PciGpu> {
    let devices = machine.root().join("sys/bus/pci/devices");
    let gpu = |address: String| {
        let folder = devices.join(&address);
        let is_gpu = short(&folder.join("vendor"))? == NVIDIA
            && short(&folder.join("class"))?.starts_with(DISPLAY);
        let driver = std::fs::read_link(folder.join("driver")).ok();
        let name = driver.as_deref().and_then(std::path::Path::file_name);
        is_gpu.then(|| PciGpu {
            driver: name.map(|name| name.to_string_lossy().into_owned()),
            address,
        })
    };
    names(&devices).into_iter().filter_map(gpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn gpus_are_told_from_other_devices_and_by_who_holds_them() {
        let root = tempfile::tempdir().expect("a folder");
        let device = |address: &str, vendor: &str, class: &str, driver: Option<&str>| {
            let folder = root.path().join("sys/bus/pci/devices").join(address);
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("vendor"), format!("{vendor}\n")).expect("a file");
            fs::write(folder.join("class"), format!("{class}\n")).expect("a file");
            if let Some(driver) = driver {
                let target = format!("../../../bus/pci/drivers/{driver}");
                symlink(target, folder.join("driver")).expect("a link");
            }
        };
        device("0000:00:02.0", "0x8086", "0x030000", Some("i915"));
        device("0000:02:00.0", "0x10de", "0x030200", None);
        device("0000:01:00.0", "0x10de", "0x030000", Some("nouveau"));
        // The sound of its HDMI output.
        device("0000:01:00.1", "0x10de", "0x040300", None);
        let found = nvidia_gpus(&Machine::at(root.path()));
        let gpu = |address: &str, driver: Option<&str>| PciGpu {
            address: address.into(),
            driver: driver.map(String::from),
        };
        let expected = [
            gpu("0000:01:00.0", Some("nouveau")),
            gpu("0000:02:00.0", None),
        ];
        assert_eq!(found, expected);
        assert_eq!(nvidia_gpus(&Machine::at("/nowhere")), []);
    }
}
