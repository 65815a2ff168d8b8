//! The threads that compute together.
//!
//! A job is cut into tasks; whoever is awake takes the next one, the caller too. The caller waits for tasks that somebody
//! has taken, never for a thread that has none: so a thread that another program pushed off its core costs a task's
//! time at most. Waiting spins briefly, then yields, then sleeps.
//!
//! Invariant: a job is over when [`Pool::run`] returns, also when a task panicked; nobody calls it afterwards.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

const SPINS: u32 = 4_000;
const YIELDS: u32 = 64;
/// The lower half of a ticket counts the tasks that are left, the upper half the jobs.
const ONE_JOB: u64 = 1 << 32;

type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// Threads that wait for work.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// One job at a time.
    turn: Mutex<()>,
}

struct Shared {
    ticket: AtomicU64,
    tasks: AtomicUsize,
    done: AtomicUsize,
    job: Mutex<Option<Job<'static>>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: Mutex<usize>,
    wake: Condvar,
    quit: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// So many threads, the caller's included; at least one.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            ticket: AtomicU64::new(0),
            tasks: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            job: Mutex::new(None),
            panic: Mutex::new(None),
            sleepers: Mutex::new(0),
            wake: Condvar::new(),
            quit: AtomicBool::new(false),
        });
        let start = |number| {
            let shared = shared.clone();
            let name = format!("wick-compute-{number}");
            std::thread::Builder::new()
                .name(name)
                .spawn(move || shared.serve())
                .ok()
        };
        // A system that gives no thread leaves the work to those that are there.
        let threads = (1..threads.max(1)).map_while(start).collect();
        Self {
            shared,
            threads,
            turn: Mutex::new(()),
        }
    }

    /// As many threads as the machine has cores, or as `WICK_THREADS` says.
    pub fn for_machine() -> Self {
        let wanted = std::env::var("WICK_THREADS")
            .ok()
            .and_then(|text| text.parse().ok());
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(
            wanted
                .filter(|count| (1..=1024).contains(count))
                .unwrap_or_else(cores),
        )
    }

    /// Threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads.len() + 1
    }

    /// Calls `job` once with each number below `tasks`, by several threads at once.
    ///
    /// A job must not run another one on the same pool.
    ///
    /// # Panics
    /// If a task did, after all others are over.
    pub fn run(&self, tasks: usize, job: Job<'_>) {
        if tasks <= 1 || self.threads.is_empty() {
            return (0..tasks).for_each(job);
        }
        assert!(tasks < u32::MAX as usize, "a job of too many tasks");
        let _turn = lock(&self.turn);
        self.shared.begin(tasks, job);
        self.shared.work(lasting(job));
        self.shared.wait_for_others(tasks);
        *lock(&self.shared.job) = None;
        let panicked = lock(&self.shared.panic).take();
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }
}

#[expect(
    unsafe_code,
    reason = "threads outlive the job, so the type can't say how long it lives"
)]
fn lasting(job: Job<'_>) -> Job<'static> {
    // SAFETY: `Pool::run` returns only when every task that anybody took is done, and takes the job away then; a thread
    // calls it only for a task that it took. So no call outlives the borrow.
    unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::SeqCst);
        drop(lock(&self.shared.sleepers));
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // Its panics were told by the job already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn begin(&self, tasks: usize, job: Job<'_>) {
        *lock(&self.job) = Some(lasting(job));
        self.done.store(0, Ordering::Relaxed);
        self.tasks.store(tasks, Ordering::Relaxed);
        let jobs = self.ticket.load(Ordering::Relaxed) / ONE_JOB + 1;
        let ticket = (jobs % u64::from(u32::MAX)) * ONE_JOB + tasks as u64;
        self.ticket.store(ticket, Ordering::SeqCst);
        if *lock(&self.sleepers) > 0 {
            self.wake.notify_all();
        }
    }

    /// Takes the next task, if one is left.
    fn take(&self) -> Option<usize> {
        let mut ticket = self.ticket.load(Ordering::Acquire);
        while !ticket.is_multiple_of(ONE_JOB) {
            let taken = self.ticket.compare_exchange_weak(
                ticket,
                ticket - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match taken {
                Ok(_) => {
                    return Some(self.tasks.load(Ordering::Relaxed) - (ticket % ONE_JOB) as usize);
                }
                Err(now) => ticket = now,
            }
        }
        None
    }

    /// Of the caller alone, since it knows that no other job begins meanwhile.
    fn work(&self, job: Job<'_>) {
        while let Some(task) = self.take() {
            self.call(job, task);
        }
    }

    fn call(&self, job: Job<'_>, task: usize) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(task))) {
            lock(&self.panic).get_or_insert(panic);
        }
        self.done.fetch_add(1, Ordering::Release);
    }

    fn wait_for_others(&self, tasks: usize) {
        let mut turns = 0;
        while self.done.load(Ordering::Acquire) < tasks {
            pause(&mut turns);
        }
    }

    /// A thread's life.
    fn serve(&self) {
        let mut turns = 0;
        while !self.quit.load(Ordering::Relaxed) {
            if let Some(task) = self.take() {
                turns = 0;
                // Whoever took a task finds the job: it is taken away only when all are done. For each task anew: the
                // next one may be the next job's.
                let job = *lock(&self.job);
                if let Some(job) = job {
                    self.call(job, task);
                }
            } else if turns < SPINS + YIELDS {
                pause(&mut turns);
            } else {
                self.sleep();
                turns = 0;
            }
        }
    }

    fn sleep(&self) {
        let mut sleepers = lock(&self.sleepers);
        // Whoever begins a job after this look sees the sleeper, since it looks under the same lock.
        if self.ticket.load(Ordering::SeqCst).is_multiple_of(ONE_JOB)
            && !self.quit.load(Ordering::SeqCst)
        {
            *sleepers += 1;
            sleepers = self
                .wake
                .wait(sleepers)
                .unwrap_or_else(PoisonError::into_inner);
            *sleepers -= 1;
        }
    }
}

fn pause(turns: &mut u32) {
    *turns += 1;
    if *turns < SPINS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in 1..5 {
            let pool = Pool::new(threads);
            assert_eq!(pool.threads(), threads);
            for tasks in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                for _ in 0..20 {
                    pool.run(tasks, &|task| {
                        counts[task].fetch_add(1, Ordering::Relaxed);
                    });
                }
                assert!(
                    counts
                        .iter()
                        .all(|count| count.load(Ordering::Relaxed) == 20)
                );
            }
        }
    }

    #[test]
    fn a_thread_never_calls_the_job_before() {
        let pool = Pool::new(2);
        // Short jobs, one right after the other: a thread is often between two tasks when the next job begins.
        for round in 0..20_000 {
            let seen = AtomicUsize::new(0);
            pool.run(2, &|_| {
                seen.fetch_add(round, Ordering::Relaxed);
            });
            assert_eq!(seen.into_inner(), 2 * round, "round {round}");
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(3);
        let broken = catch_unwind(AssertUnwindSafe(|| {
            pool.run(50, &|task| assert!(task != 17, "task 17"));
        }));
        assert!(broken.is_err());
        let count = AtomicUsize::new(0);
        pool.run(50, &|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 50);
    }

    #[test]
    fn sleeping_threads_wake_for_the_next_job() {
        let pool = Pool::new(4);
        for _ in 0..10 {
            // All must come: each waits for the others.
            let barrier = std::sync::Barrier::new(4);
            pool.run(4, &|_| {
                barrier.wait();
            });
            while *lock(&pool.shared.sleepers) < 3 {
                std::thread::yield_now();
            }
        }
    }
}
