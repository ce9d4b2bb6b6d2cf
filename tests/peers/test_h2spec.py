"""h2spec: every case it has, strict ones too, over TLS and on the port that speaks both versions.

It takes a closed connection for most errors: `tests/http/test_h2_errors.py` sees to the codes.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sse_server import ServerOptions
from sse_server.net.tls import TlsOptions
from tests.conftest import require_peer
from tests.peers.conftest import HERE
from tests.running_server import RunningServer, run_server

H2SPEC = HERE / "go" / "bin" / "h2spec"
CASES = 146  # those of version 2.2.1
CASE_TIMEOUT_SECONDS = 10  # is reached only where the server does not do what is waited for
RUN_TIMEOUT_SECONDS = 120
# A short answer: some cases wait for the end of the stream, and an event stream has none.
PATH = "/healthz"


@pytest.fixture(params=["clear", "tls"])
def running(request: pytest.FixtureRequest, certificate: TlsOptions) -> Iterator[RunningServer]:
    """A server in clear, where HTTP/1.1 is spoken as well, and one over TLS."""
    tls = certificate if request.param == "tls" else TlsOptions()
    options = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, tls=tls, allow_anonymous=True)
    with run_server("uvloop", options) as running:
        yield running


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 10)
def test_every_case_passes(running: RunningServer, tmp_path: Path) -> None:
    require_peer("h2spec", present=H2SPEC.exists(), reason="make test-peers, which needs Go")
    report = tmp_path / "report.xml"
    command = [str(H2SPEC), "--strict", "--port", str(running.port), "--path", PATH]
    command += ["--timeout", str(CASE_TIMEOUT_SECONDS), "--junit-report", str(report)]
    if running.server.scheme == "https":
        command += ["--tls", "--insecure"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_TIMEOUT_SECONDS, check=False
    )
    assert report.exists(), done.stdout + done.stderr
    cases = list(ElementTree.parse(report).iter("testcase"))
    not_passed = [case.attrib for case in cases if len(case)]
    assert not_passed == [], done.stdout
    assert (done.returncode, len(cases)) == (0, CASES), done.stdout + done.stderr
