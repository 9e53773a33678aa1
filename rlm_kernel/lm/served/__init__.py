"""The gateway process: the one that has the keys, beside the kernels that don't.

A launcher (``rlm_kernel.notebook.launch``) starts it for a notebook kernel and hands the kernel an
address and a *capability*: a token that says what its owner may spend. The kernel's ``Gateway``
then finds each model of a provider as a ``RemoteProvider``, which sends the request there;
everything else of a call (node, cache, budget of the run, retries) stays where it was.

- ``place``: where its files lie. ``address``: where it listens. ``start``: starting it.
- ``__main__``: the process that keeps the keys and starts the worker again when that dies.
  ``worker``: the server. ``wire``: what is sent.
- ``client``: the kernel's end. ``ends``: connections for one in a box. ``remote``: its provider.
"""
