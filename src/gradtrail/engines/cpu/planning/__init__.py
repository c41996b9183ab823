"""From equations to calls: what there is to do, where the arrays lie, which kernel does what.

planner.py         the whole program
work.py            the forms of all nodes and adjoints, what is computed along with what
places.py          a place for every array, with the halo that its readers need
draft.py           calls being collected, with what all of the rest share
forward.py, backward.py                     one node's calls
batch_norms.py, sample_wise.py              those of norms, and of softmax
linear_weights.py, per_sample.py            sums over samples alone; each sample's shares
winograd.py        which convolutions are done by Winograd's algorithm, and their calls
"""
