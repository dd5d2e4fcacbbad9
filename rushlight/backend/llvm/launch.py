"""The function that runs a launch table, as LLVM IR: `launch`, a METH_FASTCALL function that Python calls directly.

What it does, in order: read the arguments; fill the slots with the arrays' data pointers and the numbers' words with
the numbers; get scratch memory; set the relocated words; run the groups, without the GIL if the table says so; give
everything back. Nothing has been changed but the table when it raises before the first group: TypeError, ValueError,
OverflowError and MemoryError leave no trace.
"""

from __future__ import annotations

# The words of a table's header, by name. `runtime.py` fills them in; the table of words is there.
HEADER = (
    "n_slots", "slots", "n_relocations", "relocations", "n_groups", "groups", "instructions", "n_leaves", "n_outputs",
    "n_numbers", "numbers", "kinds", "status", "profile", "heavy", "scratch", "parallel", "in_use",
)  # fmt: skip
WORD = {name: index for index, name in enumerate(HEADER)}

CHECK_EVERY = 100_000_000  # ns between two looks for signals such as Ctrl-C
IN_USE = -1  # what `launch` returns when another thread is running the same table


def code(head: int, list_items: int, tuple_items: int) -> str:
    """The IR. `head` is the size of a PyObject; the others are where lists and tuples have their items."""
    text = _DECLARATIONS + _SEQUENCES + _NUMBERS + _SCRATCH + _RELOCATE + _GROUPS + _LAUNCH
    text += "".join(_string(name, words) for name, words in _MESSAGES.items())
    for name, index in WORD.items():
        text = text.replace(f"${name}$", str(index))
    facts = {
        "head": head,
        "type": head - 8,
        "list": list_items,
        "tuple": tuple_items,
        "every": CHECK_EVERY,
        "busy": IN_USE,
    }
    for name, value in facts.items():
        text = text.replace(f"${name}$", str(value))
    return text


_MESSAGES = {
    "count": "launch: expected (table, leaves, numbers, outputs, arena, first group, last group)",
    "items": "launch: leaves, numbers and outputs must be lists or tuples",
    "size": "launch: not as many leaves, numbers or outputs as the table has places for",
    "array": "launch: leaves and outputs must be NumPy arrays",
}


def _string(name: str, words: str) -> str:
    return f'@text.{name} = internal constant [{len(words) + 1} x i8] c"{words}\\00"\n'


_DECLARATIONS = """
@PyExc_TypeError = external global ptr
@PyExc_ValueError = external global ptr
@PyList_Type = external global i8
@PyTuple_Type = external global i8
@PyFloat_Type = external global i8
@ndarray = global ptr null                 ; NumPy's array type
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare double @PyFloat_AsDouble(ptr)
declare i32 @PyType_IsSubtype(ptr, ptr)
declare ptr @PyErr_Occurred()
declare ptr @PyErr_NoMemory()
declare i32 @PyErr_CheckSignals()
declare void @PyErr_SetString(ptr, ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(ptr)

define internal i64 @word(ptr %table, i64 %index) nounwind {
  %at = getelementptr i64, ptr %table, i64 %index
  %value = load i64, ptr %at
  ret i64 %value
}
define internal ptr @address(ptr %table, i64 %index) nounwind {
  %at = getelementptr i64, ptr %table, i64 %index
  %value = load ptr, ptr %at
  ret ptr %value
}
define internal ptr @argument(ptr %args, i64 %index) nounwind {
  %at = getelementptr ptr, ptr %args, i64 %index
  %value = load ptr, ptr %at
  ret ptr %value
}
define internal void @raise(ptr %class.at, ptr %text) nounwind {
  %class = load ptr, ptr %class.at
  call void @PyErr_SetString(ptr %class, ptr %text)
  ret void
}
define internal ptr @type_of(ptr %object) nounwind {
  %at = getelementptr i8, ptr %object, i64 $type$
  %type = load ptr, ptr %at
  ret ptr %type
}
"""

