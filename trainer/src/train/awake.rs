//! Threads that wait for work without going to sleep.

use std::sync::atomic::{AtomicBool, Ordering};

/// Runs `work` on this thread while the other threads of rayon's current pool
/// look for its parallel parts without a pause: a step of training has several,
/// of a millisecond and less, and to wake a thread that sleeps costs a tenth
/// of that. They give way to other programs.
pub(super) fn with_threads_awake<T>(work: impl FnOnce() -> T) -> T {
    struct Release<'a>(&'a AtomicBool);
    impl Drop for Release<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }

    if rayon::current_num_threads() == 1 {
        return work();
    }
    let done = AtomicBool::new(false);
    let here = rayon::current_thread_index();
    rayon::in_place_scope(|scope| {
        // Also when `work` panics: the scope waits for the others.
        let _release = Release(&done);
        scope.spawn_broadcast(|_, thread| {
            if Some(thread.index()) == here {
                return;
            }
            while !done.load(Ordering::Acquire) {
                if rayon::yield_now() != Some(rayon::Yield::Executed) {
                    std::thread::yield_now();
                }
            }
        });
        work()
    })
}
