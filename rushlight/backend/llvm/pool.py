"""The pool of native threads as LLVM IR; `threads.py` holds its switch.

A *job* is one group of a launch table. The launching thread publishes it (`@run_group`), takes part, and waits until
all chunks are done. A thread takes a chunk by counting a word of `@remaining` down. Whoever gets a positive number
holds a chunk of the job that is current, and that job cannot end before the chunk is counted in `@done`; so a job's
words may be read between a claim and its report and at no other time, and a thread that comes late finds nothing to
take. Which thread takes a chunk changes nothing in the results.

Idle threads look at `@sequence` for a few microseconds (longer while a launch is under way, since its next group is
close, and where the last launch came soon: waking up takes as long as a small group), then sleep on it as a futex. They never touch Python and block all signals, so they need no care when the
interpreter ends.
"""

from __future__ import annotations

import platform
import sys
import time

# Futexes are Linux's. Elsewhere a launch uses the launching thread alone: polling instead would keep the cores awake.
FUTEX_CALL = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 0) if sys.platform == "linux" else 0
GETTID_CALL = {"x86_64": 186, "aarch64": 178}.get(platform.machine(), 0)
PORTIONS = 16  # parts of a job that threads have homes in
MOST = 1024  # pool threads that the launcher keeps clear of
SPIN = 5_000  # ns that an idle thread looks out for work before it sleeps
SPIN_CLOSE = 400_000  # the same where the last launch came within this: steps of a loop follow each other at one pace
SPIN_LAUNCH = 50_000  # the same while a launch is under way
SPIN_DONE = 50_000  # ns that the launching thread looks out for the others' last chunks before it sleeps

_PAUSE = {"x86_64": "call void @llvm.x86.sse2.pause()", "AMD64": "call void @llvm.x86.sse2.pause()"}.get(
    platform.machine(), "call void @llvm.aarch64.hint(i32 1)"
)

EXPORTS = ("resize", "wanted", "alive", "busy", "remaining", "entered", "sleepers", "thread_ids")


_JOB = ("number", "group", "scratch", "stride", "portions")  # the words of the current job


def code() -> str:
    """The pool's part of the runtime module: globals, `@run_group`, `@now`."""
    text = _GLOBALS + _clock() + _CHUNKS + (_pool() if FUTEX_CALL else _NO_POOL)
    for index, name in enumerate(_JOB):
        text = text.replace(f"@job.{name}", f"getelementptr (%job, ptr @job, i64 0, i32 {index})")
    return text


# Words that several threads write stand in cache lines of their own.
_GLOBALS = f"""
@wanted = global i64 0                     ; pool threads that there should be
@alive = global i64 0                      ; pool threads that there are
@spare = global ptr null                   ; scratch memory that no launch uses; its first word is its size
@launcher_cpu = internal global i64 -1     ; the processor that the pool's threads keep off
@processors = internal global [16 x i64] zeroinitializer    ; those that they may use otherwise
@thread_ids = global [{MOST} x i32] zeroinitializer         ; the pool's threads as the system knows them
@busy = global [16 x i64] zeroinitializer, align 128        ; 1 while a launch owns the pool
@sequence = internal global [32 x i32] zeroinitializer, align 128   ; jobs published so far; idle threads sleep on it
@sleepers = global [16 x i64] zeroinitializer, align 128            ; threads that sleep or are about to
@remaining = global [{PORTIONS} x [16 x i64]] zeroinitializer, align 128   ; chunks that nobody took, or less
@entered = global [16 x i64] zeroinitializer, align 128             ; threads that took a chunk of the job
@done = internal global [32 x i32] zeroinitializer, align 128       ; chunks that are done; the launcher sleeps on it
@waiting = internal global [16 x i64] zeroinitializer, align 128    ; 1 while the launcher sleeps or is about to

; The current job: how many there have been, its group, the scratch memory of its first thread and the bytes from there
; to the next thread's, and how many portions it has. (Written `@job.number` and so on.)
%job = type {{ i64, ptr, ptr, i64, i64, [11 x i64] }}
@job = internal global %job {{ i64 0, ptr null, ptr null, i64 0, i64 1, [11 x i64] zeroinitializer }}, align 128
"""


