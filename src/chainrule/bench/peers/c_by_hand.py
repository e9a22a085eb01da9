"""C written by hand for one sample and fixed sizes: plain loops, built by the same compiler with the same flags.

What a generated step for such sizes has to be compared with: four rows of W at a time, exponentials of the C library,
every array in its place. It is called once for many steps, so that Python costs it nothing.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from chainrule.bench.case import Arrays, Case, Contender, Ready
from chainrule.targets.c_build import build

__all__ = ["CONTENDERS", "one_sample"]

TOGETHER = 16  # steps in one call

_TEXT = r"""
#include <math.h>
enum { D = @D_x@, M = @D_h@, K = @N_c@ };

static float step(const float *restrict x, const float *restrict y, const float *restrict W, const float *restrict b1,
                  const float *restrict U, const float *restrict b2, float *restrict dW, float *restrict db1,
                  float *restrict dU, float *restrict db2)
{
    float h[M], delta[M], p[K];
    for (int j = 0; j < M; j++)
        h[j] = b1[j];
    int i = 0;
    for (; i + 4 <= D; i += 4) {
        const float *restrict w = W + i * M;
        #pragma omp simd
        for (int j = 0; j < M; j++)
            h[j] += x[i] * w[j] + x[i + 1] * w[M + j] + x[i + 2] * w[2 * M + j] + x[i + 3] * w[3 * M + j];
    }
    for (; i < D; i++)
        for (int j = 0; j < M; j++)
            h[j] += x[i] * W[i * M + j];
    for (int j = 0; j < M; j++)
        h[j] = h[j] > 0 ? h[j] : 0;
    for (int k = 0; k < K; k++)
        p[k] = b2[k];
    for (int j = 0; j < M; j++)
        #pragma omp simd
        for (int k = 0; k < K; k++)
            p[k] += h[j] * U[j * K + k];
    float top = p[0], sum = 0, dot = 0;
    for (int k = 1; k < K; k++)
        top = p[k] > top ? p[k] : top;
    for (int k = 0; k < K; k++) {
        const float t = p[k] - top;
        dot += y[k] * t;
        p[k] = expf(t);
        sum += p[k];
    }
    for (int k = 0; k < K; k++)
        db2[k] = p[k] / sum - y[k];
    for (int j = 0; j < M; j++) {
        float s = 0;
        #pragma omp simd reduction(+:s)
        for (int k = 0; k < K; k++)
            s += db2[k] * U[j * K + k];
        delta[j] = db1[j] = h[j] > 0 ? s : 0;
        #pragma omp simd
        for (int k = 0; k < K; k++)
            dU[j * K + k] = h[j] * db2[k];
    }
    for (i = 0; i < D; i++)
        #pragma omp simd
        for (int j = 0; j < M; j++)
            dW[i * M + j] = x[i] * delta[j];
    return logf(sum) - dot;
}

__attribute__((visibility("default"))) float steps(int times, float *const *a)
{
    float loss = 0;
    while (times--)
        loss = step(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
    return loss;
}
"""


def one_sample(case: Case, arrays: Arrays, threads: int) -> Ready:
    """The network of the note for a batch of one, whose labels sum to 1."""
    text = _TEXT
    for name, n in case.sizes.items():
        text = text.replace(f"@{name}@", str(n))
    steps = build(text).steps
    steps.restype, steps.argtypes = ctypes.c_float, [ctypes.c_int, ctypes.c_void_p]
    gradients = {name: np.empty_like(arrays[name]) for name in ("W", "b1", "U", "b2")}
    everything = [*(arrays[name] for name in ("X", "Y", "W", "b1", "U", "b2")), *gradients.values()]
    pointers = (ctypes.c_void_p * len(everything))(*(array.ctypes.data for array in everything))

    def run(kept: list[Any] = everything) -> Any:  # arrays live as long as their pointers are used
        return steps(TOGETHER, pointers)

    return Ready(run, lambda loss: {"loss": loss, **gradients}, share=float(TOGETHER))


CONTENDERS = {"one_layer": (Contender("C by hand", "peer", f"{__name__}:one_sample", compiles=True, sizes={"N": 1}),)}