_SEQUENCES = """
; The items of a list or tuple and how many they are; -1 with an exception set if it is neither or there are not
; `expected`.
define internal i64 @items(ptr %object, i64 %expected, ptr %out) nounwind {
  %type = call ptr @type_of(ptr %object)
  %size.at = getelementptr i8, ptr %object, i64 $head$
  %is.list = icmp eq ptr %type, @PyList_Type
  br i1 %is.list, label %list, label %other
list:
  %items.at = getelementptr i8, ptr %object, i64 $list$
  %items = load ptr, ptr %items.at
  br label %known
other:
  %is.tuple = icmp eq ptr %type, @PyTuple_Type
  br i1 %is.tuple, label %tuple, label %neither
tuple:
  %inline = getelementptr i8, ptr %object, i64 $tuple$
  br label %known
known:
  %found = phi ptr [ %items, %list ], [ %inline, %tuple ]
  store ptr %found, ptr %out
  %size = load i64, ptr %size.at
  %right = icmp eq i64 %size, %expected
  br i1 %right, label %done, label %wrong
done:
  ret i64 %size
neither:
  call void @raise(ptr @PyExc_TypeError, ptr @text.items)
  ret i64 -1
wrong:
  call void @raise(ptr @PyExc_ValueError, ptr @text.size)
  ret i64 -1
}

; The data pointers of a sequence of arrays, written to consecutive slots; false with an exception set.
define internal i1 @fill_slots(ptr %object, i64 %expected, ptr %slots) nounwind {
entry:
  %out = alloca ptr
  %count = call i64 @items(ptr %object, i64 %expected, ptr %out)
  %bad = icmp slt i64 %count, 0
  br i1 %bad, label %fail, label %start
start:
  %items = load ptr, ptr %out
  %ndarray = load ptr, ptr @ndarray
  br label %head
head:
  %i = phi i64 [ 0, %start ], [ %next, %body ]
  %going = icmp slt i64 %i, %count
  br i1 %going, label %check, label %done
check:
  %item = call ptr @argument(ptr %items, i64 %i)
  %type = call ptr @type_of(ptr %item)
  %right = icmp eq ptr %type, %ndarray
  br i1 %right, label %body, label %subclass
subclass:
  %derived = call i32 @PyType_IsSubtype(ptr %type, ptr %ndarray)
  %is.derived = icmp ne i32 %derived, 0
  br i1 %is.derived, label %body, label %wrong
body:
  %data.at = getelementptr i8, ptr %item, i64 $head$
  %data = load ptr, ptr %data.at
  %slot = getelementptr ptr, ptr %slots, i64 %i
  store ptr %data, ptr %slot
  %next = add i64 %i, 1
  br label %head
done:
  ret i1 true
wrong:
  call void @raise(ptr @PyExc_TypeError, ptr @text.array)
  br label %fail
fail:
  ret i1 false
}
"""

_NUMBERS = """
; The numbers, written as float64 or int64 as the kinds say; false with an exception set.
define internal i1 @fill_numbers(ptr %table, ptr %object) nounwind {
entry:
  %out = alloca ptr
  %expected = call i64 @word(ptr %table, i64 $n_numbers$)
  %count = call i64 @items(ptr %object, i64 %expected, ptr %out)
  %bad = icmp slt i64 %count, 0
  br i1 %bad, label %fail, label %start
start:
  %items = load ptr, ptr %out
  %numbers = call ptr @address(ptr %table, i64 $numbers$)
  %kinds = call ptr @address(ptr %table, i64 $kinds$)
  br label %head
head:
  %i = phi i64 [ 0, %start ], [ %next, %store ]
  %going = icmp slt i64 %i, %count
  br i1 %going, label %body, label %done
body:
  %item = call ptr @argument(ptr %items, i64 %i)
  %kind = call i64 @word(ptr %kinds, i64 %i)
  %float = icmp ne i64 %kind, 0
  br i1 %float, label %as.float, label %as.int
as.float:
  %type = call ptr @type_of(ptr %item)
  %plain = icmp eq ptr %type, @PyFloat_Type
  br i1 %plain, label %read, label %convert
read:
  %value.at = getelementptr i8, ptr %item, i64 $head$
  %bits = load i64, ptr %value.at
  br label %store
convert:
  %double = call double @PyFloat_AsDouble(ptr %item)
  %double.bits = bitcast double %double to i64
  %suspect = fcmp oeq double %double, -1.0
  br i1 %suspect, label %look, label %store
as.int:
  %long = call i64 @PyLong_AsLongLong(ptr %item)
  %doubtful = icmp eq i64 %long, -1
  br i1 %doubtful, label %look, label %store
look:
  %looked = phi i64 [ %double.bits, %convert ], [ %long, %as.int ]
  %error = call ptr @PyErr_Occurred()
  %fine = icmp eq ptr %error, null
  br i1 %fine, label %store, label %fail
store:
  %result = phi i64 [ %bits, %read ], [ %double.bits, %convert ], [ %long, %as.int ], [ %looked, %look ]
  %place = getelementptr i64, ptr %numbers, i64 %i
  store i64 %result, ptr %place
  %next = add i64 %i, 1
  br label %head
done:
  ret i1 true
fail:
  ret i1 false
}
"""

