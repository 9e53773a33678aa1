"""A process that runs a question and kills itself after an event of its log, by number or type."""

import json
import os
import signal
import sys

given = json.loads(sys.argv[1])


def main() -> None:
    from rlm_kernel import RLM

    after = given["after"]

    def die(logged: object) -> None:
        event = logged.event  # type: ignore[attr-defined]
        if after in (logged.seq, event.type):  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)

    rlm = RLM(
        model="openai/x-root", sub_model="openai/x-sub", api_base=given["base"], api_key="sk-none",
        max_depth=2, **given.get("options", {}),
    )  # fmt: skip
    run = rlm.start("What of it?", given["text"])
    run.log.listen(die, since=0)
    run.wait()
    print(run.status, run.reason)
    rlm.close()


if __name__ == "__main__":
    main()
