//! A disk that is full: a file system in memory of a size of its own where the tests may mount
//! one, else a limit on how long a file may get.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// So much that a copy of the demo fits.
const ROOMY: &str = "size=512m";

/// A mounted file system, unmounted with this value.
pub(super) struct Disk(PathBuf);

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|done| done.status.success())
}

impl Disk {
    /// Mounts one over a folder, where that is allowed.
    pub(super) fn mount(folder: &Path) -> Option<Self> {
        let place = folder.to_str().unwrap();
        run("mount", &["-t", "tmpfs", "-o", ROOMY, "tallygate-test", place])
            .then(|| Self(folder.to_owned()))
    }

    /// Leaves so many KiB free.
    pub(super) fn fill(&self, free: u64) {
        // What is written between the look and the change has no room in it: look again.
        for _ in 0..100 {
            let done = Command::new("df").args(["--output=used", "-k"]).arg(&self.0).output();
            let text = String::from_utf8(done.unwrap().stdout).unwrap();
            let used: u64 = text.lines().nth(1).unwrap().trim().parse().unwrap();
            if self.resize(&format!("size={}k", used + free)) {
                return;
            }
        }
        panic!("the file system can't be made smaller");
    }

    /// Makes room.
    pub(super) fn empty(&self) {
        assert!(self.resize(ROOMY), "the file system can't be made larger");
    }

    fn resize(&self, size: &str) -> bool {
        let options = format!("remount,{size}");
        run("mount", &["-o", &options, self.0.to_str().unwrap()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

/// Starts a program for which a file that may not get longer is an error and no signal.
pub(super) const WITHOUT_SIGNAL: &[&str] = &["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];

/// From now on no file of a process gets longer; `None`: as long as it likes.
pub(super) fn limit_files(process: u32, bytes: Option<u64>) {
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let (pid, limit) = (process.to_string(), format!("--fsize={limit}:"));
    assert!(run("prlimit", &["--pid", &pid, &limit]), "prlimit is of util-linux");
}