_SCRATCH = """
; Scratch memory of at least so many bytes, 128-byte aligned after a head of 128 bytes that holds {bytes, what to
; free}; or null. One block is kept when no launch uses it.
define internal ptr @get_scratch(i64 %bytes) nounwind {
  %spare = atomicrmw xchg ptr @spare, ptr null acq_rel
  %none = icmp eq ptr %spare, null
  br i1 %none, label %allocate, label %measure
measure:
  %size = load i64, ptr %spare
  %enough = icmp sge i64 %size, %bytes
  br i1 %enough, label %keep, label %small
keep:
  ret ptr %spare
small:
  call void @free_scratch(ptr %spare)
  br label %allocate
allocate:
  %with.head = add i64 %bytes, 256
  %raw = call ptr @PyMem_RawMalloc(i64 %with.head)
  %failed = icmp eq ptr %raw, null
  br i1 %failed, label %fail, label %align
align:
  %number = ptrtoint ptr %raw to i64
  %up = add i64 %number, 127
  %aligned = and i64 %up, -128
  %block = inttoptr i64 %aligned to ptr
  store i64 %bytes, ptr %block
  %raw.at = getelementptr i64, ptr %block, i64 1
  store ptr %raw, ptr %raw.at
  ret ptr %block
fail:
  ret ptr null
}
define internal void @free_scratch(ptr %block) nounwind {
  %raw.at = getelementptr i64, ptr %block, i64 1
  %raw = load ptr, ptr %raw.at
  call void @PyMem_RawFree(ptr %raw)
  ret void
}
define internal void @give_scratch(ptr %block) nounwind {
  %old = atomicrmw xchg ptr @spare, ptr %block acq_rel
  %none = icmp eq ptr %old, null
  br i1 %none, label %done, label %free
free:
  call void @free_scratch(ptr %old)
  br label %done
done:
  ret void
}
"""

_RELOCATE = """
; For every relocation {address of a word, slot, offset}: word = slots[slot] + offset.
define internal void @relocate(ptr %table, ptr %slots) nounwind {
entry:
  %count = call i64 @word(ptr %table, i64 $n_relocations$)
  %list = call ptr @address(ptr %table, i64 $relocations$)
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %going = icmp slt i64 %i, %count
  br i1 %going, label %body, label %done
body:
  %at = getelementptr [3 x i64], ptr %list, i64 %i
  %target = load ptr, ptr %at
  %slot.at = getelementptr i64, ptr %at, i64 1
  %slot = load i64, ptr %slot.at
  %offset.at = getelementptr i64, ptr %at, i64 2
  %offset = load i64, ptr %offset.at
  %base = call i64 @word(ptr %slots, i64 %slot)
  %value = add i64 %base, %offset
  store i64 %value, ptr %target
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}
"""

