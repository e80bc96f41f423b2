//! A disk that fails, for the tests of everything that writes files.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use tempfile::{Builder, NamedTempFile};

use super::Disk;

thread_local! {
    static CURRENT: RefCell<Faulty> = RefCell::new(Faulty::default());
}

/// A disk whose operations fail from one on, until it is replaced: one of
/// creating, writing, flushing, syncing and renaming a file.
#[derive(Clone, Default)]
pub(crate) struct Faulty(Option<Arc<Plan>>);

struct Plan {
    /// Operations that still succeed.
    left: AtomicUsize,
    /// Whether only one of them fails.
    once: bool,
    failed: AtomicBool,
    kind: ErrorKind,
}

/// The disk for what this thread writes.
pub(super) fn current() -> Faulty {
    CURRENT.with_borrow(Clone::clone)
}

/// What `work` gives when the operations of this thread fail from number
/// `working` on (or only that one: `once`), and whether any was reached.
pub(crate) fn with<R>(
    working: usize,
    once: bool,
    kind: ErrorKind,
    work: impl FnOnce() -> R,
) -> (R, bool) {
    let plan = Arc::new(Plan { left: AtomicUsize::new(working), once, failed: false.into(), kind });
    CURRENT.set(Faulty(Some(plan.clone())));
    let result = work();
    CURRENT.set(Faulty::default());
    (result, plan.failed.load(Relaxed))
}

impl Faulty {
    fn check(&self) -> io::Result<()> {
        let Some(plan) = &self.0 else { return Ok(()) };
        let works = plan.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        if works || (plan.once && plan.failed.load(Relaxed)) {
            return Ok(());
        }
        plan.failed.store(true, Relaxed);
        Err(plan.kind.into())
    }
}

impl Disk for Faulty {
    fn create(&self, builder: &Builder<'_, '_>, directory: &Path) -> io::Result<NamedTempFile> {
        self.check()?;
        builder.tempfile_in(directory)
    }

    /// Half of the bytes arrive before the fault, as on a disk that fills up.
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.check() {
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        file.write(bytes)
    }

    fn flush(&self, _: &File) -> io::Result<()> {
        self.check()
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.check()?;
        file.sync_all()
    }

    fn rename(&self, temporary: NamedTempFile, target: &Path) -> io::Result<()> {
        self.check()?;
        temporary.persist(target).map(drop).map_err(|error| error.error)
    }
}
