"""What of an environment may cross to a process that runs somebody's code."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Names that look like they hold a key. One place; a name too many costs less than a key.
SECRET = re.compile(
    r"(?:^|_)(?:API_?KEYS?|KEYS?|TOKENS?|SECRETS?|PASSWD|PWD|CREDENTIALS?|AUTH|BEARER)"
    r"(?:$|_)"
    r"|APIKEY|PASSWORD|^AWS_|^AZURE_|^GOOGLE_APPLICATION_|^GCP_|^OPENAI_|^ANTHROPIC_|^HF_|^HUGGING"
    r"|^LITELLM_|_DSN$|DATABASE_URL|^JPY_(?!PARENT_PID|SESSION_NAME|INTERRUPT)|^JUPYTERHUB_|^KAGGLE_|^GH_|^GITHUB_",
    re.IGNORECASE,
)
_HARMLESS = frozenset({"PWD", "OLDPWD"})


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """Give an environment without what looks like a key."""
    return {n: v for n, v in environ.items() if n in _HARMLESS or not SECRET.search(n)}