def _clock() -> str:
    """`@now`: nanoseconds of the monotonic clock."""
    if sys.platform == "win32":
        return """
declare void @GetSystemTimePreciseAsFileTime(ptr)
define internal i64 @now() nounwind {
  %time = alloca i64
  call void @GetSystemTimePreciseAsFileTime(ptr %time)
  %ticks = load i64, ptr %time
  %ns = mul i64 %ticks, 100
  ret i64 %ns
}
"""
    return f"""
declare i32 @clock_gettime(i32, ptr)
define internal i64 @now() nounwind {{
  %time = alloca [2 x i64]
  %ok = call i32 @clock_gettime(i32 {time.CLOCK_MONOTONIC}, ptr %time)
  %s = load i64, ptr %time
  %low.at = getelementptr i64, ptr %time, i64 1
  %low = load i64, ptr %low.at
  %high = mul i64 %s, 1000000000
  %ns = add i64 %high, %low
  ret i64 %ns
}}
"""


# A group: {first instruction, count, chunks, serial}.
# An instruction: {kernel, args, units, grain, chunks, first chunk}.
_CHUNKS = """
%group = type { ptr, i64, i64, i64 }
%instruction = type { ptr, ptr, i64, i64, i64, i64 }

; Every instruction of a group, whole, on this thread.
define internal void @run_alone(ptr %group, ptr %scratch) nounwind {
entry:
  %first = load ptr, ptr %group
  %count.at = getelementptr %group, ptr %group, i64 0, i32 1
  %count = load i64, ptr %count.at
  %end = getelementptr %instruction, ptr %first, i64 %count
  br label %head
head:
  %at = phi ptr [ %first, %entry ], [ %after, %next ]
  %going = icmp ne ptr %at, %end
  br i1 %going, label %body, label %exit
body:
  %units.at = getelementptr %instruction, ptr %at, i64 0, i32 2
  %units = load i64, ptr %units.at
  %some = icmp sgt i64 %units, 0
  br i1 %some, label %run, label %next
run:
  %kernel = load ptr, ptr %at
  %args.at = getelementptr %instruction, ptr %at, i64 0, i32 1
  %args = load ptr, ptr %args.at
  call void %kernel(ptr %args, i64 0, i64 %units, ptr %scratch)
  br label %next
next:
  %after = getelementptr %instruction, ptr %at, i64 1
  br label %head
exit:
  ret void
}
"""

_NO_POOL = """
define internal void @run_group(ptr %group, ptr %scratch, i64 %stride, i1 %owner) nounwind {
  call void @run_alone(ptr %group, ptr %scratch)
  ret void
}
define internal void @start_threads() nounwind {
  ret void
}
define void @resize(i64 %threads) nounwind {
  ret void
}
"""


def _pool() -> str:
    return (
        _TAKE_PART
        + _WORKER
        + _RUN_GROUP
        + f"""
declare i64 @syscall(i64, ...)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_sigmask(i32, ptr, ptr)

define internal void @pause() nounwind {{
  {_PAUSE}
  ret void
}}
; Sleep until woken, unless the word has changed already. (128: the futex is private to this process.)
define internal void @sleep_on(ptr %word, i32 %value) nounwind {{
  %result = call i64 (i64, ...) @syscall(i64 {FUTEX_CALL}, ptr %word, i32 128, i32 %value, ptr null, ptr null, i32 0)
  ret void
}}
; So many pool threads from now on; those that are too many end.
define void @resize(i64 %threads) nounwind {{
  store atomic i64 %threads, ptr @wanted seq_cst, align 8
  %counted = atomicrmw add ptr @sequence, i32 1 seq_cst
  call void @wake(ptr @sequence, i64 {MOST})
  ret void
}}
define internal void @wake(ptr %word, i64 %count) nounwind {{
  %result = call i64 (i64, ...) @syscall(i64 {FUTEX_CALL}, ptr %word, i32 129, i64 %count, ptr null, ptr null, i32 0)
  ret void
}}
"""
    )


