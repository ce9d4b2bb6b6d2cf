from sse_server.endpoints.router import Router
from sse_server.endpoints.status import StatusEndpoint
from tests.endpoints.fakes import get, header_of, respond, value_of


def test_the_process_is_healthy_even_while_it_is_not_ready() -> None:
    router = Router()
    StatusEndpoint(lambda: "it drains").add_to(router)
    response = respond(router, get(b"/healthz"))
    assert response.status == 200
    assert value_of(response) == {"status": "ok"}
    assert header_of(response, b"cache-control") == b"no-store"


def test_readiness_is_asked_each_time() -> None:
    reasons = ["it starts", None, "it drains"]
    router = Router()
    StatusEndpoint(lambda: reasons.pop(0)).add_to(router)
    first, second, third = (respond(router, get(b"/readyz")) for _ in range(3))
    assert [first.status, second.status, third.status] == [503, 200, 503]
    assert value_of(first) == {"error": "unavailable", "message": "not ready: it starts"}
    assert value_of(second) == {"status": "ready"}
