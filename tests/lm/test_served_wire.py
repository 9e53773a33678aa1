"""What a kernel asks of the gateway process is counted before it is read."""

import pytest

from rlm_kernel.errors import ReplError
from rlm_kernel.lm.served.wire import request_from, request_to
from rlm_kernel.protocol import CallRequest


def test_a_request_comes_out_as_it_went_in():
    request = CallRequest(({"role": "user", "content": 'a,[{"\ud800' * 100},), "m", stop=("x",))
    assert request_from(request_to(request)) == request


def test_a_request_of_too_many_items_is_refused():
    with pytest.raises(ReplError, match="2,000,000 items"):
        request_from(b'{"messages":[' + b"[]," * 1_000_001)
