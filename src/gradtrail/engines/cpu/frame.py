"""What a kernel is told when it is called: one record of 8-byte slots, the same for all.

A thread has a copy of its own; in the caller's, the last three slots are the step's answer. The
slots that are addresses double as the bases of arguments: an argument is a base and an offset.
"""

from __future__ import annotations

from enum import IntEnum


class Slot(IntEnum):
    """The slots, by their place in the record."""

    ARENA = 0  # this block's activations and gradients
    PARAMETERS = 1
    GRADIENTS = 2  # this group's sums
    CONSTANTS = 3  # running statistics, shares of windows
    SHARED = 4  # per channel, of the whole batch
    PARTIAL = 5  # per channel, of this block
    PACKED = 6  # transformed weights
    UPDATED = 7  # the parameters after the step
    STATE = 8  # what the optimiser remembers
    STATE_UPDATED = 9
    CONSTANTS_UPDATED = 10  # the same with the running statistics after the step
    SCRATCH = 11  # this thread's, for a call or for a block between two barriers
    SAMPLES = 12  # (M, *sample) float32
    CHOSEN = 13  # int64 places in the samples
    CLASSES = 14  # int64, one per sample, or null
    TARGETS = 15  # float32 rows, one per class or one per sample
    OUTPUT = 16  # (N, outputs) float32, or null
    RESULT = 17  # per block: the loss's share, how many were right
    SCALARS = 18  # float32, of the optimiser's rule
    FLAG = 19  # where to note that something is not finite
    FIRST = 20  # the block's first sample in the batch
    VALID = 21  # how many of its lanes are samples
    COUNT = 22  # samples in the batch
    BLOCK = 23
    BLOCKS = 24
    GROUPS = 25
    SHARE = 26  # float32: 1/N
    TARGET_SCALE = 27  # float32: what this batch's targets are multiplied by
    SEED = 28
    STEP = 29
    START = 30  # of a chunk
    STOP = 31
    ARENAS = 32  # where all arenas begin, and how far one lies from the next
    ARENA_STRIDE = 33
    ARENA_PER_BLOCK = 34  # 1: one for every block, 0: one for every thread
    GRADIENTS_ALL = 35
    GRADIENTS_STRIDE = 36
    PARTIAL_ALL = 37
    PARTIAL_STRIDE = 38
    SCRATCH_ALL = 39
    SCRATCH_STRIDE = 40
    PER_BLOCK = 41  # samples of a block
    LOSS = 42  # after a step, float64: the sum of RESULT's shares
    HITS = 43  # the same of those that were right
    FLAGGED = 44  # 1 where something was not finite
    SQUARES = 45  # float64, per chunk of the parameters: the sum of the gradients' squares
    PARTS = 46  # of several outputs a row each, see kernels/loss_parts.py


SLOTS = 48
"""How many slots a frame has room for."""
