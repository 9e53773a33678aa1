"""The contracts between the rooms: events, commands, calls and cells, as plain dataclasses."""

from .calls import (
    Budget,
    CallRequest,
    Constraint,
    GatewayClient,
    Ledger,
    Message,
    ModelInfo,
    OnText,
    Origin,
    Provider,
    Reply,
    Sink,
    Usage,
)
from .cells import (
    AnswerState,
    Call,
    CellError,
    CellResult,
    Limits,
    Output,
    Query,
    Repl,
    Services,
    Setup,
    Where,
)
from .control import COMMANDS, Ack, Command, Control, command_from_dict
from .events import (
    EVENTS,
    PROTOCOL_VERSION,
    Event,
    Logged,
    NodeKind,
    event_from_dict,
    event_to_dict,
    usage_from_dict,
    usage_to_dict,
)

__all__ = [
    "COMMANDS", "EVENTS", "PROTOCOL_VERSION", "Ack", "AnswerState", "Budget", "Call",
    "CallRequest", "CellError", "CellResult", "Command", "Constraint", "Control", "Event",
    "GatewayClient", "Ledger", "Limits", "Logged", "Message", "ModelInfo", "NodeKind", "OnText",
    "Origin", "Output", "Provider", "Query", "Repl", "Reply", "Services", "Setup", "Sink",
    "Usage", "Where", "command_from_dict", "event_from_dict", "event_to_dict",
    "usage_from_dict", "usage_to_dict",
]  # fmt: skip
