"""The kernel *RLM (sandboxed)*, inside of its box: ``python -m rlm_kernel.notebook.boxed -f FILE``.

The relay starts it. It is the kernel ``rlm`` in all else.
"""

from __future__ import annotations

from typing import Any

from ..repl.box import inside


def main() -> None:
    """Put this process into its box, then start the kernel."""
    inside.end_with_parent()
    policy = inside.first()
    # Imported in the box: what these bring is code of packages, and they start threads.
    import zmq
    from ipykernel.kernelapp import IPKernelApp
    from traitlets.config import Config

    from ..lm.served.client import install_from_environment
    from .kernel import RLMKernel

    install_from_environment()
    config = Config()
    config.IPKernelApp.parent_handle = 1  # nobody to look after: it ends with its parent anyhow
    app: Any = IPKernelApp.instance(kernel_class=RLMKernel, config=config)
    app.initialize()
    published = app.iopub_thread
    # The relay takes in little at a time: what it hasn't read yet waits here, and isn't dropped.
    published.schedule(lambda: published.socket.setsockopt(zmq.XPUB_NODROP, 1))
    inside.then(policy)
    app.start()


if __name__ == "__main__":
    main()
