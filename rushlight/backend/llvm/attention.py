"""Attention without its scores in memory: out = softmax(q kᵀ · scale + mask) v, its gradient, and lse = log Σ exp of
each row of scores.

    plan = attention_plan.plan("forward", "f32", (L, S, E, Ev), batch, strides, scale, causal, mask)
    text = attention.kernel_text(plan.spec)

The parts: "forward" writes out and lse. From grad, out and lse (and a gradient for lse, if there is one) "gradient"
writes dq, dk and dv, a matrix of the batch a unit; where there are few of those, "query" writes dq, and "keys" dk and
dv, in smaller units, but scores are computed twice: `attention_plan.gradient_parts` chooses. `plan.words` with the
tensors' addresses in front (in the order of `attention_plan.TENSORS`) is the argument block.

Vectors run along the unit's *own* lines (queries; keys in part "keys"), and the *other* side is walked: a block of
scores is scores[other][own] = other · ownᵀ, a tile product whose A is the other side as it lies and whose B are the
unit's own lines, transposed once. So maxima and sums over keys are plain vector operations, and a block of weights is
already the B panel of the next product, totals[e][own] += other[:, e] · weights, whose A again lies right. Nothing but
the own lines is ever packed.

    forward   m' = max(m, scores), p = exp(scores − m'), l = l·exp(m − m') + Σ p, totals = totals·exp(m − m') + vᵀ p;
              out = totals / l
    gradient  p = exp(scores − lse), δ = Σ grad·out − grad_lse, ds = p (grad · vᵀ − δ); dv = pᵀ grad, dk = dsᵀ q ·
              scale, dq = ds k · scale

The forward part of up to `attention_plan.FEW` queries has a kernel of its own (`attention_few.py`). A row that may look
nowhere has l = 0: it gives zeros, and lse = −∞.
"""

from __future__ import annotations

from rushlight.backend.llvm.attention_few import FewQueries
from rushlight.backend.llvm.attention_gradient import Gradient
from rushlight.backend.llvm.attention_part import INFINITY, Part
from rushlight.backend.llvm.attention_plan import Spec
from rushlight.backend.llvm.target import Target, current, host_cpu
from rushlight.backend.llvm.text import module
from rushlight.backend.llvm.vectormath import FUNCTIONS


def kernel_text(spec: Spec, target: Target | None = None, cpu: str = "") -> str:
    """The module of a part; `target` and `cpu` are those of this machine unless given."""
    target = target or current()
    part = {"forward": _Forward, "few": FewQueries}.get(spec.part, Gradient)
    return module([part(spec).write()], target.function_attributes(cpu or host_cpu()))


class _Forward(Part):
    """The state of a line is its largest score so far, and the sum of the weights."""

    def _start(self) -> None:
        self._pack_own("q", self.word["width"], self.left, scaled=True)
        self.totals = self._room("value_totals")
        self._clear(self.totals, self.word["value_width"], self.spec.rows[2])
        for v in range(self.spec.vectors):
            self._save(self._constant(-INFINITY), self._state(0, v))
            self._save(self._constant(0.0), self._state(1, v))

    def _step(self) -> None:
        w, vectors = self.w, range(self.spec.vectors)
        self._inner("k", self.word["width"], self.left, self.scores)
        self._pack_mask()
        before = [self._load(self._state(0, v)) for v in vectors]
        with w.loop("0", self.count, 1, [(self.wide, value) for value in before]) as loop:
            for v in vectors:
                place = self._place(self.scores, loop.index, v)
                score = self._masked(self._load(place), loop.index, v)
                if self.spec.mask or self.spec.causal:
                    self._save(score, place)
                loop.next.append(
                    w.let(f"call {self.wide} @llvm.maxnum({self.wide} {loop.values[v]}, {self.wide} {score})")
                )
        most = [self._finite(value, self.lanes) for value in loop.values]
        factors = [self._exp(self._op("fsub", before[v], most[v])) for v in vectors]
        with w.loop("0", self.count, 1, [(self.wide, self._constant(0.0))] * len(vectors)) as sums:
            for v in vectors:
                place = self._place(self.scores, sums.index, v)
                weight = self._exp(self._op("fsub", self._load(place), most[v]))
                self._save(weight, place)
                sums.next.append(self._op("fadd", sums.values[v], weight))
        for v in vectors:
            self._save(loop.values[v], self._state(0, v))
            rest = self._op("fmul", self._load(self._state(1, v)), factors[v])
            self._save(self._op("fadd", rest, sums.values[v]), self._state(1, v))
        self._outer("v", self.word["value_width"], self.spec.rows[2], self.scores, self.totals, factors)

    def _exp(self, value: str) -> str:
        return FUNCTIONS["exp"](self.w, self.kind, self.lanes, value)

    def _finish(self) -> None:
        w, lanes = self.w, self.lanes
        zero, one = self._constant(0.0), self._constant(1.0)
        sums = []
        for v in range(self.spec.vectors):
            total = self._load(self._state(1, v))
            log = FUNCTIONS["log"](w, self.kind, lanes, total)
            lse = self._op("fadd", self._finite(self._load(self._state(0, v)), lanes), log)
            self._save(lse, w.at(self.turn, str(v * lanes), self.element))
            lost = w.let(f"fcmp oeq {self.wide} {total}, {zero}")
            sums.append(w.let(f"select <{lanes} x i1> {lost}, {self.wide} {one}, {self.wide} {total}"))
        with w.loop("0", w.least(w.add(self.last, 1), self.columns)) as own:
            value = w.let(f"load {self.element}, ptr {w.at(self.turn, own.index, self.element)}, align {self.size}")
            place = self._line("lse", w.add(self.first, own.index))
            w.do(f"store {self.element} {value}, ptr {place}, align {self.size}")
        self._results(
            "out",
            self.word["value_width"],
            self.spec.rows[2],
            self.totals,
            lambda value, v: self._op("fdiv", value, sums[v]),
        )
