//! A gateway that crashes leaves no image of its memory, however generous the limits are that it was
//! started with.

use crate::kills::node;
use std::fs;

/// The core limits of a process, soft and hard, as the kernel tells them.
fn limits(process: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().skip(4).take(2).map(str::to_owned).collect()
}

#[test]
fn a_running_gateway_can_write_no_core_dump() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut node = node(folder.path());
    // As much as the system lets it have.
    node.through = &["sh", "-c", "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$0\" \"$@\""];
    node.start();
    assert_eq!(limits(node.id()), ["0", "0"]);
    node.kill();
}
