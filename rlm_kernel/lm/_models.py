"""Which provider a model's name means, and whether a key for it is there.

A key in the environment is looked at only for the model that a person named, and goes only to
the host it is for.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import ConfigError
from . import pricing
from .openai_direct import OPENAI

THREE_WAYS = (
    'There are three ways to a model: a key in the environment (OPENAI_API_KEY for "openai/…", '
    'ANTHROPIC_API_KEY for "anthropic/…", …), an OpenAI-compatible server such as Ollama or vLLM '
    '(model="openai/NAME", api_base="http://localhost:11434/v1"), or the local model '
    '(model="local").'
)

# litellm prefixes whose servers don't speak chat completions at api_base itself.
_OWN_WIRE = {
    "anthropic", "azure", "azure_ai", "bedrock", "cohere", "gemini", "huggingface", "ollama",
    "ollama_chat", "replicate", "sagemaker", "vertex_ai", "watsonx",
}  # fmt: skip
# Prefixes that only say which server it is; the server wants the rest as the name.
_ANY_SERVER = ("openai/", "hosted_vllm/", "vllm/", "lm_studio/", "llamafile/", "custom_openai/")

# The variables of which one must be set, by litellm's provider.
_KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "text-completion-openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openrouter": ("OPENROUTER_API_KEY", "OR_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "together_ai": ("TOGETHER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY"),
    "fireworks_ai": ("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
    "xai": ("XAI_API_KEY",),
    "cerebras": ("CEREBRAS_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "perplexity": ("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"),
}


def key_names() -> list[str]:
    """Give the variables that keys are looked for in."""
    return sorted({name for names in _KEYS.values() for name in names})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is: by which path, under which name, at which address, with which key."""

    path: str  # "direct" or "litellm"
    name: str
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)


def place(
    model: str, api_base: str | None = None, api_key: str | None = None, direct: bool = True
) -> Place:
    """Find where a model is, without the network.

    Raises:
        ConfigError: nothing is known of the name, or its key is missing.
    """
    model = model.strip()
    if not model:
        raise ConfigError("No model is named. " + THREE_WAYS)
    prefix, _, rest = model.partition("/")
    if api_base and not (rest and prefix in _OWN_WIRE):
        if direct:
            return Place("direct", _bare(model), api_base, api_key or _host_key(api_base))
        return Place("litellm", f"openai/{_bare(model)}", api_base, api_key or "none")
    if prefix == "openai" and rest:
        base = os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE") or OPENAI
        key = api_key or os.environ.get("OPENAI_API_KEY")
        if not key and base == OPENAI:
            raise _no_key(model, "openai")
        if direct:
            return Place("direct", rest, base, key)
        return Place("litellm", model, None if base == OPENAI else base, key or "none")
    entry = pricing.lookup(model)
    owner = entry.provider if entry else prefix if rest else ""
    if owner not in pricing.known_providers():
        raise ConfigError(f"Nothing is known of a model {model!r}.{_near(model)} {THREE_WAYS}")
    if not rest and owner == "openai" and entry and entry.mode == "chat" and direct:
        return place(f"openai/{model}", None, api_key, direct)
    names = _KEYS.get(owner, ())
    if not api_key and names and not any(os.environ.get(n) for n in names):
        raise _no_key(model, owner)
    return Place("litellm", model, api_base, api_key)


def _near(model: str) -> str:
    """Ask whether a name that is written nearly alike was meant."""
    prefix, slash, rest = model.partition("/")
    if slash:
        known = sorted(name for name in pricing.known_providers() if name in _KEYS)
    else:
        known = ["local", "human"]
    near = difflib.get_close_matches(prefix.lower(), known, 1, 0.7)
    return f" Did you mean {near[0] + slash + rest!r}?" if near else ""


def _bare(model: str) -> str:
    for prefix in _ANY_SERVER:
        if model.startswith(prefix) and len(model) > len(prefix):
            return model[len(prefix) :]
    return model


def _host_key(api_base: str) -> str | None:
    """Find the key that belongs to a well-known host; OpenAI's is never sent to another."""
    from .openai_direct import _HOSTS

    owner = _HOSTS.get(urlsplit(api_base).hostname or "")
    return next((os.environ[n] for n in _KEYS.get(owner or "", ()) if os.environ.get(n)), None)


def _no_key(model: str, owner: str) -> ConfigError:
    name = _KEYS[owner][0]
    return ConfigError(f"There is no key for {model!r} ({name} isn't set). {THREE_WAYS}")