_GROUPS = """
; Run the groups [first, last) until one sets the status; false if a signal handler raised.
define internal i1 @run_groups(ptr %table, i64 %first, i64 %last, ptr %scratch, i64 %stride, i1 %owner) nounwind {
entry:
  %groups = call ptr @address(ptr %table, i64 $groups$)
  %status = call ptr @address(ptr %table, i64 $status$)
  %profile = call ptr @address(ptr %table, i64 $profile$)
  %profiled = icmp ne ptr %profile, null
  %heavy.word = call i64 @word(ptr %table, i64 $heavy$)
  %heavy = icmp ne i64 %heavy.word, 0
  br i1 %heavy, label %release, label %head
release:
  %released = call ptr @PyEval_SaveThread()
  %began = call i64 @now()
  br label %head
head:
  %i = phi i64 [ %first, %entry ], [ %first, %release ], [ %next, %after ]
  %thread = phi ptr [ null, %entry ], [ %released, %release ], [ %thread.next, %after ]
  %looked = phi i64 [ 0, %entry ], [ %began, %release ], [ %looked.next, %after ]
  %going = icmp slt i64 %i, %last
  br i1 %going, label %body, label %done
body:
  %group = getelementptr %group, ptr %groups, i64 %i
  br i1 %profiled, label %note.start, label %run
note.start:
  %start = call i64 @now()
  %start.at = getelementptr [2 x i64], ptr %profile, i64 %i
  store i64 %start, ptr %start.at
  br label %run
run:
  call void @run_group(ptr %group, ptr %scratch, i64 %stride, i1 %owner)
  br i1 %profiled, label %note.end, label %ran
note.end:
  %end = call i64 @now()
  %end.at = getelementptr [2 x i64], ptr %profile, i64 %i, i64 1
  store i64 %end, ptr %end.at
  br label %ran
ran:
  %next = add i64 %i, 1
  %fault = load atomic i64, ptr %status acquire, align 8
  %sound = icmp eq i64 %fault, 0
  br i1 %sound, label %signals, label %done
signals:
  br i1 %heavy, label %clock, label %after
clock:
  %time = call i64 @now()
  %since = sub i64 %time, %looked
  %long = icmp sgt i64 %since, $every$
  br i1 %long, label %look, label %after
look:
  call void @PyEval_RestoreThread(ptr %thread)
  %raised = call i32 @PyErr_CheckSignals()
  %stop = icmp ne i32 %raised, 0
  br i1 %stop, label %interrupted, label %again
again:
  %saved = call ptr @PyEval_SaveThread()
  br label %after
after:
  %thread.next = phi ptr [ %thread, %signals ], [ %thread, %clock ], [ %saved, %again ]
  %looked.next = phi i64 [ %looked, %signals ], [ %looked, %clock ], [ %time, %again ]
  br label %head
done:
  br i1 %heavy, label %restore, label %finished
restore:
  call void @PyEval_RestoreThread(ptr %thread)
  br label %finished
finished:
  ret i1 true
interrupted:
  ret i1 false
}
"""

