"""The threads that C steps share: a pool of a process, started when the first step with several threads runs.

One step at a time has them. Another one that is called meanwhile is told so and runs alone: two threads may call two
steps at once, and nobody waits. Idle threads look for work for some ten microseconds, as a training loop calls the next
step soon, then sleep; so they cost nothing to others. After a fork the child starts threads of its own.

The BLAS is called by each thread for its own part, with one thread: there is no second pool.
"""

from __future__ import annotations

import ctypes
from functools import cache

from chainrule.targets.c_build import build

__all__ = ["pool"]

_POOL = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#define SEEN __attribute__((visibility("default")))
#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ __volatile__("yield")
#else
#define PAUSE() ((void)0)
#endif

struct team { size_t me, of; void (*wait)(const struct team *team); };

enum { MOST = 64, SPIN = 4000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards sleeping and `threads` */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static size_t threads;     /* that exist beside the caller's */
static int busy;           /* somebody has the pool */
static size_t job;         /* its number */
static size_t unfinished;  /* threads that have not yet done this job */
static int asleep;
static void (*work)(void *, const struct team *);
static void *data;
static size_t members;
static size_t born[MOST];

#ifdef __linux__
static int callers; /* the processor on which the thread runs that has called */

/* A thread that wakes where the caller runs waits for it, and the caller for the thread: to another processor. */
static void make_room(void)
{
    cpu_set_t allowed, others;
    if (sched_getcpu() != callers || sched_getaffinity(0, sizeof allowed, &allowed))
        return;
    others = allowed;
    CPU_CLR(callers, &others);
    if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof others, &others))
        sched_setaffinity(0, sizeof allowed, &allowed); /* it is there now, and may go where it might before */
}
#endif
/* where a team waits: how many have come, and how often all have */
static struct { size_t come; char apart[64]; size_t rounds; } gate;

static void meet(const struct team *team)
{
    const size_t round = __atomic_load_n(&gate.rounds, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&gate.come, 1, __ATOMIC_ACQ_REL) == team->of) {
        __atomic_store_n(&gate.come, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&gate.rounds, round + 1, __ATOMIC_RELEASE);
        return;
    }
    for (size_t turn = 0; __atomic_load_n(&gate.rounds, __ATOMIC_ACQUIRE) == round; turn++)
        if (turn < SPIN)
            PAUSE();
        else
            sched_yield(); /* the others have no processor: leave them this one */
}

static void *live(void *number)
{
    const size_t me = (size_t)number;
    size_t done = born[me];
    for (;;) {
        for (size_t turn = 0; turn < SPIN && __atomic_load_n(&job, __ATOMIC_ACQUIRE) == done; turn++)
            PAUSE();
        if (__atomic_load_n(&job, __ATOMIC_ACQUIRE) == done) {
            pthread_mutex_lock(&lock);
            __atomic_add_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
            while (__atomic_load_n(&job, __ATOMIC_SEQ_CST) == done)
                pthread_cond_wait(&wake, &lock);
            __atomic_sub_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
            pthread_mutex_unlock(&lock);
        }
        done++; /* jobs come one by one: the next one waits until every thread has done this one */
        const struct team mine = {me, members, meet};
        if (me < members) {
#ifdef __linux__
            make_room();
#endif
            work(data, &mine);
        }
        __atomic_sub_fetch(&unfinished, 1, __ATOMIC_ACQ_REL);
    }
    return NULL;
}

static void after_fork(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&wake, NULL);
    threads = job = unfinished = 0;
    busy = asleep = 0;
    memset(&gate, 0, sizeof gate);
}

/* Threads up to `of`; how many there are. Only who has the pool calls it. */
static size_t grow(size_t of)
{
    static int prepared;
    if (!prepared)
        prepared = !pthread_atfork(NULL, NULL, after_fork);
    while (prepared && threads + 1 < of && threads + 1 < MOST) {
        pthread_t made;
        pthread_attr_t kind;
        pthread_attr_init(&kind);
        pthread_attr_setdetachstate(&kind, PTHREAD_CREATE_DETACHED);
        born[threads + 1] = job; /* the jobs before it was made are not its own */
        const int failed = pthread_create(&made, &kind, live, (void *)(threads + 1));
        pthread_attr_destroy(&kind);
        if (failed)
            break;
        threads++;
    }
    return threads + 1;
}

/* 1 when `of` threads have done the work together; 0 where the pool is busy or has no threads. */
SEEN int pool_run(void (*what)(void *, const struct team *), void *with, size_t of);
int pool_run(void (*what)(void *, const struct team *), void *with, size_t of)
{
    if (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
        return 0;
    const size_t there = grow(of);
    if (there < 2) {
        __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
        return 0;
    }
    work = what;
    data = with;
    members = there < of ? there : of;
    const struct team mine = {0, members, meet};
#ifdef __linux__
    callers = sched_getcpu();
#endif
    __atomic_store_n(&unfinished, threads, __ATOMIC_RELAXED);
    __atomic_add_fetch(&job, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&lock);
        pthread_cond_broadcast(&wake);
        pthread_mutex_unlock(&lock);
    }
    what(with, &mine);
    for (size_t turn = 0; __atomic_load_n(&unfinished, __ATOMIC_ACQUIRE); turn++)
        if (turn < SPIN)
            PAUSE();
        else
            sched_yield();
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
    return 1;
}
"""


@cache
def pool() -> int:
    """The address of the function by which a step has its work done by several threads."""
    library = build(_POOL, ("-pthread",))
    found = ctypes.cast(library.pool_run, ctypes.c_void_p).value
    assert found is not None
    return found