_TAKE_PART = f"""
; The first chunk of a portion: portions are equal shares of a job's chunks.
define internal i64 @portion_start(i64 %portion, i64 %portions, i64 %chunks) nounwind {{
  %product = mul i64 %portion, %chunks
  %start = udiv i64 %product, %portions
  ret i64 %start
}}

; Take chunks of the current job until none is left: first those of the thread's own portion, so that it meets from
; group to group the data that its cache holds, then others'. `given` is the launcher's scratch memory. Pool threads
; pass null and get theirs with the first chunk; in `memo` (number of a job, scratch) they remember the last one.
define internal void @take_part(ptr %given, i64 %home, ptr %memo) nounwind {{
entry:
  %guess = load atomic i64, ptr @job.portions monotonic, align 8
  %own.portion = urem i64 %home, %guess
  br label %visit
visit:
  %tried = phi i64 [ 0, %entry ], [ %tried.next, %next ]
  %portion = phi i64 [ %own.portion, %entry ], [ %portion.next, %next ]
  %at.p = phi ptr [ null, %entry ], [ %at, %next ]
  %scratch.p = phi ptr [ %given, %entry ], [ %scratch, %next ]
  %group.p = phi ptr [ null, %entry ], [ %group, %next ]
  %count.p = phi i32 [ 0, %entry ], [ %count, %next ]
  %left.at = getelementptr [16 x i64], ptr @remaining, i64 %portion
  br label %head
head:
  %at = phi ptr [ %at.p, %visit ], [ %instruction, %run ]
  %scratch = phi ptr [ %scratch.p, %visit ], [ %mine, %run ]
  %group = phi ptr [ %group.p, %visit ], [ %job, %run ]
  %count = phi i32 [ %count.p, %visit ], [ %counted, %run ]
  %look = load atomic i64, ptr %left.at monotonic, align 8
  %any = icmp sgt i64 %look, 0
  br i1 %any, label %claim, label %next
next:
  %tried.next = add i64 %tried, 1
  %up = add i64 %portion, 1
  %past = icmp uge i64 %up, %guess
  %portion.next = select i1 %past, i64 0, i64 %up
  %more = icmp ult i64 %tried.next, %guess
  br i1 %more, label %visit, label %exit
claim:
  %left = atomicrmw sub ptr %left.at, i64 1 acq_rel
  %won = icmp sgt i64 %left, 0
  br i1 %won, label %claimed, label %next
claimed:
  %is.first = icmp eq ptr %group, null
  br i1 %is.first, label %enter, label %go
enter:
  %job.new = load ptr, ptr @job.group
  %at.new = load ptr, ptr %job.new
  %launcher = icmp ne ptr %given, null
  br i1 %launcher, label %go, label %remember
remember:                                  ; a thread may come back to a job, and must not be counted twice
  %job.number = load i64, ptr @job.number
  %last.number = load i64, ptr %memo
  %last.scratch.at = getelementptr i64, ptr %memo, i64 1
  %last.scratch = load ptr, ptr %last.scratch.at
  %again = icmp eq i64 %job.number, %last.number
  br i1 %again, label %go, label %place
place:
  %number = atomicrmw add ptr @entered, i64 1 monotonic
  %base = load ptr, ptr @job.scratch
  %stride = load i64, ptr @job.stride
  %offset = mul i64 %number, %stride
  %scratch.new = getelementptr i8, ptr %base, i64 %offset
  store i64 %job.number, ptr %memo
  store ptr %scratch.new, ptr %last.scratch.at
  br label %go
go:
  %job = phi ptr [ %group, %claimed ], [ %job.new, %enter ], [ %job.new, %remember ], [ %job.new, %place ]
  %cursor = phi ptr [ %at, %claimed ], [ %at.new, %enter ], [ %at.new, %remember ], [ %at.new, %place ]
  %mine = phi ptr [ %scratch, %claimed ], [ %given, %enter ], [ %last.scratch, %remember ], [ %scratch.new, %place ]
  %chunks.at = getelementptr %group, ptr %job, i64 0, i32 2
  %chunks = load i64, ptr %chunks.at
  %portions = load i64, ptr @job.portions
  %following.portion = add i64 %portion, 1
  %portion.end = call i64 @portion_start(i64 %following.portion, i64 %portions, i64 %chunks)
  %chunk = sub i64 %portion.end, %left
  %cursor.start.at = getelementptr %instruction, ptr %cursor, i64 0, i32 5
  %cursor.start = load i64, ptr %cursor.start.at
  %ahead = icmp sge i64 %chunk, %cursor.start
  %job.first = load ptr, ptr %job
  %from = select i1 %ahead, ptr %cursor, ptr %job.first
  br label %walk
walk:                                      ; to the instruction that the chunk belongs to
  %instruction = phi ptr [ %from, %go ], [ %following, %step ]
  %own.at = getelementptr %instruction, ptr %instruction, i64 0, i32 4
  %own = load i64, ptr %own.at
  %start.at = getelementptr %instruction, ptr %instruction, i64 0, i32 5
  %start = load i64, ptr %start.at
  %inside = sub i64 %chunk, %start
  %found = icmp slt i64 %inside, %own
  br i1 %found, label %run, label %step
step:
  %following = getelementptr %instruction, ptr %instruction, i64 1
  br label %walk
run:
  %kernel = load ptr, ptr %instruction
  %args.at = getelementptr %instruction, ptr %instruction, i64 0, i32 1
  %args = load ptr, ptr %args.at
  %units.at = getelementptr %instruction, ptr %instruction, i64 0, i32 2
  %units = load i64, ptr %units.at
  %grain.at = getelementptr %instruction, ptr %instruction, i64 0, i32 3
  %grain = load i64, ptr %grain.at
  %begin = mul i64 %inside, %grain
  %stop = add i64 %begin, %grain
  %end = call i64 @llvm.smin.i64(i64 %stop, i64 %units)
  call void %kernel(ptr %args, i64 %begin, i64 %end, ptr %mine)
  %counted = add i32 %count, 1
  br label %head
exit:
  %took = icmp ne i32 %count, 0
  br i1 %took, label %report, label %leave
report:                                    ; the job may end with this addition: its words must not be read any more
  %before = atomicrmw add ptr @done, i32 %count seq_cst
  %sleeping = load atomic i64, ptr @waiting seq_cst, align 8
  %sleeps = icmp ne i64 %sleeping, 0
  br i1 %sleeps, label %rouse, label %leave
rouse:
  call void @wake(ptr @done, i64 1)
  br label %leave
leave:
  ret void
}}

; Offer a group's chunks, in portions.
define internal void @offer(i64 %chunks) nounwind {{
entry:
  %helpers = load atomic i64, ptr @alive monotonic, align 8
  %threads = add i64 %helpers, 1
  %most = call i64 @llvm.smin.i64(i64 %threads, i64 {PORTIONS})
  %portions = call i64 @llvm.smin.i64(i64 %most, i64 %chunks)
  store atomic i64 %portions, ptr @job.portions monotonic, align 8
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %head ]
  %start = phi i64 [ 0, %entry ], [ %end, %head ]
  %next = add i64 %i, 1
  %end = call i64 @portion_start(i64 %next, i64 %portions, i64 %chunks)
  %count = sub i64 %end, %start
  %left.at = getelementptr [16 x i64], ptr @remaining, i64 %i
  store atomic i64 %count, ptr %left.at release, align 8
  %more = icmp slt i64 %next, %portions
  br i1 %more, label %head, label %exit
exit:
  ret void
}}
"""