_LAUNCH = """
define ptr @launch(ptr %self, ptr %args, i64 %given) nounwind {
entry:
  %right = icmp eq i64 %given, 7
  br i1 %right, label %read, label %wrong
wrong:
  call void @raise(ptr @PyExc_TypeError, ptr @text.count)
  ret ptr null
read:
  %table.object = load ptr, ptr %args
  %table.number = call i64 @PyLong_AsLongLong(ptr %table.object)
  %arena.object = call ptr @argument(ptr %args, i64 4)
  %arena = call i64 @PyLong_AsLongLong(ptr %arena.object)
  %first.object = call ptr @argument(ptr %args, i64 5)
  %first = call i64 @PyLong_AsLongLong(ptr %first.object)
  %last.object = call ptr @argument(ptr %args, i64 6)
  %last = call i64 @PyLong_AsLongLong(ptr %last.object)
  %error = call ptr @PyErr_Occurred()
  %readable = icmp eq ptr %error, null
  br i1 %readable, label %look, label %fail
look:
  %table = inttoptr i64 %table.number to ptr
  %in.use.at = getelementptr i64, ptr %table, i64 $in_use$
  %previous = atomicrmw xchg ptr %in.use.at, i64 1 acquire
  %used = icmp ne i64 %previous, 0
  br i1 %used, label %in.use, label %leaves
in.use:
  %in.use.result = call ptr @PyLong_FromLongLong(i64 $busy$)
  ret ptr %in.use.result
leaves:
  %slots = call ptr @address(ptr %table, i64 $slots$)
  %n.leaves = call i64 @word(ptr %table, i64 $n_leaves$)
  %leaf.objects = call ptr @argument(ptr %args, i64 1)
  %leaves.ok = call i1 @fill_slots(ptr %leaf.objects, i64 %n.leaves, ptr %slots)
  br i1 %leaves.ok, label %outputs, label %leave
outputs:
  %n.outputs = call i64 @word(ptr %table, i64 $n_outputs$)
  %output.slots = getelementptr i64, ptr %slots, i64 %n.leaves
  %output.objects = call ptr @argument(ptr %args, i64 3)
  %outputs.ok = call i1 @fill_slots(ptr %output.objects, i64 %n.outputs, ptr %output.slots)
  br i1 %outputs.ok, label %numbers, label %leave
numbers:
  %arena.slot = getelementptr i64, ptr %output.slots, i64 %n.outputs
  store i64 %arena, ptr %arena.slot
  %number.objects = call ptr @argument(ptr %args, i64 2)
  %numbers.ok = call i1 @fill_numbers(ptr %table, ptr %number.objects)
  br i1 %numbers.ok, label %pool, label %leave
pool:                                      ; worth sharing, threads wanted, and nobody else has them?
  %parallel.word = call i64 @word(ptr %table, i64 $parallel$)
  %parallel = icmp ne i64 %parallel.word, 0
  %wanted = load atomic i64, ptr @wanted monotonic, align 8
  %threads = icmp sgt i64 %wanted, 0
  %shared = and i1 %parallel, %threads
  br i1 %shared, label %claim, label %scratch
claim:
  %pair = cmpxchg ptr @busy, i64 0, i64 1 acq_rel acquire
  %claimed = extractvalue { i64, i1 } %pair, 1
  br i1 %claimed, label %start, label %scratch
start:
  call void @start_threads()
  %helpers = load atomic i64, ptr @alive seq_cst, align 8
  br label %scratch
scratch:
  %owner = phi i1 [ false, %pool ], [ false, %claim ], [ true, %start ]
  %others = phi i64 [ 0, %pool ], [ 0, %claim ], [ %helpers, %start ]
  %stride = call i64 @word(ptr %table, i64 $scratch$)
  %people = add i64 %others, 1
  %bytes = mul i64 %people, %stride
  %no.scratch = icmp eq i64 %bytes, 0
  br i1 %no.scratch, label %go, label %allocate
allocate:
  %new = call ptr @get_scratch(i64 %bytes)
  %no.memory = icmp eq ptr %new, null
  br i1 %no.memory, label %starved, label %go
starved:
  %ignored = call ptr @PyErr_NoMemory()
  br label %unclaim
go:
  %block = phi ptr [ null, %scratch ], [ %new, %allocate ]
  %usable = getelementptr i8, ptr %block, i64 128
  call void @relocate(ptr %table, ptr %slots)
  %status.at = call ptr @address(ptr %table, i64 $status$)
  store i64 0, ptr %status.at
  %finished = call i1 @run_groups(ptr %table, i64 %first, i64 %last, ptr %usable, i64 %stride, i1 %owner)
  %status = load i64, ptr %status.at
  %some = icmp ne ptr %block, null
  br i1 %some, label %give, label %unclaim
give:
  call void @give_scratch(ptr %block)
  br label %unclaim
unclaim:
  %success = phi i1 [ false, %starved ], [ %finished, %go ], [ %finished, %give ]
  %result.number = phi i64 [ 0, %starved ], [ %status, %go ], [ %status, %give ]
  br i1 %owner, label %free, label %result
free:
  store atomic i64 0, ptr @busy release, align 8
  br label %result
result:
  store atomic i64 0, ptr %in.use.at release, align 8
  br i1 %success, label %answer, label %fail
answer:
  %number = call ptr @PyLong_FromLongLong(i64 %result.number)
  ret ptr %number
leave:
  store atomic i64 0, ptr %in.use.at release, align 8
  br label %fail
fail:
  ret ptr null
}
"""
