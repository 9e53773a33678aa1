"""The Tiny Recursive Model: recursion inside one small network, beside the tree of calls.

``config`` and ``presets`` say what a network is made of, ``net`` applies it in numpy, ``solving``
solves puzzles with it, ``checkpoint`` keeps its weights, ``puzzles`` makes and checks what it is
asked; ``learn`` trains it (extra ``trm``, which brings torch; nothing else here imports it).
"""