_WORKER = f"""
define internal ptr @worker(ptr %unused) nounwind {{
entry:
  %all = alloca [16 x i64]
  %memo = alloca [2 x i64]
  store i64 0, ptr %memo
  call void @llvm.memset.p0.i64(ptr %all, i8 -1, i64 128, i1 false)
  %masked = call i32 @pthread_sigmask(i32 0, ptr %all, ptr null)
  %place = call ptr @enlist()
  %place.number = ptrtoint ptr %place to i64
  %place.bytes = sub i64 %place.number, ptrtoint (ptr @thread_ids to i64)
  %place.index = sdiv i64 %place.bytes, 4
  %behind = add i64 %place.index, 1       ; the launcher is at home in portion 0
  %home = and i64 %behind, {MOST - 1}
  br label %work
work:
  %habit = phi i64 [ {SPIN}, %entry ], [ %habit, %retire ], [ %habit.next, %resume ]
  %seen = load atomic i32, ptr @sequence seq_cst, align 4
  %alive = load atomic i64, ptr @alive seq_cst, align 8
  %wanted = load atomic i64, ptr @wanted seq_cst, align 8
  %many = icmp sgt i64 %alive, %wanted
  br i1 %many, label %retire, label %take
retire:
  %fewer = sub i64 %alive, 1
  %pair = cmpxchg ptr @alive, i64 %alive, i64 %fewer seq_cst seq_cst
  %gone = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %gone, label %delist, label %work
delist:
  %listed = icmp ne ptr %place, null
  br i1 %listed, label %clear, label %exit
clear:
  store atomic i32 0, ptr %place release, align 4
  br label %exit
exit:
  ret ptr null
take:
  call void @take_part(ptr null, i64 %home, ptr %memo)
  %idle.from = call i64 @now()
  br label %spin
spin:
  %between = phi i1 [ false, %take ], [ %between.now, %clock ]
  %busy = load atomic i64, ptr @busy monotonic, align 8
  %under.way = icmp ne i64 %busy, 0
  %free = xor i1 %under.way, true
  %between.now = or i1 %between, %free
  %patience = select i1 %under.way, i64 {SPIN_LAUNCH}, i64 %habit
  br label %round
round:
  %i = phi i64 [ 0, %spin ], [ %i.next, %quiet ]
  %current = load atomic i32, ptr @sequence acquire, align 4
  %same = icmp eq i32 %current, %seen
  br i1 %same, label %quiet, label %resume
quiet:
  call void @pause()
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, 16
  br i1 %more, label %round, label %clock
clock:
  %time = call i64 @now()
  %idle = sub i64 %time, %idle.from
  %patient = icmp slt i64 %idle, %patience
  br i1 %patient, label %spin, label %park
park:
  %more.sleepers = atomicrmw add ptr @sleepers, i64 1 seq_cst
  call void @sleep_on(ptr @sequence, i32 %seen)
  %fewer.sleepers = atomicrmw sub ptr @sleepers, i64 1 seq_cst
  br label %resume
resume:                                    ; the next wait between two launches will be like this one
  %idle.until = call i64 @now()
  %waited = sub i64 %idle.until, %idle.from
  %close = icmp slt i64 %waited, {SPIN_CLOSE}
  %habit.new = select i1 %close, i64 {SPIN_CLOSE}, i64 {SPIN}
  %habit.next = select i1 %between.now, i64 %habit.new, i64 %habit
  br label %work
}}

; A thread's place in @thread_ids; null if there is none left.
define internal ptr @enlist() nounwind {{
entry:
  %id.wide = call i64 (i64, ...) @syscall(i64 {GETTID_CALL})
  %id = trunc i64 %id.wide to i32
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %full ]
  %place = getelementptr i32, ptr @thread_ids, i64 %i
  %pair = cmpxchg ptr %place, i32 0, i32 %id seq_cst seq_cst
  %mine = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %mine, label %done, label %full
full:
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, {MOST}
  br i1 %more, label %head, label %none
done:
  ret ptr %place
none:
  ret ptr null
}}

; Keep the pool's threads off the processor that this thread is on. The scheduler would often wake them there, next to
; their waker, above all in virtual machines, where it takes idle processors for busy ones; they would then take turns
; with the launcher instead of running beside it.
define internal void @keep_clear() nounwind {{
entry:
  %mask = alloca [16 x i64]
  %cpu.narrow = call i32 @sched_getcpu()
  %cpu = sext i32 %cpu.narrow to i64
  %last = load i64, ptr @launcher_cpu
  %moved = icmp ne i64 %cpu, %last
  %small = icmp ult i64 %cpu, 1024
  %needed = and i1 %moved, %small
  br i1 %needed, label %choose, label %exit
choose:
  store i64 %cpu, ptr @launcher_cpu
  call void @llvm.memcpy.p0.p0.i64(ptr %mask, ptr @processors, i64 128, i1 false)
  %word = lshr i64 %cpu, 6
  %at = getelementptr i64, ptr %mask, i64 %word
  %bit = and i64 %cpu, 63
  %one = shl i64 1, %bit
  %not = xor i64 %one, -1
  %old = load i64, ptr %at
  %new = and i64 %old, %not
  store i64 %new, ptr %at
  br label %head
head:
  %i = phi i64 [ 0, %choose ], [ %next, %tell ]
  %found = phi i64 [ 0, %choose ], [ %found.next, %tell ]
  %place = getelementptr i32, ptr @thread_ids, i64 %i
  %id = load atomic i32, ptr %place monotonic, align 4
  %some = icmp ne i32 %id, 0
  br i1 %some, label %set, label %tell
set:                                       ; refused, without harm, when no other processor is allowed
  %result = call i32 @sched_setaffinity(i32 %id, i64 128, ptr %mask)
  br label %tell
tell:
  %counted = zext i1 %some to i64
  %found.next = add i64 %found, %counted
  %next = add i64 %i, 1
  %alive = load atomic i64, ptr @alive monotonic, align 8
  %missing = icmp slt i64 %found.next, %alive
  %room = icmp slt i64 %next, {MOST}
  %more = and i1 %missing, %room
  br i1 %more, label %head, label %exit
exit:
  ret void
}}
"""

