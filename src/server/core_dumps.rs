//! No core dumps: a process that holds keys, and what partners send, leaves no image of its memory
//! on a disk when it crashes, whoever started it and with whatever limits.
//!
//! Two settings, as each leaves a gap. The limit (setrlimit(2), RLIMIT_CORE) is ignored by the
//! kernel where core(5) is a pipe to a program; the mark (prctl(2), PR_SET_DUMPABLE) is Linux's
//! alone, and lasts until another program is executed. With the mark, no process of the same user
//! may attach to this one or read its memory, either: only root may.
//!
//! What this does not stop: root, the page file (the units' `MemorySwapMax=0` does), and an image of
//! a whole machine.

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// The system did not let core dumps be turned off.
#[derive(Debug, thiserror::Error)]
#[error(
    "core dumps can't be turned off, and memory would hold keys when it is written to a disk: check \
     what confines this program (it needs prctl and setrlimit)"
)]
pub struct CoreDumpError(#[from] Errno);

/// Turns core dumps off for this process, for good: the hard limit is lowered, too.
///
/// # Errors
/// [`CoreDumpError`], where a filter of system calls forbids it; start nothing then.
pub fn forbid_core_dumps() -> Result<(), CoreDumpError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Under the units the limit is there already, and their filter lets nobody set one.
    if getrlimit(Resource::Core) != none {
        setrlimit(Resource::Core, none)?;
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::forbid_core_dumps;
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn both_ways_to_a_dump_are_shut() {
        forbid_core_dumps().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
