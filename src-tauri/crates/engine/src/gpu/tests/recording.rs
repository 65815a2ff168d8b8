//! Launches that are launched again.

use super::super::device::{Device, DeviceError};
use super::super::rows::take_rows;

#[test]
fn what_was_recorded_computes_when_it_is_asked_for_and_reads_what_lies_there_then() {
    let device = Device::on_host(0);
    let from = device.upload(&[1.0_f32, 2.0, 3.0, 4.0]).expect("room");
    let ids = device.upload(&[1_u32]).expect("room");
    let out = device.zeroed(8).expect("room");
    let take = || take_rows(&device, &from, &ids, &out, [1, 2]);
    let recording = device.record(take).expect("recorded");
    assert_eq!(device.floats(&out).expect("read"), [0.0, 0.0]);
    for (id, expected) in [(1_u32, [3.0, 4.0]), (0, [1.0, 2.0])] {
        device.write(&ids, 0, &id.to_le_bytes()).expect("written");
        device.replay(&recording).expect("computed");
        assert_eq!(device.floats(&out).expect("read"), expected);
    }
}

#[test]
fn what_is_no_launch_is_not_recorded_and_the_device_goes_on() {
    let device = Device::on_host(0);
    let buffer = device.zeroed(16).expect("room");
    let refused = device.record(|| device.write(&buffer, 0, &[1; 16]));
    assert!(matches!(refused, Err(DeviceError::Failed(_))));
    assert!(device.record(|| device.zeroed(4).map(drop)).is_err());
    device.write(&buffer, 0, &[1; 16]).expect("written");
}

#[test]
#[should_panic(expected = "offset")]
fn a_part_begins_on_a_border() {
    let _ = Device::on_host(0).zeroed(64).expect("room").part(8, 16);
}