_RUN_GROUP = f"""
; Bring the pool to the wanted size. Where the system refuses a thread, the wish is lowered to what there is.
define internal void @start_threads() nounwind {{
entry:
  %thread = alloca i64
  br label %head
head:
  %alive = load atomic i64, ptr @alive seq_cst, align 8
  %wanted = load atomic i64, ptr @wanted seq_cst, align 8
  %few = icmp slt i64 %alive, %wanted
  br i1 %few, label %start, label %exit
start:
  %allowed = call i32 @sched_getaffinity(i32 0, i64 128, ptr @processors)
  store i64 -1, ptr @launcher_cpu
  %counted = atomicrmw add ptr @alive, i64 1 seq_cst
  %error = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr null)
  %started = icmp eq i32 %error, 0
  br i1 %started, label %detach, label %refused
detach:
  %handle = load i64, ptr %thread
  %detached = call i32 @pthread_detach(i64 %handle)
  br label %head
refused:
  %without = atomicrmw sub ptr @alive, i64 1 seq_cst
  store atomic i64 %counted, ptr @wanted seq_cst, align 8
  br label %exit
exit:
  ret void
}}

; Run one group; on all threads if the caller owns the pool and there is something to share.
define internal void @run_group(ptr %group, ptr %scratch, i64 %stride, i1 %owner) nounwind {{
entry:
  %chunks.at = getelementptr %group, ptr %group, i64 0, i32 2
  %chunks = load i64, ptr %chunks.at
  %serial.at = getelementptr %group, ptr %group, i64 0, i32 3
  %serial = load i64, ptr %serial.at
  %several = icmp sgt i64 %chunks, 1
  %free = icmp eq i64 %serial, 0
  %shared = and i1 %several, %free
  %both = and i1 %shared, %owner
  br i1 %both, label %publish, label %alone
alone:
  call void @run_alone(ptr %group, ptr %scratch)
  ret void
publish:
  %old.number = load i64, ptr @job.number
  %new.number = add i64 %old.number, 1
  store i64 %new.number, ptr @job.number
  store ptr %group, ptr @job.group
  store ptr %scratch, ptr @job.scratch
  store i64 %stride, ptr @job.stride
  store atomic i64 1, ptr @entered monotonic, align 8
  store atomic i32 0, ptr @done monotonic, align 4
  call void @offer(i64 %chunks)
  %published = atomicrmw add ptr @sequence, i32 1 seq_cst
  %sleepers = load atomic i64, ptr @sleepers seq_cst, align 8
  %asleep = icmp sgt i64 %sleepers, 0
  br i1 %asleep, label %rouse, label %take
rouse:
  %helpers = sub i64 %chunks, 1
  %count = call i64 @llvm.smin.i64(i64 %helpers, i64 %sleepers)
  call void @keep_clear()
  call void @wake(ptr @sequence, i64 %count)
  br label %take
take:
  call void @take_part(ptr %scratch, i64 0, ptr null)
  %goal = trunc i64 %chunks to i32
  %now.done = load atomic i32, ptr @done acquire, align 4
  %ready = icmp eq i32 %now.done, %goal
  br i1 %ready, label %exit, label %late
late:
  %from = call i64 @now()
  br label %spin
spin:
  %i = phi i64 [ 0, %late ], [ 0, %clock ], [ %i.next, %quiet ]
  %spun = load atomic i32, ptr @done acquire, align 4
  %finished = icmp eq i32 %spun, %goal
  br i1 %finished, label %exit, label %quiet
quiet:
  call void @pause()
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, 16
  br i1 %more, label %spin, label %clock
clock:
  %time = call i64 @now()
  %waited = sub i64 %time, %from
  %patient = icmp slt i64 %waited, {SPIN_DONE}
  br i1 %patient, label %spin, label %park
park:
  store atomic i64 1, ptr @waiting seq_cst, align 8
  br label %check
check:
  %value = load atomic i32, ptr @done seq_cst, align 4
  %over = icmp eq i32 %value, %goal
  br i1 %over, label %awake, label %sleep
sleep:
  call void @sleep_on(ptr @done, i32 %value)
  br label %check
awake:
  store atomic i64 0, ptr @waiting seq_cst, align 8
  br label %exit
exit:
  ret void
}}
"""
